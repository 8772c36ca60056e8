"""A STAC Item that describes the raster."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from app.api import responses
from app.api.operation import Operation, RequestContext, Subject, no_plan
from app.api.params import options, table
from app.api.params.groups import StacItem
from app.api.raster import metadata
from tilery.errors import InvalidParameter, TooMuchWork, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile
from tilery.reading.reader import Reader

Json = dict[str, Any]
Moment = dt.datetime


async def stac(context: RequestContext[None]) -> Response:
    """Return a STAC Item with the raster as its asset."""
    asked = context.values.to(StacItem)
    options.check_size(context.app.settings, max_size=asked.max_size)
    times = _times(asked.datetime)
    layer = None if context.subject.layer is None else context.app.links.to(context.request.scope, context.subject.base)

    def work(reader: Reader) -> Json:
        _check_pixels(reader.profile, asked.max_size, context.app.settings.max_pixels)
        return _item(reader, context.subject, asked, times, layer)

    return await responses.document(context, "stac", work, links=layer is not None)


def _check_pixels(profile: Profile, max_size: int, limit: int) -> None:
    """Check that the statistics are taken from no more pixels than a picture may have."""
    shrunk = min(1.0, max_size / max(profile.width, profile.height)) if max_size else 1.0
    if profile.width * shrunk * profile.height * shrunk > limit:
        raise TooMuchWork(
            f"Statistics would be taken from more than {limit} pixels. Give a smaller max_size.",
            parameter="max_size",
            limit=limit,
        )


def _item(reader: Reader, subject: Subject, asked: StacItem, times: tuple[Moment, ...], layer: str | None) -> Json:
    """Return the Item, made as rio-stac makes it but for footprints that reach off the globe or over its seams."""
    import pystac
    from rio_stac import stac as rio_stac

    # Says no where taking the statistics would decode more than one request may.
    reader.preview(options=ReadOptions(), width=1, height=1)
    properties, extensions = _properties(times), list(asked.extensions)
    fields: Json = {}
    moment = times[0] if len(times) == 1 else None
    with reader.dataset() as dataset:
        bbox, geometry = _footprint(reader, dataset, asked.geometry_densify, asked.geometry_precision)
        if not times:
            moment = _moment_of(dataset)
        if asked.with_proj:
            extensions.append(_extension("projection", rio_stac.PROJECTION_EXT_VERSION))
            projection = _projection(reader.profile) if reader.profile.gcps else rio_stac.get_projection_info(dataset)
            properties |= {f"proj:{name}": value for name, value in projection.items()}
        if asked.with_raster:
            extensions.append(_extension("raster", rio_stac.RASTER_EXT_VERSION))
            fields["raster:bands"] = _bands(dataset, asked.max_size)
        if asked.with_eo:
            extensions.append(_extension("eo", rio_stac.EO_EXT_VERSION))
            fields["eo:bands"] = rio_stac.get_eobands_info(dataset)
            if (cover := _cloud_cover(dataset)) is not None:
                properties["eo:cloud_cover"] = cover
        media_type = asked.asset_media_type
        if media_type == "auto":
            # The raster of a layer is not given away: there is a document that says how its tiles are fetched.
            href_is_ours = layer is not None and not asked.asset_href
            media_type = pystac.MediaType.JSON if href_is_ours else _media_type(reader.profile, dataset)
    collection = asked.collection
    item = pystac.Item(
        id=asked.id or subject.name,
        geometry=geometry,
        bbox=None if bbox is None else list(bbox),
        collection=collection,
        stac_extensions=extensions,
        datetime=moment,
        properties=properties,
    )
    if collection:
        href = asked.collection_url or collection
        item.add_link(pystac.Link(pystac.RelType.COLLECTION, href, media_type=pystac.MediaType.JSON))
    asset = pystac.Asset(
        href=asked.asset_href or layer or subject.address,
        media_type=media_type,
        extra_fields=fields,
        roles=list(asked.asset_roles),
    )
    item.add_asset(asked.asset_name, asset)
    document: Json = item.to_dict()
    return document


def _extension(name: str, version: str) -> str:
    return f"https://stac-extensions.github.io/{name}/{version}/schema.json"


def _footprint(reader: Reader, dataset: Any, densify: int, precision: int) -> tuple[Bounds | None, Json | None]:
    """Return bounding box and geometry in degrees: the outline of the raster, or its bounds where the outline is none
    on a map of the world: over the antimeridian or a pole, or off the globe. None of both without a CRS.
    """
    from rasterio.errors import RasterioError
    from rio_stac.stac import get_dataset_geom

    if reader.profile.crs is None:
        return None, None
    bounds = reader.geographic_bounds()
    west, south, east, north = bounds
    if west < east and south > -_POLE and north < _POLE and not reader.profile.gcps and reader.has_outline():
        with suppress(RasterioError, ValueError):
            found = get_dataset_geom(dataset, densify_pts=densify, precision=precision)
            box = tuple(map(float, found["bbox"]))
            if all(map(math.isfinite, box)) and -180.0 <= box[0] < box[2] <= 180.0:
                return (box[0], box[1], box[2], box[3]), found["footprint"]
    return bounds, metadata.feature(bounds, {})["geometry"]


_POLE = 89.99
"""Degrees of latitude from which an outline is one around a pole."""


def _projection(profile: Profile) -> Json:
    """Return what the projection extension says of a raster that is straightened by its ground control points."""
    left, bottom, right, top = profile.bounds
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    authority, _, code = (profile.crs or "").partition(":")
    epsg = int(code) if authority == "EPSG" and code.isdigit() else None
    return {
        "epsg": epsg,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [left, bottom, right, top],
        "shape": [profile.height, profile.width],
        "transform": [*profile.transform, 0.0, 0.0, 1.0],
        **({} if epsg or profile.crs is None else {"wkt2": crs_.to_pyproj(profile.crs).to_wkt()}),
    }


def _bands(dataset: Any, max_size: int) -> list[Json]:
    """Return what the raster extension says of each band; the share of valid pixels counted anew from the histogram,
    which holds them all: rio-stac takes no mask for a mask of one pixel.
    """
    from rio_stac.stac import get_raster_info

    try:
        bands: list[Json] = get_raster_info(dataset, max_size=max_size)
    except ValueError as error:
        raise UnsupportedRaster(
            "The values of the raster are too close to each other, or to infinity, to be counted.",
            parameter="url",
            private=str(error),
        ) from None
    shrunk = min(1.0, max_size / max(dataset.width, dataset.height)) if max_size else 1.0
    width, height = dataset.width, dataset.height
    if shrunk < 1.0:
        longer = (max_size, math.ceil(max_size * min(width, height) / max(width, height)))
        width, height = longer if width >= height else longer[::-1]
    for band in bands:
        counted = sum(band["histogram"]["buckets"])
        band["statistics"]["valid_percent"] = min(100.0, 100.0 * counted / (width * height))
    return bands


def _media_type(profile: Profile, dataset: Any) -> Any:
    import pystac
    from rio_stac.stac import get_media_type

    return pystac.MediaType.GEOTIFF if profile.gcps and dataset.driver == "GTiff" else get_media_type(dataset)


def _cloud_cover(dataset: Any) -> float | None:
    """Return the share of clouds that the raster's tags name, in percent; None where they name none that can be."""
    try:
        cover = float(dataset.get_tag_item("CLOUDCOVER", "IMAGERY") or "nan")
    except ValueError:
        return None
    if not 0.0 <= cover <= 100.0:
        return None
    return int(cover) if cover.is_integer() else cover


_TIFF_TIME = "%Y:%m:%d %H:%M:%S"
"""How TIFF 6.0 writes a moment, without a zone: taken for UTC."""


def _moment_of(dataset: Any) -> Moment:
    """Return the moment that the raster's tags name, else now."""
    from pystac.utils import str_to_datetime

    for text in (dataset.get_tag_item("ACQUISITIONDATETIME", "IMAGERY"), dataset.get_tag_item("TIFFTAG_DATETIME")):
        if not text:
            continue
        with suppress(ValueError):
            return dt.datetime.strptime(text, _TIFF_TIME).replace(tzinfo=dt.UTC)
        with suppress(ValueError, OverflowError):
            return str_to_datetime(text)
    return dt.datetime.now(dt.UTC)


def _times(text: str | None) -> tuple[Moment, ...]:
    """No, one or two moments: that of the data, or start and end."""
    if text is None:
        return ()
    from pystac.utils import str_to_datetime

    parts = text.split("/")
    if len(parts) > 2:
        raise _no_time()
    try:
        return tuple(str_to_datetime(part) for part in parts)
    except (ValueError, OverflowError):
        raise _no_time() from None


def _no_time() -> InvalidParameter:
    return InvalidParameter("datetime is a moment as 2020-01-01T00:00:00Z, or start/end.", parameter="datetime")


def _properties(times: tuple[Moment, ...]) -> Json:
    if len(times) < 2:
        return {}
    from pystac.utils import datetime_to_str

    return {"start_datetime": datetime_to_str(times[0]), "end_datetime": datetime_to_str(times[1])}


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="createSTAC",
        paths=("/stac",),
        parameters=(*table.STAC,),
        plan=no_plan,
        answer=stac,
        summary="Create STAC Item",
        description="A STAC Item that describes the raster.",
        produces=responses.produces(),
    ),
)

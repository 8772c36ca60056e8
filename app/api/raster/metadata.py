"""What a raster says of itself: info, bounds, TileJSON, the values at a point."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.responses import Response

from app.api import kvp, responses
from app.api.links import query_of
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params import groups, options, table
from app.api.params.groups import BoundsCrs, Crss, LinkedTiles
from app.api.params.parameter import Group, with_default
from app.api.raster import plans
from app.api.raster.plans import PixelOptions, TilePlan
from app.serving import cog_validation, render
from app.serving.requests import ImageOptions, PointRequest, Size, StatisticsOptions, StatisticsRequest
from tilery.errors import TileryError, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds
from tilery.reading import sidecars
from tilery.reading.reader import Reader
from tilery.reading.source import RASTER
from tilery.rendering.options import RenderOptions
from tilery.storage.locations import HttpLocation, Location

Json = dict[str, Any]

DEFAULT_TILESIZE = 512
"""Size of a TileJSON's tiles in pixels, where the request does not say it: TiTiler's since 2.0."""


async def info(context: RequestContext[None]) -> Response:
    """Return bounds, CRS, bands, data type, nodata, overviews…"""
    beside = _beside(context)
    return await responses.document(context, "info", lambda reader: {**reader.info(), **_unread(context, beside)})


def _beside(context: RequestContext[Any]) -> tuple[Location, ...]:
    """Return where files that belong to the raster may lie unread, as far as they may be looked at."""
    source, app = context.subject.source, context.app
    if source.kind != RASTER:
        return ()
    location = source.location
    if app.engine.sidecars is not None:
        return ()  # they are read
    if isinstance(location, HttpLocation) and location.query:
        return ()  # a signature is for one object alone
    allowed = app.locations if context.subject.layer is None else app.layer_locations
    found = []
    for suffix in sidecars.SUFFIXES:
        with suppress(TileryError):
            found.append(allowed.of(location.url + suffix))
    return tuple(found)


def _unread(context: RequestContext[Any], beside: tuple[Location, ...]) -> Json:
    """Return what lies beside the raster and is not read; nothing where nothing does."""
    names = sidecars.lying(beside, context.app.engine.stores)
    return {"unread_sidecars": names} if names else {}


async def info_geojson(context: RequestContext[None]) -> Response:
    """Return the same as properties of a GeoJSON Feature that covers the raster's bounds."""
    given = context.values.to(BoundsCrs)
    beside = _beside(context)
    return await responses.document(
        context,
        "info.geojson",
        lambda reader: placed(reader, given, {**reader.info(), **_unread(context, beside)}),
        media_type=responses.GEOJSON,
    )


def placed(reader: Reader, given: BoundsCrs, properties: Json) -> Json:
    """Return a Feature of the raster; without a geometry where the raster has no place on the Earth."""
    try:
        return feature(reader.geographic_bounds(given.crs), properties)
    except UnsupportedRaster:
        if given.is_given:
            raise
        return {"type": "Feature", "geometry": None, "properties": properties}


def feature(bounds: Bounds, properties: Json) -> Json:
    """Return a GeoJSON Feature of a box; two polygons where the box crosses the antimeridian (RFC 7946, 3.1.9)."""
    west, south, east, north = bounds
    if west > east:
        geometry: Json = {
            "type": "MultiPolygon",
            "coordinates": [[_ring((-180.0, south, east, north))], [_ring((west, south, 180.0, north))]],
        }
    else:
        geometry = {"type": "Polygon", "coordinates": [_ring(bounds)]}
    return {"bbox": list(bounds), "type": "Feature", "geometry": geometry, "properties": properties}


def _ring(bounds: Bounds) -> list[list[float]]:
    west, south, east, north = bounds
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


async def bounds(context: RequestContext[None]) -> Response:
    """Return the geographic bounds, as TiTiler answered until 0.25."""
    crs = context.values.to(BoundsCrs).crs
    return await responses.document(
        context,
        "bounds",
        lambda reader: {"bounds": list(reader.geographic_bounds(crs)), "crs": crs_.uri(crs) or crs},
    )


async def metadata(context: RequestContext[PixelOptions]) -> Response:
    """Answer with info and statistics in one document, as TiTiler answered until 0.4."""
    request = StatisticsRequest(
        image=ImageOptions(read=context.plan.read, render=RenderOptions()),
        size=Size(max_size=1024),
        statistics=StatisticsOptions(),
    )

    def work(reader: Reader) -> Json:
        bands = render.statistics(reader, request)
        for band in bands.values():
            band["percentiles"] = [band["percentile_2"], band["percentile_98"]]
        return {**reader.info(), "statistics": {name.removeprefix("b"): band for name, band in bands.items()}}

    return await responses.document(context, "metadata", work, identify=render.pixels)


async def tilejson(context: RequestContext[TilePlan]) -> Response:
    """Return a TileJSON document whose tiles are asked for with the parameters of this request."""
    plan, linked, scope = context.plan, context.values.to(LinkedTiles), context.request.scope
    matrix_set = context.app.tile_matrix_sets.get(context.path.matrix_set or plan.matrix_set)
    tilesize = plan.size.tilesize or DEFAULT_TILESIZE
    if linked.tile_scale and tilesize == DEFAULT_TILESIZE:
        tilesize = 256 * linked.tile_scale
    options.check_tile(context.app.settings, tilesize=tilesize, buffer=plan.size.buffer, padding=plan.size.padding)
    own = ("tile_format", "minzoom", "maxzoom", "tile_scale", "TileMatrixSetId", "tilesize")
    query = [*kvp.without(query_of(scope, without=own)), ("tilesize", str(tilesize))]
    tile_format = plans.format_of_tiles(linked.tile_format, plan.pixel_options)
    suffix = f".{tile_format}" if tile_format else ""
    tiles = context.app.links.to(
        scope, f"{context.subject.base}/tiles/{matrix_set.id}/{{z}}/{{x}}/{{y}}{suffix}", query
    )
    attribution = context.app.settings.default_attribution

    def work(reader: Reader) -> Json:
        minzoom, maxzoom = linked.zooms.over(reader.zooms(matrix_set))
        place, middle = reader.whereabouts()
        facts = reader.info()
        return {
            "tilejson": "3.0.0",
            "version": "1.0.0",
            "scheme": "tms" if matrix_set.is_upward else "xyz",
            "tiles": [tiles],
            "minzoom": minzoom,
            "maxzoom": maxzoom,
            "bounds": list(unwrapped(place)),
            "center": [*middle, minzoom],
            **({"attribution": attribution} if attribution else {}),
            "raster_layers": dict(context.family.renders(reader)) if context.family is not None else {},
            "band_descriptions": facts["band_descriptions"],
            "data_type": facts["dtype"],
            **({"minmax": facts["minmax"]} if "minmax" in facts else {}),
        }

    return await responses.document(context, f"tilejson {matrix_set.id}", work, links=True)


def unwrapped(place: Bounds) -> Bounds:
    """Return geographic bounds as TileJSON wants them, with west before east: across the antimeridian the world's
    width.

    Clients ask for no tile otherwise: https://github.com/mapbox/tilejson-spec/tree/master/3.0.0#34-bounds
    """
    west, south, east, north = place
    if west > east or west < -180.0 - _ALMOST or east > 180.0 + _ALMOST:
        west, east = -180.0, 180.0
    return (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))


_ALMOST = 0.01
"""Degrees beyond the antimeridian that are no more than an edge of pixels."""


def centre(place: Bounds) -> tuple[float, float]:
    """Return the middle of geographic bounds, also across the antimeridian."""
    west, south, east, north = place
    middle = (west + east) / 2
    if west > east:
        middle += 180.0
    return ((middle + 180.0) % 360.0 - 180.0 if abs(middle) > 180.0 else middle, (south + north) / 2)


async def validate(context: RequestContext[None]) -> Response:
    """Return whether the raster is a Cloud-Optimized GeoTIFF, and what is wrong if not."""
    strict = groups.is_strict(context.values)
    path = context.subject.address
    beside = _beside(context)

    def work(reader: Reader) -> Json:
        unread = sidecars.lying(beside, context.app.engine.stores)
        return cog_validation.validate(reader, path=path, strict=strict, unread=unread)

    return await responses.document(context, "validate", work)


def point_request(context: RequestContext[PixelOptions]) -> PointRequest:
    """Return the position that a request asks about, and how its values are read."""
    lon, lat = context.path.position
    return PointRequest(
        lon=lon,
        lat=lat,
        coord_crs=context.values.to(Crss).coord_crs,
        image=ImageOptions(read=context.plan.read, render=context.plan.render),
    )


async def point(context: RequestContext[PixelOptions]) -> Response:
    """Return the values at a position."""
    request = point_request(context)
    return await responses.document(
        context,
        f"point {request.lon},{request.lat}",
        lambda reader: render.point(reader, request),
        identify=render.pixels,
    )


_TILEJSON_QUERY: Group = (
    with_default(table.TILESIZE, DEFAULT_TILESIZE),
    table.TILE_FORMAT,
    *table.ZOOMS,
    *table.TILE_EDGES,
    *table.LAYER,
    *table.PICTURE,
    table.TILE_SCALE,
)

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        id="getInfo",
        paths=("/info",),
        parameters=(),
        plan=no_plan,
        answer=info,
        summary="Info",
        description="What the raster says of itself.",
        produces=responses.produces(),
    ),
    Operation(
        id="getInfoGeoJSON",
        paths=("/info.geojson",),
        parameters=(table.CRS,),
        plan=no_plan,
        answer=info_geojson,
        summary="Info Geojson",
        description="What the raster says of itself, as a GeoJSON Feature.",
        produces=responses.produces(responses.GEOJSON),
    ),
    Operation(
        id="getTileJSON",
        paths=("/{tileMatrixSetId}/tilejson.json",),
        parameters=(table.MATRIX_SET, *_TILEJSON_QUERY),
        plan=plans.tile_plan,
        answer=tilejson,
        summary="Tilejson",
        description="A TileJSON document of the raster.",
        produces=responses.produces(),
    ),
    Operation(
        id="getTileJSONWithoutMatrixSet",
        paths=("/tilejson.json",),
        parameters=(table.MATRIX_SET_OLD, *_TILEJSON_QUERY),
        plan=plans.tile_plan,
        answer=tilejson,
        documented=False,
    ),
    Operation(
        id="getDataForPoint",
        paths=("/point/{lon},{lat}",),
        parameters=(*table.POSITION, table.COORD_CRS, *table.LAYER),
        plan=plans.pixel_options,
        answer=point,
        summary="Point",
        description="The values at a position.",
        produces=responses.produces(),
    ),
    Operation(
        id="validate",
        paths=("/validate",),
        parameters=(table.STRICT,),
        plan=no_plan,
        answer=validate,
        summary="Validate",
        description="Whether the raster is a Cloud-Optimized GeoTIFF.",
        produces=responses.produces(),
    ),
    Operation(
        id="getBounds",
        paths=("/bounds",),
        parameters=(table.CRS,),
        plan=no_plan,
        answer=bounds,
        documented=False,
    ),
    Operation(
        id="getMetadata",
        paths=("/metadata",),
        parameters=table.LAYER,
        plan=plans.pixel_options,
        answer=metadata,
        documented=False,
    ),
)

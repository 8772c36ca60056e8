"""All routes below ``/mosaicjson``: the tiles of the mosaic that ``url`` names, and what it says of its rasters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from app.api import json_documents, request_body, responses
from app.api.context import AppContext
from app.api.operation import Family, Operation, RequestContext, Resolved, Subject
from app.api.params import groups, mosaics, table
from app.api.params.groups import BoundsCrs, Crss, Mosaicking
from app.api.params.parameter import optional
from app.api.params.parse import Values
from app.api.params.path import PathValues
from app.api.raster import legends, line_profiles, metadata, pictures, plans, statistics, tiles, tilesets
from app.api.raster.plans import PixelOptions
from app.serving import render
from app.serving.encoded import Encoded
from tilery.errors import InvalidParameter, NotFound, PointOutsideBounds, RequestError
from tilery.geo import crs as crs_
from tilery.limits import deadline, memory
from tilery.reading.mosaic.source import mosaic_source
from tilery.reading.reader import Reader

if TYPE_CHECKING:
    from tilery.reading.mosaic.dataset import MosaicDataset
    from tilery.reading.open_datasets import OpenDataset

Json = dict[str, Any]
JSON = responses.JSON
_WRITTEN = 8
"""Bytes that a document takes for each of its own while it is written: in parts, and all of them joined twice."""


class NoAsset(NotFound):
    """The mosaic has no raster there."""

    code = "no_asset"


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:  # noqa: ARG001 - one of several
    """Return the query as it is; what is read is the mosaic whose document is at ``url``."""

    def subject_of(values: Values) -> Subject:
        url = groups.url(values)
        return Subject(
            source=mosaic_source(app.locations.of(url)),
            base=FAMILY.path,
            address=url,
            name=url.partition("?")[0].rstrip("/").rpartition("/")[2],
            title=url,
        )

    return query, subject_of


def _dataset(reader: Reader) -> MosaicDataset:
    return cast("MosaicDataset", reader.source)


async def admit(context: RequestContext[Any]) -> None:
    """Let a tile be made, unless only zooms that the mosaic offers are wanted and it is of another.

    Raises:
        RequestError: it is.
    """
    if not context.app.settings.mosaic_strict_zoom:
        return
    name = context.path.matrix_set or groups.matrix_set(context.values)
    matrix_set, zoom = context.app.tile_matrix_sets.get(name), context.path.tile[0]
    source = context.subject.source
    reader = context.app.engine.peek(source)
    lowest, highest = (
        await context.app.service.run_with_reader(source, lambda opened: opened.zooms(matrix_set))
        if reader is None
        else reader.zooms(matrix_set)
    )
    if not lowest <= zoom <= highest:
        raise RequestError(f"The mosaic has zooms {lowest} to {highest}; {zoom} is not one of them.", parameter="z")


async def read(context: RequestContext[None]) -> Response:
    """Return the document, with what counts where it says nothing."""

    def work(reader: Reader) -> Encoded:
        mosaic = _dataset(reader).mosaic
        memory.need(_WRITTEN * mosaic.size + mosaic.fields_size)
        head = json_documents.encode(mosaic.head())
        tiles_ = b",".join(
            json_documents.encode(quadkey) + b":" + json_documents.encode(names)
            for quadkey, names in deadline.paced(mosaic.quadkeys(), every=256)
        )
        return Encoded(body=b'%b,"tiles":{%b}}' % (head[:-1], tiles_), media_type=JSON)

    return await responses.made(context, "mosaic", work, media_type=JSON)


async def info(context: RequestContext[None]) -> Response:
    """Return where the mosaic is, what it is called, and its zooms."""
    return await responses.document(context, "info", _info)


async def info_geojson(context: RequestContext[None]) -> Response:
    """Return the same as properties of a GeoJSON Feature that covers its bounds."""
    crs = context.values.to(BoundsCrs).crs
    return await responses.document(
        context,
        "info.geojson",
        lambda reader: metadata.feature(reader.geographic_bounds(crs), _info(reader)),
        media_type=responses.GEOJSON,
    )


def _info(reader: Reader) -> Json:
    mosaic = _dataset(reader).mosaic
    crs, matrix_set = reader.profile.crs or crs_.WGS84, mosaic.matrix_set
    said = f"<TileMatrixSet title='{matrix_set.title}' id='{matrix_set.id}' crs='{crs_.uri(matrix_set.crs)}>"
    return {
        "bounds": list(mosaic.bounds),
        "crs": crs_.uri(crs) or crs,
        "name": mosaic.name or "mosaic",
        "quadkeys": [],
        "mosaic_tilematrixset": said,
        "mosaic_minzoom": mosaic.minzoom,
        "mosaic_maxzoom": mosaic.maxzoom,
    }


async def assets_of_tile(context: RequestContext[None]) -> Response:
    """Return addresses of the rasters that a tile may be made of."""
    z, x, y = context.path.tile
    matrix_set = context.app.tile_matrix_sets.get(context.path.matrix_set or groups.matrix_set(context.values))
    bounds = matrix_set.tile_bounds(z, x, y)
    return await responses.document(
        context,
        f"assets {matrix_set.id} {z}/{x}/{y}",
        lambda reader: _dataset(reader).assets_for(matrix_set.crs, bounds),
    )


async def assets_of_position(context: RequestContext[None]) -> Response:
    """Return addresses of the rasters that a position may lie on."""
    (lon, lat), crs = context.path.position, context.values.to(Crss).coord_crs
    return await responses.document(
        context, f"assets {lon},{lat}", lambda reader: _dataset(reader).assets_at(lon, lat, crs)
    )


async def assets_of_box(context: RequestContext[None]) -> Response:
    """Return addresses of the rasters that a box may touch."""
    box, crs = context.path.box, context.values.to(Crss).coord_crs
    return await responses.document(context, f"assets {box}", lambda reader: _dataset(reader).assets_in(box, crs))


async def point(context: RequestContext[PixelOptions]) -> Response:
    """Return the values at a position, of each raster that has some there."""
    wanted = context.values.to(Mosaicking)
    request = metadata.point_request(context)

    def values(opened: OpenDataset) -> Json | None:
        try:
            return render.point(Reader(opened), request)
        except PointOutsideBounds:
            return None

    def work(reader: Reader) -> Json:
        found = _dataset(reader).each_at(
            request.lon,
            request.lat,
            request.coord_crs,
            values,
            most=context.app.read_limits.assets,
            skip_missing=wanted.skip_missing,
        )
        if found is None:
            raise NoAsset("The mosaic has no raster at this position.")
        listed = [
            {"name": name, **{key: value for key, value in said.items() if key != "coordinates"}}
            for name, said in found
            if said is not None
        ]
        return {"coordinates": [request.lon, request.lat], "assets": listed}

    try:
        return await responses.document(context, f"point {request.lon},{request.lat}", work, identify=render.pixels)
    except NoAsset:
        return Response(status_code=204)


async def validate(context: RequestContext[None]) -> Response:
    """Say true where the body is a MosaicJSON document."""
    content = await request_body.read(context.request, context.app.settings)

    def work() -> bytes:
        from tilery.reading.mosaic import document

        try:
            plain = document.unpacked(content)
            document.parse(plain, beside=0 if plain is content else len(content))
        except document.NotAMosaic as error:
            problem = InvalidParameter(error.detail, parameter="body")
            place = ["body"] if error.field is None else ["body", error.field]
            problem.errors = ({"type": "value_error", "loc": place, "msg": error.detail, "input": None},)
            raise problem from None
        return b"true"

    return Response(await context.app.service.run(work), headers={"Content-Type": JSON})


_CORNERS = "{minx},{miny},{maxx},{maxy}"
_json = responses.document_operation
_OWN: tuple[Operation[Any], ...] = (
    _json("getMosaicJSON", ("/", ""), read, "The MosaicJSON document"),
    _json("getInfo", ("/info",), info, "Where the mosaic is, what it is called, and its zooms"),
    _json(
        "getInfoGeoJSON",
        ("/info.geojson",),
        info_geojson,
        "The same as a GeoJSON Feature",
        table.CRS,
        media_type=responses.GEOJSON,
    ),
    _json(
        "getAssetsForBoundingBox",
        (f"/bbox/{_CORNERS}/assets", f"/{_CORNERS}/assets"),
        assets_of_box,
        "Rasters that a box may touch",
        *table.BOX,
        table.COORD_CRS,
    ),
    _json(
        "getAssetsForPoint",
        ("/point/{lon},{lat}/assets", "/{lon},{lat}/assets"),
        assets_of_position,
        "Rasters that a position may lie on",
        *table.POSITION,
        table.COORD_CRS,
    ),
    _json(
        "getAssetsForTile",
        ("/tiles/{tileMatrixSetId}/{z}/{x}/{y}/assets",),
        assets_of_tile,
        "Rasters that a tile may be made of",
        table.MATRIX_SET,
        *table.TILE,
    ),
    _json(
        "getAssetsForTileWithoutMatrixSet",
        ("/{z}/{x}/{y}/assets", "/{tileMatrixSetId}/{z}/{x}/{y}/assets"),
        assets_of_tile,
        "Rasters that a tile may be made of",
        optional(table.MATRIX_SET),
        table.MATRIX_SET_OLD,
        *table.TILE,
        documented=False,
    ),
    _json(
        "getDataForPoint",
        ("/point/{lon},{lat}",),
        point,
        "Values of each raster at a position",
        *table.POSITION,
        table.COORD_CRS,
        *table.BANDS,
        *table.READING,
        mosaics.SKIP_MISSING,
        plan=plans.pixel_options,
    ),
)
_TAKEN = ("getInfo", "getInfoGeoJSON", "validate", "getMetadata", "getDataForPoint")
"""Verbs of one raster that are others of a mosaic, or none."""


FAMILY = Family(
    name="mosaicjson",
    path="/mosaicjson",
    tag="MosaicJSON",
    parameters=table.DATASET,
    bands=mosaics.MOSAIC_BANDS,
    resolve=resolve,
    empty_tile="204",
    admits=admit,
    beside=(
        replace(
            _json(".mosaicjson.validate", ("/mosaicjson/validate",), validate, "Is the body a MosaicJSON document"),
            method="POST",
            tag="MosaicJSON",
            body={"required": True, "content": {JSON: {"schema": {"type": "object", "title": "MosaicJSON"}}}},
        ),
    ),
    verbs=(
        *_OWN,
        *(verb for verb in metadata.OPERATIONS if verb.id not in _TAKEN),
        *(verb for verb in statistics.OPERATIONS if verb.method == "POST"),
        *line_profiles.OPERATIONS,
        *tilesets.OPERATIONS,
        *tiles.OPERATIONS,
        tiles.ANY_TILE,
        *(verb for verb in pictures.OPERATIONS if "Preview" not in verb.id),
        *legends.OPERATIONS,
    ),
)

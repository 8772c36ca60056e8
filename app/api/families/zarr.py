"""All routes below ``/zarr``: the verbs of rasters, for a variable of the Zarr store that ``url`` names, and what the
store's groups say of themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from app.api import responses, viewer
from app.api.context import AppContext
from app.api.operation import Family, Operation, RequestContext, Resolved, Subject, bound, no_plan
from app.api.params import groups, table, zarrs
from app.api.params.groups import BoundsCrs
from app.api.params.parse import Values
from app.api.params.path import PathValues
from app.api.params.zarrs import Variable
from app.api.raster import legends, line_profiles, maps, metadata, pictures, statistics, tiles, tilesets
from app.serving.encoded import Encoded
from tilery.reading.reader import Reader
from tilery.reading.source import Source
from tilery.reading.zarr.source import anchor, group_source, variable_source
from tilery.storage.locations import Location

if TYPE_CHECKING:
    from tilery.reading.zarr.dataset import ZarrDataset
    from tilery.reading.zarr.group import Group

Json = dict[str, Any]
JSON = responses.JSON
HTML = "text/html; charset=utf-8"


def source_of(location: Location, asked: Variable) -> Source:
    """Return the source of what a request names of the store whose anchor is at a location."""
    if asked.variable is None:
        return group_source(location, group=asked.group, decode_times=asked.decode_times)
    return variable_source(
        location, asked.variable, select=asked.select, group=asked.group, decode_times=asked.decode_times
    )


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:  # noqa: ARG001 - one of several
    """Return the query as it is; what is read is a variable of the store at ``url``, or a group where none is named."""

    def subject_of(values: Values) -> Subject:
        url = groups.url(values)
        return Subject(
            source=source_of(app.locations.of(anchor(url)), values.to(Variable)),
            base=FAMILY.path,
            address=url,
            name=url.partition("?")[0].rstrip("/").rpartition("/")[2],
            title=url,
        )

    return query, subject_of


async def info(context: RequestContext[None]) -> Response:
    """Return bounds, CRS, bands, data type, dimensions, attributes…"""
    times = zarrs.shows_times(context.values)
    return await responses.document(context, "info", lambda reader: _info(reader, times=times))


async def info_geojson(context: RequestContext[None]) -> Response:
    """Return the same as properties of a GeoJSON Feature that covers the bounds."""
    times, given = zarrs.shows_times(context.values), context.values.to(BoundsCrs)
    return await responses.document(
        context,
        "info.geojson",
        lambda reader: metadata.placed(reader, given, _info(reader, times=times)),
        media_type=responses.GEOJSON,
    )


def _info(reader: Reader, *, times: bool) -> Json:
    from tilery.reading.zarr import documents

    return documents.info(cast("ZarrDataset", reader.source), times=times)


def _group(reader: Reader) -> Group:
    return cast("Group", reader.source)


async def page(context: RequestContext[None]) -> Response:
    """Return what the group holds, as a fragment of a page."""

    def work(reader: Reader) -> Encoded:
        from tilery.reading.zarr import documents

        return Encoded(body=documents.page(_group(reader)).encode(errors="replace"), media_type=HTML)

    return await responses.made(context, "dataset", work, media_type=HTML)


async def as_dict(context: RequestContext[None]) -> Response:
    """Return what the group holds, as xarray writes it as a dictionary."""
    from tilery.reading.zarr import documents

    return await responses.document(context, "dict", lambda reader: documents.as_dict(_group(reader)))


async def dimensions(context: RequestContext[None]) -> Response:
    """Return the lengths of the dimensions."""
    from tilery.reading.zarr import documents

    return await responses.document(context, "dimensions", lambda reader: documents.dimensions(_group(reader)))


async def keys(context: RequestContext[None]) -> Response:
    """Return the names of the variables."""
    from tilery.reading.zarr import documents

    return await responses.document(context, "keys", lambda reader: documents.keys(_group(reader)))


async def coordinate(context: RequestContext[None]) -> Response:
    """Return a coordinate with its values."""
    from tilery.reading.zarr import documents

    name = context.path.name("name")
    return await responses.document(
        context, f"coordinate {name}", lambda reader: documents.coordinate(_group(reader), name)
    )


async def validate(context: RequestContext[None]) -> Response:
    """Return whether tiles of the variables can be made, and what is wrong if not."""
    from tilery.reading.zarr import documents

    names = zarrs.variables(context.values)
    return await responses.document(context, "validate", lambda reader: documents.validate(_group(reader), names))


async def viewer_page(context: RequestContext[None]) -> Response:
    """Return a page on which one decides which variable and which moment are shown, and how."""
    return viewer.viewer_of_raster(context.request, FAMILY.path.strip("/"), has_variables=True)


_json = responses.document_operation
_OWN: tuple[Operation[Any], ...] = (
    _json("getInfo", ("/info",), info, "What the variable says of itself", zarrs.SHOW_TIMES),
    _json(
        "getInfoGeoJSON",
        ("/info.geojson",),
        info_geojson,
        "What the variable says of itself, as a GeoJSON Feature",
        zarrs.SHOW_TIMES,
        table.CRS,
        media_type=responses.GEOJSON,
    ),
)
_TAKEN = ("getInfo", "getInfoGeoJSON", "validate", "getMetadata")
"""Verbs of one raster that are others of a variable, or none."""
_OF_GROUP: tuple[Operation[Any], ...] = (
    _json("dataset_metadata_html_zarr_dataset__get", ("/dataset/", "/dataset"), page, "What the group holds, as HTML",
          media_type=HTML),
    _json("dataset_metadata_dict_zarr_dataset_dict_get", ("/dataset/dict",), as_dict, "What the group holds"),
    _json("dataset_variables_zarr_dataset_keys_get", ("/dataset/keys",), keys, "Names of the variables"),
    _json("getVariables", ("/variables",), keys, "Names of the variables", documented=False),
    _json("dataset_dimensions_zarr_dataset_dimensions_get", ("/dataset/dimensions",), dimensions,
          "Lengths of the dimensions"),
    _json("dataset_coordinate_zarr_dataset_coordinates__name__get", ("/dataset/coordinates/{name}",), coordinate,
          "A coordinate with its values", zarrs.NAME),
    _json("validate_dataset_zarr_validate_get", ("/validate",), validate, "Whether tiles of the variables can be made",
          zarrs.VARIABLES),
)  # fmt: skip
"""Routes about a group, whose names are those that TiTiler's clients were generated with."""
_VIEWER: Operation[Any] = Operation(
    id=".zarr.getViewer",
    paths=("/zarr/viewer",),
    parameters=(),
    plan=no_plan,
    answer=viewer_page,
    tag="Zarr",
    summary="Viewer",
    description="A page on which one decides which variable and which moment are shown, and how.",
    produces=tilesets.HTML,
)
_GROUPS = Family(name="zarr", path="/zarr", tag="Zarr", parameters=(*table.DATASET, *zarrs.STORE), resolve=resolve)

FAMILY = Family(
    name="zarr",
    path="/zarr",
    tag="Zarr",
    parameters=(*table.DATASET, *zarrs.VARIABLE_PARAMETERS),
    resolve=resolve,
    beside=(_VIEWER, *(replace(bound(_GROUPS, operation), id=operation.id) for operation in _OF_GROUP)),
    verbs=(
        *_OWN,
        *(verb for verb in metadata.OPERATIONS if verb.id not in _TAKEN),
        *statistics.OPERATIONS,
        *line_profiles.OPERATIONS,
        *tilesets.OPERATIONS,
        *tiles.OPERATIONS,
        tiles.ANY_TILE,
        *pictures.OPERATIONS,
        *maps.OPERATIONS,
        *legends.OPERATIONS,
    ),
)

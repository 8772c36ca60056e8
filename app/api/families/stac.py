"""All routes below ``/stac``: the verbs of rasters, for assets of the STAC Item that ``url`` names, stacked.

What differs from one raster's are the documents that tell of each asset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from app.api import responses, viewer
from app.api.context import AppContext
from app.api.families import stac_renders, stac_spellings
from app.api.operation import Family, Operation, RequestContext, Resolved, Subject, no_plan
from app.api.params import groups, table
from app.api.params.groups import Assets, BoundsCrs
from app.api.params.parameter import optional
from app.api.params.parse import Values
from app.api.params.path import PathValues
from app.api.raster import legends, line_profiles, maps, metadata, pictures, plans, statistics, tiles, tilesets
from app.api.raster.plans import StatisticsPlan
from app.serving import render
from tilery.reading import info as facts
from tilery.reading.reader import Reader
from tilery.reading.stac.choice import item_source, stack_source

if TYPE_CHECKING:
    from tilery.reading.stac.dataset import ItemDataset
    from tilery.reading.stac.item import Item
    from tilery.reading.stac.stack import AssetStack, Part

Json = dict[str, Any]
JSON = responses.JSON


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:  # noqa: ARG001 - one of several
    """Return the query in today's words, over the render that it names as its style.

    What is read are the assets that are then named, or the item alone where none are.
    """
    query = await stac_renders.styled(app, stac_spellings.today(query))

    def subject_of(values: Values) -> Subject:
        url, asked = groups.url(values), values.to(Assets)
        location = app.locations.of(url)
        return Subject(
            source=item_source(location)
            if asked.assets is None
            else stack_source(location, asked.assets, as_bands=asked.as_bands, unscale=asked.unscale),
            base=FAMILY.path,
            address=url,
            name=url.partition("?")[0].rstrip("/").rpartition("/")[2],
            title=url,
        )

    return query, subject_of


async def assets(context: RequestContext[None]) -> Response:
    """Return the names of the assets that can be rasters."""
    return await responses.document(context, "assets", lambda reader: list(_item(reader).assets))


async def info(context: RequestContext[None]) -> Response:
    """Return what each asset says of itself."""
    return await responses.document(
        context, "info", lambda reader: _of_each(reader, lambda _, part: facts.info(part.profile))
    )


async def info_geojson(context: RequestContext[None]) -> Response:
    """Return the same as properties of a GeoJSON Feature that covers the bounds of the assets."""
    crs = context.values.to(BoundsCrs).crs

    def work(reader: Reader) -> Json:
        return metadata.feature(
            reader.geographic_bounds(crs), _of_each(reader, lambda _, part: facts.info(part.profile))
        )

    return await responses.document(context, "info.geojson", work, media_type=responses.GEOJSON)


async def asset_statistics(context: RequestContext[StatisticsPlan]) -> Response:
    """Return statistics of each asset by itself."""
    request = statistics.request_of(context)

    def of_asset(reader: Reader, part: Part) -> Json:
        image = request.image
        read = replace(image.read, bands=part.bands)
        shown = replace(image, read=read, render=replace(image.render, expression=part.choice.expression))
        return render.statistics(reader, replace(request, image=shown))

    return await responses.document(context, "asset_statistics", lambda reader: _of_each(reader, of_asset))


def _item(reader: Reader) -> Item:
    return cast("ItemDataset | AssetStack", reader.source).item


def _of_each(reader: Reader, work: Callable[[Reader, Part], Json]) -> Json:
    """Return what work makes of each asset that the request names, by its name and options."""
    stack = cast("AssetStack", reader.source)
    return {part.choice.label: work(Reader(stack.opened(part)), part) for part in stack.parts}


_json = responses.document_operation
_OWN: tuple[Operation[Any], ...] = (
    _json("getInfo", ("/info",), info, "What each asset says of itself", table.ASSETS),
    _json(
        "getInfoGeoJSON",
        ("/info.geojson",),
        info_geojson,
        "What each asset says of itself, as a GeoJSON Feature",
        table.ASSETS,
        table.CRS,
        media_type=responses.GEOJSON,
    ),
    _json("getAssets", ("/assets",), assets, "Names of the assets that can be rasters"),
    _json(
        "getAssetsStatistics",
        ("/asset_statistics",),
        asset_statistics,
        "Statistics of each asset, by band",
        table.ASSETS,
        *table.READING,
        *table.sizes(1024),
        *table.STATISTICS,
        *table.HISTOGRAM,
        plan=plans.statistics_plan,
    ),
)
_TAKEN = ("getInfo", "getInfoGeoJSON", "validate", "getMetadata")
"""Verbs of one raster that are others of an item, or none."""
_OF_RENDERS = ("getWMTS", "getWMTSOfMatrixSet")
"""Documents of all that the item says of how it is shown: assets need not be named."""


def _without_assets(verb: Operation[Any]) -> Operation[Any]:
    others = (parameter for parameter in verb.parameters if parameter not in table.BANDS)
    return replace(verb, parameters=(optional(table.ASSETS), *table.ASSET_BANDS[1:], *others))


async def viewer_page(context: RequestContext[None]) -> Response:
    """Return a page on which one decides which assets are shown, and how."""
    return viewer.viewer_of_raster(context.request, FAMILY.path.strip("/"), has_assets=True)


_TAG = "SpatioTemporal Asset Catalog"
_VIEWER: Operation[Any] = Operation(
    id=".stac.getViewer",
    paths=("/stac/viewer",),
    parameters=(),
    plan=no_plan,
    answer=viewer_page,
    tag=_TAG,
    summary="Viewer",
    description="A page on which one decides which assets are shown, and how.",
    produces=tilesets.HTML,
)

FAMILY = Family(
    name="stac",
    path="/stac",
    tag=_TAG,
    beside=(_VIEWER,),
    parameters=(*table.DATASET, stac_renders.STYLE),
    bands=table.ASSET_BANDS,
    resolve=resolve,
    renders=lambda reader: _item(reader).renders,
    layers=stac_renders.layers,
    verbs=(
        *_OWN,
        *stac_renders.OPERATIONS,
        *(verb for verb in metadata.OPERATIONS if verb.id not in _TAKEN),
        *statistics.OPERATIONS,
        *line_profiles.OPERATIONS,
        *(_without_assets(verb) if verb.id in _OF_RENDERS else verb for verb in tilesets.OPERATIONS),
        *tiles.OPERATIONS,
        tiles.ANY_TILE,
        *pictures.OPERATIONS,
        *legends.OPERATIONS,
        *maps.OPERATIONS,
    ),
)

"""The ways in which an item says that it is meant to be shown (the STAC render extension), as queries and links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from starlette.responses import Response

from app.api import responses, wmts_tile
from app.api.access import credentials
from app.api.families import stac_spellings
from app.api.operation import Operation, Query, RequestContext, no_plan
from app.api.params import table
from app.api.params.groups import Assets
from app.api.params.kinds import Text
from app.api.params.merging import over
from app.api.params.parameter import Group, Parameter, known_to
from app.api.params.parse import ParameterParser, pairs
from app.api.raster import plans
from tilery.errors import NotFound, RequestError
from tilery.reading.stac.choice import item_source

if TYPE_CHECKING:
    from app.api.context import AppContext
    from tilery.reading.reader import Reader
    from tilery.reading.stac.dataset import ItemDataset

Json = dict[str, Any]

_TILE: Group = (
    *table.ASSET_BANDS,
    *table.READING,
    *table.PICTURE,
    *table.TILE_EDGES,
)
"""What tiles take of a render."""
_DASHES = "\N{EN DASH}\N{MINUS SIGN}"
"""What stands for a minus in printed formulas, and in those of items."""
STYLE = replace(table.STYLE, description="Name of one of the item's renders: what it says, the request need not.")
_NOT_OF_TILES = ("tilesize", "tilematrixsets", "spatial_extent", "title", "minmax_zoom")


def adapted(render: Mapping[str, Any]) -> Json:
    """Return a render with bands and expressions of assets written as TiTiler 2 takes them.

    Its ``expression`` may call assets by their names, as the render extension's own examples do, or ``B04_b1``; its
    ``bands`` are names, an array an asset.
    """
    found = dict(render)
    assets = _several(found.get("assets"))
    if not assets:
        return found
    options: dict[str, list[str]] = {str(asset): [] for asset in assets}
    for asset, names in zip(options, _named_bands(found, len(assets)), strict=False):
        options[asset].append(f"bands={','.join(map(str, names))}" if names else "")
    for old, option in (("asset_bidx", "bidx"), ("asset_expression", "expression")):
        for text in _several(found.pop(old, None)):
            asset, separator, value = str(text).partition("|")
            if separator and asset in options:
                options[asset].append(f"{option}={value}")
    found["assets"] = ["|".join((asset, *filter(None, chosen))) for asset, chosen in options.items()]
    if isinstance(expression := found.get("expression"), str):
        found |= _by_place(expression, found["assets"])
    return found


def _named_bands(render: Json, assets: int) -> list[list[Any]]:
    """Take the names of bands out of a render, and return them by asset; none where they are no array an asset."""
    bands = render.get("bands")
    if not isinstance(bands, list) or len(bands) != assets or not all(isinstance(names, list) for names in bands):
        return []
    return render.pop("bands")  # type: ignore[no-any-return]  # JSON


def _by_place(expression: str, assets: list[str]) -> Json:
    """Return what of a render says the same as an expression with names of its assets; nothing where it has none."""
    for dash in _DASHES:
        expression = expression.replace(dash, "-")
    written = stac_spellings.by_place(expression, assets, as_bands=True)
    if written is None:
        return {}
    found: Json = {"assets": written[0], "expression": written[1]}
    return found | {"asset_as_band": True} if written[0] == assets else found


def query(render: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the parameters of tiles that are shown so."""
    found: list[tuple[str, str]] = []
    for name, value in adapted(render).items():
        if value is None or name in _NOT_OF_TILES:
            continue
        if name == "rescale" and isinstance(value, list):
            spans = value if value and isinstance(value[0], list) else [value]
            found += [(name, ",".join(map(str, span))) for span in spans if isinstance(span, list)]
        elif isinstance(value, dict):
            found.append((name, json.dumps(value)))
        elif isinstance(value, list):
            found += [(name, _text(one)) for one in value]
        else:
            found.append((name, _text(value)))
    return found


async def styled(app: AppContext, query_: bytes) -> bytes:
    """Return the query over the parameters of the render that it names as ``style``.

    Raises:
        RequestError: the item has no render of that name.
        SourceError, UpstreamError: the item cannot be read.
    """
    if b"style=" not in query_:
        return query_
    own = pairs(query_)
    given = dict(own)
    name, url = given.get("style"), given.get("url")
    if not name or not url or name == wmts_tile.DEFAULT_STYLE:
        return query_
    source = item_source(app.locations.of(url))
    renders = await app.service.run_with_reader(source, lambda reader: cast("ItemDataset", reader.source).item.renders)
    if name not in renders:
        known = ", ".join(list(renders)[:32]) or "none"
        raise RequestError(f"The item has no render of that name. Its renders: {known}.", parameter="style")
    return urlencode(over(tuple(own), tuple(query(renders[name])))).encode("ascii")


def is_valid(app: AppContext, pairs: list[tuple[str, str]]) -> bool:
    """Return whether tiles take these parameters."""
    try:
        plans.pixel_options(app, ParameterParser(known_to(app, _TILE)).query(urlencode(pairs).encode()))
    except RequestError:
        return False
    return True


def layers(context: RequestContext[Any], reader: Reader, query_: Query) -> list[tuple[str, Query]]:
    """Return the layers of the item's WMTS document: its renders, and the assets that the request names.

    Raises:
        RequestError: there are none.
    """
    token = [pair for pair in query_ if pair[0] in credentials.NAMES]
    found: list[tuple[str, Query]] = []
    for name, render in cast("ItemDataset", reader.source).item.renders.items():
        pairs = query(render)
        if is_valid(context.app, pairs):
            found.append((name, [("url", context.subject.address), *pairs, *token]))
    if context.values.to(Assets).assets is not None:
        found.append(("default", query_))
    if not found:
        raise RequestError("The item says nowhere how it is shown: name assets.", parameter="assets")
    return found


async def listing(context: RequestContext[None]) -> Response:
    """Return the ways in which the item is meant to be shown, with links."""

    def work(reader: Reader) -> Json:
        renders = cast("ItemDataset", reader.source).item.renders
        return {
            "renders": {name: _described(context, name, render) for name, render in renders.items()},
            "links": [_link(context, "/renders", "List STAC Renders metadata")],
        }

    return await responses.document(context, "renders", work, links=True)


async def one(context: RequestContext[None]) -> Response:
    """Return one of the ways in which the item is meant to be shown."""
    name = context.path.name("render_id")

    def work(reader: Reader) -> Json:
        found = cast("ItemDataset", reader.source).item.renders.get(name)
        if found is None:
            raise NotFound("The item has no render of that name.", parameter="render_id")
        return _described(context, name, found)

    return await responses.document(context, f"render {name}", work, links=True)


def _described(context: RequestContext[None], name: str, render: Json) -> Json:
    pairs = query(render)
    links = [_link(context, f"/renders/{name}", f"STAC Renders metadata for {name}")]
    valid = is_valid(context.app, pairs)
    if valid:
        to, scope, base = context.app.links.to, context.request.scope, context.subject.base
        asked = [("url", context.subject.address), *pairs]
        for path, title in (
            ("/{tileMatrixSetId}/tilejson.json", f"tilejson file for {name}"),
            ("/WMTSCapabilities.xml", f"WMTS service for {name}"),
        ):
            links.append(
                {"href": to(scope, base + path, asked), "rel": "tilesets-map", "title": title, "templated": True}
            )
    return {
        "valid": valid,
        "params": {name: value for name, value in adapted(render).items() if value is not None},
        "links": links,
    }


def _link(context: RequestContext[None], path: str, title: str) -> Json:
    to, scope = context.app.links.to, context.request.scope
    href = to(scope, context.subject.base + path, [("url", context.subject.address)])
    return {"href": href, "rel": "self", "type": responses.JSON, "title": title}


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getRenderList",
        paths=("/renders",),
        parameters=(),
        plan=no_plan,
        answer=listing,
        summary="List STAC Renders metadata",
        description="The ways in which the item is meant to be shown, with links.",
        produces=responses.produces(),
    ),
    Operation(
        id="getRender",
        paths=("/renders/{render_id}",),
        parameters=(
            Parameter(
                name="render_id", kind=Text(longest=256), description="Name of the render.", where="path", required=True
            ),
        ),
        plan=no_plan,
        answer=one,
        summary="STAC Renders metadata",
        description="One of the ways in which the item is meant to be shown, with links.",
        produces=responses.produces(),
    ),
)

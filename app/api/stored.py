"""Tiles of layers through the tile store, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.responses import Response

from app import tms as tms_
from app.api.cog import tiles
from app.api.cog.plans import Look
from app.api.operation import Ask
from app.reading.reader import Reader
from app.rendering.encoding import formats
from app.serving.encoded import Encoded
from app.serving.tile_store import TileStore

Work = Callable[[Reader], Encoded]

_LARGEST_SCALE = 4


async def tile(ask: Ask[Look]) -> Response:
    """One tile of a layer: from the store, into the store, or by a redirect to it."""
    store = ask.desk.tile_store
    key = None if store is None else _key(ask, store)
    if store is None or key is None:
        return await tiles.tile(ask)
    if store.mode == "serve":
        return await tiles.tile(ask, through=lambda work: _found_or_made(ask, store, key, work))
    if await ask.desk.service.once(lambda: store.has(key)):
        return _redirect(store, key)
    kept = False

    def through(work: Work) -> Work:
        def make_and_keep(reader: Reader) -> Encoded:
            nonlocal kept
            encoded = work(reader)
            kept = store.keep(key, encoded)
            return encoded

        return make_and_keep

    response = await tiles.tile(ask, through=through)
    return _redirect(store, key) if kept else response


def _found_or_made(ask: Ask[Look], store: TileStore, key: str, work: Work) -> Work:
    path = ask.path

    def do(reader: Reader) -> Encoded:
        body = store.find(key)
        if body is None:
            encoded = work(reader)
            store.keep_later(key, encoded)
            return encoded
        tms = tms_.get(tms_.DEFAULT)
        bounds = tms.tile_bounds(path["z"], path["x"], path["y"])
        return Encoded(body=body, media_type=formats.get(path["format"]).media_type, bounds=bounds, crs=tms.crs)

    return do


def _redirect(store: TileStore, key: str) -> Response:
    """To the store's public address. Not to be kept: a cache that did could send callers in circles, between a store
    that has lost the tile and sends them here, and this answer.
    """
    return Response(status_code=302, headers={"Location": store.address(key), "Cache-Control": "no-store"})


def _key(ask: Ask[Look], store: TileStore) -> str | None:
    """The tile's key; None for one that is nobody else's: with parameters of its own, or without a format."""
    layer, path = ask.subject.layer, ask.path
    suffix, scale = path.get("format"), path.get("scale")
    if layer is None or suffix is None or (scale or 1) > _LARGEST_SCALE:
        return None
    given = parse_qsl(ask.request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(name != "style" for name, _ in given) or len(given) > 1:
        return None
    at = f"@{scale}x" if scale else ""
    return store.key(layer, given[0][1] if given else None, path["z"], path["x"], path["y"], f"{at}.{suffix}")

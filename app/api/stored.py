"""Tiles of layers through the tile store, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from app.api import kvp, links, results
from app.api.context import AppContext
from app.api.operation import RequestContext
from app.api.raster import tiles
from app.api.raster.plans import PixelOptions
from app.serving.encoded import Encoded
from app.serving.tile_store import TileStore
from tilery.geo import tms as tms_
from tilery.reading.reader import Reader
from tilery.rendering.encoding import formats

Work = Callable[[Reader], Encoded]


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoreKey:
    """Where a tile is kept, and of which raster it has to be."""

    key: str
    source: str
    """Identity of the raster that the key was made for; empty where the layer's revision says it."""

    def fits(self, reader: Reader) -> bool:
        """False when the raster was written over since the key was made."""
        return not self.source or reader.identity == self.source


async def tile(context: RequestContext[PixelOptions], *, missed: bool = False) -> Response:
    """One tile of a layer: from the store, into the store, or by a redirect to it.

    ``missed`` says that the store itself sent the caller here, because it could not answer. Such a caller is led back
    only when the tile was not there and is there now; in any other case there is something between the caller and the
    store, and a redirect would lead in circles.
    """
    store = context.app.tile_store
    place = None if store is None else await _place(context, store)
    if store is None or place is None:
        return await tiles.tile(context)
    key = place.key
    there: bool | None = None
    if store.mode == "redirect":
        there = await context.app.service.once(lambda: store.has(key))
        if there and not missed:
            return _redirect(store, key)
        if there is False or not missed:
            return await _kept_first(context, store, place)
    response = await tiles.tile(context, through=lambda work: _found_or_made(context, store, place, work))
    if store.layout == "plain" and not there and (held := _held(response)):
        store.keep_again(key, held)
    return response


async def _kept_first(context: RequestContext[PixelOptions], store: TileStore, place: _StoreKey) -> Response:
    """A redirect to a tile that was written before; the tile itself where it could not be."""
    kept, key = False, place.key

    def through(work: Work) -> Work:
        def make_and_keep(reader: Reader) -> Encoded:
            nonlocal kept
            encoded = work(reader)
            kept = place.fits(reader) and store.keep(key, encoded)
            return encoded

        return make_and_keep

    response = await tiles.tile(context, through=through)
    if not kept and (held := _held(response)):
        kept = await context.app.service.once(lambda: store.keep(key, held))
    return _redirect(store, key) if kept else response


def _held(response: Response) -> Encoded | None:
    """A tile that was found in memory and so was not written to the store by its making."""
    if response.headers.get(results.HOW) != "hit":
        return None
    return Encoded(body=bytes(response.body), media_type=response.headers["Content-Type"])


def _found_or_made(context: RequestContext[PixelOptions], store: TileStore, place: _StoreKey, work: Work) -> Work:
    path = context.path

    # A plain key may hold a tile of the revision before, which must not get into memory under the name of this one.
    # Nor is it worth asking: whoever uses such keys has asked the store before.
    worth_asking = store.layout == "revision"

    def do(reader: Reader) -> Encoded:
        body = store.find(place.key) if worth_asking and place.fits(reader) else None
        if body is None:
            encoded = work(reader)
            if place.fits(reader):
                store.keep_later(place.key, encoded)
            return encoded
        tms = tms_.get(tms_.DEFAULT)
        bounds = tms.tile_bounds(path["z"], path["x"], path["y"])
        return Encoded(body=body, media_type=formats.get(path["format"]).media_type, bounds=bounds, crs=tms.crs)

    return do


def address(app: AppContext, path: str, query: Sequence[tuple[str, str]] = ()) -> str | None:
    """The public address of a layer's tiles in the store, where that is asked first; None where we are.

    Args:
        app: of the application.
        path: of the tiles, a template.
        query: what else the address would say; the store knows nothing but paths.
    """
    settings = app.settings
    if not settings.tile_store_first or query or settings.access_token:
        return None
    return f"{settings.tile_store_url}{path}"


def _redirect(store: TileStore, key: str) -> Response:
    """To the store's public address. Not to be kept: a cache that did could send callers in circles, between a store
    that has lost the tile and sends them here, and this answer.
    """
    return Response(status_code=302, headers={"Location": store.address(key), "Cache-Control": "no-store"})


async def _place(context: RequestContext[PixelOptions], store: TileStore) -> _StoreKey | None:
    """Where the tile is kept; None for one that is nobody else's: with parameters of its own, or without a format."""
    layer, path = context.subject.layer, context.path
    suffix, scale = path.get("format"), path.get("scale")
    if layer is None or suffix is None:
        return None
    given = kvp.without(links.query_of(context.request.scope))  # a token says who asks and not for what
    if any(name != "style" for name, _ in given) or len(given) > 1:
        return None
    at = f"@{scale}x" if scale else ""
    source = ""
    if not layer.is_sealed and store.layout == "revision":
        source = await context.app.service.identity(context.subject.source)
    style = given[0][1] if given else None
    key = store.key(layer, style, path["z"], path["x"], path["y"], f"{at}.{suffix}", source=source)
    return None if key is None else _StoreKey(key=key, source=source)

"""Where tiles of layers are in the tile store, where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from app.api import kvp, links
from app.api.context import AppContext
from app.api.families import layer_sources
from app.api.operation import RequestContext
from app.api.raster.plans import TilePlan
from app.serving.tile_store import StoredTile, TileStore
from tilery.catalog.layer import Layer
from tilery.geo import tms as tms_
from tilery.rendering.encoding import formats


def address(app: AppContext, path: str, query: Sequence[tuple[str, str]] = ()) -> str | None:
    """Return the public address of a layer's tiles in the store, where that is asked first; None where we are.

    Args:
        app: of the application.
        path: of the tiles, a template.
        query: what else the address would say; the store knows nothing but paths.
    """
    settings = app.settings
    if not settings.tile_store_first or query or settings.guarded:
        return None
    return f"{settings.tile_store_url}{path}"


async def place(context: RequestContext[TilePlan]) -> StoredTile | None:
    """Return where a layer's tile is kept; None for one that is nobody else's: with parameters of its own, or without a
    format.
    """
    store, layer, path = context.app.service.tile_store, context.subject.layer, context.path
    name, scale = path.format, path.scale
    if store is None or layer is None or name is None:
        return None
    given = kvp.without(links.query_of(context.request.scope))  # a token says who asks and not for what
    if any(name != "style" for name, _ in given) or len(given) > 1:
        return None
    source = ""
    if needs_identity(store, layer):
        source = await context.app.service.identity(layer_sources.document_of(context.app, layer))
    suffix = f"@{scale}x.{name}" if scale else f".{name}"
    style = given[0][1] if given else None
    return tile_of(store, layer, style, path.tile, suffix, source)


def needs_identity(store: TileStore, layer: Layer) -> bool:
    """Return whether the key of a layer's tiles needs the identity of its raster, which may be written over."""
    return not layer.is_sealed and store.layout == "revision"


def tile_of(
    store: TileStore, layer: Layer, style: str | None, tile: tuple[int, int, int], suffix: str, source: str
) -> StoredTile | None:
    """Return the place of a tile in a store; None where the layout has none for it.

    Args:
        store: the store.
        layer: the layer.
        style: name of a style.
        tile: zoom, column and row.
        suffix: ``.png``, ``@2x.jpg``.
        source: identity of the layer's raster, see `needs_identity`.
    """
    key = store.key(layer, style, *tile, suffix, source=source)
    if key is None:
        return None
    grid = tms_.get(tms_.DEFAULT)
    return StoredTile(
        key=key,
        media_type=formats.get(suffix.rpartition(".")[2]).media_type,
        bounds=grid.tile_bounds(*tile),
        crs=grid.crs,
        source=source,
    )

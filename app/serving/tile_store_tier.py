"""The tile store as a tier: between memory and the work, for tiles that have a place in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from app.serving.encoded import Encoded
from app.serving.served import Served
from app.serving.tile_store import StoredTile, TileStore
from tilery.reading.reader import Reader

Work = Callable[[Reader], Encoded]
Make = Callable[[Work], Awaitable[Served]]
"""Answers with what a piece of work makes: from memory, by a flight, or made now."""


class Run(Protocol):
    """Does something in a compute slot's thread."""

    async def __call__(self, work: Callable[[], Any]) -> Any:
        """Return what the work returns."""
        ...


async def answer(
    store: TileStore, tile: StoredTile, work: Work, make: Make, run: Run, *, missed: bool = False
) -> Served:
    """Return a tile out of the store, or made and put into it.

    Args:
        store: where tiles are kept.
        tile: its place there.
        work: makes the tile.
        make: see `Make`.
        run: asks the store, which may wait.
        missed: the store itself sent the caller here, because it could not answer. Such a caller is led back only when
            the tile was not there and is there now; in any other case there is something between the caller and the
            store, and a redirect would lead in circles.
    """
    there: bool | None = None
    if store.mode == "redirect":
        there = await run(lambda: store.has(tile.key))
        if there and not missed:
            return Served(encoded=None, etag="", how="stored", address=store.address(tile.key))
        if there is False or not missed:
            return await _store_first(store, tile, work, make, run)
    found = False

    def find_or_make(reader: Reader) -> Encoded:
        nonlocal found
        # A plain key may hold a tile of the revision before, which must not get into memory under the name of this one.
        # Nor is it worth asking: whoever uses such keys has asked the store before.
        if store.layout == "revision" and tile.fits(reader):
            body = store.find(tile.key)
            if body is not None:
                found = True
                return tile.encoded(body)
        encoded = work(reader)
        if tile.fits(reader):
            store.keep_later(tile.key, encoded)
        return encoded

    served = await make(find_or_make)
    if store.layout == "plain" and not there and served.how == "hit" and served.encoded is not None:
        store.keep_again(tile.key, served.encoded)
    return replace(served, how="stored") if found and served.how == "miss" else served


async def ensure(store: TileStore, tile: StoredTile, work: Work, make: Make, run: Run) -> bool:
    """Return whether a tile is in the store, after it was made where it was not there.

    Raises:
        TileryError: it cannot be made.
    """
    if await run(lambda: store.has(tile.key)):
        return True
    return (await _written(store, tile, work, make, run))[0]


async def _store_first(store: TileStore, tile: StoredTile, work: Work, make: Make, run: Run) -> Served:
    """Return where a tile is that was written before; the tile itself where it could not be."""
    is_written, served = await _written(store, tile, work, make, run)
    if is_written:
        return Served(encoded=None, etag="", how="stored", address=store.address(tile.key))
    return served


async def _written(store: TileStore, tile: StoredTile, work: Work, make: Make, run: Run) -> tuple[bool, Served]:
    """Return whether a tile is in the store after it was made, and the tile."""
    is_written = False

    def make_and_keep(reader: Reader) -> Encoded:
        nonlocal is_written
        encoded = work(reader)
        is_written = tile.fits(reader) and store.keep(tile.key, encoded)
        return encoded

    served = await make(make_and_keep)
    held = served.encoded
    if not is_written and served.how == "hit" and held is not None:
        is_written = bool(await run(lambda: store.keep(tile.key, held)))
    return is_written, served

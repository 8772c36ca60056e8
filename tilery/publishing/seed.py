"""Tiles made before anybody asks, and tiles removed.

Both can run on many machines at once: each takes its part, ``3/10``, of the same order of tiles. The parts are squares
of eight by eight tiles, so that a machine reads neighbouring blocks of the raster and not all of it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from zlib import crc32

from tilery.errors import InvalidParameter
from tilery.geo.raster import Bounds
from tilery.publishing.bounds import parts, tile_range
from tilery.publishing.progress import Advance
from tilery.storage.objects import Store

_SQUARE = 3
"""Zooms between a tile and the square that it belongs to."""
_REMOVERS = 16
_LISTED = 1000
_OWN = re.compile(r"(?:[^/]+-[0-9a-f]{10}/)?(?:[0-9]+/){0,2}[^/]+")
"""What stands behind a layer's id in the keys of its own tiles, and not in those of a layer in a folder of its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPart:
    """One of several equal parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> SeedPart:
        """Return the part that ``3/10`` means: the third of ten.

        Raises:
            InvalidParameter: it is not written so.
        """
        number, _, of = text.partition("/")
        if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
            raise InvalidParameter("A part is written 3/10: the third of ten.", parameter="part")
        return cls(number=int(number), of=int(of))

    def takes(self, index: int) -> bool:
        """True for every ``of``-th thing."""
        return index % self.of == self.number - 1


WHOLE = SeedPart(number=1, of=1)


def tiles(bounds: Bounds, minzoom: int, maxzoom: int, part: SeedPart = WHOLE) -> Iterator[tuple[int, int, int]]:
    """Yield zoom, column and row of the tiles that touch bounds: shallow zooms first, square by square."""
    for zoom in range(minzoom, maxzoom + 1):
        square = 1 << min(_SQUARE, zoom)
        for piece in parts(bounds):
            first, top, last, bottom = tile_range(piece, zoom)
            for down in range(top // square, bottom // square + 1):
                for across in range(first // square, last // square + 1):
                    if not part.takes(crc32(f"{zoom}/{across}/{down}".encode())):
                        continue
                    for y in range(max(top, down * square), min(bottom, (down + 1) * square - 1) + 1):
                        for x in range(max(first, across * square), min(last, (across + 1) * square - 1) + 1):
                            yield zoom, x, y


@dataclass(slots=True)
class Seeded:
    """What seeding came to."""

    written: int = 0
    empty: int = 0
    """Outside the raster."""
    failed: int = 0


async def seed(
    wanted: Iterator[tuple[tuple[int, int, int], str]],
    keep: Callable[[tuple[int, int, int], str], Awaitable[bool | None]],
    *,
    at_a_time: int,
    advance: Advance,
) -> Seeded:
    """Return how many tiles are in the store now.

    Args:
        wanted: zoom, column and row of each tile, and its suffix.
        keep: puts a tile into the store: True when it is there now, None when there is none, False when it failed.
        at_a_time: tiles under way.
        advance: called with 1 for each.
    """
    done = Seeded()

    async def one_after_another() -> None:
        for tile, suffix in wanted:
            written = await keep(tile, suffix)
            if written:
                done.written += 1
            elif written is None:
                done.empty += 1
            else:
                done.failed += 1
            advance(1)

    await asyncio.gather(*(one_after_another() for _ in range(at_a_time)))
    return done


def purge(
    store: Store, prefix: str, *, keep: Callable[[str], bool] | None = None, part: SeedPart = WHOLE, advance: Advance
) -> int:
    """Return number of tiles that were removed.

    Args:
        store: of tiles.
        prefix: ``{id}/``, for the tiles of this layer and of none in a folder of its name; empty for all.
        keep: True for keys to leave alone.
        part: of all keys.
        advance: called with the number of keys that were looked at.
    """
    removed = 0
    keys = (entry.key for entry in store.entries(prefix))
    with ThreadPoolExecutor(_REMOVERS, thread_name_prefix="purge") as pool:
        while chunk := list(islice(keys, _LISTED)):
            going = [
                key
                for key in chunk
                if part.takes(crc32(key.encode()))
                and not (keep and keep(key))
                and (not prefix or _OWN.fullmatch(key, len(prefix)))
            ]
            list(pool.map(store.remove, going))
            removed += len(going)
            advance(len(chunk))
    return removed

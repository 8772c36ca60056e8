"""Rasters in pieces that fit into memory, worked on by all cores and finished in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rasterio.windows import Window

PIECE = 8 << 20
"""Bytes of pixels in a piece, about; as many pieces as threads and as many again wait for their turn."""

PANEL = 32 << 20
"""Bytes of pixels around which windows go on to the right before they go down."""

_Result = TypeVar("_Result")


def threads() -> int:
    """Return threads to work with: the cores that this process may run on."""
    return max(1, len(os.sched_getaffinity(0)))


def pieces(width: int, height: int, pixel_bytes: int, block: int = 512, *, rows_only: bool = False) -> Iterator[Window]:
    """Yield windows that cover the raster row by row, their sides whole blocks, about `PIECE` bytes each.

    Args:
        width: columns of the raster.
        height: rows of the raster.
        pixel_bytes: bytes of one pixel, all bands.
        block: side of a block.
        rows_only: full rows, for files that are kept in rows; fewer than a block has where they are long.
    """
    from rasterio.windows import Window

    if rows_only:
        rows = max(1, min(height, PIECE // max(1, width * pixel_bytes)))
        if rows < block and block * width * pixel_bytes <= 2 * PIECE:
            rows = block
        rows = rows // block * block or rows
        columns = width
    else:
        side = max(1, int((PIECE / (pixel_bytes * block * block)) ** 0.5))
        rows = columns = side * block
    for row in range(0, height, rows):
        for column in range(0, width, columns):
            yield Window(column, row, min(columns, width - column), min(rows, height - row))


def pairs(width: int, height: int, pixel_bytes: int, block: int = 512) -> Iterator[Window]:
    """Yield windows that cover the raster, their sides an even number of blocks: each is whole blocks of the first
    overview. One block each where two by two would take too much.

    They go down in panels, row by row, so that what is around one is mostly what others were made of a moment before:
    four rows of blocks of a panel take `PANEL` bytes.
    """
    from rasterio.windows import Window

    size = pixel_bytes * block * block
    side = max(2, int((PIECE / size) ** 0.5) // 2 * 2) if 4 * size <= 2 * PIECE else 1
    across = max(1, (PANEL // (4 * size) - 2) // side)
    step = side * block
    for left in range(0, width, across * step):
        for row in range(0, height, step):
            for column in range(left, min(width, left + across * step), step):
                yield Window(column, row, min(step, width - column), min(step, height - row))


def panels(width: int, height: int, pixel_bytes: int, block: int = 512) -> Iterator[Window]:
    """Yield windows that cover the raster, one block high and as many wide as make about two `PIECE` bytes.

    They go down one by one, then on to the right: what one needs around it is mostly what the one before had, which is
    in GDAL's cache by then.
    """
    from rasterio.windows import Window

    columns = block * max(1, 2 * PIECE // (pixel_bytes * block * block))
    for column in range(0, width, columns):
        for row in range(0, height, block):
            yield Window(column, row, min(columns, width - column), min(block, height - row))


def in_order(
    windows: Iterable[Window], work: Callable[[Window], _Result], workers: int | None = None
) -> Iterator[tuple[Window, _Result]]:
    """Yield each window with what ``work`` made of it, in the order given, a few in advance."""
    workers = workers or threads()
    waiting: deque[tuple[Window, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="publish")
    try:
        for window in windows:
            waiting.append((window, pool.submit(work, window)))
            if len(waiting) > workers * 2:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)

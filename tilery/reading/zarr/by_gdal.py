"""Resamplings that our own reader does not know, done by GDAL on the cells that a grid needs of a variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tilery.errors import TooMuchWork
from tilery.geo.raster import Grid
from tilery.limits import memory
from tilery.reading.gdal import GdalGridReader
from tilery.reading.gdal_memory import as_tiff
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.grid_reader import Pixels
from tilery.reading.profile import Profile
from tilery.storage.bytes.protocol import identity_of

_MOST = 64 << 20
"""Bytes of cells."""
_AROUND = 4
"""Cells around those that a grid lies on, for resamplings that look at neighbours."""


class WindowReader:
    """Fills grids from what another reader gives of the cells below them. Safe under threads."""

    def __init__(self, blocks: BlockGridReader, profile: Profile) -> None:
        """Take cells from a reader of the whole variable."""
        self._blocks = blocks
        self._profile = profile
        self._placer = Placer(profile)

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled; see `tilery.reading.grid_reader.GridReader.read`."""
        window = self._window(grid)
        if window is None:
            return self._blocks.read(grid, bands=bands, nodata=nodata, method="nearest")
        rows, columns = window.height, window.width
        size = rows * columns * len(bands) * self._profile.dtype.itemsize
        if size > _MOST:
            raise TooMuchWork(
                "This resampling would take too many cells of the variable. Ask for less area, or for nearest, average "
                "or bilinear.",
                parameter="resampling",
                limit=_MOST,
            )
        memory.need(3 * size)
        cells = self._blocks.read(window, bands=bands, nodata=nodata, method="nearest")
        left, _, _, top = window.bounds
        a, e = abs(self._profile.transform[0]), abs(self._profile.transform[4])
        count = len(bands)
        profile = replace(
            self._profile,
            driver="GTiff",
            width=columns,
            height=rows,
            count=count,
            dtypes=self._profile.dtypes[:1] * count,
            transform=(a, 0.0, left, 0.0, -e, top),
            colorinterp=("gray", *("undefined",) * (count - 1)),
            scales=(1.0,) * count,
            offsets=(0.0,) * count,
            descriptions=(None,) * count,
            band_tags=({},) * count,
            overviews=(),
            block_shapes=((1, columns),) * count,
        )
        source = _Memory(as_tiff(np.ascontiguousarray(cells.data), profile))
        reader = GdalGridReader(source, profile)
        try:
            return reader.read(grid, bands=tuple(range(1, count + 1)), nodata=nodata, method=method)
        finally:
            reader.close()

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Return bytes that have to be decoded; see `tilery.reading.grid_reader.GridReader.estimate`."""
        window = self._window(grid)
        return 0 if window is None else self._blocks.estimate(window, bands=bands)

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:  # noqa: ARG002 - one of several
        """Return bytes of memory; see `tilery.reading.grid_reader.GridReader.work`."""
        window = self._window(grid)
        return 0 if window is None else self._blocks.work(window, bands=bands, method="nearest")

    def _window(self, grid: Grid) -> Grid | None:
        """Return the cells that a grid lies on, as a grid of their own; None where it lies on none."""
        profile = self._profile
        ends = [piece.extent for piece in self._placer.place(grid).pieces]
        ends = [end for end in ends if all(map(math.isfinite, end))]
        if not ends:
            return None
        first = max(0, math.floor(min(end[0] for end in ends)) - _AROUND)
        last = min(profile.width, math.ceil(max(end[1] for end in ends)) + _AROUND)
        top = max(0, math.floor(min(end[2] for end in ends)) - _AROUND)
        bottom = min(profile.height, math.ceil(max(end[3] for end in ends)) + _AROUND)
        if first >= last or top >= bottom:
            return None
        a, _, c, _, e, f = profile.transform
        xs, ys = sorted((c + a * first, c + a * last)), sorted((f + e * top, f + e * bottom))
        return Grid(crs=profile.crs, bounds=(xs[0], ys[0], xs[1], ys[1]), width=last - first, height=bottom - top)


class _Memory:
    """Bytes in memory as a `tilery.storage.bytes.protocol.ByteSource`."""

    local_path: str | None = None
    open_path: str | None = None

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.identity = identity_of("memory", id(self))

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from ``start``."""
        return self._data[start : start + length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range."""
        return [self.read(start, length) for start, length in ranges]

    def refresh(self) -> bool:
        """Return True: nobody writes to it."""
        return True

    def close(self) -> None:
        """Do nothing."""

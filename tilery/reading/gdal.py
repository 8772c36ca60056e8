"""Grids filled by GDAL, for rasters and resampling methods that our own reader does not know.

Handles stay open. Each belongs to one thread while it is used, and opens the overview that the output needs, so that
a warp runs once, at the output's size, over few pixels: that is where most of the time of a tile goes otherwise.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rasterio.io import DatasetReader

from tilery.errors import BrokenRaster
from tilery.geo.raster import Grid
from tilery.limits import deadline
from tilery.reading import footprint, gdal_samples, precheck
from tilery.reading.gdal_facts import driver_of
from tilery.reading.gdal_handle import Handle
from tilery.reading.gdal_windows import is_inside, read_warped, read_window
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.reader import joined, rows_of
from tilery.reading.grid_reader import Pixels, overlaid
from tilery.reading.precheck import MinimumMemory
from tilery.reading.profile import Profile
from tilery.storage.bytes.file_object import file_object
from tilery.storage.bytes.protocol import ByteSource

if TYPE_CHECKING:
    from tilery.reading.sidecars import Sidecar  # which are opened by a handle first

_TOO_LONG_FOR_MODE = frozenset({"int32", "uint32", "int64", "uint64", "float64"})
"""Data types whose values GDAL's warps do not keep apart when they count them."""
_ODD = 2
"""How many times more or fewer rows an overview may have than its columns promise: sizes are rounded at each level."""
_SAMPLES = 1 << 22
"""Pixels that are counted at a time."""


class GdalGridReader:
    """Fills grids through GDAL. Handles are kept, one thread at a time each, a pool an overview level."""

    _most_idle = 4
    """Idle handles kept an overview level: as many as renders run at a time in one worker, and memory stays small."""

    def __init__(self, source: ByteSource, profile: Profile, *, beside: Sequence[Sidecar] = ()) -> None:
        self._source = source
        self._beside = beside
        self._profile = profile
        self._placer = Placer(profile)
        self._idle: dict[int | None, list[Handle]] = defaultdict(list)
        self._lock = threading.Lock()
        self._closed = False
        self._minimum_memory: MinimumMemory | None = None

    @property
    def minimum_memory(self) -> MinimumMemory:
        """What reading the raster takes at the least."""
        if self._minimum_memory is None:
            self._minimum_memory = precheck.check(
                file_object(self._source, quiet=True), driver_of(self._source.read(0, 16))
            )
        return self._minimum_memory

    @contextmanager
    def handle(self, overview: int | None = None) -> Iterator[DatasetReader]:
        """A dataset that no other thread uses meanwhile. What is done with it fails when its bytes did not arrive."""
        with self._lock:
            idle = self._idle[overview]
            handle = idle.pop() if idle else None
        if handle is None:
            handle = Handle(self._source, overview=overview, minimum_memory=self._minimum_memory, beside=self._beside)
            self._minimum_memory = handle.minimum_memory
            if overview is not None and not self._is_alike(handle.dataset, self._profile.overviews[overview]):
                handle.close()
                raise BrokenRaster("An overview of the raster has another shape or type than it.", parameter="url")
        healthy = False
        try:
            with handle.use() as dataset:
                yield dataset
            healthy = True
        finally:
            with self._lock:
                keep = healthy and not self._closed and len(self._idle[overview]) < self._most_idle
                if keep:
                    self._idle[overview].append(handle)
            if not keep:
                handle.close()

    def _is_alike(self, overview: DatasetReader, factor: int) -> bool:
        """True for an overview that is its raster made smaller. Work is reckoned by the raster's own shape, which says
        nothing of an overview that is a million rows high.
        """
        profile = self._profile
        if profile.gcps or factor <= 1:  # straightened, which no file is; or one that is never read from
            return True
        rows, least = profile.height / factor, 1 / _ODD
        return tuple(overview.dtypes) == profile.dtypes and least * (rows - 1) <= overview.height <= _ODD * (rows + 1)

    def adopt(self, handle: Handle) -> None:
        """Take over a handle of the full raster that is already open."""
        self._minimum_memory = handle.minimum_memory
        with self._lock:
            self._idle[None].append(handle)

    def close(self) -> None:
        """Close all idle handles, and those in use when they come back."""
        with self._lock:
            self._closed = True
            handles = [handle for idle in self._idle.values() for handle in idle]
            self._idle.clear()
        for handle in handles:
            handle.close()

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled with the bands asked for; see `tilery.reading.grid_reader.GridReader.read`."""
        if method == "nearest" and not self._profile.gcps:
            return self._read_nearest(grid, bands, nodata)
        first, *others = footprint.shifts(self._profile, grid)
        found = self._read(grid, first, bands, nodata, method)
        for turn in others:
            if found.mask is None:
                break
            found = overlaid(found, self._read(grid, turn, bands, nodata, method))
        return found

    def _read_nearest(self, grid: Grid, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        profile = self._profile
        with self.handle(footprint.overview(profile, footprint.detail(profile, grid), "nearest")) as dataset:
            return gdal_samples.nearest(dataset, profile, self._placer, grid, bands, nodata)

    def _read(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled from the raster moved by ``turn``: GDAL knows of places in one turn around the world
        only.
        """
        profile = self._profile
        if nodata is None and not profile.has_mask and is_inside(profile, grid):
            with self.handle() as dataset:
                return read_window(dataset, profile, grid, bands, method)
        if method == "gauss":
            return self._read_gauss(grid, turn, bands, nodata)
        if method == "mode" and profile.dtype.name in _TOO_LONG_FOR_MODE:
            return self._read_mode(grid, turn, bands, nodata)
        with self.handle(footprint.overview(profile, footprint.detail(profile, grid), method)) as dataset:
            return read_warped(dataset, profile, grid, bands, nodata, method, turn=turn)

    def _read_gauss(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        """Return a gaussian read in another CRS. GDAL has that kernel for reads only, not for warps: warp first at up
        to twice the output's size, then let the read thin out.
        """
        profile = self._profile
        mean, across, down = footprint.scales(profile, grid)
        times = 2 if mean > 1 else 1
        detail = footprint.finer(grid, (profile.width, profile.height), mean, across, down)
        with self.handle(footprint.overview(profile, detail / times, "nearest")) as dataset:
            finer = Grid(crs=grid.crs, bounds=grid.bounds, width=grid.width * times, height=grid.height * times)
            out = (grid.height, grid.width)
            return read_warped(dataset, profile, finer, bands, nodata, "nearest", turn=turn, out=out, thin="gauss")

    def _read_mode(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        """Return the most frequent value below each pixel. GDAL's warps count values as floating point of 32 bits,
        which makes numbers of others beyond 2^24: the pixels are taken one by one and counted here, some rows at a
        time.
        """
        profile = self._profile
        mean, across, down = footprint.scales(profile, grid)
        detail = footprint.finer(grid, (profile.width, profile.height), mean, across, down)
        chosen = footprint.overview(profile, detail, "mode")
        left = mean / (1 if chosen is None else profile.overviews[chosen])
        times = max(1, math.ceil(left * 0.999))  # 2 is 2, also where rounding made it a little more
        most = max(1, _SAMPLES // (times * times * grid.width * len(bands)))
        parts = []
        for row in range(0, grid.height, most):
            deadline.check()
            part = rows_of(grid, row, min(grid.height, row + most))
            finer = Grid(crs=grid.crs, bounds=part.bounds, width=part.width * times, height=part.height * times)
            with self.handle(chosen) as dataset:
                if profile.gcps:
                    pixels = read_warped(dataset, profile, finer, bands, nodata, "nearest", turn=turn)
                else:
                    pixels = gdal_samples.nearest(dataset, profile, self._placer, finer, bands, nodata)
            parts.append(gdal_samples.most_frequent(pixels, times, nodata))
        return parts[0] if len(parts) == 1 else joined(parts, -2)

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Return bytes that have to be decoded to fill the grid, from the header alone."""
        return footprint.decoded_bytes(self._profile, grid, bands, least=self.minimum_memory.least)

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:  # noqa: ARG002 - the same for all
        """Return bytes of memory that filling the grid takes at a time: blocks, which GDAL keeps up to the size of its
        cache, and a copy of the output.
        """
        return self.estimate(grid, bands=bands) + grid.width * grid.height * len(bands) * self._profile.dtype.itemsize

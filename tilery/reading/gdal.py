"""Rasters through GDAL: the one file that opens one for reading.

Opening is where a raster server is attacked, so it is done with the driver that the first bytes name and no other:
GDAL never guesses, and a VRT, a web-service description or an archive under a harmless name is refused before it can
lead elsewhere. Bytes of remote rasters come through our own source, so GDAL never makes a connection.

Handles stay open. Each belongs to one thread while it is used, and opens the overview that the output needs, so that
a warp runs once, at the output's size, over few pixels: that is where most of the time of a tile goes otherwise.
"""

from __future__ import annotations

import atexit
import logging
import math
import threading
import warnings
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.geo.raster import Grid
from tilery.limits import deadline
from tilery.reading import footprint, gdal_files, gdal_samples, precheck
from tilery.reading.gdal_facts import FAILURES, driver_of, need_own_overviews
from tilery.reading.gdal_windows import is_inside, read_warped, read_window
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.reader import joined, rows_of
from tilery.reading.grid_reader import Pixels, overlaid
from tilery.reading.precheck import Footing
from tilery.reading.profile import Profile
from tilery.storage.bytes.file_object import SourceFile, file_object
from tilery.storage.bytes.protocol import ByteSource

if TYPE_CHECKING:
    from tilery.reading.sidecars import Sidecar  # which are opened here first

logger = logging.getLogger("tilery.reading")


_TOO_LONG_FOR_MODE = frozenset({"int32", "uint32", "int64", "uint64", "float64"})
"""Data types whose values GDAL's warps do not keep apart when they count them."""
_SAMPLES = 1 << 22
"""Pixels that are counted at a time."""
_MAX_BANDS = 4096
_MAX_SIDE = 2**31 - 1


class Handle:
    """One open GDAL dataset and the files it reads from. For one thread at a time."""

    def __init__(
        self,
        source: ByteSource,
        *,
        overview: int | None = None,
        footing: Footing | None = None,
        beside: Sequence[Sidecar] = (),
    ) -> None:
        """Open the raster of a byte source.

        Args:
            source: the bytes.
            overview: an overview level (from 0); None: the full raster.
            footing: what was found before of this very source; None: its header is checked first.
            beside: open files that GDAL is to find beside it.

        Raises:
            NotARaster, BrokenRaster, UnsupportedRaster: what the bytes turn out to be.
        """
        _close_abandoned()
        driver = driver_of(source.read(0, 16))
        self._files = gdal_files.DatasetFiles(source)
        self.footing = footing or precheck.check(self._files.header, driver)
        path, added = source.open_path, None
        if path is None or beside or self.footing.deflated is not None:
            # files beside it have no names; its blocks are looked at as they are read
            path = added = gdal_files.add(self._files.open, {one.suffix: self._opener_of(one) for one in beside})
        try:
            with gdal_files.reachable():
                self.dataset = self._open(path, driver, overview, beside=bool(beside))
        except BaseException:
            if added:
                gdal_files.remove(added)
            raise
        self._added = added
        self._in_use = threading.RLock()
        self._lost = weakref.finalize(self, _abandoned.append, (self.dataset, added))
        self._lost.atexit = False
        _handles.add(self)
        if self.footing.deflated is not None:
            self._files.check_blocks(self.footing.deflated.check)

    def _opener_of(self, sidecar: Sidecar) -> Callable[[], SourceFile]:
        deflated = sidecar.footing.deflated
        return partial(self._files.open_beside, sidecar.source, _unchecked if deflated is None else deflated.check)

    def _open(self, path: str, driver: str, overview: int | None, *, beside: bool) -> DatasetReader:
        options: dict[str, Any] = {"driver": driver, "sharing": False}
        if overview is not None:
            options["overview_level"] = overview
        with ExitStack() as failed:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotGeoreferencedWarning)
                    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE") if beside else nullcontext():
                        dataset = rasterio.open(path, **options)
                        failed.callback(dataset.close)
                        if beside:  # GDAL looks for files beside a mask when it is first asked for
                            _ = dataset.mask_flag_enums, dataset.overviews(1)
            except FAILURES as error:
                self.check()
                raise BrokenRaster(
                    "The raster is damaged, cut short or of a kind that cannot be read.",
                    parameter="url",
                    private=str(error),
                ) from None
            self.check()
            if not 0 < dataset.count <= _MAX_BANDS or max(dataset.shape) > _MAX_SIDE:
                raise UnsupportedRaster(f"A raster has 1 to {_MAX_BANDS} bands.", parameter="url", limit=_MAX_BANDS)
            need_own_overviews(dataset)
            failed.pop_all()
        return dataset

    @contextmanager
    def use(self) -> Iterator[DatasetReader]:
        """The dataset. What is done with it fails when its bytes did not arrive.

        Raises:
            SourceChanged, TileryError: why they did not.
        """
        with self._in_use, gdal_files.reachable():
            try:
                yield self.dataset
            finally:
                self.check()

    def check(self) -> None:
        """Check that all bytes arrived.

        GDAL loses the exceptions of its files, and some drivers paint over what they could not read: this is asked
        after every use of the handle, also after one that seemed to go well.

        Raises:
            SourceChanged, TileryError: why they did not.
        """
        self._files.need_all()

    def close(self) -> None:
        """Close the dataset. Whoever closes it is mostly at work for another raster, so a failure is only logged."""
        if self._lost.detach() is not None:
            _close(self.dataset, self._added)

    def close_if_idle(self) -> None:
        """Close the dataset unless a thread is at work with it."""
        if self._in_use.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._in_use.release()


_handles: weakref.WeakSet[Handle] = weakref.WeakSet()
_abandoned: deque[tuple[DatasetReader, str | None]] = deque()
"""Datasets whose handles nobody closed, and the paths that were added for them. The garbage collector finds them
anywhere, also while GDAL waits for our bytes and must not be called: they are closed when the next one is opened.
"""


def _close(dataset: DatasetReader, added: str | None) -> None:
    try:
        try:
            with gdal_files.reachable():
                dataset.close()
        finally:
            if added:
                gdal_files.remove(added)
    except Exception:
        logger.warning("a raster could not be closed", exc_info=True)


def _close_abandoned() -> None:
    with suppress(IndexError):
        while True:
            _close(*_abandoned.popleft())


@atexit.register
def _close_all() -> None:
    """Close what is open at the end of the process: GDAL would do it when there is no Python any more."""
    for handle in tuple(_handles):
        handle.close_if_idle()
    _close_abandoned()


def _unchecked(_start: int, _read: Callable[[int, int], bytes]) -> None:
    """Let bytes pass that need no look."""


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
        self._footing: Footing | None = None

    @property
    def footing(self) -> Footing:
        """What reading the raster takes at the least."""
        if self._footing is None:
            self._footing = precheck.check(file_object(self._source, quiet=True), driver_of(self._source.read(0, 16)))
        return self._footing

    @contextmanager
    def handle(self, overview: int | None = None) -> Iterator[DatasetReader]:
        """A dataset that no other thread uses meanwhile. What is done with it fails when its bytes did not arrive."""
        with self._lock:
            idle = self._idle[overview]
            handle = idle.pop() if idle else None
        if handle is None:
            handle = Handle(self._source, overview=overview, footing=self._footing, beside=self._beside)
            self._footing = handle.footing
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

    def adopt(self, handle: Handle) -> None:
        """Take over a handle of the full raster that is already open."""
        self._footing = handle.footing
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
        """The grid filled with the bands asked for; see `tilery.reading.grid_reader.GridReader.read`."""
        try:
            if method == "nearest" and not self._profile.gcps:
                return self._read_nearest(grid, bands, nodata)
            first, *others = footprint.shifts(self._profile, grid)
            found = self._read(grid, first, bands, nodata, method)
            for turn in others:
                if found.mask is None:
                    break
                found = overlaid(found, self._read(grid, turn, bands, nodata, method))
        except FAILURES as error:
            raise BrokenRaster(
                "The raster could not be read: it is damaged or cut short.", parameter="url", private=str(error)
            ) from None
        return found

    def _read_nearest(self, grid: Grid, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        profile = self._profile
        with self.handle(footprint.overview(profile, footprint.detail(profile, grid), "nearest")) as dataset:
            return gdal_samples.nearest(dataset, profile, self._placer, grid, bands, nodata)

    def _read(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """The grid filled from the raster moved by ``turn``: GDAL knows of places in one turn around the world only."""
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
        """A gaussian read in another CRS. GDAL has that kernel for reads only, not for warps: warp first at up to twice
        the output's size, then let the read thin out.
        """
        profile = self._profile
        mean, across, down = footprint.scales(profile, grid)
        times = 2 if mean > 1 else 1
        detail = footprint.finer(grid, mean, across, down)
        with self.handle(footprint.overview(profile, detail / times, "nearest")) as dataset:
            finer = Grid(crs=grid.crs, bounds=grid.bounds, width=grid.width * times, height=grid.height * times)
            out = (grid.height, grid.width)
            return read_warped(dataset, profile, finer, bands, nodata, "nearest", turn=turn, out=out, thin="gauss")

    def _read_mode(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        """The most frequent value below each pixel. GDAL's warps count values as floating point of 32 bits, which makes
        numbers of others beyond 2^24: the pixels are taken one by one and counted here, some rows at a time.
        """
        profile = self._profile
        scale = footprint.scale(profile, grid)
        chosen = footprint.overview(profile, scale, "mode")
        left = scale / (1 if chosen is None else profile.overviews[chosen])
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
        """Bytes that have to be decoded to fill the grid, from the header alone."""
        return footprint.decoded_bytes(self._profile, grid, bands, least=self.footing.least)

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:  # noqa: ARG002 - the same for all
        """Bytes of memory that filling the grid takes at a time: blocks, which GDAL keeps up to the size of its cache,
        and a copy of the output.
        """
        return self.estimate(grid, bands=bands) + grid.width * grid.height * len(bands) * self._profile.dtype.itemsize

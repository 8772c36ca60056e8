"""One dataset of GDAL, open: the one file that opens rasters for reading, and sees to it that they are closed.

Opening is where a raster server is attacked, so it is done with the driver that the first bytes name and no other:
GDAL never guesses, and a VRT, a web-service description or an archive under a harmless name is refused before it can
lead elsewhere. Bytes of remote rasters come through our own source, so GDAL never makes a connection.
"""

from __future__ import annotations

import atexit
import logging
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.reading import gdal_files, precheck
from tilery.reading.gdal_facts import FAILURES, driver_of, need_own_overviews
from tilery.reading.precheck import MinimumMemory
from tilery.storage.bytes.file_object import SourceFile
from tilery.storage.bytes.protocol import ByteSource

if TYPE_CHECKING:
    from tilery.reading.sidecars import Sidecar  # which are opened here first

logger = logging.getLogger("tilery.reading")

_MAX_BANDS = 4096
_MAX_SIDE = 2**31 - 1


class Handle:
    """One open GDAL dataset and the files it reads from. For one thread at a time."""

    def __init__(
        self,
        source: ByteSource,
        *,
        overview: int | None = None,
        minimum_memory: MinimumMemory | None = None,
        beside: Sequence[Sidecar] = (),
    ) -> None:
        """Open the raster of a byte source.

        Args:
            source: the bytes.
            overview: an overview level (from 0); None: the full raster.
            minimum_memory: what was found before of this very source; None: its header is checked first.
            beside: open files that GDAL is to find beside it.

        Raises:
            NotARaster, BrokenRaster, UnsupportedRaster: what the bytes turn out to be.
        """
        _close_abandoned()
        driver = driver_of(source.read(0, 16))
        self._files = gdal_files.DatasetFiles(source)
        self.minimum_memory = minimum_memory or precheck.check(self._files.header, driver)
        path, added = source.open_path, None
        if path is None or beside or self.minimum_memory.deflated is not None:
            # files beside it have no names; its blocks are looked at as they are read
            path = added = gdal_files.add(self._files.open, {one.suffix: self._opener_of(one) for one in beside})
        try:
            with gdal_files.reachable():
                self.dataset = self._open(path, driver, overview, beside=bool(beside))
        except BaseException:
            if added:
                gdal_files.remove(added)
            raise
        self._files.is_open()
        self._added = added
        self._in_use = threading.RLock()
        self._lost = weakref.finalize(self, _abandoned.append, (self.dataset, added))
        self._lost.atexit = False
        _handles.add(self)
        if self.minimum_memory.deflated is not None:
            self._files.check_blocks(self.minimum_memory.deflated.check)

    def _opener_of(self, sidecar: Sidecar) -> Callable[[], SourceFile]:
        deflated = sidecar.minimum_memory.deflated
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
            with suppress(*FAILURES):  # whoever asks for them is told
                _ = dataset.mask_flag_enums, dataset.overviews(1)  # of all directories: see `HeaderReads`
            self.check()
            failed.pop_all()
        return dataset

    @contextmanager
    def use(self) -> Iterator[DatasetReader]:
        """The dataset. What is done with it fails when its bytes did not arrive.

        Raises:
            SourceChanged, TileryError: why they did not.
            BrokenRaster: GDAL cannot make anything of them.
        """
        with self._in_use, gdal_files.reachable():
            try:
                yield self.dataset
            except FAILURES as error:
                self.check()
                raise BrokenRaster(
                    "The raster could not be read: it is damaged or cut short.", parameter="url", private=str(error)
                ) from None
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

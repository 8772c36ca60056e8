"""A raster in one file: read by our own reader where it can, and by GDAL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilery.geo.raster import Grid
from tilery.reading.dataset import Resources
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.grid_reader import GridReader
from tilery.reading.profile import Profile, whole_nodata
from tilery.reading.source import Source
from tilery.reading.tiff import facts
from tilery.reading.tiff.header import nodata_text
from tilery.reading.tiff.opening import grid_reader, header_of, supports
from tilery.storage.bytes.protocol import ByteSource

if TYPE_CHECKING:
    from tilery.reading.gdal import GdalGridReader


class RasterDataset:
    """One raster, open: its bytes, what it says of itself, and what fills grids from it."""

    identity_for: Callable[[Grid], str] | None = None
    """One file is one whole."""

    def __init__(self, engine: Resources, source: ByteSource) -> None:
        """Open the raster of a byte source and read what it says of itself."""
        self.source = source
        self.identity = source.identity
        header = header_of(source)
        alone = source.local_path is None or not engine.sidecars
        profile = facts.profile(header) if header is not None and alone else None
        self._sidecars = engine.sidecars
        self._gdal: GdalGridReader | None = None
        self._making = threading.Lock()
        self._closed = False
        self.profile: Profile = profile or self._ask_gdal()
        readable = header is not None and supports(header, self.profile)
        if profile is not None and not readable:
            self.profile = self._ask_gdal()
            readable = header is not None and supports(header, self.profile)
        self.blocks: BlockGridReader | None = None
        """Our own reader. None: GDAL alone can read this raster."""
        if header is not None and readable:
            self.blocks = grid_reader(source, self.profile, header, engine.blocks, engine.workers)

    def reader_for(self, method: str) -> GridReader:
        """Return our own reader where it knows the resampling, else GDAL's."""
        if self.blocks is not None and self.blocks.takes(method):
            return self.blocks
        return self._by_gdal()

    @contextmanager
    def gdal(self, overview: int | None = None) -> Iterator[Any]:
        """A context with GDAL's dataset of the raster, or of one of its overviews (from 0)."""
        with self._by_gdal().handle(overview) as handle:
            yield handle

    def unchanged(self) -> bool:
        """Return whether the file still is what was opened. Costs a stat for a local file, nothing for a remote one
        (each of its reads is conditional).
        """
        return self.source.local_path is None or self.source.refresh()

    def refresh(self) -> bool:
        """Return whether the source still is what was opened."""
        return self.source.refresh()

    def close(self) -> None:
        """Close the handles; those in use close when they come back."""
        with self._making:
            self._closed = True
            if self._gdal is not None:
                self._gdal.close()
        self.source.close()

    def _by_gdal(self) -> GdalGridReader:
        """GDAL, which is loaded only when something needs it: our own reader is enough for most."""
        with self._making:
            if self._gdal is None:
                from tilery.reading.gdal import GdalGridReader

                self._gdal = GdalGridReader(self.source, self.profile, sidecars=self._sidecars)
                if self._closed:  # evicted by another request meanwhile: no handle of it stays open
                    self._gdal.close()
            return self._gdal

    def _ask_gdal(self) -> Profile:
        """What GDAL says of the raster, which it then has open."""
        from tilery.reading.gdal import GdalGridReader, Handle
        from tilery.reading.gdal_facts import profile_of

        handle = Handle(self.source, sidecars=self._sidecars)
        try:
            with handle.use() as dataset:
                profile = profile_of(dataset)
            if profile.dtypes[0] in ("int64", "uint64") and (text := nodata_text(self.source)) is not None:
                # rasterio knows nodata as floating point, which does not hold them all
                profile = replace(profile, nodata=whole_nodata(text, profile.dtypes[0]))
            self._gdal = GdalGridReader(self.source, profile, sidecars=self._sidecars)
        except BaseException:
            handle.close()
            raise
        self._gdal.adopt(handle)
        return profile


def open_raster(engine: Resources, source: Source) -> RasterDataset:
    """Open the raster of a source of one file.

    Raises:
        SourceError, UpstreamError: it cannot be opened.
    """
    opened = engine.stores.open(source.location)
    try:
        return RasterDataset(engine, opened)
    except BaseException:
        opened.close()
        raise

"""A raster in one file: read by our own reader where it can, and by GDAL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilery.geo.raster import Grid
from tilery.limits import memory
from tilery.reading import class_names, sidecars
from tilery.reading.dataset import Resources
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.grid_reader import GridReader
from tilery.reading.profile import Profile, whole_nodata
from tilery.reading.sidecars import Sidecar
from tilery.reading.source import Source
from tilery.reading.tiff import facts
from tilery.reading.tiff.header import nodata_text
from tilery.reading.tiff.opening import grid_reader, header_of, supports
from tilery.storage.bytes.protocol import ByteSource, identity_of

if TYPE_CHECKING:
    from tilery.reading.gdal import GdalGridReader


class RasterDataset:
    """One raster, open: its bytes, what it says of itself, and what fills grids from it."""

    identity_for: Callable[[Grid], str] | None = None
    """One file is one whole."""

    def __init__(
        self,
        engine: Resources,
        source: ByteSource,
        beside: Sequence[Sidecar] = (),
        description: ByteSource | None = None,
    ) -> None:
        """Open the raster of a byte source and read what it says of itself.

        Args:
            engine: what an engine gives.
            source: the bytes.
            beside: open files beside it that are read with it; closed with it.
            description: one that says what its values are called; closed with it.
        """
        self.source = source
        self._beside = beside
        self._description = description
        self.identity = source.identity
        if beside:
            self.identity = identity_of(
                source.identity, *(part for one in beside for part in (one.suffix, one.source.identity))
            )
        if description is not None:
            self.identity = identity_of(self.identity, sidecars.DESCRIPTION, description.identity)
        header = header_of(source) if not beside else None  # GDAL alone reads what is beside
        profile = facts.profile(header) if header is not None else None
        self._gdal: GdalGridReader | None = None
        self._making = threading.Lock()
        self._closed = False
        self.profile: Profile = profile or self._ask_gdal()
        readable = header is not None and supports(header, self.profile)
        if profile is not None and not readable:
            self.profile = self._ask_gdal()
            readable = header is not None and supports(header, self.profile)
        if description is not None:
            memory.need(class_names.PARSED * description.size)
            named = class_names.parsed(description.read(0, description.size))
            self.profile = replace(self.profile, class_names=named)
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
        return all(source.local_path is None or source.refresh() for source in self._sources)

    def refresh(self) -> bool:
        """Return whether the source still is what was opened."""
        return all(source.refresh() for source in self._sources)

    @property
    def _sources(self) -> tuple[ByteSource, ...]:
        described = () if self._description is None else (self._description,)
        return (self.source, *(one.source for one in self._beside), *described)

    def close(self) -> None:
        """Close the handles; those in use close when they come back."""
        with self._making:
            self._closed = True
            if self._gdal is not None:
                self._gdal.close()
        for source in self._sources:
            source.close()

    def _by_gdal(self) -> GdalGridReader:
        """GDAL, which is loaded only when something needs it: our own reader is enough for most."""
        with self._making:
            if self._gdal is None:
                from tilery.reading.gdal import GdalGridReader

                self._gdal = GdalGridReader(self.source, self.profile, beside=self._beside)
                if self._closed:  # evicted by another request meanwhile: no handle of it stays open
                    self._gdal.close()
            return self._gdal

    def _ask_gdal(self) -> Profile:
        """Return what GDAL says of the raster, which it then has open."""
        from tilery.reading.gdal import GdalGridReader
        from tilery.reading.gdal_facts import profile_of
        from tilery.reading.gdal_handle import Handle

        handle = Handle(self.source, beside=self._beside)
        try:
            with handle.use() as dataset:
                profile = profile_of(dataset)
            if profile.overviews and not self._overviews_are_masked(len(profile.overviews)):
                profile = replace(profile, overviews=())
            if profile.dtypes[0] in ("int64", "uint64") and (text := nodata_text(self.source)) is not None:
                # rasterio knows nodata as floating point, which does not hold them all
                profile = replace(profile, nodata=whole_nodata(text, profile.dtypes[0]))
            self._gdal = GdalGridReader(self.source, profile, beside=self._beside)
        except BaseException:
            handle.close()
            raise
        self._gdal.adopt(handle)
        return profile

    def _overviews_are_masked(self, number: int) -> bool:
        """Return whether the overviews show what a mask beside the raster takes away: it may have none of its own."""
        from rasterio.enums import MaskFlags

        from tilery.reading.gdal_handle import Handle

        if all(one.suffix != ".msk" for one in self._beside):
            return True
        for overview in {0, number - 1}:
            handle = Handle(self.source, overview=overview, beside=self._beside)
            try:
                with handle.use() as dataset:
                    if any(MaskFlags.per_dataset not in flags for flags in dataset.mask_flag_enums):
                        return False
            finally:
                handle.close()
        return True


def open_raster(engine: Resources, source: Source) -> RasterDataset:
    """Open the raster of a source of one file.

    Raises:
        SourceError, UpstreamError: it cannot be opened.
    """
    opened = engine.stores.open(source.location)
    beside: Sequence[Sidecar] = ()
    description: ByteSource | None = None
    try:
        if engine.sidecars is not None:
            locations = engine.sidecars(source.location)
            beside = sidecars.opened(locations, engine.stores)
            description = sidecars.description(locations, engine.stores)
        return RasterDataset(engine, opened, beside, description)
    except BaseException:
        opened.close()
        sidecars.close(beside)
        if description is not None:
            description.close()
        raise

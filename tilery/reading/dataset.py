"""What a dataset is: one source, open, that fills grids with pixels, whatever kind it is of.

Everything above asks no more of a raster than this, so that a new kind of source gets every verb and every route by
giving an opener to the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tilery.geo.raster import Bounds, Crs, Grid, Raster
from tilery.geo.tms import TileMatrixSet
from tilery.reading.grid.blocks import BlockCache
from tilery.reading.grid.workers import Workers
from tilery.reading.grid_reader import GridReader
from tilery.reading.options import ReadOptions
from tilery.reading.parallel_reads import ParallelReads
from tilery.reading.profile import Profile
from tilery.reading.sidecars import SidecarLocations
from tilery.reading.source import Source
from tilery.storage.locations import Location
from tilery.storage.stores import Stores

if TYPE_CHECKING:
    from tilery.reading.open_datasets import OpenDatasets


class Resources(Protocol):
    """What an engine gives to those who open datasets."""

    @property
    def stores(self) -> Stores:
        """Where bytes come from."""
        ...

    @property
    def blocks(self) -> BlockCache:
        """Decoded blocks that are kept."""
        ...

    @property
    def workers(self) -> Workers:
        """Threads that decode where cores are idle."""
        ...

    @property
    def sidecars(self) -> SidecarLocations | None:
        """What tells where files beside a raster may be that are read with it. None: none are."""
        ...

    @property
    def parts(self) -> ParallelReads:
        """Threads that open and read the parts of a source made of others."""
        ...

    @property
    def alternate(self) -> str | None:
        """Name of the alternate addresses of assets to be preferred."""
        ...

    @property
    def chunk_seconds(self) -> float:
        """Seconds for which chunks of a Zarr store are taken to stay as they are. 0: as long as its metadata do."""
        ...

    def locate(self, url: str) -> Location:
        """Return where something is that a source names.

        Raises:
            SourceRefused: the policy does not allow it.
            InvalidParameter: it is no address.
        """
        ...

    @property
    def datasets(self) -> OpenDatasets:
        """Datasets that are open, for sources made of others."""
        ...


class Dataset(Protocol):
    """One source, open. Safe under threads."""

    @property
    def identity(self) -> str:
        """What tells this state of the source from any other: part of every cache key."""
        ...

    @property
    def profile(self) -> Profile:
        """Where it is and what its bands are."""
        ...

    def reader_for(self, method: str) -> GridReader:
        """Return what fills grids with this resampling (rasterio's names in lower case)."""
        ...

    @property
    def identity_for(self) -> Callable[[Grid], str] | None:
        """What tells the identity of what a grid is filled from. None: that is the identity of the whole."""
        ...

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:
        """Return a context with a GDAL dataset of the raster, or of one of its overviews (from 0).

        Raises:
            UnsupportedRaster: GDAL has no dataset of this kind.
        """
        ...

    def unchanged(self) -> bool:
        """Return whether the source still is what was opened, as far as that costs no request."""
        ...

    def refresh(self) -> bool:
        """Return whether the source still is what was opened.

        Raises:
            UpstreamError: the store failed to say.
        """
        ...

    def close(self) -> None:
        """Close what is open; reads under way end as if it were open."""
        ...


@runtime_checkable
class Holder(Protocol):
    """A dataset that holds much memory while it is open, as the documents of mosaics: fewer of them stay open."""

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that it holds."""
        ...


@runtime_checkable
class Documented(Protocol):
    """A dataset that a document leads to, as an item to its assets: it has an identity beside that of the document."""

    @property
    def document_identity(self) -> str:
        """Identity of the document alone."""
        ...


class Composite(ABC):
    """A dataset made of others that choose among their pixels: it fills grids by itself, as options ask."""

    @property
    @abstractmethod
    def held_bytes(self) -> int:
        """Bytes of memory that it holds while it is open."""

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """True as long as none of the others that were met needs a network."""

    @abstractmethod
    def fill(self, grid: Grid, options: ReadOptions, *, buffer: float | None, padding: int | None) -> Raster:
        """Return a grid filled, with what goes around it; see `tilery.reading.filling.fill`.

        Its `Raster.parts` are empty where none of the others touches the grid.
        """

    @abstractmethod
    def may_touch(self, crs: Crs, bounds: Bounds) -> bool:
        """Return whether any of the others may touch bounds. Never waits."""

    @abstractmethod
    def identity_of(self, grid: Grid, read: tuple[tuple[str, str], ...]) -> str:
        """Return the identity of what a grid is filled from, as far as it is known. Never waits.

        Args:
            grid: to be filled.
            read: names and identities of those that it was just filled from.
        """

    @abstractmethod
    def identity_of_all(self) -> str:
        """Return the identity of what any grid is filled from: another after a while, as the others may change."""

    @abstractmethod
    def zooms(self, tms: TileMatrixSet) -> tuple[int, int]:
        """Return the shallowest and deepest zoom that show it in a tile matrix set."""


Opener = Callable[[Resources, Source], Dataset]
"""Opens sources of one kind with what an engine has.

Raises SourceError or UpstreamError when it cannot be opened.
"""


def document_identity(dataset: Dataset) -> str:
    """Return the identity of the document that leads to a dataset: of an item, a group of arrays, a mosaic; where there
    is none, that of the raster.
    """
    return dataset.document_identity if isinstance(dataset, Documented) else dataset.identity

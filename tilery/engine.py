"""The engine: everything that reading rasters needs, made once with its options, and closed.

Two engines in one process share nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from tilery.arena import Arena
from tilery.reading.dataset import Dataset, Opener, Resources
from tilery.reading.grid.blocks import BlockCache
from tilery.reading.grid.workers import Workers
from tilery.reading.mosaic.source import MOSAIC
from tilery.reading.open_datasets import OpenDatasets
from tilery.reading.parallel_reads import ParallelReads
from tilery.reading.raster_dataset import open_raster
from tilery.reading.reader import Reader
from tilery.reading.sidecars import SidecarLocations
from tilery.reading.source import RASTER, Source
from tilery.reading.stac.choice import ITEM, STACK
from tilery.reading.zarr.source import GROUP, ZARR
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.locations import Location
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

BLOCK_CACHE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine may use, and how it reads."""

    stores: StoreOptions = field(default_factory=StoreOptions)
    """How stores are reached."""
    open_datasets: int = 128
    """Datasets kept open."""
    revalidate_seconds: float = 5.0
    """Seconds after which an open dataset is checked for changes."""
    block_cache_bytes: int | None = None
    """Bytes of decoded blocks that are kept. None: 64 MB."""
    cores: int | None = None
    """Cores to count on. None: those that the process may run on."""
    sidecars: SidecarLocations | None = None
    """Where the overviews and the mask beside a raster may be (`tilery.reading.sidecars`); those that are there are
    read with it. None: nowhere."""
    policy: Policy = field(default_factory=Policy)
    """What sources that name others (the assets of an item, the rasters of a mosaic) may name, and servers redirect to.
    Nothing, where nothing is said."""
    alternate: str | None = None
    """Name of the alternate addresses of STAC assets that are preferred to their own."""
    chunk_seconds: float = 0.0
    """Seconds for which chunks of a Zarr store are taken to stay as they are. 0: as long as its metadata do."""


class Engine:
    """Open datasets, decoded blocks, stores and threads. Safe under threads."""

    def __init__(self, options: EngineOptions | None = None, *, block_arena: Arena | None = None) -> None:
        """Make an engine. Nothing is opened or started yet.

        Args:
            options: what it may use.
            block_arena: memory for decoded blocks, where it is shared with other processes.
        """
        self.options = options or EngineOptions()
        self.policy = self.options.policy
        """What sources that name others may name, and servers redirect to; whoever made the engine may change it."""
        self.stores = Stores(self.options.stores, self.locate)
        self.sidecars = self.options.sidecars
        self._shares_blocks = block_arena is not None
        capacity = self.options.block_cache_bytes
        self.blocks = BlockCache(BLOCK_CACHE_BYTES if capacity is None else capacity, block_arena)
        self.workers = Workers(self.options.cores)
        self.parts = ParallelReads()
        self.openers: dict[str, Opener] = {
            RASTER: open_raster,
            ITEM: _open_item,
            STACK: _open_stack,
            MOSAIC: _open_mosaic,
            ZARR: _open_zarr,
            GROUP: _open_group,
        }
        """What opens the sources of each kind."""
        self.datasets = OpenDatasets(
            self._opened,
            capacity=self.options.open_datasets,
            revalidate_seconds=self.options.revalidate_seconds,
        )

    @property
    def alternate(self) -> str | None:
        """Name of the alternate addresses of assets to be preferred."""
        return self.options.alternate

    @property
    def chunk_seconds(self) -> float:
        """Seconds for which chunks of a Zarr store are taken to stay as they are. 0: as long as its metadata do."""
        return self.options.chunk_seconds

    def locate(self, url: str) -> Location:
        """Return where something is that a source names by its address (``url``).

        Raises:
            SourceRefused: the policy does not allow it.
            InvalidParameter: it is no address.
        """
        return self.policy.locate(url)

    @contextmanager
    def open(self, source: Source) -> Iterator[Reader]:
        """A context with a reader of the raster of a source, which stays open afterwards for the next request.

        Raises:
            SourceChanged: the raster changed while it was read; what was read must not be used. Opening it again gives
                the new one.
            SourceError, UpstreamError: it cannot be opened or read.
        """
        opened = self.datasets.get(source)
        try:
            yield Reader(opened)
        except SourceChanged:
            self.datasets.forget(opened)
            raise
        except Exception:
            if not opened.dataset.unchanged():
                self.datasets.forget(opened)
                raise SourceChanged from None
            raise
        if not opened.dataset.unchanged():
            self.datasets.forget(opened)
            raise SourceChanged

    def peek(self, source: Source) -> Reader | None:
        """Return the reader of a ``source`` that is open and was checked lately, for facts that need no pixels.

        Never waits.
        """
        opened = self.datasets.peek(source)
        return None if opened is None else Reader(opened)

    def _opened(self, source: Source) -> Dataset:
        return self.openers[source.kind](self, source)

    def shrink(self, block_cache_bytes: int) -> None:
        """Close every dataset, and keep at most ``block_cache_bytes`` of blocks from now on, where their memory is not
        that of others too.
        """
        if not self._shares_blocks:
            self.blocks.resize(block_cache_bytes)
        self.datasets.clear()

    def empty(self) -> None:
        """Close every dataset and drop all blocks, where their memory is not that of others too."""
        if not self._shares_blocks:
            self.blocks.renew()
        self.datasets.clear()

    def forget(self) -> None:
        """Close every dataset and connection; what is needed again is opened again."""
        self.datasets.clear()
        self.stores.forget()

    def close(self) -> None:
        """Close everything. The engine is not used any more."""
        self.datasets.close()
        self.parts.close()
        self.workers.close()
        self.stores.close()

    def __enter__(self) -> Self:
        """Return the engine, which is closed at the end of the context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the engine."""
        self.close()


def _open_item(engine: Resources, source: Source) -> Dataset:
    from tilery.reading.stac.dataset import open_item

    return open_item(engine, source)


def _open_stack(engine: Resources, source: Source) -> Dataset:
    from tilery.reading.stac.stack import open_stack
    from tilery.rendering.expression.formula import Formula

    return open_stack(engine, source, Formula.parse)


def _open_mosaic(engine: Resources, source: Source) -> Dataset:
    from tilery.reading.mosaic.dataset import open_mosaic
    from tilery.rendering.expression.formula import Formula

    return open_mosaic(engine, source, Formula.parse)


def _open_zarr(engine: Resources, source: Source) -> Dataset:
    from tilery.reading.zarr.dataset import open_zarr

    return open_zarr(engine, source)


def _open_group(engine: Resources, source: Source) -> Dataset:
    from tilery.reading.zarr.group import open_group

    return open_group(engine, source)

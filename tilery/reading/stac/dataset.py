"""An item, open: what it says of itself. Its pixels are those of its assets, which are opened by others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from tilery.errors import NotARaster, UnsupportedRaster
from tilery.geo.raster import Grid
from tilery.reading.dataset import Resources
from tilery.reading.grid_reader import GridReader
from tilery.reading.profile import Profile
from tilery.reading.source import Source
from tilery.reading.stac import frame, item
from tilery.reading.stac.item import Item
from tilery.storage.bytes.protocol import ByteSource


class ItemDataset:
    """An item alone: it has a place, and no pixels."""

    identity_for: Callable[[Grid], str] | None = None
    """One document is one whole."""

    def __init__(self, source: ByteSource, document: Item) -> None:
        """Hold what was read from a byte source."""
        self._source = source
        self.item = document
        self.identity = source.identity

    @cached_property
    def profile(self) -> Profile:
        """Where it is, as it says itself."""
        return profile_of(frame.of_item(self.item), count=1)

    def reader_for(self, method: str) -> GridReader:  # noqa: ARG002 - one of several
        """Refuse: nobody said which assets."""
        raise UnsupportedRaster("Pixels are those of assets: name some.", parameter="assets")

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:  # noqa: ARG002 - one of several
        """Refuse: it is no raster."""
        raise UnsupportedRaster("A STAC Item is no raster that GDAL opens.")

    def unchanged(self) -> bool:
        """Return whether the file still is what was opened, as far as that costs no request."""
        return self._source.local_path is None or self._source.refresh()

    def refresh(self) -> bool:
        """Return whether the document still is what was opened."""
        return self._source.refresh()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def open_item(engine: Resources, source: Source) -> ItemDataset:
    """Open an item.

    Raises:
        NotARaster: it is none, or a larger one than there are.
        SourceError, UpstreamError: it cannot be read.
    """
    opened = engine.stores.open(source.location)
    try:
        return ItemDataset(opened, item.parse(_content(opened)))
    except BaseException:
        opened.close()
        raise


def _content(opened: ByteSource) -> bytes:
    if opened.size > item.MOST_BYTES:
        raise NotARaster(
            f"The STAC Item has more than {item.MOST_BYTES} bytes.", parameter="url", limit=item.MOST_BYTES
        )
    return opened.read(0, opened.size)


def profile_of(place: frame.Frame, *, count: int, **facts: Any) -> Profile:
    """Return the profile of what is in no file: bands on a frame."""
    known: dict[str, Any] = {
        "dtypes": ("uint8",) * count,
        "colorinterp": ("undefined",) * count,
        "has_mask": False,
        "scales": (1.0,) * count,
        "offsets": (0.0,) * count,
        "descriptions": (None,) * count,
        "band_tags": ({},) * count,
    }
    return Profile(
        driver="STAC",
        width=place.width,
        height=place.height,
        count=count,
        crs=place.crs,
        transform=place.transform,
        nodata=None,
        overviews=(),
        block_shapes=((1, place.width),) * count,
        palette=None,
        composed=True,
        **{**known, **facts},
    )

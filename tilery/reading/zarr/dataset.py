"""One variable of a store, open: its chunks are blocks of our own reader, as the tiles of a GeoTIFF are."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tilery.errors import UnsupportedRaster
from tilery.geo.raster import Grid
from tilery.reading.dataset import Resources
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.grid_reader import GridReader
from tilery.reading.profile import Profile
from tilery.reading.source import Source
from tilery.reading.zarr import bands as bands_
from tilery.reading.zarr import codecs, levels
from tilery.reading.zarr.chunks import ChunkImage, ChunkSource
from tilery.reading.zarr.packing import packing_of
from tilery.reading.zarr.stored import Json
from tilery.storage.bytes.protocol import identity_of

_MOST_BLOCKS = 1 << 47
_LONGEST_SIDE = 1 << 31
_MUCH = 8 << 20
"""Bytes of a group from which on it counts who holds it."""


class ZarrDataset:
    """A variable with what is selected of it. Safe under threads."""

    identity_for: Callable[[Grid], str] | None = None
    """One variable is one whole."""

    def __init__(self, engine: Resources, source: Source) -> None:
        """Read what describes a variable.

        Raises:
            NotFound: there is no such group or variable.
            InvalidParameter: the selection is none of its.
            SourceError, UpstreamError: it is no raster, or cannot be read.
        """
        options = dict(source.selection)
        self._datasets = engine.datasets
        self.levels = levels.of(engine, source, options["variable"])
        self.document_identity = levels.named_group(engine, source).dataset.identity
        finest = self.levels[0]
        self.group, self.array, place = finest.group, finest.array, finest.place
        for level in self.levels:
            codecs.check(level.array)
        packing = packing_of(self.array)
        if packing.dtype.kind not in "iufc":
            raise UnsupportedRaster(f"The variable {self.array.name[:64]!r} holds no numbers.", parameter="variable")
        self.packing = packing
        self.bands = bands_.of(self.group, self.array, (place.x, place.y), options["select"])
        images = [
            ChunkImage(
                position=position,
                array=level.array,
                packing=packing_of(level.array),
                x=place.x,
                y=place.y,
                selected=self.bands.planes,
            )
            for position, level in enumerate(self.levels)
        ]
        _check_size(images[0])
        kept = [image for image in images if image.dtype == packing.dtype]
        described = identity_of(self.group.identity, *(repr(level.array) for level in self.levels))
        self.identity = identity_of(described, place, source.selection, self.bands.planes)
        chunks = ChunkSource(self.group.objects, kept, described)
        self.profile = self._profile(kept)
        self._blocks = BlockGridReader(
            chunks, self.profile, kept, sparse=0.0, cache=engine.blocks, workers=engine.workers
        )

    def _profile(self, images: list[ChunkImage]) -> Profile:
        image, count = images[0], len(self.bands.planes)
        tags: dict[str, str] = {}
        ends = valid_range(self.array.attributes)
        if ends is not None:
            tags = {"STATISTICS_MINIMUM": repr(ends[0]), "STATISTICS_MAXIMUM": repr(ends[1])}
        return Profile(
            driver="Zarr",
            width=image.width,
            height=image.height,
            count=count,
            dtypes=(image.dtype.name,) * count,
            crs=self.levels[0].place.crs,
            transform=self.levels[0].place.transform,
            nodata=math.nan if self.packing.has_missing else None,
            colorinterp=("gray", *("undefined",) * (count - 1)),
            has_mask=False,
            scales=(1.0,) * count,
            offsets=(0.0,) * count,
            descriptions=self.bands.labels,
            overviews=tuple(round(image.width / other.width) for other in images[1:]),
            block_shapes=((image.tile_height, image.tile_width),) * count,
            palette=None,
            band_tags=(tags,) * count,
            bands_apart=True,
        )

    def reader_for(self, method: str) -> GridReader:
        """Return what fills grids with this resampling."""
        if self._blocks.takes(method):
            return self._blocks
        from tilery.reading.zarr.by_gdal import WindowReader

        return WindowReader(self._blocks, self.profile)

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:  # noqa: ARG002 - one of several
        """Refuse: GDAL opens none of our chunks."""
        raise UnsupportedRaster("A Zarr store is no raster that GDAL opens here.")

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that it holds: of its groups, where these are large and would be kept by nobody else."""
        return sum(held for level in self.levels if (held := level.group.held_bytes) > _MUCH)

    def unchanged(self) -> bool:
        """Return whether the metadata still are what was opened, as far as that costs no request."""
        return all(level.group.unchanged() for level in self.levels)

    def refresh(self) -> bool:
        """Return whether the metadata still are what was opened."""
        changed = [level for level in self.levels if not level.group.refresh()]
        for level in changed:
            self._datasets.forget(level.opened)  # which would be what is opened next
        return not changed

    def close(self) -> None:
        """Do nothing: the group is closed by whoever keeps it open."""


def valid_range(attributes: Json) -> tuple[float, float] | None:
    """Return the least and greatest valid value that attributes say; None where they do not say both."""
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    both = attributes.get("valid_range")
    if (low is None or high is None) and isinstance(both, list) and len(both) == 2:
        low, high = both
    for one in (low, high):
        if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one):
            return None
    return float(low), float(high)  # type: ignore[arg-type]  # numbers, as was just seen


def _check_size(image: ChunkImage) -> None:
    if max(image.width, image.height) >= _LONGEST_SIDE or math.prod(image.array.grid) >= _MOST_BLOCKS:
        raise UnsupportedRaster("The variable has more cells, or chunks, than can be read.", parameter="variable")


def open_zarr(engine: Resources, source: Source) -> ZarrDataset:
    """Open a variable.

    Raises:
        SourceError, UpstreamError, NotFound, InvalidParameter: it cannot be opened.
    """
    codecs.need_packages()
    return ZarrDataset(engine, source)

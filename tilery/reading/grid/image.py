"""An image made of blocks, whatever the format: what sampling, kernels, cache and deadline need to know of it.

A TIFF's tiles are such blocks, and so are the chunks of an array store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tilery.geo.raster import Array
from tilery.storage.bytes.protocol import ByteSource


class BlockImage(Protocol):
    """One image at one size: the full raster, an overview, or the mask of one of these."""

    @property
    def position(self) -> int:
        """What tells the images of one source apart."""
        ...

    @property
    def width(self) -> int:
        """Pixels across."""
        ...

    @property
    def height(self) -> int:
        """Pixels down."""
        ...

    @property
    def tile_width(self) -> int:
        """Pixels of a block, across."""
        ...

    @property
    def tile_height(self) -> int:
        """Pixels of a block, down."""
        ...

    @property
    def across(self) -> int:
        """Blocks side by side."""
        ...

    @property
    def down(self) -> int:
        """Blocks one below the other."""
        ...

    @property
    def planar(self) -> bool:
        """True when each band has blocks of its own, False when a block holds all bands pixel by pixel."""
        ...

    @property
    def samples(self) -> int:
        """Bands."""
        ...

    @property
    def block_samples(self) -> int:
        """Bands in one block, side by side in each pixel."""
        ...

    @property
    def block_planes(self) -> int:
        """Planes in one block, one after the other. 1 unless the format has blocks of more than two dimensions."""
        ...

    def place_of(self, plane: int) -> tuple[int, int]:
        """Return which set of blocks holds a plane, and the plane's number in each block of it, both from 0."""
        ...

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        ...

    @property
    def working_bytes(self) -> int:
        """Bytes that decoding one block takes beside the block."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a decoded sample, in the machine's byte order."""
        ...

    def ranges(self, source: ByteSource, indexes: Sequence[int]) -> list[tuple[int, int] | None]:
        """Return start and length in the source of each block; None for one that is not stored.

        Blocks are counted row by row, set after set (`place_of`).

        Raises:
            BrokenRaster: a block lies beyond the end of the source, or is larger than it can be.
        """
        ...

    def decode(self, data: bytes, buffer: Array) -> None:
        """Fill ``buffer``, ``block_bytes`` long, with the samples of a block: plane by plane, row by row, band next to
        band.

        Raises:
            BrokenRaster: the bytes are not a block of this image. The buffer then holds anything.
        """
        ...


class Level(Protocol):
    """A raster at one size, with its mask where there is one."""

    @property
    def image(self) -> BlockImage:
        """Its pixels."""
        ...

    @property
    def mask(self) -> BlockImage | None:
        """Which of them are valid, as 0 and anything else. None: nothing of this kind says it."""
        ...

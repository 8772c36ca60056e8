"""Windows of a raster's images, put together from decoded blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tilery import stages
from tilery.geo.raster import Array
from tilery.limits import deadline
from tilery.reading.grid.blocks import SPARSE, BlockCache
from tilery.reading.grid.image import BlockImage
from tilery.reading.grid.workers import Workers
from tilery.storage.bytes.protocol import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows and columns of an image, all inside of it."""

    image: BlockImage
    top: int
    left: int
    bottom: int
    right: int
    planes: tuple[int, ...] = (0,)
    """Which of the image's block sets, where bands are apart."""
    fill: float = 0.0
    """Value of blocks that are not stored."""

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Return plane, row and column of each block that the window touches."""
        image = self.image
        rows = range(self.top // image.tile_height, (self.bottom - 1) // image.tile_height + 1)
        columns = range(self.left // image.tile_width, (self.right - 1) // image.tile_width + 1)
        return ((plane, row, column) for plane in self.planes for row in rows for column in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Pixels of one plane of an image that hold a window, and perhaps more around it."""

    data: Array
    """Shape (rows, columns, samples of a block), contiguous, not to be written to."""
    top: int
    """Row of the image that the first row is."""
    left: int


_Key = tuple[str, int, int]
"""Identity of the source, position of the image's directory, number of the block."""


class BlockReader:
    """Reads windows of one source's images through a cache of decoded blocks."""

    def __init__(self, source: ByteSource, cache: BlockCache, workers: Workers) -> None:
        """Read from a source, decode with workers, and keep what was decoded in a cache."""
        self._source = source
        self._cache = cache
        self._workers = workers
        self._identity = source.identity

    def read(self, windows: Sequence[Window]) -> list[list[Patch]]:
        """Return for each window the pixels of each of its planes. All blocks that are not kept are fetched in one
        call.

        A window inside of one block is that block as the cache holds it: nothing is copied.
        """
        images = {window.image.position: window.image for window in windows}
        keys: dict[_Key, None] = {}
        for window in windows:
            for block in window.blocks():
                keys[self._key(window.image, *block)] = None
        places: dict[_Key, tuple[int, int]] = {}

        def sizes(missing: list[_Key]) -> dict[_Key, int]:
            places.update(self._places(images, missing))
            return {key: images[key[1]].block_bytes for key in missing if key in places}

        def fill(buffers: Mapping[_Key, Array]) -> Iterator[_Key]:
            return self._fill(images, places, buffers)

        blocks = self._cache.obtain(list(keys), sizes, fill)
        return [[self._assemble(window, plane, blocks) for plane in window.planes] for window in windows]

    def _key(self, image: BlockImage, plane: int, row: int, column: int) -> _Key:
        return (self._identity, image.position, (image.place_of(plane)[0] * image.down + row) * image.across + column)

    def _places(self, images: dict[int, BlockImage], keys: list[_Key]) -> dict[_Key, tuple[int, int]]:
        """Return start and length in the file of each key's block; none of one that is not stored."""
        found: dict[_Key, tuple[int, int]] = {}
        for position, image in images.items():
            own = [key for key in keys if key[1] == position]
            places = image.ranges(self._source, [key[2] for key in own])
            found |= {key: place for key, place in zip(own, places, strict=True) if place is not None}
        return found

    def _fill(
        self, images: dict[int, BlockImage], places: dict[_Key, tuple[int, int]], buffers: Mapping[_Key, Array]
    ) -> Iterator[_Key]:
        """Yield each key once its memory holds the decoded block. All are fetched at once."""
        data = self._source.read_many([places[key] for key in buffers])
        jobs = [(images[key[1]], packed, buffer) for (key, buffer), packed in zip(buffers.items(), data, strict=True)]
        with stages.stage(stages.DECODE):
            for key, _ in zip(buffers, self._workers.in_parallel(_decode, jobs), strict=True):
                yield key
                deadline.check()

    def _assemble(self, window: Window, plane: int, blocks: dict[_Key, Array]) -> Patch:
        """Return the pixels of one plane of a window."""
        image = window.image
        height, width = image.tile_height, image.tile_width
        first_row, last_row = window.top // height, (window.bottom - 1) // height
        first_column, last_column = window.left // width, (window.right - 1) // width
        if first_row == last_row and first_column == last_column:
            block = blocks[self._key(image, plane, first_row, first_column)]
            if block is not SPARSE:
                return Patch(data=_samples(image, block, plane), top=first_row * height, left=first_column * width)
        shape = (window.bottom - window.top, window.right - window.left, image.block_samples)
        out = np.empty(shape, image.dtype)
        for row in range(first_row, last_row + 1):
            top, bottom = max(row * height, window.top), min((row + 1) * height, window.bottom)
            for column in range(first_column, last_column + 1):
                left, right = max(column * width, window.left), min((column + 1) * width, window.right)
                part = out[top - window.top : bottom - window.top, left - window.left : right - window.left]
                block = blocks[self._key(image, plane, row, column)]
                if block is SPARSE:
                    part[...] = window.fill
                else:
                    part[...] = _samples(image, block, plane)[
                        top - row * height : bottom - row * height, left - column * width : right - column * width
                    ]
        return Patch(data=out, top=window.top, left=window.left)


def _decode(image: BlockImage, data: bytes, buffer: Array) -> None:
    image.decode(data, buffer)


def _samples(image: BlockImage, block: Array, plane: int) -> Array:
    """Return the bytes of a block as the samples of a plane: shape (tile rows, tile columns, samples of a block)."""
    shape = (image.tile_height, image.tile_width, image.block_samples)
    if image.block_planes == 1:
        return block.view(image.dtype).reshape(shape)
    planes: Array = block.view(image.dtype).reshape(image.block_planes, *shape)[image.place_of(plane)[1]]
    return planes

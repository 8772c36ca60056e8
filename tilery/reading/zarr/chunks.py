"""The chunks of a variable as the blocks of images: what sampling, kernels and the cache of blocks know of it."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.reading.zarr import codecs
from tilery.reading.zarr.metadata import ArrayMetadata, Sharding
from tilery.reading.zarr.packing import Packing
from tilery.reading.zarr.stored import StoredObjects
from tilery.storage.bytes.protocol import ByteSource, identity_of

_INDEX_BITS = 48
"""Bits of a block's number; those above are the position of its image."""
_SHARDS = 16
"""Shards whose index is kept."""
_MOST_IN_SHARD = 1 << 18
"""Chunks of a shard: an index of 4 MB."""


@dataclass(frozen=True, kw_only=True)
class ChunkImage:
    """One variable at one size, as `tilery.reading.grid.image.BlockImage` and its level. Its planes are the bands that
    were selected; a block holds all planes of its chunk, so that another selection finds them in the cache.
    """

    position: int
    array: ArrayMetadata
    packing: Packing
    x: int
    """Number of the dimension that runs across."""
    y: int
    selected: tuple[tuple[int, ...], ...]
    """For each plane the position along each of the other dimensions, in their order."""
    mask: None = None
    planar: bool = True
    block_samples: int = 1

    @property
    def image(self) -> ChunkImage:
        """Itself."""
        return self

    @cached_property
    def width(self) -> int:
        """Pixels across."""
        return self.array.shape[self.x]

    @cached_property
    def height(self) -> int:
        """Pixels down."""
        return self.array.shape[self.y]

    @cached_property
    def tile_width(self) -> int:
        """Pixels of a chunk, across."""
        return self.array.chunks[self.x]

    @cached_property
    def tile_height(self) -> int:
        """Pixels of a chunk, down."""
        return self.array.chunks[self.y]

    @cached_property
    def across(self) -> int:
        """Chunks side by side."""
        return -(-self.width // self.tile_width)

    @cached_property
    def down(self) -> int:
        """Chunks one below the other."""
        return -(-self.height // self.tile_height)

    @property
    def samples(self) -> int:
        """Bands."""
        return len(self.selected)

    @cached_property
    def block_planes(self) -> int:
        """Planes in a chunk."""
        return math.prod(self.array.chunks[axis] for axis in self.others)

    @cached_property
    def block_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.array.chunks) * self.dtype.itemsize

    @cached_property
    def working_bytes(self) -> int:
        """Bytes that decoding takes beside the block: the elements as they are stored, packed and turned."""
        return 3 * self.array.chunk_bytes + self.block_bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.packing.dtype

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Numbers of the dimensions that are neither across nor down."""
        return tuple(axis for axis in range(len(self.array.shape)) if axis not in (self.x, self.y))

    def place_of(self, plane: int) -> tuple[int, int]:
        """Return which set of chunks holds a plane, and the plane's number within each of them."""
        outer, inner = 0, 0
        for axis, at in zip(self.others, self.selected[plane], strict=True):
            chunk, length = self.array.chunks[axis], self.array.shape[axis]
            outer = outer * -(-length // chunk) + at // chunk
            inner = inner * chunk + at % chunk
        return outer, inner

    def chunk_of(self, index: int) -> tuple[int, ...]:
        """Return the position of a chunk in the array's grid of chunks, by the number of the block."""
        rest, column = divmod(index, self.across)
        outer, row = divmod(rest, self.down)
        found = [0] * len(self.array.shape)
        found[self.x], found[self.y] = column, row
        for axis in reversed(self.others):
            outer, found[axis] = divmod(outer, self.array.grid[axis])
        return tuple(found)

    def ranges(self, source: ByteSource, indexes: Sequence[int]) -> list[tuple[int, int] | None]:  # noqa: ARG002
        """Return a place for each block, by which a `ChunkSource` knows it."""
        return [(self.position << _INDEX_BITS | index, 1) for index in indexes]

    def decode(self, data: bytes, buffer: Array) -> None:
        """Fill ``buffer`` with the values of a chunk; no bytes are one that is not stored."""
        elements = codecs.chunk(data, self.array) if data else codecs.filled(self.array)
        turned = elements.transpose((*self.others, self.y, self.x))
        # Packed values of one plane at a time: all of them beside the elements would take the memory twice.
        target = buffer.view(self.dtype).reshape(self.block_planes, self.tile_height, self.tile_width)
        planes = turned.reshape(target.shape)
        for plane, values in zip(planes, target, strict=True):
            values[...] = self.packing.unpacked(np.ascontiguousarray(plane))


@dataclass(slots=True)
class _Shard:
    """One open shard, and where its chunks are."""

    source: ByteSource | None
    """None: it is not stored."""
    index: Array | None


@dataclass(slots=True)
class Shards:
    """The indexes of the shards that were read last. Safe under threads."""

    objects: StoredObjects
    _kept: OrderedDict[str, _Shard] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, array: ArrayMetadata, positions: Sequence[tuple[int, ...]], most: int) -> list[bytes]:
        """Return the stored bytes of chunks, none of one that is not stored."""
        sharding = array.sharding
        if sharding is None:
            raise TypeError("the array has no shards")
        within = tuple(outer // inner for outer, inner in zip(sharding.shape, array.chunks, strict=True))
        found = [b""] * len(positions)
        wanted: dict[str, list[int]] = {}
        for place, position in enumerate(positions):
            shard = tuple(at // count for at, count in zip(position, within, strict=True))
            wanted.setdefault(array.key(shard), []).append(place)
        jobs = list(wanted)
        for key, shard_ in zip(jobs, self._opened(jobs, sharding, within), strict=True):
            if shard_.source is None or shard_.index is None:
                continue
            places, ranges = [], []
            for place in wanted[key]:
                inside = tuple(at % count for at, count in zip(positions[place], within, strict=True))
                start, length = (int(value) for value in shard_.index[inside])
                if start == length == _NOT_STORED:
                    continue
                if start + length > shard_.source.size or length > most:
                    raise BrokenRaster("A chunk lies outside of its shard.", parameter="url", private=key)
                places.append(place)
                ranges.append((start, length))
            for place, data in zip(places, shard_.source.read_many(ranges), strict=True):
                found[place] = data
        return found

    def _opened(self, keys: Sequence[str], sharding: Sharding, within: tuple[int, ...]) -> list[_Shard]:
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
        for key in keys:
            if key not in known:
                known[key] = self._open(key, sharding, within)
        with self._lock:
            for key in keys:
                self._kept[key] = known[key]
                self._kept.move_to_end(key)
            while len(self._kept) > max(_SHARDS, len(keys)):
                self._kept.popitem(last=False)
        return [known[key] for key in keys]

    def _open(self, key: str, sharding: Sharding, within: tuple[int, ...]) -> _Shard:
        chunks = math.prod(within)
        if chunks > _MOST_IN_SHARD:
            raise BrokenRaster("A shard has more chunks than are read.", parameter="variable", limit=_MOST_IN_SHARD)
        size = codecs.index_bytes(sharding.index_codecs, chunks)
        source = self.objects.open(key)
        if source is None:
            return _Shard(None, None)
        if source.size < size:
            raise BrokenRaster("A shard is shorter than its index.", parameter="url", private=key)
        start = source.size - size if sharding.index_at_end else 0
        return _Shard(source, codecs.index(source.read(start, size), sharding.index_codecs, within))


_NOT_STORED = (1 << 64) - 1


class ChunkSource:
    """The chunks of some images of one variable as a source of bytes, whose places are those of `ChunkImage.ranges`."""

    local_path: str | None = None
    open_path: str | None = None
    size = 1 << 62

    def __init__(self, objects: StoredObjects, images: Sequence[ChunkImage], identity: str) -> None:
        """Read the chunks of images; the identity is that of the metadata that describe them."""
        self._objects = objects
        self._images: Mapping[int, ChunkImage] = {image.position: image for image in images}
        self._shards = Shards(objects)
        self.identity = identity_of(identity, *(image.array.path for image in images))

    def read(self, start: int, length: int) -> bytes:
        """Return the stored bytes of one chunk."""
        return self.read_many([(start, length)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the stored bytes of chunks, none of one that is not stored."""
        found = [b""] * len(ranges)
        for position, image in self._images.items():
            places = [place for place, (start, _) in enumerate(ranges) if start >> _INDEX_BITS == position]
            if places:
                chunks = [image.chunk_of(ranges[place][0] & (1 << _INDEX_BITS) - 1) for place in places]
                read = read_chunks(self._objects, self._shards, image.array, chunks)
                for place, data in zip(places, read, strict=True):
                    found[place] = data
        return found

    def refresh(self) -> bool:
        """Return True: the group that has opened this looks whether its metadata still are the same."""
        return True

    def close(self) -> None:
        """Do nothing: chunks are open for as long as they are read."""


def read_chunks(
    objects: StoredObjects, shards: Shards, array: ArrayMetadata, positions: Sequence[tuple[int, ...]]
) -> list[bytes]:
    """Return the stored bytes of chunks by their positions in an array's grid, none of one that is not stored."""
    most = 2 * array.chunk_bytes + (1 << 16)
    if array.dtype.kind == "O":
        most += math.prod(array.chunks) << 8
    if array.sharding is not None:
        return shards.read(array, positions, most)
    found = objects.fetch([array.key(position) for position in positions], most)
    return [data or b"" for data in found]

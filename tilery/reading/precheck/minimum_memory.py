"""The memory that reading a file takes at the least, whatever part of it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilery.errors import UnsupportedRaster
from tilery.reading.precheck.deflate import Blocks
from tilery.storage.bytes.file_object import SourceFile

_NEAR = 1.5
"""How far the factor of an overview may be from the one asked for: sizes of overviews are rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumMemory:
    """Bytes that the codec holds at the least while any part of an image is read."""

    full: int
    """Of the full raster."""
    overviews: tuple[tuple[float, int], ...] = ()
    """Of each smaller image: how much smaller along a side, and bytes."""
    deflated: Blocks | None = field(default=None, compare=False, repr=False)
    """Blocks whose checksum nobody else looks at."""

    def least(self, factor: float) -> int:
        """Return bytes for the raster at a size that is smaller by a factor."""
        if factor <= 1:
            return self.full
        return max((most for of, most in self.overviews if factor / _NEAR <= of <= factor * _NEAR), default=0)


NOTHING = MinimumMemory(full=0)
"""No more than the blocks that are read."""


def bytes_at(file: SourceFile, start: int, length: int) -> bytes:
    """Return the bytes from ``start``, fewer where the file ends.

    Raises:
        SourceChanged, TileryError: they could not be read.
    """
    file.seek(start)
    found = file.read(length)
    if file.failure is not None:
        failure, file.failure = file.failure, None
        raise failure
    return found


def beyond(what: str, limit: int) -> UnsupportedRaster:
    """Return the error that says which limit a header is beyond."""
    return UnsupportedRaster(f"The header of the raster has {what}: more than {limit}.", parameter="url", limit=limit)

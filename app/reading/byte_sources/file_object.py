"""A source that looks like a file, for libraries that know only files.

GDAL reads a header in many small pieces and a row of blocks one after the other; each would be a request. Pieces are
taken from chunks that are kept for a while, so that a remote file costs a request a chunk at most, and large reads one
request for all that is missing.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import groupby
from threading import Lock

from app.reading.byte_sources.protocol import ByteSource

CHUNK = 64 << 10
KEPT = 16
"""Chunks kept for each file object: 1 MiB."""


def file_object(source: ByteSource) -> SourceFile:
    """The source as a seekable file that is only read. Closing it leaves the source open."""
    return SourceFile(source)


class SourceFile(io.RawIOBase):
    """A position in a source, and the chunks read last. For one thread at a time, as files are."""

    def __init__(self, source: ByteSource) -> None:
        """Look at the source from its start."""
        super().__init__()
        self._source = source
        self._position = 0
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()
        self.failure: Exception | None = None
        """Why a read failed, the first time. Callers in C lose the exception, whoever called them can look here."""

    @property
    def name(self) -> str:
        """The identity of the source: files have names, and some libraries print them."""
        return self._source.identity

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, as many as asked for; fewer only at the end.

        Raises:
            What `ByteSource.read` raises; also kept in `failure`.
        """
        left = max(0, self._source.size - self._position)
        length = left if size is None or size < 0 else min(size, left)
        data = self._at(self._position, length)
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """All bytes from the position to the end."""
        return self.read(-1)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        """How many bytes were put into the buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        """The bytes of each range, fetched at the same time; rasterio's protocol for reading several blocks."""
        try:
            return self._source.read_many(list(zip(offsets, sizes, strict=True)))
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _at(self, start: int, length: int) -> bytes:
        if length == 0:
            return b""
        try:
            if self._source.local_path is not None:
                return self._source.read(start, length)
            with self._lock:
                return self._from_chunks(start, length)
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _from_chunks(self, start: int, length: int) -> bytes:
        numbers = range(start // CHUNK, (start + length - 1) // CHUNK + 1)
        if len(numbers) > KEPT // 2:  # would push out everything else
            return self._source.read(start, length)
        for number in numbers:
            if number in self._chunks:
                self._chunks.move_to_end(number)
        self._load(number for number in numbers if number not in self._chunks)
        first = self._chunks[numbers[0]]
        offset = start - numbers[0] * CHUNK
        if len(numbers) == 1:
            return first[offset : offset + length]
        data = b"".join(self._chunks[number] for number in numbers)
        return data[offset : offset + length]

    def _load(self, numbers: Iterable[int]) -> None:
        """Nothing: fetches these chunks, neighbours as one."""
        runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
        ranges = [(run[0] * CHUNK, len(run) * CHUNK) for run in runs]
        for run, data in zip(runs, self._source.read_many(ranges) if ranges else [], strict=True):
            for place, number in enumerate(run):
                self._chunks[number] = data[place * CHUNK : (place + 1) * CHUNK]
        while len(self._chunks) > KEPT:
            self._chunks.popitem(last=False)

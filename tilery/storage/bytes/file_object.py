"""A source that looks like a file, for libraries that know only files.

GDAL reads a header in many small pieces and a row of blocks one after the other; each would be a request. Pieces are
taken from chunks that are kept for a while, and whoever reads on where he stopped gets more chunks with each request.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from itertools import groupby

from tilery.limits import compute_slots
from tilery.storage.bytes.protocol import ByteSource

CHUNK = 64 << 10
CACHED_CHUNKS = 16
"""Chunks kept for each file object: 1 MiB."""
MOST_OF_A_HEADER = 1 << 20
"""Bytes of the reads of one open dataset that are kept: those of honest headers are some ten thousand."""
_MOST = CACHED_CHUNKS // 2
"""Chunks of one request. More are read past the kept ones, which they would push out."""


def file_object(source: ByteSource, *, quiet: bool = False) -> SourceFile:
    """Return the source as a seekable file that is only read. Closing it leaves the source open.

    Args:
        source: what to read.
        quiet: whether a failed read gives no bytes instead of raising. GDAL loses exceptions of its files, so whoever
            reads through GDAL asks `SourceFile.failure` after each read, also after one that seemed to go well.
    """
    return SourceFile(source, quiet=quiet)


class HeaderReads:
    """What was read while a dataset was opened: its directories, which GDAL reads again each time that it goes from one
    image of a file to another.

    Where that fails, GDAL goes on with the directory of the image before, and decodes blocks of its size into memory of
    the other's. So it never fails: what has come once is given again, whatever has become of the file since.
    """

    def __init__(self) -> None:
        """Note reads from now on."""
        self._reads: dict[tuple[int, int], bytes] = {}
        self._left = MOST_OF_A_HEADER
        self._noting = True

    def get(self, start: int, length: int) -> bytes | None:
        """Return the bytes of a read that was noted."""
        return self._reads.get((start, length))

    def note(self, start: int, length: int, data: bytes) -> None:
        """Note a read, unless the dataset is open already or has read more than directories."""
        if self._noting and len(data) <= self._left:
            self._left -= len(data)
            self._reads[start, length] = data

    def end(self) -> None:
        """Note no more: the dataset is open."""
        self._noting = False


class SourceFile(io.RawIOBase):
    """A position in a source, and the chunks read last. For one thread at a time, as files are."""

    def __init__(self, source: ByteSource, *, quiet: bool = False) -> None:
        """Look at the source from its start."""
        super().__init__()
        self._source = source
        self._quiet = quiet
        self._position = 0
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        self._next = -1
        self._ahead = 1
        self.check: Callable[[int, Callable[[int, int], bytes]], None] | None = None
        """Called with the position before each read, and with what gives bytes: raises where they may not be used."""
        self.known: HeaderReads | None = None
        """Reads that are given again without a look at the source."""
        self.failure: Exception | None = None
        """Why a read failed, the first since this was last set to None."""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Return the new position, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, as many as asked for; fewer only at the end, or none when a quiet read failed.

        Raises:
            What `ByteSource.read` raises.
        """
        left = max(0, self._source.size - self._position)
        length = left if size is None or size < 0 else min(size, left)
        start, known = self._position, self.known
        if known is not None and (again := known.get(start, length)) is not None:
            self._position += len(again)
            return again
        try:
            with compute_slots.held():  # GDAL may hold locks of its own while it reads
                if self.check is not None:
                    self.check(self._position, self._at)
                data = self._at(self._position, length)
        except Exception as error:
            self.failure = self.failure or error
            if not self._quiet:
                raise
            return b""
        self._position += len(data)
        if known is not None:
            known.note(start, length, data)
        return data

    def readall(self) -> bytes:
        """Return all bytes from the position to the end."""
        return self.read(-1)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        """Return how many bytes were put into the buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _at(self, start: int, length: int) -> bytes:
        if not length:  # at the end, or wherever behind it a damaged header leads
            return b""
        numbers = range(start // CHUNK, (start + length - 1) // CHUNK + 1)
        if self._source.local_path is not None or len(numbers) > _MOST:
            return self._source.read(start, length)
        for number in numbers:
            if number in self._chunks:
                self._chunks.move_to_end(number)
        missing = [number for number in numbers if number not in self._chunks]
        if missing:
            self._load(missing)
        data = b"".join([self._chunks[number] for number in numbers])
        offset = start - numbers[0] * CHUNK
        return data[offset : offset + length]

    def _load(self, numbers: list[int]) -> None:
        """Fetch these chunks, neighbours as one, and some more when reading goes on where it stopped."""
        self._ahead = min(self._ahead * 2, _MOST) if numbers[0] == self._next else 1
        last = (self._source.size - 1) // CHUNK
        more = range(numbers[-1] + 1, min(numbers[0] + self._ahead - 1, last) + 1)
        numbers = numbers + [number for number in more if number not in self._chunks]
        self._next = numbers[-1] + 1
        runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
        fetched = self._source.read_many([(run[0] * CHUNK, len(run) * CHUNK) for run in runs])
        for run, data in zip(runs, fetched, strict=True):
            for place, number in enumerate(run):
                self._chunks[number] = data[place * CHUNK : (place + 1) * CHUNK]
        while len(self._chunks) > CACHED_CHUNKS:
            self._chunks.popitem(last=False)

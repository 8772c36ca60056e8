"""Files on this machine."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from functools import partial
from weakref import finalize

from tilery import stages
from tilery.errors import SourceDenied, SourceNotFound, SourceRefused, UpstreamError
from tilery.storage.bytes.protocol import SourceChanged, identity_of
from tilery.storage.locations import FileLocation

_DESCRIPTORS = "/proc/self/fd"
_HAS_DESCRIPTORS = os.path.isdir(_DESCRIPTORS)  # noqa: PTH112
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Never blocks: should a pipe have taken the file's place just now, it is opened without a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class LocalSource:
    """A file, held open: a read is one ``pread``, without locks and without a position.

    A file that is replaced by another of the same name, as every careful writer does, stays readable as it was until
    the source is closed. That one is written into while it is open only `refresh` tells.
    """

    __slots__ = ("__weakref__", "_descriptor", "_path", "identity", "local_path", "open_path", "size")

    def __init__(self, location: FileLocation) -> None:
        """Open the file.

        Raises:
            SourceNotFound: there is none.
            SourceRefused: it is not a regular file, or is reached through a link that was not there before.
            SourceDenied: its permissions forbid it.
        """
        self._path = location.path
        try:
            self._descriptor = _open_without_links(location.path)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.realpath(location.path) != location.path:
                raise _refused(location) from None
            raise SourceNotFound(private=location.private_name) from None
        except PermissionError as error:
            raise SourceDenied(private=str(error)) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _refused(location) from None
            raise UpstreamError("The source cannot be opened.", private=str(error)) from None
        finalize(self, os.close, self._descriptor)
        opened = os.fstat(self._descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise _refused(location)
        self.identity = _identity(location.path, opened)
        self.size = opened.st_size
        self.local_path: str | None = location.path
        self.open_path: str | None = f"{_DESCRIPTORS}/{self._descriptor}" if _HAS_DESCRIPTORS else None

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from ``start``; see `ByteSource.read`."""
        try:
            data = os.pread(self._descriptor, length, start)
        except OSError as error:
            raise UpstreamError("The source cannot be read.", private=f"{self._path}: {error}") from None
        if len(data) < length and start + len(data) < self.size:
            return data + self._rest(start + len(data), length - len(data))
        return data

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range; see `ByteSource.read_many`."""
        with stages.stage(stages.FETCH):
            return [self.read(start, length) for start, length in ranges]

    def refresh(self) -> bool:
        """Return whether the name still leads to this very file, unwritten since."""
        try:
            return _identity(self._path, os.stat(self._path)) == self.identity  # noqa: PTH116
        except OSError:
            return False

    def close(self) -> None:
        """Do nothing yet: the file is closed when the last thread lets go of the source.

        A descriptor that is closed under a read may be another file's by the time it is used.
        """

    def _rest(self, start: int, length: int) -> bytes:
        """Return what one ``pread`` left out: it gives 2 GiB at most, and less where the file was cut meanwhile."""
        parts = []
        for part in iter(partial(os.pread, self._descriptor, length, start), b""):
            parts.append(part)
            start, length = start + len(part), length - len(part)
            if length == 0 or start >= self.size:
                break
        if length and start < self.size:
            raise SourceChanged
        return b"".join(parts)


def _open_without_links(path: str) -> int:
    """Open a file by its real path, step by step and following no link, and return the descriptor.

    The policy has looked at this path. Whoever may write into one of its folders could put a link in place of any part
    of it since: what is opened would be another file.

    Raises:
        OSError: it cannot be opened. ELOOP: there is a link, or something else than a file, in its place.
    """
    *folders, name = path.removeprefix("/").split("/")
    at = os.open("/", _FOLDER)
    try:
        for folder in folders:
            above, at = at, os.open(folder, _FOLDER, dir_fd=at)
            os.close(above)
        if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "not a regular file", path)
        return os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)


def _refused(location: FileLocation) -> SourceRefused:
    return SourceRefused("This source is not among those that may be read.", private=location.private_name)


def _identity(path: str, facts: os.stat_result) -> str:
    return identity_of("file", path, facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev)

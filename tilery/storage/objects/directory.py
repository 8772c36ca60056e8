"""A directory as a store. Writes are atomic: a file beside it, flushed to disk, then renamed."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tilery.errors import Conflict, NotFound, StoreFull, TileryError, UpstreamError
from tilery.storage import file_errors
from tilery.storage.objects.protocol import Blob, Entry

_PART = 8 << 20
_TRIES = 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class DirectoryStore:
    """Files below a directory, which need not exist before the first write."""

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        """Use a directory, not touched yet; ``durable`` files are flushed to disk before they count as written."""
        self.root = root
        self._durable = durable
        self._device: int | None = None
        """Of the file system that the directory was on when it was listed last."""

    @classmethod
    def at(cls, address: str, *, durable: bool = True) -> DirectoryStore:
        """Return the store of a directory, by any way of writing its path."""
        return cls(Path(os.path.abspath(Path(address).expanduser())), durable=durable)  # noqa: PTH100 (links stay as they are written)

    @property
    def address(self) -> str:
        """The directory, ending in a slash."""
        return f"{self.root}/"

    def path(self, key: str) -> Path:
        """Return the file of a key.

        Raises:
            NotFound: the key leaves the directory.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\x00" in part for part in parts):
            raise NotFound
        return self.root.joinpath(*parts)

    def need_writable(self, below: str = "") -> None:
        """Make the directory, and check that files can be made in it.

        Args:
            below: a folder in it, which need not be there.

        Raises:
            StoreFull, UpstreamError: they cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # its parents were made, so there is none to make
            raise UpstreamError("No directory can be made there.", private=str(error)) from error
        except OSError as error:
            raise _told(error, "write to") from error
        place = self.path(below) if below else self.root
        place = next(there for there in (place, *place.parents) if there.exists())
        if refused := file_errors.refusal(place):
            raise _full_or_not(refused, file_errors.why_not(place, refused, place="The directory")) from refused

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Return what is under the key, or None when it is unchanged."""
        with _failures(), self.path(key).open("rb") as file:
            version = _version(os.fstat(file.fileno()))
            if version == unless:
                return None
            return Blob(body=file.read(), version=version)

    def write(
        self,
        key: str,
        body: bytes,
        *,
        media_type: str,  # noqa: ARG002 (a file has no type but its suffix)
        cache_control: str | None = None,  # noqa: ARG002
        expected: str = "any",
    ) -> str:
        """Return the new version. Writers that expect something take turns on a lock file."""
        path = self.path(key)
        with _failures("write to"):
            with _written(path) as part:
                part.fill(body, durable=self._durable)
                version = _version(part.path.stat())  # afterwards somebody may have removed it already
                if expected == "any":
                    part.put()
                else:
                    with _lock(path.parent):
                        found = _version(path.stat()) if path.exists() else "new"
                        if found != expected:
                            raise Conflict("Somebody else wrote this in between.")
                        part.put()
            if self._durable:
                _flush(path.parent)
            return version

    def upload(self, key: str, path: Path, *, media_type: str, progress: Callable[[int], None]) -> None:  # noqa: ARG002
        """Copy the file. A hard link takes the place of the copy where it can."""
        target = self.path(key)
        with _failures("write to"):
            with _written(target) as part:
                part.close()
                try:
                    link = part.path.with_name(f"{part.path.name}-link")
                    link.hardlink_to(path)
                    link.replace(part.path)
                    progress(path.stat().st_size)
                except OSError:  # another file system
                    with path.open("rb") as source, part.path.open("wb") as copy:
                        while chunk := source.read(_PART):
                            copy.write(chunk)
                            progress(len(chunk))
                        copy.flush()
                        os.fsync(copy.fileno())
                part.put()
            _flush(target.parent)

    def has(self, key: str) -> bool:
        """Return True when there is a file."""
        with _failures():
            return self.path(key).is_file()

    def reach(self) -> None:
        """Check that the directory is there and can be read."""
        with _failures():
            if not self.root.is_dir():
                raise UpstreamError("The directory is not there.", private=str(self.root))
            os.scandir(self.root).close()

    def remove(self, key: str) -> None:
        """Remove what is under the key, and folders that have become empty."""
        with _failures("write to"):
            path = self.path(key)
            with suppress(NotADirectoryError):
                path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self.root or not folder.is_relative_to(self.root):
                    break
                lock = folder / ".lock"
                if lock.exists() and len(list(folder.iterdir())) == 1:
                    lock.unlink(missing_ok=True)
                try:
                    folder.rmdir()
                except OSError:  # not empty, or gone already
                    break

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Yield names of the folders below a prefix.

        Raises:
            UpstreamError: the directory was there and has gone; or its file system has, and left an empty one behind.
        """
        folder = self.path(prefix.rstrip("/")) if prefix else self.root
        with _failures():
            if not folder.is_dir():
                if not prefix and self._device is not None:
                    raise UpstreamError("The directory has vanished.")
                return
            with os.scandir(folder) as found:
                names = [entry.name for entry in found if entry.is_dir()]
            if not prefix:
                device = folder.stat().st_dev
                if not names and self._device not in (None, device):
                    raise UpstreamError("The directory's file system has vanished.")
                self._device = device
        yield from names

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every file below a prefix but for locks. What a writer that was killed left behind is among them."""
        folder = self.path(prefix.rstrip("/")) if prefix else self.root
        with _failures():
            for path in _files(folder):
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode) and path.name != ".lock":
                    key = path.relative_to(self.root).as_posix()
                    yield Entry(key=key, size=found.st_size, modified=found.st_mtime, version=_version(found))

    def named(self, name: str, within: Callable[[str], bool]) -> Iterator[Entry]:
        """Yield every file of a name in a folder at any depth; folders that nobody may look into have none."""
        waiting = [folder for folder in self.folders() if within(folder)]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(self.root / folder) as found:
                    inside = list(found)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            except OSError as error:
                raise _told(error, "read") from error
            for entry in inside:
                if entry.name == name:
                    yield from _entry(f"{folder}/{name}", entry)
                elif within(path := f"{folder}/{entry.name}") and entry.is_dir():
                    waiting.append(path)


def _entry(key: str, found: os.DirEntry[str]) -> Iterator[Entry]:
    """Yield the entry of a file; nothing where it has gone meanwhile."""
    try:
        facts = found.stat()
    except FileNotFoundError:
        return
    except OSError:  # a link to itself: whoever reads it is told
        yield Entry(key=key, size=0, modified=0.0, version="")
        return
    yield Entry(key=key, size=facts.st_size, modified=facts.st_mtime, version=_version(facts))


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is below a folder, while others may remove some of it."""

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for place, _, names in os.walk(folder, onerror=failed):
        yield from (Path(place, name) for name in names)


def _version(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"


class _Part:
    """A new file beside the one whose place it is to take."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._handle: int | None
        self._handle, self.path = _new_file(target.parent)
        self.is_put = False
        os.fchmod(self._handle, 0o644)

    def fill(self, body: bytes, *, durable: bool) -> None:
        """Write all of it, by the one way to a file that is open already: a file that is opened to be cut to nothing is
        flushed to disk as it is closed (ext4), durable or not.
        """
        if self._handle is None:
            return
        left = memoryview(body)
        while left:
            left = left[os.write(self._handle, left) :]
        if durable:
            os.fsync(self._handle)
        self.close()

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def put(self) -> None:
        """Let it take its place."""
        self.path.replace(self._target)
        self.is_put = True


@contextmanager
def _written(path: Path) -> Iterator[_Part]:
    """A new file beside ``path``, removed where it was not put in its place."""
    part = _Part(path)
    try:
        yield part
    finally:
        part.close()
        if not part.is_put:
            part.path.unlink(missing_ok=True)


def _new_file(folder: Path) -> tuple[int, Path]:
    """Return an open file in a folder, which is made where it is not there; others remove folders that they
    find empty.
    """
    for _ in range(_TRIES):
        path = folder / f".part-{secrets.token_hex(6)}"
        try:
            with suppress(FileNotFoundError, NotADirectoryError):
                return os.open(path, _NEW, 0o600), path
            folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if folder.is_file():  # one question: between two of them it may come and go
                raise
    raise UpstreamError("No file can be made in the directory: it takes none, or is removed all the time.")


def _flush(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # removed meanwhile, with what was written
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _failures(use: file_errors.Use = "read") -> Iterator[None]:
    """What the operating system says as ours: nothing there, no room, or why the directory cannot be used."""
    try:
        yield
    except OSError as error:
        raise _told(error, use) from error


def _told(error: OSError, use: file_errors.Use) -> TileryError:
    if use == "read" and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return NotFound()
    return _full_or_not(error, file_errors.sentence(error.errno, place="The directory", use=use))


def _full_or_not(error: OSError, said: str) -> TileryError:
    kind = StoreFull if error.errno in file_errors.FULL else UpstreamError
    return kind(said, private=str(error))

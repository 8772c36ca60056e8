"""The files that GDAL reads through us: one folder of its virtual file system, for the whole process.

rasterio keeps what it was given to open files with in context variables, and forgets it at the end of the context in
which a dataset was opened. A dataset of ours outlives its request, and each request has a context of its own: so the
values of those variables are kept here and put in place around every opening, every use and every closing.

A dataset that is closed without them, as by the garbage collector, cannot close its files, and GDAL prints that it
could not: whoever opens one sees to it that it is closed within `reachable`.

The folder is made once. rasterio would make one for each dataset, and GDAL's list of folders is not locked while other
threads look into it.
"""

from __future__ import annotations

import atexit
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import rasterio
from rasterio._vsiopener import _OPEN_FILE_EXIT_STACKS, _OPENER_REGISTRY, _opener_registration

from tilery.storage.bytes.file_object import HeaderReads, SourceFile, file_object
from tilery.storage.bytes.protocol import ByteSource

_NAME = "raster"

_Opener = Callable[[], io.RawIOBase]

Check = Callable[[int, Callable[[int, int], bytes]], None]
"""What looks at bytes before GDAL has them; see `SourceFile.check`."""

_openers: dict[str, dict[str, _Opener]] = {}
_numbers = count()
_values: dict[Any, dict[Any, Any]] = {_OPENER_REGISTRY: {}, _OPEN_FILE_EXIT_STACKS: {}}
"""rasterio's context variables and their values."""


@contextmanager
def reachable() -> Iterator[None]:
    """A context in which GDAL may open, read and close files of the folder.

    What it complains of goes to Python's log and not to standard error, where nobody could tell which request it is of.
    """
    tokens = [(variable, variable.set(value)) for variable, value in _values.items()]
    try:
        with rasterio.Env():
            yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def add(opener: _Opener, beside: Mapping[str, _Opener] | None = None) -> str:
    """Put a file into the folder and return its path, by which GDAL finds it within `reachable`.

    Args:
        opener: makes the file, anew each time that GDAL opens it.
        beside: what makes files whose names are that of the file and these suffixes.
    """
    number = str(next(_numbers))
    _openers[number] = {_NAME: opener} | {_NAME + suffix: other for suffix, other in (beside or {}).items()}
    return f"{_folder}/{number}/{_NAME}"


def remove(path: str) -> None:
    """Take a file out of the folder. Whoever has it open may read on."""
    _openers.pop(path.rsplit("/", 2)[1], None)


class DatasetFiles:
    """The files of one dataset that GDAL reads through us, and whether all their bytes arrived."""

    def __init__(self, source: ByteSource) -> None:
        """Open the raster's own file, for a look at its header."""
        self._source = source
        self.header = file_object(source, quiet=True)
        """The file that was opened first; GDAL gets it too, with the bytes that it has already."""
        self._is_new = True
        self._files: list[SourceFile] = []
        self._check_block: Check | None = None
        self._known = HeaderReads()

    def open(self) -> SourceFile:
        """Open the raster's own file for GDAL."""
        file, self._is_new = self.header if self._is_new else file_object(self._source, quiet=True), False
        file.seek(0)
        file.check = self._check_block
        file.known = self._known
        return self._kept(file)

    def open_beside(self, source: ByteSource, check: Check) -> SourceFile:
        """Open a file beside the raster for GDAL, with what looks at its bytes."""
        file = file_object(source, quiet=True)
        file.check = check
        return self._kept(file)

    def is_open(self) -> None:
        """Take what was read so far for the header, which does not fail from now on."""
        self._known.end()

    def check_blocks(self, check: Check) -> None:
        """Have the raster's bytes looked at from now on, when pixels are read."""
        self._check_block = check
        for file in self._files:
            file.check = file.check or check

    def need_all(self) -> None:
        """Check that all bytes arrived since this was last asked.

        Raises:
            SourceChanged, TileryError: why they did not.
        """
        for file in self._files:
            if file.failure is not None:
                failure, file.failure = file.failure, None
                raise failure

    def _kept(self, file: SourceFile) -> SourceFile:
        self._files = [*(other for other in self._files if not other.closed or other.failure), file]
        return file


def _open(path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
    """Return what rasterio asks for files. A sidecar that was not added does not exist."""
    number, _slash, name = path.removeprefix("/").removeprefix(f"{_NAME}s/").partition("/")
    opener = _openers.get(number, {}).get(name)
    if opener is None or mode not in ("r", "rb"):
        raise FileNotFoundError(path)
    return opener()


# GDAL reads through the folder as long as any dataset is open.
with reachable():
    _registration = _opener_registration(f"{_NAME}s/{_NAME}", _open)
    _folder = _registration.__enter__().removesuffix(f"/{_NAME}")


@atexit.register
def _end() -> None:
    """Take the folder away at the end of the process, unless a thread is still at work with one of its files: rasterio
    would do it when its context variables are gone, and say so.
    """
    if not _openers:
        with reachable():
            _registration.__exit__(None, None, None)

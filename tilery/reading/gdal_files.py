"""The files that GDAL reads through us: one folder of its virtual file system, for the whole process.

rasterio keeps what it was given to open files with in context variables, and forgets it at the end of the context in
which a dataset was opened. A dataset of ours outlives its request, and each request has a context of its own: so the
values of those variables are kept here and put in place around every opening, every use and every closing.

The folder is made once. rasterio would make one for each dataset, and GDAL's list of folders is not locked while other
threads look into it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from rasterio._vsiopener import _OPEN_FILE_EXIT_STACKS, _OPENER_REGISTRY, _opener_registration

_NAME = "raster"

_Opener = Callable[[], io.RawIOBase]

_openers: dict[str, dict[str, _Opener]] = {}
_numbers = count()
_values: dict[Any, dict[Any, Any]] = {_OPENER_REGISTRY: {}, _OPEN_FILE_EXIT_STACKS: {}}
"""rasterio's context variables and their values."""


@contextmanager
def reachable() -> Iterator[None]:
    """A context in which GDAL may open, read and close files of the folder."""
    tokens = [(variable, variable.set(value)) for variable, value in _values.items()]
    try:
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


def _open(path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
    """What rasterio asks for files. A sidecar that was not added does not exist."""
    number, _slash, name = path.removeprefix("/").removeprefix(f"{_NAME}s/").partition("/")
    opener = _openers.get(number, {}).get(name)
    if opener is None or mode not in ("r", "rb"):
        raise FileNotFoundError(path)
    return opener()


# Never ended: GDAL reads through the folder as long as any dataset is open.
with reachable():
    _registration = _opener_registration(f"{_NAME}s/{_NAME}", _open)
    _folder = _registration.__enter__().removesuffix(f"/{_NAME}")

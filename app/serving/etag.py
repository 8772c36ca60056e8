"""Entity tags: one for each state of a source, version of the code and request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from app.config import settings
from app.config.settings import Settings

_FOLDERS = ("api", "reading", "rendering", "serving")
_MODULES = ("crs", "raster", "tms")
"""The folders and modules whose code has a say in the bytes of an answer."""
_LIBRARIES = ("color_operations", "imagecodecs", "isal", "jinja2", "numpy", "pyproj", "pystac", "rasterio", "rio_stac")
"""The libraries that have one, GDAL within rasterio and PROJ within pyproj."""


def make(identity: str, request: str) -> str:
    """The strong tag of an answer, in quotes as HTTP wants it.

    Args:
        identity: what tells this state of the source from all others.
        request: canonical text of everything asked for.
    """
    digest = hashlib.blake2b(digest_size=16, key=code_version())
    digest.update(identity.encode())
    digest.update(b"\0")
    digest.update(request.encode())
    return f'"{digest.hexdigest()}"'


def matches(header: str, tag: str) -> bool:
    """True when an ``If-None-Match`` header names the tag.

    The comparison is the weak one (RFC 9110, 13.1.2), which also recognises what a proxy made weak by compressing it.
    """
    return tag in header and any(item.strip().removeprefix("W/") == tag for item in header.split(","))


def is_any(header: str) -> bool:
    """True when an ``If-None-Match`` header is met by whatever answer there is (RFC 9110, 13.1.2)."""
    return header.strip() == "*"


@cache
def code_version() -> bytes:
    """16 bytes that change whenever the code does, a library or a file of the operator's that belongs to it."""
    digest = hashlib.blake2b("\0".join(_libraries(Path(np.__file__).parent.parent)).encode(), digest_size=16)
    for root, path in _files(settings.get()):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.digest()


def _libraries(site: Path) -> list[str]:
    """The libraries with their versions, as the names of their folders say them: to import them would take longer than
    a first tile.
    """
    with os.scandir(site) as found:
        names = [entry.name for entry in found if entry.name.endswith(".dist-info")]
    return sorted(name for name in names if name.partition("-")[0].lower() in _LIBRARIES)


def _files(chosen: Settings) -> Iterator[tuple[Path, Path]]:
    """Everything that has a say in the bytes of an answer: files, each with the folder that it is known in."""
    root = Path(__file__).parent.parent
    code = [path for folder in _FOLDERS for path in (root / folder).rglob("*.py*")]
    code += [path for path in root.glob("*.py*") if path.stem in _MODULES]
    yield from ((root, path) for path in sorted(code) if path.parent.name != "__pycache__")
    yield from ((root, root / "api" / "templates" / name) for name in ("wms.xml", "wmts.xml"))
    for folder in (chosen.colormap_directory, chosen.tile_matrix_set_directory, chosen.template_directory):
        if folder:
            yield from ((Path(folder), path) for path in sorted(Path(folder).glob("*")) if path.is_file())

"""Scripts, styles and pictures of the pages, under addresses that change when a file does.

``/static/{version}/{name}``: the version is a hash of all the files together, so that a browser may keep each of them
for ever and scripts can import each other by relative names. The list of files is made once; nothing else can be asked
for. What ``npm run build`` makes is in ``static/vendor``: npm packages, and the pages' scripts from ``web/``, with
compressed copies beside them.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.api import negotiation
from tilery.errors import NotFound

FOLDER = Path(__file__).parent / "static"
NOT_BUILT = (
    "The scripts of the pages are missing from this installation: 'make wheel' in a clone of the repository makes a "
    "whole package, dist/tilery-….whl, for pip to install. Tiles and the API need none."
)
"""What a person is told where `are_built` says no."""

_FOREVER = "public, max-age=31536000, immutable"
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""By preference: smaller first."""
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".css": "text/css",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files below ``/static``, by name."""

    version: str
    paths: dict[str, Path]
    """By name; compressed copies are not among them."""
    compressed: dict[tuple[str, str], Path]
    """By name and encoding."""


@cache
def listed() -> Files:
    """Return the files that there are, read once."""
    paths: dict[str, Path] = {}
    compressed: dict[tuple[str, str], Path] = {}
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        name = path.relative_to(FOLDER).as_posix()
        for encoding, suffix in _ENCODINGS.items():
            if path.suffix == suffix:
                compressed[(name.removesuffix(suffix), encoding)] = path
                break
        else:
            paths[name] = path
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return Files(version=digest.hexdigest()[:12], paths=paths, compressed=compressed)


def address(name: str) -> str:
    """Return where a file is, relative to the root of the service: ``static/{version}/{name}``."""
    return f"static/{listed().version}/{name}"


def exists(name: str) -> bool:
    """Return True when there is such a file: those in ``vendor`` are there only after ``npm run build``."""
    return name in listed().paths


def are_built() -> bool:
    """Return whether the pages have their scripts: an installation from a repository, without Node, has none."""
    return (FOLDER / "vendor" / "pages").is_dir()


async def static_file(request: Request) -> Response:
    """Return a file, compressed if the client takes it so.

    An address with another version than ours comes from a page that another release made, moments ago: it gets our
    file, but must ask again next time.

    Raises:
        NotFound: there is no such file.
    """
    files = listed()
    name = request.path_params["name"]
    path = files.paths.get(name)
    if path is None:
        raise NotFound("There is no such file.")
    headers = {
        "Cache-Control": _FOREVER if request.path_params["version"] == files.version else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    offered = [encoding for encoding in _ENCODINGS if (name, encoding) in files.compressed]
    chosen = negotiation.encoding(request.headers.get("accept-encoding", ""), offered)
    if chosen is not None:
        found = files.compressed[(name, chosen)]
        return FileResponse(found, media_type=media_type, headers={**headers, "Content-Encoding": chosen})
    return FileResponse(path, media_type=media_type, headers=headers)

"""Entity tags: one for each state of a source, release and request."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.config.settings import Settings
from tilery import __version__
from tilery.rendering.version import RENDER_VERSION

_VERSION = f"{__version__} {RENDER_VERSION}".encode()
"""What documents and pictures of this release are."""


def make(identity: str, request: str) -> str:
    """Return the strong tag of an answer, in quotes as HTTP wants it.

    Args:
        identity: what tells this state of the source from all others.
        request: canonical text of everything asked for.
    """
    digest = hashlib.blake2b(digest_size=16, key=_VERSION)
    digest.update(identity.encode())
    digest.update(b"\0")
    digest.update(request.encode())
    return f'"{digest.hexdigest()}"'


def matches(header: str, tag: str) -> bool:
    """Return True when an ``If-None-Match`` header names the tag.

    The comparison is the weak one (RFC 9110, 13.1.2), which also recognises what a proxy made weak by compressing it.
    """
    return tag in header and any(item.strip().removeprefix("W/") == tag for item in header.split(","))


def is_any(header: str) -> bool:
    """Return True when an ``If-None-Match`` header is met by whatever answer there is (RFC 9110, 13.1.2)."""
    return header.strip() == "*"


def files_version(settings: Settings) -> str:
    """Return a digest of the operator's files that have a say in answers: colormaps, tile matrix sets, templates."""
    digest = hashlib.blake2b(digest_size=8)
    for folder in (settings.colormap_directory, settings.tile_matrix_set_directory, settings.template_directory):
        for path in sorted(Path(folder).rglob("*")) if folder else ():
            if path.is_file():
                digest.update(f"{path.relative_to(str(folder)).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()

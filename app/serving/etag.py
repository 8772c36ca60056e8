"""Entity tags: one for each state of a source, version of the code and request."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_OURS = ("api", "reading", "rendering", "serving")
"""The folders whose code has a say in the bytes of an answer."""


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


@cache
def code_version() -> bytes:
    """16 bytes that change whenever the code does."""
    digest = hashlib.blake2b(digest_size=16)
    root = Path(__file__).parent.parent
    for folder in _OURS:
        for path in sorted((root / folder).rglob("*.py*")):
            if path.parent.name != "__pycache__":
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.digest()

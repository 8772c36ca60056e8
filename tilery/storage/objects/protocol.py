"""What a store can do. Keys are relative, parts joined by ``/``; versions are opaque and equal only for equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What was kept under a key."""

    body: bytes
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a listing."""

    key: str
    size: int
    modified: float
    """Seconds since 1970."""
    version: str
    """As `Blob` has it; empty where it cannot be told."""


class Store(Protocol):
    """Bytes under keys. Safe to call from many threads. Every verb may raise `UpstreamError`, those that
    write `StoreFull` too.
    """

    @property
    def address(self) -> str:
        """Where it is, ending in a slash: ``/directory/`` or ``s3://bucket/prefix/``."""
        ...

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Return what is under the key, or None when its version still is ``unless``.

        Raises:
            NotFound: there is nothing.
        """
        ...

    def write(
        self,
        key: str,
        body: bytes,
        *,
        media_type: str,
        cache_control: str | None = None,
        expected: str = "any",
    ) -> str:
        """Return the new version, after the bytes were put under the key in one step.

        Args:
            key: where to.
            body: all of it; nobody ever sees a part.
            media_type: kept beside the bytes where the store can.
            cache_control: the same.
            expected: write only over this version; ``new``: only where nothing is; ``any``: whatever is there.

        Raises:
            Conflict: something else is there.
        """
        ...

    def upload(self, key: str, path: Path, *, media_type: str, progress: Callable[[int], None]) -> None:
        """Copy a file under the key in one step; ``progress`` gets the bytes of each part."""
        ...

    def has(self, key: str) -> bool:
        """Return True when something is under the key."""
        ...

    def reach(self) -> None:
        """Check that the store can be asked, whatever is in it.

        Raises:
            UpstreamError: it cannot.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove what is under the key, if there is anything."""
        ...

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Return names of the folders just below a prefix (which is empty or ends in a slash)."""
        ...

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Return every file below a prefix, at any depth, in no particular order."""
        ...

    def named(self, name: str, within: Callable[[str], bool]) -> Iterator[Entry]:
        """Return every file of a name in a folder at any depth; only folders are looked into whose path ``within`` lets
        pass.

        Raises:
            UpstreamError: the store was there and has gone.
        """
        ...

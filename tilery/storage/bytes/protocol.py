"""What readers know of the place where bytes come from."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol


class SourceChanged(Exception):
    """The object is no longer the one that was opened. Whoever holds it opens it again; callers are never told."""


class ByteSource(Protocol):
    """One object, opened, that can be read at any place. Safe to use from many threads.

    All bytes come from the object as it was opened: when it is replaced meanwhile, reading raises `SourceChanged`
    rather than mix the two. All waiting ends with `tilery.limits.deadline`.
    """

    @property
    def identity(self) -> str:
        """What tells this version of this object from all others, as letters and digits: fit for keys and ETags."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the object."""
        ...

    @property
    def local_path(self) -> str | None:
        """The file's path when it is a file on this machine."""
        ...

    @property
    def open_path(self) -> str | None:
        """A path that leads to the very file that is open, whatever has its name by now, where there is one."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from ``start``, exactly ``length`` of them; fewer only where the object ends.

        Raises:
            SourceChanged: the object was replaced or removed since it was opened.
            SourceDenied: we may no longer read it.
            UpstreamError: the store failed, also after further tries.
            UpstreamTimeout: the store did not answer in time.
            DeadlineExceeded: the request's time was up first.
        """
        ...

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range (start, length), in their order, as `read` gives them.

        Where fetching costs round trips, ranges near each other are fetched as one, and those apart at the same time.
        """
        ...

    def refresh(self) -> bool:
        """Return whether the object is still the one that was opened, found out at the lowest price.

        Raises:
            UpstreamError: the store failed to say.
        """
        ...

    def close(self) -> None:
        """Give back what the source holds. Reads under way end as if it were open."""
        ...


def identity_of(*facts: object) -> str:
    """Return a digest of what tells one version of an object from another: 32 hexadecimal digits that give nothing
    away.
    """
    return blake2b("\0".join(str(fact) for fact in facts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""What a listing is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tilery.limits import deadline

Wanted = Callable[[str], bool]
"""Says of a file's name whether it is listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much work one listing may be."""

    limit: int = 100
    """Children of one page at most."""
    seconds: float = 5.0
    """Time for it."""
    names: int = 200_000
    """Names that are looked at."""
    requests: int = 50
    """Requests to a store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A file or a folder in a folder."""

    name: str
    """Relative to the folder; of a folder with a slash at its end."""
    size: int | None = None
    """Bytes of a file."""
    modified: float | None = None
    """Of a file: seconds since 1970."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPage:
    """A part of what is in a folder, sorted by name."""

    children: tuple[Child, ...]
    after: str | None = None
    """The name after which the next page begins. None: there is none."""
    complete: bool = True
    """False where the work became too much before all names were looked at."""


@dataclass(slots=True)
class Spent:
    """What one listing has cost up to now."""

    bounds: Bounds
    names: int = 0
    requests: int = 0
    end: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.end = time.monotonic() + self.bounds.seconds

    @property
    def is_too_much(self) -> bool:
        """Whether it may cost no more."""
        bounds = self.bounds
        if self.names >= bounds.names or self.requests >= bounds.requests:
            return True
        deadline.check()
        return time.monotonic() >= self.end

    @property
    def seconds_left(self) -> float:
        """Time that is left, of this listing and of the request."""
        return max(min(self.end - time.monotonic(), deadline.remaining()), 0.001)


def matches(words: tuple[str, ...], path: str) -> bool:
    """Return whether all words are in a path, whatever their case."""
    folded = path.casefold()
    return all(word in folded for word in words)

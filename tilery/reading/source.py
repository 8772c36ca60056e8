"""What is to be read: bytes that the policy permits, how they are to be understood, and what is chosen of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilery.storage.locations import FileLocation, Location

RASTER = "raster"
"""The kind of one file that our own reader or GDAL opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A value: the key of open datasets, and part of every cache key."""

    locations: tuple[Location, ...]
    """Where its bytes are; the policy has agreed to each."""
    kind: str = RASTER
    """How they are understood: the name of an opener of the engine."""
    selection: tuple[tuple[str, Any], ...] = ()
    """What is chosen of it (assets, a variable, a moment), as hashable pairs in a canonical order."""

    @property
    def location(self) -> Location:
        """The only location, or the one that all else is found from."""
        return self.locations[0]

    @property
    def is_local(self) -> bool:
        """True when no network is needed."""
        return all(isinstance(location, FileLocation) for location in self.locations)

    @property
    def private_name(self) -> str:
        """What the log may call it."""
        return self.location.private_name


def raster(location: Location) -> Source:
    """Return the source of one file: ``location`` is what a policy has agreed to."""
    return Source(locations=(location,))

"""Overviews and masks in files beside a raster, which are not read unless the operator tells GDAL to look for them."""

from __future__ import annotations

from pathlib import Path

from tilery.errors import TileryError
from tilery.storage.locations import FileLocation, Location
from tilery.storage.stores import Stores

SUFFIXES = (".ovr", ".msk")
"""Behind the raster's own name."""


def lying(locations: tuple[Location, ...], stores: Stores) -> list[str]:
    """Return the names' ends of those files that are there. Asks the store, so it waits."""
    found = []
    for location in locations:
        if isinstance(location, FileLocation):
            there = Path(location.path).is_file()
        else:
            try:
                stores.open(location).close()
                there = True
            except TileryError:
                there = False  # or not for us to know
        if there:
            found.append(location.url.partition("?")[0][-4:])
    return found

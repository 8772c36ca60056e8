"""Overviews and masks in files beside a raster, which are not read unless the operator tells GDAL to look for them."""

from __future__ import annotations

from pathlib import Path

from app.config import settings
from app.process import native
from tilery.errors import TileryError
from tilery.storage.bytes import open_source
from tilery.storage.locations import FileLocation, Location

SUFFIXES = (".ovr", ".msk")
"""Behind the raster's own name."""


def are_read(location: Location) -> bool:
    """True when GDAL was told to look at the files beside a raster: it does so for files of this machine."""
    told = {name: settings.environment(name) for name in native.GDAL_ALONE}
    return isinstance(location, FileLocation) and told != native.GDAL_ALONE


def lying(locations: tuple[Location, ...]) -> list[str]:
    """The names' ends of those files that are there. Asks the store, so it waits."""
    found = []
    for location in locations:
        if isinstance(location, FileLocation):
            there = Path(location.path).is_file()
        else:
            try:
                open_source(location).close()
                there = True
            except TileryError:
                there = False  # or not for us to know
        if there:
            found.append(location.url.partition("?")[0][-4:])
    return found

"""The source of a mosaic, for those who open none."""

from __future__ import annotations

from tilery.reading.source import Source
from tilery.storage.locations import Location

MOSAIC = "mosaic"
"""The kind of sources that are MosaicJSON documents."""


def mosaic_source(location: Location) -> Source:
    """Return the source of the mosaic of a document."""
    return Source(kind=MOSAIC, locations=(location,))

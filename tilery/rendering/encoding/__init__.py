"""Pictures to bytes: one module a format, the codec imported when a picture first needs it."""

from __future__ import annotations

from tilery.geo.raster import Picture
from tilery.rendering.encoding.formats import Format
from tilery.rendering.encoding.palette import expanded


def encode(picture: Picture, row: Format) -> bytes:
    """Return the picture's bytes in that format. The caller has seen to the data type and the number of channels."""
    return row.encoder(picture if row.palette else expanded(picture))

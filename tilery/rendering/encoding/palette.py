"""Palette pictures as plain ones, for the formats that have no palettes."""

from __future__ import annotations

import numpy as np

from tilery.geo.raster import Picture


def expanded(picture: Picture) -> Picture:
    """Return the same picture in RGB with its opacity as mask; the picture itself when it has no palette."""
    if picture.palette is None:
        return picture
    rgba = picture.palette.take(picture.data[..., 0], axis=0)
    opacity = rgba[..., 3]
    if picture.mask is not None:
        opacity = np.where(picture.mask == 0, np.uint8(0), opacity)
    return Picture(data=rgba[..., :3], mask=opacity, bounds=picture.bounds, crs=picture.crs)

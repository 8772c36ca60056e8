"""The order of rows of rasters that are placed nowhere: a photograph has its first row on top."""

from __future__ import annotations

from dataclasses import replace

from tilery.geo.raster import Raster
from tilery.reading.profile import Profile

_NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""What GDAL says of a raster without a transform: columns to the right, rows downwards."""


def restored(profile: Profile, raster: Raster) -> Raster:
    """Return a raster as it was read, with the rows in the order of the file where that is placed nowhere.

    All grids are filled with the greatest y on top, which of such a raster is the last row.
    """
    if profile.crs is not None or tuple(profile.transform) != _NOWHERE or profile.gcps:
        return raster
    left, bottom, right, top = raster.bounds
    return replace(
        raster,
        data=raster.data[:, ::-1],
        mask=None if raster.mask is None else raster.mask[:, ::-1],
        alpha=None if raster.alpha is None else raster.alpha[::-1],
        bounds=(left, top, right, bottom),
    )

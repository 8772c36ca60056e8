"""CRSs of any library as rasterio's objects, and as the engine's names."""

from __future__ import annotations

from typing import Any

from rasterio.crs import CRS

from tilery.geo import crs as crs_
from tilery.geo.raster import Crs

_MANY = 256
"""Names that are kept."""


def to_crs(crs: Any) -> CRS:
    """Return rasterio's object for a CRS of any library."""
    return crs if isinstance(crs, CRS) else CRS.from_user_input(crs)


_texts: dict[int, tuple[CRS, Crs]] = {}
"""By the identity of rasterio's object, which is kept with it: to ask one for its text or hash takes 10 µs."""


def name_of(crs: CRS) -> Crs:
    """Return the engine's name of a CRS.

    Raises:
        UnsupportedRaster: it names files, or has no horizontal part.
    """
    known = _texts.get(id(crs))
    if known is not None:
        return known[1]
    found = crs_.from_rasterio(crs) or Crs(crs.to_wkt())
    if len(_texts) >= _MANY:
        _texts.clear()
    _texts[id(crs)] = (crs, found)
    return found

"""Rasters that ground control points place: how bent the way between the points is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_ORDER_2 = 6
"""Points from which GDAL fits polynomials of order 2; order 1 below."""
_MOST_POINTS = 1000
"""Points up to which a thin plate is worth its time, which grows with their square."""
_APART = 1.0
"""Pixels by which polynomials may miss a point before a thin plate is bent through all of them."""


def warp_options(points: Sequence[Any]) -> dict[str, str]:
    """Options of GDAL's warp: none where the polynomials that it chooses by the number of points meet them, else a thin
    plate spline, which meets each.

    Args:
        points: rasterio's, at least three.
    """
    if len(points) > _MOST_POINTS or len(points) < 3:
        return {}
    return {"METHOD": "GCP_TPS"} if residual(points) > _APART else {}


def residual(points: Sequence[Any]) -> float:
    """Pixels by which the polynomials that GDAL fits miss the point that they miss most."""
    places = np.array([(point.x, point.y) for point in points])
    pixels = np.array([(point.col, point.row) for point in points])
    spread = np.ptp(places, axis=0)
    x, y = ((places - places.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).T
    terms = [np.ones_like(x), x, y]
    if len(points) >= _ORDER_2:
        terms += [x * x, x * y, y * y]
    design = np.stack(terms, axis=1)
    found, *_ = np.linalg.lstsq(design, pixels, rcond=None)
    return float(np.hypot(*(design @ found - pixels).T).max())

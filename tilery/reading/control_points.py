"""Rasters that ground control points place: how bent the way between the points is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
from rasterio.io import DatasetReader, MemoryFile

from tilery.errors import BrokenRaster
from tilery.geo.raster import Grid
from tilery.reading.profile import Profile

NOWHERE = "The ground control points of the raster do not place it."
_ORDER_2 = 6
"""Points from which GDAL fits polynomials of order 2; order 1 below."""
_MOST_POINTS = 1000
"""Points up to which a thin plate is worth its time, which grows with their square."""
_APART = 1.0
"""Pixels by which polynomials may miss a point before a thin plate is bent through all of them."""


def warp_options(points: Sequence[Any]) -> dict[str, str]:
    """Return options of GDAL's warp: none where the polynomials that it chooses by the number of points meet them, else
    a thin plate spline, which meets each.

    Args:
        points: rasterio's, at least three.

    Raises:
        BrokenRaster: one of them is nowhere.
    """
    if not all(math.isfinite(number) for point in points for number in (point.x, point.y, point.col, point.row)):
        raise BrokenRaster(NOWHERE, parameter="url")
    if len(points) > _MOST_POINTS or len(points) < 3:
        return {}
    return {"SRC_METHOD": "GCP_TPS"} if residual(points) > _APART else {}


def residual(points: Sequence[Any]) -> float:
    """Return pixels by which the polynomials that GDAL fits miss the point that they miss most."""
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


@contextmanager
def straightened(
    dataset: DatasetReader, profile: Profile, grid: Grid, bands: tuple[int, ...], options: dict[str, Any]
) -> Iterator[DatasetReader]:
    """A grid filled by a warp that follows the control points, as an open dataset: the bands asked for and, unless
    there is a nodata value, one of opacity behind them.

    GDAL's virtual warps to a grid of one's own know of affine transforms only.

    Args:
        dataset: with control points.
        profile: of it.
        grid: to be filled.
        bands: from 1.
        options: of a virtual warp to the grid.
    """
    from rasterio.warp import reproject

    points, points_crs = dataset.gcps
    nodata = options.get("nodata")
    opaque = nodata is None
    values = np.zeros((len(bands) + opaque, grid.height, grid.width), options["dtype"])
    more: dict[str, Any] = {"src_nodata": options["src_nodata"], "dst_nodata": nodata} if not opaque else {}
    if opaque:
        more["dst_alpha"] = len(bands) + 1
        if profile.alpha_band is not None:
            more["src_alpha"] = profile.alpha_band
    reproject(
        rasterio.band(dataset, list(bands)),
        values,
        src_crs=points_crs,
        dst_crs=options["crs"] or points_crs,
        dst_transform=options["transform"],
        resampling=options["resampling"],
        **more,
        **warp_options(points),
    )
    description = {
        "driver": "GTiff",
        "count": len(values),
        "width": grid.width,
        "height": grid.height,
        "transform": options["transform"],
    }
    with MemoryFile() as memory:
        with memory.open(**description, dtype=values.dtype.name, nodata=nodata) as written:
            written.write(values)
        with memory.open() as found:
            yield found

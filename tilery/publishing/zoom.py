"""The deepest zoom that a raster is worth.

Three rules, because three are in use. All count in Web Mercator, where a pixel of zoom 0 is 156,543 metres wide at the
equator and each further zoom halves it.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from tilery.errors import UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo import mercator, tms
from tilery.reading.pixel_sizes import finest, typical
from tilery.reading.profile import Profile

Rule = Literal["upper", "nearest", "lambda"]
"""``upper``: the shallowest zoom that loses no detail, where pixels are finest. ``nearest``: the zoom whose pixels are
nearest in size, as GDAL's COG driver and TiTiler choose. ``lambda``: what the AWS Lambda tiler computes, from the
resolution where the raster is."""
RULES: tuple[Rule, ...] = get_args(Rule)

DEEPEST = 22
"""Deeper ones are not published: at 22 a pixel is 4 cm, and the world is 2³⁰ pixels wide."""
MEAN_RADIUS = 6371008.8
TOLERANCE = 0.05
"""Part of a zoom that ``upper`` gives away (3.5 % of a pixel's width) before it asks for four times the pixels."""


_ALIKE = 1.4
"""Half a zoom: how far the size of pixels that GDAL suggests may be from that of the raster's middle ones."""


def maximum(profile: Profile, rule: Rule = "upper") -> int:
    """Return the deepest zoom worth having, 0 to 22.

    Raises:
        UnsupportedRaster: no CRS, or no place on a Web Mercator map.
    """
    if rule == "lambda":
        return _lambda(profile)
    if rule == "nearest":
        return min(DEEPEST, tms.get("WebMercatorQuad").zoom_for_resolution(mercator_resolution(profile)))
    exact = math.log2(mercator.resolution_at(0) / finest(profile, crs_.WEB_MERCATOR))
    return min(DEEPEST, max(0, math.ceil(exact - TOLERANCE)))


def mercator_resolution(profile: Profile) -> float:
    """Return metres of Web Mercator in one of the raster's pixels, the way GDAL suggests for a warp; as its pixels are
    where that says something else: of the raster's corners off the globe, or of the world's width across the
    antimeridian.
    """
    from tilery.reading.gdal_facts import default_transform

    measured = typical(profile, crs_.WEB_MERCATOR)
    try:
        transform, _, _ = default_transform(profile, crs_.WEB_MERCATOR)
    except UnsupportedRaster:
        return measured
    suggested = max(abs(transform[0]), abs(transform[4]))
    return suggested if measured / _ALIKE <= suggested <= measured * _ALIKE else measured


def _lambda(profile: Profile) -> int:
    """Rounded up from the coarser of the two resolutions, in metres on the sphere where the raster has degrees."""
    if profile.crs is None:
        raise UnsupportedRaster("The raster has no coordinate reference system.")
    left, bottom, right, top = profile.bounds
    if crs_.is_geographic(profile.crs):
        middle_x, middle_y = (left + right) / 2, (bottom + top) / 2
        across = _distance((left, middle_y), (right, middle_y)) / profile.width
        down = _distance((middle_x, bottom), (middle_x, top)) / profile.height
    else:
        across, down = abs(right - left) / profile.width, abs(top - bottom) / profile.height
    resolution = max(across, down)
    if resolution <= 0:
        return DEEPEST
    return min(DEEPEST, max(0, math.ceil(math.log2(mercator.resolution_at(0) / resolution))))


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return metres between two positions in degrees, on a sphere."""
    (ax, ay), (bx, by) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    half = math.sin((by - ay) / 2) ** 2 + math.cos(ay) * math.cos(by) * math.sin((bx - ax) / 2) ** 2
    return 2 * MEAN_RADIUS * math.asin(min(1.0, math.sqrt(half)))


def minimum(width: int, height: int, maxzoom: int, tile: int = 256) -> int:
    """Return the deepest zoom at which a raster of that size at ``maxzoom`` fits into one tile."""
    levels = math.ceil(math.log2(max(width, height, tile) / tile))
    return max(0, maxzoom - levels)

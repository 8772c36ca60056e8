"""Web Mercator by its formulas (EPSG:3857, method 1024), for what asks too often, or too early, to ask PROJ."""

from __future__ import annotations

import math

RADIUS = 6378137.0
"""Metres: of the sphere that the map is made from."""
HALF = math.pi * RADIUS
"""Metres from the middle of the map to its edge."""
WIDTH = 2 * HALF
"""Metres of a turn around the world."""
DEGREE = math.radians(RADIUS)
"""Metres of a degree at the equator."""
LATITUDE = math.degrees(2 * math.atan(math.exp(math.pi)) - math.pi / 2)
"""Degrees that the map reaches north and south: 85.0511…"""


def x_of(longitude: float) -> float:
    """Return metres east of Greenwich, of degrees."""
    return math.radians(longitude) * RADIUS


def y_of(latitude: float) -> float:
    """Return metres north of the equator, of degrees between the poles."""
    return math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2)) * RADIUS


def part_north_of(latitude: float) -> float:
    """Return the part of the map's height that lies north of a latitude, 0 to 1; beyond the map's edge it is cut."""
    clipped = math.radians(min(max(latitude, -LATITUDE), LATITUDE))
    return (1 - math.asinh(math.tan(clipped)) / math.pi) / 2


def resolution_at(zoom: int) -> float:
    """Return the metres in a pixel of a 256-pixel tile at the equator."""
    return WIDTH / (256.0 * 2.0**zoom)

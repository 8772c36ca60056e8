"""The part of the Web Mercator grid that a raster covers, in whole blocks.

Blocks of 512 pixels at the deepest zoom lie where four of that zoom's tiles do, so that a tile is a part of one block
and is served without resampling; the pixels of nine overviews below it lie on the grid of their zooms too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tilery.errors import UnsupportedRaster
from tilery.geo import mercator
from tilery.geo.raster import Bounds
from tilery.publishing.rasters import BLOCK

_ALMOST = 1e-6
"""Part of a pixel by which bounds may miss the grid through rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebGrid:
    """Pixels of one zoom."""

    zoom: int
    left: int
    """Columns of the world west of it."""
    top: int
    """Rows of the world north of it."""
    width: int
    height: int

    @property
    def resolution(self) -> float:
        """Metres in a pixel."""
        return mercator.resolution_at(self.zoom)

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Of the upper left corner, in rasterio's order."""
        step = self.resolution
        return (step, 0.0, self.left * step - mercator.HALF, 0.0, -step, mercator.HALF - self.top * step)


def world(zoom: int) -> WebGrid:
    """Return all of the map at a zoom."""
    return WebGrid(zoom=zoom, left=0, top=0, width=256 * 2**zoom, height=256 * 2**zoom)


def covering(bounds: Bounds, zoom: int) -> WebGrid:
    """Return the blocks at a zoom that hold geographic bounds.

    Raises:
        UnsupportedRaster: the bounds cross the antimeridian, or lie beyond what the map shows.
    """
    west, south, east, north = bounds
    if west > east:
        raise UnsupportedRaster(
            "The raster crosses the antimeridian, where a Web Mercator grid ends; publish it with --grid native."
        )
    south, north = max(south, -mercator.LATITUDE), min(north, mercator.LATITUDE)
    if south >= north or west >= east:
        raise UnsupportedRaster("A Web Mercator map cannot show this place; publish it with --grid native.")
    step = mercator.resolution_at(zoom)
    side = 256 * 2**zoom
    block = min(BLOCK, side)
    left = math.floor((mercator.x_of(west) + mercator.HALF) / step / block + _ALMOST / block)
    right = math.ceil((mercator.x_of(east) + mercator.HALF) / step / block - _ALMOST / block)
    top = math.floor((mercator.HALF - mercator.y_of(north)) / step / block + _ALMOST / block)
    bottom = math.ceil((mercator.HALF - mercator.y_of(south)) / step / block - _ALMOST / block)
    left, top = max(0, left) * block, max(0, top) * block
    right, bottom = min(side, max(right * block, left + block)), min(side, max(bottom * block, top + block))
    return WebGrid(zoom=zoom, left=left, top=top, width=right - left, height=bottom - top)

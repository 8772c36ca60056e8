"""How much of each pixel is inside a geometry."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import TooMuchWork
from tilery.geo.raster import Crs, Raster
from tilery.limits import deadline
from tilery.reading import drawing
from tilery.reading.geometry import Shape, parse

MOST_PARTS = 1 << 32
"""Parts of pixels that one geometry may be drawn on."""
STRIP_PARTS = 1 << 22
"""Parts drawn at a time, those of one pixel at least: what bounds the memory, a byte for each."""


def of(geometry: Mapping[str, Any] | Shape, geometry_crs: Crs, raster: Raster, scale: int) -> NDArray[np.float32]:
    """Return shares from 0 to 1, shape (rows, columns): each pixel is cut into ``scale`` × ``scale`` parts, and those
    that the geometry touches are counted.

    Raises:
        InvalidGeometry: it has no place in the raster's CRS.
        TooMuchWork: the raster has too many parts at this scale.
    """
    parts = raster.height * raster.width * scale * scale
    if parts > MOST_PARTS:
        raise TooMuchWork(
            "The geometry covers too many pixels at this cover_scale. Give a smaller max_size or cover_scale.",
            parameter="cover_scale",
            limit=MOST_PARTS,
        )
    shape = parse(geometry)
    if raster.crs is not None:
        shape = shape.placed(geometry_crs, raster.crs)
    left, bottom, right, top = raster.bounds
    dx, dy = (right - left) / raster.width, (bottom - top) / raster.height
    shares = np.empty((raster.height, raster.width), "float32")
    columns = min(raster.width, max(1, STRIP_PARTS // (scale * scale)))
    rows = max(1, STRIP_PARTS // (columns * scale * scale))
    for row, column in product(range(0, raster.height, rows), range(0, raster.width, columns)):
        deadline.check()
        down, across = min(rows, raster.height - row), min(columns, raster.width - column)
        x, y = left + column * dx, top + row * dy
        bounds = (x, y + down * dy, x + across * dx, y)
        drawn = drawing.touched(shape, bounds, down * scale, across * scale)
        cut = drawn.reshape(down, scale, across, scale)
        shares[row : row + down, column : column + across] = cut.sum(axis=(1, 3), dtype="float32") / (scale * scale)
    return shares

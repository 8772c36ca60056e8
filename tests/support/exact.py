"""What a picture of a raster has to show, worked out pixel by pixel from exact positions (pyproj, float64)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]

HALF = math.pi * 6378137.0
"""Metres from the middle of a Web Mercator map to its edge."""
LINE = 0.01
"""Pixels from the line between two, within which either of them may be taken."""


def tile_bounds(z: int, x: int, y: int) -> Bounds:
    """Return bounds of a tile of WebMercatorQuad."""
    side = 2 * HALF / 2**z
    return (-HALF + x * side, HALF - (y + 1) * side, -HALF + (x + 1) * side, HALF - y * side)


def tile_of(lon: float, lat: float, z: int) -> tuple[int, int, int]:
    """Return zoom, column and row of the tile of WebMercatorQuad that holds a place."""
    side = 2 * HALF / 2**z
    x = math.radians((lon + 180) % 360 - 180) * 6378137.0
    y = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)) * 6378137.0
    return (z, int((x + HALF) // side), int((HALF - y) // side))


def nearest(
    data: NDArray[Any],
    transform: Affine,
    crs: str,
    bounds: Bounds,
    *,
    dst_crs: str = "EPSG:3857",
    size: tuple[int, int] = (256, 256),
    turn: float = 0.0,
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """(values, valid, sure) of a picture of ``size`` (rows, columns).

    Args:
        data: shape (bands, rows, columns).
        transform: of the raster.
        crs: of the raster; its horizontal part where it has more.
        bounds: of the picture.
        dst_crs: of the picture.
        size: rows and columns of the picture.
        turn: units of x after which the raster's CRS comes back to the same place; 0 where it does not.

    Returns:
        The nearest value for each pixel, whether the raster has one there, and whether no other one is as near.
    """
    left, bottom, right, top = bounds
    rows, columns = size
    xs = left + (np.arange(columns) + 0.5) * (right - left) / columns
    ys = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
    x, y = np.meshgrid(xs, ys)
    if pyproj.CRS(crs) != pyproj.CRS(dst_crs):
        x, y = pyproj.Transformer.from_crs(dst_crs, crs, always_xy=True).transform(x, y)
    if turn:
        middle = (transform * (data.shape[2] / 2, data.shape[1] / 2))[0]
        x = x + turn * np.round((middle - x) / turn)
    inverse = ~transform
    across = inverse.a * x + inverse.b * y + inverse.c
    down = inverse.d * x + inverse.e * y + inverse.f
    known = np.isfinite(across) & np.isfinite(down)
    column = np.floor(np.where(known, across, -1)).astype(int)
    row = np.floor(np.where(known, down, -1)).astype(int)
    valid = (column >= 0) & (column < data.shape[2]) & (row >= 0) & (row < data.shape[1])
    values = data[:, np.clip(row, 0, data.shape[1] - 1), np.clip(column, 0, data.shape[2] - 1)]
    with np.errstate(invalid="ignore"):
        beside = np.minimum(np.abs(across - np.round(across)), np.abs(down - np.round(down)))
    return values, valid, known & (beside > LINE)


def assert_shows(
    body: tuple[NDArray[Any], NDArray[np.bool_]], expected: tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]
) -> None:
    """Fail unless a picture (values, valid) is what `nearest` says, wherever that is sure."""
    values, valid, sure = expected
    assert body[0].shape == values.shape
    assert sure.mean() > 0.8
    assert np.array_equal(body[1] & sure, valid & sure)
    assert np.array_equal(body[0][:, valid & sure], values[:, valid & sure])

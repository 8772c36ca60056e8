"""Sizes of grids: of an output, with pixels around it, of overviews."""

from __future__ import annotations

import math

from tilery.geo.raster import Grid


def widened(grid: Grid, by: float) -> Grid:
    """Return the grid with ``by`` more pixels on each side (a multiple of one half)."""
    left, bottom, right, top = grid.bounds
    dx, dy = (right - left) / grid.width * by, (top - bottom) / grid.height * by
    return Grid(
        crs=grid.crs,
        bounds=(left - dx, bottom - dy, right + dx, top + dy),
        width=grid.width + int(by * 2),
        height=grid.height + int(by * 2),
    )


def output_size(
    native: tuple[float, float], *, width: int | None, height: int | None, max_size: int | None
) -> tuple[int, int]:
    """Return width and height of an output: as given; one side alone keeps the proportions of ``native`` (width,
    height); ``max_size`` bounds the longer side where neither is given.
    """
    across, down = native
    ratio = down / across if across else 1.0
    if width and height:
        return (width, height)
    if width:
        return (width, max(1, math.ceil(width * ratio)))
    if height:
        return (max(1, math.ceil(height / ratio)) if ratio else height, height)
    whole = (max(1, round(across)), max(1, round(down)))
    if not max_size or max(whole) < max_size:
        return whole
    ratio = whole[1] / whole[0]
    if ratio > 1:
        return (max(1, math.ceil(max_size / ratio)), max_size)
    return (max_size, max(1, math.ceil(max_size * ratio)))


def deepest_overview(width: int, height: int, tile: int) -> int:
    """Return how often a raster can be halved until it is no larger than a tile."""
    level, factor = 0, 1
    while min(width // factor, height // factor) > tile:
        factor *= 2
        level += 1
    return level

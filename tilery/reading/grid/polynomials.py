"""Chebyshev polynomials through the positions of a few nodes of a grid, and how good they are.

The size of the last coefficients tells how good they are (Trefethen, *Approximation Theory and Approximation
Practice*, chapter 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

NODES = 7
"""Places along each side that PROJ is asked for."""

_TOLERANCE = 0.002
"""Pixels by which a polynomial may miss, of the raster or of the output, whichever are larger."""

_STRAIGHT = 1e-6
"""Pixels by which x may differ along a column to count as the same."""


@lru_cache(maxsize=1)
def nodes() -> Floats:
    """Return the Chebyshev nodes, from -1 to 1, shape (`NODES`,)."""
    return -np.cos(np.pi * np.arange(NODES) / (NODES - 1))


def values_at(at: Floats) -> Floats:
    """Return the Chebyshev polynomials at some places from -1 to 1, by degree along a new last axis of length `NODES`.
    (numpy's own function costs 10 ms to import.)
    """
    values = [np.ones_like(at), at]
    while len(values) < NODES:
        values.append(2 * at * values[-1] - values[-2])
    return np.stack(values, axis=-1)


@lru_cache(maxsize=1)
def to_coefficients() -> Floats:
    """Return the matrix, shape (`NODES`, `NODES`), that makes coefficients of the values at nodes."""
    return np.linalg.inv(values_at(nodes()))


@lru_cache(maxsize=256)
def basis(count: int, dtype: np.dtype[Any]) -> Floats:
    """Return the Chebyshev polynomials at the centres of ``count`` pixels, the first one at -1 and the last
    one at 1; shape (count, `NODES`).
    """
    at = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    return np.ascontiguousarray(values_at(at), dtype)


@lru_cache(maxsize=256)
def basis_across(count: int, dtype: np.dtype[Any]) -> Floats:
    """Return `basis` turned, polynomials along the first axis: shape (`NODES`, count)."""
    return np.ascontiguousarray(basis(count, dtype).T)


def is_straight(x: Floats, y: Floats) -> bool:
    """Return True when x does not change along columns of nodes, nor y along rows; both of shape (rows, columns)."""
    return bool((np.abs(x - x[0]) < _STRAIGHT).all() and (np.abs(y - y[:, :1]) < _STRAIGHT).all())


def fit(x: Floats, y: Floats, areas: Sequence[tuple[slice, slice]]) -> tuple[list[bool], Floats, Floats]:
    """Return for each area whether polynomials through its nodes are good, and their coefficients for x and for y.

    Args:
        x: pixels of the raster, shape (areas, `NODES`, `NODES`): rows of nodes and their columns. Coefficients are of
            the same shape, by degree down and across.
        y: the same.
        areas: rows and columns of the grid that each has.
    """
    to = to_coefficients()
    coefficients = to @ np.stack((x, y)) @ to.T
    magnitude = np.abs(coefficients)
    rest = (magnitude * _last_ones()).sum(axis=(0, 2, 3)).tolist()
    size = (magnitude[:, :, 1, 0] + magnitude[:, :, 0, 1]).max(axis=0).tolist()
    smooth = [
        rest[index]
        <= _TOLERANCE * max(1.0, 2 * size[index] / max(rows.stop - rows.start, columns.stop - columns.start))
        for index, (rows, columns) in enumerate(areas)
    ]
    return smooth, coefficients[0], coefficients[1]


@lru_cache(maxsize=1)
def _last_ones() -> Floats:
    """Return 1 for the coefficients of the two highest degrees either way, 0 for the others."""
    weights = np.zeros((NODES, NODES))
    weights[-2:] = weights[:, -2:] = 1
    return weights


@lru_cache(maxsize=512)
def part(start: int, stop: int, count: int) -> Floats | None:
    """Return the matrix, shape (`NODES`, `NODES`), that makes the coefficients of ``count`` pixels those of the pixels
    from ``start`` to ``stop``.

    None for a single pixel, which has no ends.
    """
    if stop - start < 2:
        return None
    whole = (count - 1) / 2
    at = nodes() * ((stop - start - 1) / 2 / whole) + ((start + stop - 1) / 2 - whole) / whole
    found: Floats = to_coefficients() @ values_at(at)
    return found


def linear_scale(cx: Floats, cy: Floats, pixels: int) -> tuple[float, float]:
    """Return pixels of the raster to one of the grid where a polynomial tells: the side of the area that its slopes
    span. ``cx`` and ``cy`` are coefficients of x and y, shape (`NODES`, `NODES`); ``pixels`` those of the grid.
    """
    area = abs(float(cx[0, 1] * cy[1, 0] - cx[1, 0] * cy[0, 1])) * 4 / pixels
    return (math.sqrt(area), math.sqrt(area)) if area > 0 else (1.0, 1.0)


def linear_sides(cx: Floats, cy: Floats, rows: slice, columns: slice) -> tuple[float, float]:
    """Return width and height of a pixel of the grid in pixels of the raster, where a polynomial tells; ``cx``
    and ``cy`` as in `linear_scale`. 0 along a side of one pixel.
    """
    across, down = columns.stop - columns.start - 1, rows.stop - rows.start - 1
    return (
        2 * math.hypot(cx[0, 1], cy[0, 1]) / across if across else 0.0,
        2 * math.hypot(cx[1, 0], cy[1, 0]) / down if down else 0.0,
    )


def sides(x: Floats, y: Floats, rows: slice, columns: slice) -> tuple[float, float]:
    """Return the same where there is none: medians between nodes, whose x and y, shape (`NODES`, `NODES`), are not
    numbers where they have no place.
    """
    spacing = np.diff(nodes())
    across = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)) / spacing
    down = np.hypot(np.diff(x, axis=0), np.diff(y, axis=0)) / spacing[:, None]
    sides = []
    for lengths, side in ((across, columns), (down, rows)):
        known, steps = lengths[np.isfinite(lengths)], side.stop - side.start - 1
        sides.append(2 * float(np.median(known)) / steps if known.size and steps else 0.0)
    return (sides[0], sides[1])


def scale(x: Floats, y: Floats, pixels: int) -> tuple[float, float]:
    """Return pixels of the raster to one of the grid: the side of the median area between nodes, as there is no axis to
    it; x and y as in `sides`. 1 where nothing tells.
    """
    down, across = np.diff(x, axis=0), np.diff(x, axis=1)
    parts = np.abs(across[:-1] * np.diff(y, axis=0)[:, :-1] - down[:, :-1] * np.diff(y, axis=1)[:-1])
    parts = (parts / _areas()).ravel()
    parts = parts[np.isfinite(parts)]
    if not parts.size:
        return (1.0, 1.0)
    side = math.sqrt(float(np.median(parts)) * 4 / pixels)
    return (side, side) if side > 0 else (1.0, 1.0)


@lru_cache(maxsize=1)
def _areas() -> Floats:
    """Return areas between nodes."""
    spacing = np.diff(nodes())
    return spacing[:, None] * spacing

"""Parts of a grid laid over a raster, by how the positions of their pixels are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tilery.reading.grid import polynomials
from tilery.reading.grid.polynomials import Floats

_NOWHERE = 1e6
"""Pixels outside of any window, for positions that nobody knows."""

Extent = tuple[float, float, float, float]
"""Least and largest x, least and largest y, in pixels of the raster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """A part of the grid whose columns and rows run along those of the raster."""

    rows: slice
    columns: slice
    xs: Floats
    """Of each column, in pixels of the full raster: 0.5 is the middle of the first one."""
    ys: Floats

    @property
    def extent(self) -> Extent:
        """What it covers: positions along an axis only rise or only fall."""
        x, y = (float(self.xs[0]), float(self.xs[-1])), (float(self.ys[0]), float(self.ys[-1]))
        return (min(x), max(x), min(y), max(y))

    def stretch(self, scale: tuple[float, float]) -> tuple[float, float]:
        """Return width and height of a pixel of the grid, in pixels of the full raster; ``scale`` is for the whole
        grid.
        """
        return (
            step_of(self.xs) if self.xs.size > 1 else scale[0],
            step_of(self.ys) if self.ys.size > 1 else scale[1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Smooth:
    """A part of the grid whose positions a polynomial gives."""

    rows: slice
    columns: slice
    x: Floats
    """Chebyshev coefficients, shape (rows, columns)."""
    y: Floats
    extent: Extent
    """What it covers at most."""

    def stretch(self, scale: tuple[float, float]) -> tuple[float, float]:
        """Return width and height of the box around a pixel of the grid, in pixels of the full raster."""
        columns, rows = self.columns.stop - self.columns.start - 1, self.rows.stop - self.rows.start - 1
        if columns < 1 or rows < 1:
            return scale
        return (
            2 * float(abs(self.x[0, 1]) / columns + abs(self.x[1, 0]) / rows),
            2 * float(abs(self.y[0, 1]) / columns + abs(self.y[1, 0]) / rows),
        )

    def positions(
        self, scale: tuple[float, float], origin: tuple[float, float], rows: slice, out: tuple[Floats, Floats]
    ) -> None:
        """Fill ``out`` with the x and y of some rows of the piece, scaled and then counted from an origin.

        The arrays have shape (rows, columns) and are float32 or float64.
        """
        dtype = out[0].dtype
        down = polynomials.basis(self.rows.stop - self.rows.start, dtype)[rows]
        across = polynomials.basis_across(self.columns.stop - self.columns.start, dtype)
        for coefficients, factor, start, into in zip((self.x, self.y), scale, origin, out, strict=True):
            moved = coefficients * factor
            moved[0, 0] -= start
            np.matmul(down @ moved.astype(dtype), across, out=into)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered:
    """A part of the grid whose positions are known one by one; not a number where there is none."""

    rows: slice
    columns: slice
    x: Floats
    y: Floats

    @property
    def extent(self) -> Extent:
        """What it covers."""
        known = np.isfinite(self.x)
        if not known.any():
            return (math.inf, -math.inf, math.inf, -math.inf)
        x, y = self.x[known], self.y[known]
        return (float(x.min()), float(x.max()), float(y.min()), float(y.max()))

    def stretch(self, scale: tuple[float, float]) -> tuple[float, float]:
        """Return width and height of a pixel of the grid, in pixels of the full raster."""
        return scale

    def positions(
        self, scale: tuple[float, float], origin: tuple[float, float], rows: slice, out: tuple[Floats, Floats]
    ) -> None:
        """Fill ``out`` as `Smooth.positions` does. Where nothing is known the positions are far outside."""
        for positions, factor, start, into in zip((self.x, self.y), scale, origin, out, strict=True):
            np.subtract(positions[rows] * factor, start, out=into, casting="unsafe")
            np.nan_to_num(into, copy=False, nan=-_NOWHERE)


Piece = Axes | Smooth | Scattered


def step_of(values: Floats) -> float:
    """Return how far neighbours are apart, the median of them; two ``values`` at the least, in one dimension."""
    return float(np.median(np.abs(np.diff(values))))


def smooth_piece(rows: slice, columns: slice, x: Floats, y: Floats) -> Smooth:
    """Return a piece from the coefficients of its x and y, shape (`NODES`, `NODES`), in pixels of the full raster.

    No Chebyshev polynomial exceeds 1, so their sum bounds what the piece covers.
    """
    middle_x, middle_y = float(x[0, 0]), float(y[0, 0])
    spread_x = float(np.abs(x).sum()) - abs(middle_x)
    spread_y = float(np.abs(y).sum()) - abs(middle_y)
    extent = (middle_x - spread_x, middle_x + spread_x, middle_y - spread_y, middle_y + spread_y)
    return Smooth(rows=rows, columns=columns, x=x, y=y, extent=extent)


def along_rows(
    piece: Smooth, scale: tuple[float, float], origin: tuple[float, float], height: int, most_shear: float
) -> Floats | None:
    """Return where the columns of a piece cross the rows of a window: x at [row of the window, column of the piece].

    None where the piece is turned too much against the raster, or does not run straight enough, to tell.

    Args:
        piece: a part of the grid.
        scale: pixels of the image to one of the full raster.
        origin: first column and row of the window, in the image.
        height: rows of the window.
        most_shear: columns that may lie between the crossings of one row and the next.
    """
    x, y = piece.x * scale[0], piece.y * scale[1]
    x[0, 0] -= origin[0]
    y[0, 0] -= origin[1]
    if abs(y[1, 0]) < 1e-9 or abs(x[1, 0] / y[1, 0]) > most_shear or abs(y[0, 1]) > most_shear * abs(x[0, 1]):
        return None
    nodes = polynomials.values_at(polynomials.nodes())
    known_x, known_y = nodes @ x @ nodes.T, nodes @ y @ nodes.T
    reach = np.ptp(known_y, axis=0)
    if (np.abs(known_y[-1] - known_y[0]) < 0.999 * reach).any() or height > 1.5 * reach.min() + 16:
        return None
    # For each of the columns at nodes, x as a polynomial of y through the places that are known.
    half = (height - 1) / 2
    powers = polynomials.values_at((known_y.T - height / 2) / half)
    crossing = nodes @ np.linalg.solve(powers, known_x.T[:, :, None])[:, :, 0].T
    to = polynomials.to_coefficients()
    coefficients = to @ crossing @ to.T
    dtype = np.dtype(np.float32)
    columns = piece.columns.stop - piece.columns.start
    found: Floats = (
        polynomials.basis(height, dtype) @ coefficients.astype(dtype) @ polynomials.basis_across(columns, dtype)
    )
    return found

"""Pixels of a grid as a kernel makes them of those around each position.

The kernels and their widening are those of GDAL's warper (https://gdal.org/programs/gdalwarp.html, ``-r``): where the
output is coarser than the raster a kernel is stretched to the output's pixel, so that none is left out. A pixel that is
not valid has no weight, and what is left is made whole again.

A kernel of n × n weights is applied along rows and then along columns, 2n steps instead of n². Where the raster is a
little turned against the grid the first pass follows it: for every row of the raster it takes the places where the
columns of the grid cross it (Catmull and Smith, *3-D transformations of images in scanline order*, 1980). Where it is
turned a lot, all n² weights are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array
from tilery.limits import deadline
from tilery.reading.grid.buffers import buffer, strips
from tilery.reading.grid.pieces import Axes, Smooth, along_rows
from tilery.reading.grid.polynomials import Floats
from tilery.reading.grid.sampling import Target

Indexes = NDArray[np.intp]

_STEPS = 1024
"""Parts of a pixel that weights are tabulated for, at most."""
_WEIGHTS = 1 << 14
"""Weights of a table: one of more pixels has fewer parts of a pixel, over which a wide kernel hardly changes."""
_UNSTRETCHED = 1 / 0.95
"""Pixels of the raster to one of the grid up to which GDAL does not stretch a kernel."""
_MOST_SHEAR = 0.15
"""Columns that a raster may move by from one row to the next for the kernel still to be applied along rows."""
_NOTHING = 1e-3
"""Sum of weights below which a value is not to be had."""


def _triangle(x: Floats) -> Floats:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: Floats) -> Floats:
    """Keys' cubic convolution with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _spline(x: Floats) -> Floats:
    """Return the cubic B-spline."""
    x = np.abs(x)
    near = 2 / 3 - x * x * (1 - x / 2)
    far = np.maximum(0.0, 2 - x) ** 3 / 6
    return np.where(x <= 1, near, far)


def _lanczos(x: Floats) -> Floats:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_KERNELS: dict[str, tuple[int, Callable[[Floats], Floats]]] = {
    "bilinear": (1, _triangle),
    "cubic": (2, _cubic),
    "cubic_spline": (2, _spline),
    "lanczos": (3, _lanczos),
}
"""Radius in pixels, and weight at a distance."""

METHODS = frozenset(_KERNELS)
INTERPOLATING = METHODS - {"cubic_spline"}
"""Those that give a pixel's own value at its centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel stretched to the pixels of a grid, across and down."""

    across: Floats
    """Weights: shape (parts of a pixel, taps)."""
    down: Floats

    @property
    def reach(self) -> tuple[int, int]:
        """Columns and rows that it needs on each side of a position."""
        return (self.across.shape[1] // 2 + 1, self.down.shape[1] // 2 + 1)


def kernel(method: str, stretch: tuple[float, float]) -> Kernel:
    """Return the kernel of a method, where a pixel of the grid is ``stretch`` pixels of the raster wide and high."""
    return Kernel(across=_table(method, _rounded(stretch[0])), down=_table(method, _rounded(stretch[1])))


def _rounded(stretch: float) -> float:
    return 1.0 if stretch <= _UNSTRETCHED else math.ceil(stretch * 500) / 500


@lru_cache(maxsize=256)
def _table(method: str, stretch: float) -> Floats:
    """Return weights of the pixels around a position, for each part of a pixel that it may lie at."""
    radius, weight = _KERNELS[method]
    half = math.ceil(radius * stretch)
    taps = np.arange(2 * half) - (half - 1)
    steps = max(1, min(_STEPS, _WEIGHTS // taps.size))
    parts = (np.arange(steps + 1) / steps)[:, None]
    weights = weight((taps - parts) / stretch)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class BandWindow:
    """One band's window: what is to be resampled."""

    values: Array
    """Shape (rows, columns) of the window."""
    weights: Array | None
    """How much each pixel counts, 0 to 1 or False and True, same shape. None: all count alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """One band resampled."""

    values: Array
    """Floating point, shape (rows, columns) of the target."""
    weight: Array | None
    """What share of the kernel fell on pixels that count. None: all of it, everywhere."""


def resample(found: Target, chosen: Kernel, layers: Sequence[BandWindow]) -> list[Resampled]:
    """Return layers resampled to a part of the grid; their windows start at the target's first row and column."""
    wide = any(layer.values.dtype.itemsize > 2 and layer.values.dtype != np.float32 for layer in layers)
    dtype: Any = np.float64 if wide else np.float32
    planes: list[Array] = []
    known: dict[int, int] = {}
    places: list[tuple[int, int | None]] = []
    for layer in layers:
        if layer.weights is None:
            places.append((len(planes), None))
            planes.append(np.ascontiguousarray(layer.values, layer.values.dtype if _small(layer.values) else dtype))
            continue
        # Layers mostly share one array of weights, which is resampled once.
        if id(layer.weights) not in known:
            known[id(layer.weights)] = len(planes)
            planes.append(layer.weights.astype(dtype))
        at = known[id(layer.weights)]
        places.append((len(planes), at))
        planes.append(np.where(planes[at] > 0, layer.values, 0).astype(dtype) * planes[at])
    done = _passes(found, chosen, planes, dtype)
    results = []
    for values, weights in places:
        if weights is None:
            results.append(Resampled(values=done[values], weight=None))
            continue
        some = done[weights] > _NOTHING
        whole = np.divide(done[values], done[weights], where=some, out=np.zeros_like(done[values]))
        results.append(Resampled(values=whole, weight=done[weights]))
    return results


def _small(values: Array) -> bool:
    """True for types that floating point of 32 bits holds exactly."""
    return values.dtype.itemsize <= 2


def _passes(found: Target, chosen: Kernel, planes: list[Array], dtype: Any) -> list[Array]:
    """Return planes resampled without regard to what is valid."""
    piece, origin = found.piece, (found.left, found.top)
    chosen = Kernel(across=chosen.across.astype(dtype), down=chosen.down.astype(dtype))
    if isinstance(piece, Axes):
        first, start = found.columns.start - piece.columns.start, found.rows.start - piece.rows.start
        rows, columns = found.shape
        x = piece.xs[first : first + columns] * found.scale[0] - origin[0] - 0.5
        y = piece.ys[start : start + rows] * found.scale[1] - origin[1] - 0.5
        planes = [plane.T for plane in _by_rows(y, chosen.down, planes)]
        return [plane.T for plane in _by_rows(x, chosen.across, [np.ascontiguousarray(plane) for plane in planes])]
    whole = slice(0, found.shape[0])
    x, y = np.empty((2, *found.shape), np.float32)
    if isinstance(piece, Smooth):
        crossing = along_rows(piece, found.scale, origin, planes[0].shape[0], _MOST_SHEAR)
        if crossing is not None:
            piece.positions(found.scale, origin, whole, (x, y))
            planes = _scattered_pass(crossing, None, chosen.across, planes)
            columns_of = np.arange(found.shape[1], dtype=np.float32)
            return _scattered_pass(np.broadcast_to(columns_of, found.shape), y, chosen.down, planes)
    piece.positions(found.scale, origin, whole, (x, y))
    return _square(x, y, chosen, planes)


def _by_rows(positions: Floats, table: Floats, planes: Sequence[Array]) -> list[Array]:
    """Return planes whose rows are resampled to positions along the columns: whole rows are weighted and summed."""
    base, part = _split(positions, table)
    base -= table.shape[1] // 2 - 1
    weights = table[part]
    results = []
    for plane in planes:
        deadline.check()
        summed = np.zeros((positions.size, plane.shape[1]), table.dtype)
        for tap in range(table.shape[1]):
            rows = plane.take(base + tap, axis=0, mode="clip").astype(table.dtype, copy=False)
            rows *= weights[:, tap, None]
            summed += rows
        results.append(summed)
    return results


def _scattered_pass(x: Array, y: Array | None, table: Floats, planes: Sequence[Array]) -> list[Array]:
    """Return planes resampled along one direction, at a position of its own for each pixel.

    Along rows with ``y`` None: pixel (i, j) of the result is at ``x[i, j]`` in row i. Else along columns: it is at
    ``y[i, j]`` in column j.
    """
    width = planes[0].shape[1]
    positions, step = (x, 1) if y is None else (y, width)
    taps = np.ascontiguousarray(table.T)
    summed = np.empty((len(planes), *positions.shape), table.dtype)
    for rows in strips(*positions.shape):
        shape = (rows.stop - rows.start, positions.shape[1])
        base, part = _split(positions[rows] - np.float32(0.5), table)
        if y is None:
            base += np.arange(rows.start, rows.stop)[:, None] * width
        else:
            base *= width
            base += np.arange(shape[1])
        base -= (len(taps) // 2 - 1) * step
        weights, values = buffer("weights", shape, table.dtype), buffer("values", shape, table.dtype)
        for number, tap in enumerate(taps):
            tap.take(part, mode="clip", out=weights)
            for index, plane in enumerate(planes):
                total = summed[index, rows]
                into = values if number else total
                _gather(plane, base, into)
                into *= weights
                if number:
                    total += into
            base += step
    return list(summed)


def _gather(plane: Array, flat: Indexes, out: Array) -> None:
    """Fill ``out`` with the pixels that ``flat`` counts. Small types are gathered as they are, as that is quicker."""
    if plane.dtype == out.dtype:
        plane.reshape(-1).take(flat, mode="clip", out=out)
        return
    raw = plane.reshape(-1).take(flat, mode="clip", out=buffer("raw", out.shape, plane.dtype))
    np.copyto(out, raw)


def _square(x: Array, y: Array, chosen: Kernel, planes: Sequence[Array]) -> list[Array]:
    """Return planes resampled with all weights of a kernel at each position."""
    height, width = planes[0].shape
    column, part_x = _split(x - np.float32(0.5), chosen.across)
    row, part_y = _split(y - np.float32(0.5), chosen.down)
    column -= chosen.across.shape[1] // 2 - 1
    row -= chosen.down.shape[1] // 2 - 1
    summed = [np.zeros(x.shape, chosen.down.dtype) for _ in planes]
    for down, across, base in _taps(row, column, chosen, (height, width)):
        weights = chosen.down[:, down].take(part_y, mode="clip") * chosen.across[:, across].take(part_x, mode="clip")
        for index, plane in enumerate(planes):
            summed[index] += plane.reshape(-1).take(base, mode="clip") * weights
    return summed


def _taps(row: Indexes, column: Indexes, chosen: Kernel, shape: tuple[int, int]) -> Iterator[tuple[int, int, Indexes]]:
    """Yield row and column of each weight, with the flat indexes of the pixels that it is for."""
    for down in range(chosen.down.shape[1]):
        deadline.check()
        line = np.clip(row + down, 0, shape[0] - 1) * shape[1]
        for across in range(chosen.across.shape[1]):
            yield down, across, line + np.clip(column + across, 0, shape[1] - 1)


def _split(positions: Array, table: Floats) -> tuple[Indexes, Indexes]:
    """Return positions as whole pixels, and the part of a pixel that is left, in steps of the weights' table."""
    whole = np.floor(positions)
    part = (positions - whole) * (len(table) - 1) + 0.5
    return whole.astype(np.intp), part.astype(np.intp)


def rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return floating-point values as another type, in their shape: whole numbers are rounded, halves upwards, and kept
    within what the type can hold. ``values`` is written over.
    """
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    values += 0.5
    if limits.min < 0:
        np.floor(values, out=values)
    high = float(limits.max) if float(limits.max) <= limits.max else np.nextafter(float(limits.max), 0.0)
    np.clip(values, values.dtype.type(limits.min), values.dtype.type(high), out=values)
    return values.astype(dtype)

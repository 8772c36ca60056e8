"""Where in the raster the centre of each pixel of a grid lies.

Asking PROJ for each of 65,536 pixels takes longer than all the rest of a tile. The way from one CRS to another is
smooth, so it is asked for 49 places, at Chebyshev nodes, and a polynomial through them gives the others: to a small
part of a pixel, or the grid is cut in four and each quarter tried again. The size of the last coefficients tells how
good it is (Trefethen, *Approximation Theory and Approximation Practice*, chapter 4). What is not smooth to the end
(the edge of a projection, the antimeridian) is asked for pixel by pixel. Where one polynomial is good for a region of
four by four tiles, each tile of it takes its part of that, and PROJ is not asked again.

Where x depends on the column alone and y on the row alone, as between degrees and Web Mercator, two short arrays say
it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Grid
from tilery.reading.footprint import finer
from tilery.reading.profile import Affine, Profile

Floats = NDArray[np.floating[Any]]

_NODES = 7
_TOLERANCE = 0.002
"""Pixels by which a polynomial may miss, of the raster or of the output, whichever are larger."""
_SMALLEST = 16
"""Pixels along a side below which a piece is not cut any more."""
_REGION = 4
"""Grids along each side of a region. Neighbouring tiles lie in one, and its polynomial serves them all."""
_LARGEST_REGION = 4096
"""Pixels along a side of a region."""
_ASIDE = 1e-4
"""Pixels by which a grid may lie beside its place in a region: arithmetic is no better."""
_KEPT_REGIONS = 1024
"""Regions whose polynomials are kept for a raster: 800 bytes each."""
_KEPT_FOOTPRINTS = 64
"""CRSs for which a raster's bounds are kept."""
_STRAIGHT = 1e-6
"""Pixels by which x may differ along a column to count as the same."""
_MARGIN = 0.05
"""Share of its size by which a raster's bounds in another CRS are widened, because they come from few points."""

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
        """Width and height of a pixel of the grid, in pixels of the full raster; ``scale`` is for the whole grid."""
        return (
            _step(self.xs) if self.xs.size > 1 else scale[0],
            _step(self.ys) if self.ys.size > 1 else scale[1],
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
        """Width and height of the box around a pixel of the grid, in pixels of the full raster."""
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
        down = _basis(self.rows.stop - self.rows.start, dtype)[rows]
        across = _basis_across(self.columns.stop - self.columns.start, dtype)
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
        """Width and height of a pixel of the grid, in pixels of the full raster."""
        return scale

    def positions(
        self, scale: tuple[float, float], origin: tuple[float, float], rows: slice, out: tuple[Floats, Floats]
    ) -> None:
        """Fill ``out`` as `Smooth.positions` does. Where nothing is known the positions are far outside."""
        for positions, factor, start, into in zip((self.x, self.y), scale, origin, out, strict=True):
            np.subtract(positions[rows] * factor, start, out=into, casting="unsafe")
            np.nan_to_num(into, copy=False, nan=-_NOWHERE)


Piece = Axes | Smooth | Scattered


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A grid laid over a raster."""

    pieces: tuple[Piece, ...]
    """Together they hold every pixel of the grid that may lie on the raster."""
    scale: tuple[float, float]
    """Pixels of the raster to one of the grid, across and down."""
    detail: float = 1.0
    """Pixels of the raster to one of the grid that an overview may be thinned out by."""
    same_crs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """What grids of one size side by side have in common."""

    left: float
    top: float
    coefficients: Floats | None
    """Of x and of y, shape (2, nodes, nodes). None where no polynomial is good for all of it, or none is needed."""


class Placer:
    """Lays grids over one raster."""

    def __init__(self, profile: Profile) -> None:
        """Take the raster's place on Earth from its profile."""
        self._crs = profile.crs
        self._size = (profile.width, profile.height)
        self._bounds = profile.bounds
        self._inverse = _inverted(profile.transform)
        self._world = None if profile.crs is None else crs_.world(profile.crs)
        self._period = 0.0 if self._world is None else self._world[1] - self._world[0]
        self._footprints: dict[Crs, Bounds | None] = {}
        self._regions: dict[object, _Region] = {}

    def place(self, grid: Grid) -> Placement:
        """Where the pixels of the grid lie on the raster."""
        same = grid.crs is None or self._crs is None or grid.crs == self._crs
        area = (slice(0, grid.height), slice(0, grid.width))
        if same:
            if self._north_up:
                return self._along_axes(grid, same=True) if self._beyond(grid) else self._scaled(grid)
        else:
            found = self._restricted(grid)
            if found is None:
                return Placement(pieces=(), scale=(1.0, 1.0), same_crs=False)
            area = found
        shared = self._from_region(grid, area, same=same)
        if shared is not None:
            return shared
        with np.errstate(invalid="ignore", over="ignore"):
            x, y = self._nodes(grid, [area])
            if _is_straight(x[0], y[0]):
                return self._along_axes(grid, same=same, area=area)
            smooth, cx, cy = _fit(x, y, [area])
            rows, columns = area
            pixels = (rows.stop - rows.start - 1) * (columns.stop - columns.start - 1)
            if not pixels:
                scale = self._scale_at(grid, area)
                detail = finer(grid, math.sqrt(scale[0] * scale[1]), *scale)
            elif smooth[0]:
                scale = _linear_scale(cx[0], cy[0], pixels)
                detail = finer(grid, scale[0], *_linear_sides(cx[0], cy[0], rows, columns))
            else:
                scale = _scale(x[0], y[0], pixels)
                detail = finer(grid, scale[0], *_sides(x[0], y[0], rows, columns))
            if smooth[0]:
                pieces: list[Piece] = [_smooth(rows, columns, cx[0], cy[0])]
            else:
                pieces = self._pieces(grid, area)
            return Placement(pieces=tuple(pieces), scale=scale, detail=detail, same_crs=same)

    def _from_region(self, grid: Grid, area: tuple[slice, slice], *, same: bool) -> Placement | None:
        """A placement by the polynomial of the region around the grid; None where there is none."""
        left, bottom, right, top = grid.bounds
        wide, high = right - left, top - bottom
        if max(grid.width, grid.height) * _REGION > _LARGEST_REGION or wide <= 0 or high <= 0:
            return None
        across, column = divmod(round(left / wide), _REGION)
        down, row = divmod(round(-top / high), _REGION)
        key = (grid.crs, across, down, round(wide, 6), grid.width, grid.height)
        region = self._regions.get(key)
        if region is None:
            if len(self._regions) >= _KEPT_REGIONS:
                self._regions.clear()
            region = self._regions[key] = self._region(grid, (left - column * wide, top + row * high))
        aside = abs(left - column * wide - region.left) / wide, abs(top + row * high - region.top) / high
        if region.coefficients is None or max(aside) * max(grid.width, grid.height) > _ASIDE:
            return None
        rows, columns = area
        down_part = _part(row * grid.height + rows.start, row * grid.height + rows.stop, grid.height * _REGION)
        across_part = _part(
            column * grid.width + columns.start, column * grid.width + columns.stop, grid.width * _REGION
        )
        if down_part is None or across_part is None:
            return None
        x, y = down_part @ region.coefficients @ across_part.T
        pixels = (rows.stop - rows.start - 1) * (columns.stop - columns.start - 1)
        scale = _linear_scale(x, y, pixels)
        detail = finer(grid, scale[0], *_linear_sides(x, y, rows, columns))
        return Placement(pieces=(_smooth(rows, columns, x, y),), scale=scale, detail=detail, same_crs=same)

    def _region(self, grid: Grid, corner: tuple[float, float]) -> _Region:
        """The region with this left and top corner, of grids like this one."""
        left, top = corner
        wide, high = grid.bounds[2] - grid.bounds[0], grid.bounds[3] - grid.bounds[1]
        whole = Grid(
            crs=grid.crs,
            bounds=(left, top - _REGION * high, left + _REGION * wide, top),
            width=grid.width * _REGION,
            height=grid.height * _REGION,
        )
        area = (slice(0, whole.height), slice(0, whole.width))
        with np.errstate(invalid="ignore", over="ignore"):
            x, y = self._nodes(whole, [area])
            if _is_straight(x[0], y[0]):
                return _Region(left=left, top=top, coefficients=None)
            smooth, cx, cy = _fit(x, y, [area])
        return _Region(left=left, top=top, coefficients=np.stack((cx[0], cy[0])) if smooth[0] else None)

    def _scaled(self, grid: Grid) -> Placement:
        """A placement in the raster's own CRS: pixels of the grid are the raster's, scaled and moved."""
        left, _, _, top = grid.bounds
        dx, dy = _pixel(grid)
        a, _, c, _, e, f = self._inverse
        piece = Axes(
            rows=slice(0, grid.height),
            columns=slice(0, grid.width),
            xs=_counted(grid.width) * (dx * a) + (left * a + c),
            ys=_counted(grid.height) * (dy * e) + (top * e + f),
        )
        scale = (abs(dx * a), abs(dy * e))
        return Placement(pieces=(piece,), scale=scale, detail=min(scale), same_crs=True)

    def _beyond(self, grid: Grid) -> bool:
        """True when the raster or the grid in its CRS goes beyond the antimeridian."""
        if self._world is None or grid.crs is None:
            return False
        low, high = self._world
        left, _, right, _ = grid.bounds
        return min(left, self._bounds[0]) < low or max(right, self._bounds[2]) > high

    @property
    def _north_up(self) -> bool:
        return self._inverse[1] == 0.0 and self._inverse[3] == 0.0

    def _to_pixels(self, grid: Grid, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
        """Pixels of the raster from coordinates of the grid's CRS."""
        wrap = self._period
        if grid.crs is not None and self._crs is not None and grid.crs != self._crs:
            xs, ys = crs_.transform_points(grid.crs, self._crs, xs, ys)
        elif not self._beyond(grid):
            wrap = 0.0
        if wrap:
            middle = (self._bounds[0] + self._bounds[2]) / 2
            xs = xs + wrap * np.round((middle - xs) / wrap)
        a, b, c, d, e, f = self._inverse
        if b == 0.0 and d == 0.0:
            return a * xs + c, e * ys + f
        return a * xs + b * ys + c, d * xs + e * ys + f

    def _along_axes(self, grid: Grid, *, same: bool, area: tuple[slice, slice] | None = None) -> Placement:
        """A placement by one array of columns and one of rows."""
        rows, columns = area or (slice(0, grid.height), slice(0, grid.width))
        grid_x, grid_y = _centres(grid)
        grid_x, grid_y = grid_x[columns], grid_y[rows]
        xs, _ = self._to_pixels(grid, grid_x, np.full(grid_x.shape, grid_y[grid_y.size // 2]))
        _, ys = self._to_pixels(grid, np.full(grid_y.shape, grid_x[grid_x.size // 2]), grid_y)
        scale = (_step(xs), _step(ys)) if min(xs.size, ys.size) > 1 else self._scale_at(grid, (rows, columns))
        # Beyond the antimeridian columns start anew: a piece for each side.
        cuts = [0, *(np.flatnonzero(np.abs(np.diff(xs)) > 2 * scale[0] + 1) + 1).tolist(), xs.size]
        pieces = tuple(
            Axes(
                rows=rows,
                columns=slice(columns.start + start, columns.start + stop),
                xs=xs[start:stop],
                ys=ys,
            )
            for start, stop in pairwise(cuts)
        )
        detail = finer(grid, math.sqrt(scale[0] * scale[1]), *scale)
        return Placement(pieces=pieces, scale=scale, detail=detail, same_crs=same)

    def _scale_at(self, grid: Grid, area: tuple[slice, slice]) -> tuple[float, float]:
        """Pixels of the raster to the one of the grid in the middle of an area."""
        left, _, _, top = grid.bounds
        dx, dy = _pixel(grid)
        x = left + (area[1].start + area[1].stop) / 2 * dx + np.array([-0.5, 0.5, 0.0, 0.0]) * dx
        y = top + (area[0].start + area[0].stop) / 2 * dy + np.array([0.0, 0.0, -0.5, 0.5]) * dy
        x, y = self._to_pixels(grid, x, y)
        scale = (math.hypot(x[1] - x[0], y[1] - y[0]), math.hypot(x[3] - x[2], y[3] - y[2]))
        return scale if all(map(math.isfinite, scale)) and min(scale) > 0 else (1.0, 1.0)

    def _restricted(self, grid: Grid) -> tuple[slice, slice] | None:
        """Rows and columns of the grid that may lie on the raster; None when none do."""
        left, bottom, right, top = grid.bounds
        rows, columns = slice(0, grid.height), slice(0, grid.width)
        footprint = self._footprint(grid.crs)
        if footprint is None:
            return rows, columns
        west, south, east, north = footprint
        if west <= east:
            columns = _between(west, east, left, right, grid.width)
        rows = _between(south, north, top, bottom, grid.height)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def _footprint(self, crs: Crs | None) -> Bounds | None:
        """The raster's bounds in the grid's CRS, on the safe side; None when they cannot be told."""
        if crs is None or self._crs is None:
            return None
        try:
            return self._footprints[crs]
        except KeyError:
            found = crs_.transform_bounds(self._crs, crs, self._bounds)
            footprint = None
            if all(map(math.isfinite, found)) and not self._crosses(found, crs):
                wide = _MARGIN * max(abs(found[2] - found[0]), abs(found[3] - found[1]))
                footprint = (found[0] - wide, found[1] - wide, found[2] + wide, found[3] + wide)
            if len(self._footprints) >= _KEPT_FOOTPRINTS:
                self._footprints.clear()
            self._footprints[crs] = footprint
            return footprint

    def _crosses(self, found: Bounds, crs: Crs) -> bool:
        """True when the raster goes beyond the antimeridian, so that bounds in a CRS that ends there mislead."""
        world = crs_.world(crs)
        if world is None:
            return False
        own = self._world
        return (
            found[0] > found[2]
            or found[0] < world[0]
            or found[2] > world[1]
            or (own is not None and (self._bounds[0] < own[0] or self._bounds[2] > own[1]))
            or found[2] - found[0] > (world[1] - world[0]) / 2
        )

    def _nodes(self, grid: Grid, areas: Sequence[tuple[slice, slice]]) -> tuple[Floats, Floats]:
        """Positions at the Chebyshev nodes of each area: two arrays of shape (areas, nodes, nodes)."""
        left, _, _, top = grid.bounds
        dx, dy = _pixel(grid)
        nodes = _nodes()
        xs, ys = np.empty((2, len(areas), _NODES, _NODES))
        for index, (rows, columns) in enumerate(areas):
            middle, half = (columns.start + columns.stop) / 2, (columns.stop - columns.start - 1) / 2
            xs[index] = nodes * (half * dx) + (left + middle * dx)
            middle, half = (rows.start + rows.stop) / 2, (rows.stop - rows.start - 1) / 2
            ys[index] = (nodes * (half * dy) + (top + middle * dy))[:, None]
        x, y = self._to_pixels(grid, xs.ravel(), ys.ravel())
        return x.reshape(xs.shape), y.reshape(xs.shape)

    def _pieces(self, grid: Grid, area: tuple[slice, slice]) -> list[Piece]:
        """An area cut in four, and again, until polynomials are good enough for each part."""
        found: list[Piece] = []
        areas = _quarters(*area)
        small: list[tuple[slice, slice]] = []
        while areas:
            smooth, cx, cy = _fit(*self._nodes(grid, areas), areas)
            rest: list[tuple[slice, slice]] = []
            for index, (rows, columns) in enumerate(areas):
                if smooth[index]:
                    found.append(_smooth(rows, columns, cx[index], cy[index]))
                elif max(rows.stop - rows.start, columns.stop - columns.start) <= _SMALLEST:
                    small.append((rows, columns))
                else:
                    rest += _quarters(rows, columns)
            areas = rest
        if small:
            found += self._scattered(grid, small)
        return found

    def _scattered(self, grid: Grid, areas: Sequence[tuple[slice, slice]]) -> list[Piece]:
        """Positions of all pixels of some areas, asked for one by one."""
        grid_x, grid_y = _centres(grid)
        meshes = [np.meshgrid(grid_x[columns], grid_y[rows]) for rows, columns in areas]
        x, y = self._to_pixels(
            grid, np.concatenate([m[0].ravel() for m in meshes]), np.concatenate([m[1].ravel() for m in meshes])
        )
        known = np.isfinite(x) & np.isfinite(y)
        x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
        pieces: list[Piece] = []
        at = 0
        for (rows, columns), (mesh, _) in zip(areas, meshes, strict=True):
            part = slice(at, at + mesh.size)
            at += mesh.size
            pieces.append(
                Scattered(rows=rows, columns=columns, x=x[part].reshape(mesh.shape), y=y[part].reshape(mesh.shape))
            )
        return pieces


def _inverted(transform: Affine) -> Affine:
    """The affine transform from coordinates to pixels."""
    a, b, c, d, e, f = transform
    if b == 0.0 and d == 0.0:
        return (1 / a, 0.0, -c / a, 0.0, 1 / e, -f / e)
    determinant = a * e - b * d
    ia, ib, id_, ie = e / determinant, -b / determinant, -d / determinant, a / determinant
    return (ia, ib, -ia * c - ib * f, id_, ie, -id_ * c - ie * f)


def _pixel(grid: Grid) -> tuple[float, float]:
    """Width and (negative) height of a pixel of the grid."""
    left, bottom, right, top = grid.bounds
    return (right - left) / grid.width, (bottom - top) / grid.height


def _centres(grid: Grid) -> tuple[Floats, Floats]:
    """The x of all columns and the y of all rows, in the grid's CRS."""
    left, _, _, top = grid.bounds
    dx, dy = _pixel(grid)
    return left + _counted(grid.width) * dx, top + _counted(grid.height) * dy


@lru_cache(maxsize=64)
def _counted(count: int) -> Floats:
    """The middle of each of some pixels, in pixels."""
    return np.arange(count) + 0.5


def _between(low: float, high: float, first: float, last: float, count: int) -> slice:
    """Which of ``count`` pixels from ``first`` to ``last`` may touch what lies between low and high."""
    step = (last - first) / count
    ends = sorted(((low - first) / step, (high - first) / step))
    start = max(0.0, min(float(count), ends[0] - 2))
    stop = max(0.0, min(float(count), ends[1] + 2))
    return slice(math.floor(start), math.ceil(stop))


def _step(values: Floats) -> float:
    """How far neighbours are apart."""
    return float(np.median(np.abs(np.diff(values))))


@lru_cache(maxsize=1)
def _nodes() -> Floats:
    return -np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))


def _polynomials(at: Floats) -> Floats:
    """The Chebyshev polynomials at some places, along a new last axis. (numpy's own function costs 10 ms to import.)"""
    values = [np.ones_like(at), at]
    while len(values) < _NODES:
        values.append(2 * at * values[-1] - values[-2])
    return np.stack(values, axis=-1)


@lru_cache(maxsize=1)
def _to_coefficients() -> Floats:
    return np.linalg.inv(_polynomials(_nodes()))


@lru_cache(maxsize=256)
def _basis(count: int, dtype: np.dtype[Any]) -> Floats:
    """The Chebyshev polynomials at the centres of ``count`` pixels, the first one at -1 and the last one at 1."""
    at = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    return np.ascontiguousarray(_polynomials(at), dtype)


@lru_cache(maxsize=256)
def _basis_across(count: int, dtype: np.dtype[Any]) -> Floats:
    return np.ascontiguousarray(_basis(count, dtype).T)


def _is_straight(x: Floats, y: Floats) -> bool:
    """True when x does not change along columns of nodes, nor y along rows."""
    return bool((np.abs(x - x[0]) < _STRAIGHT).all() and (np.abs(y - y[:, :1]) < _STRAIGHT).all())


def _fit(x: Floats, y: Floats, areas: Sequence[tuple[slice, slice]]) -> tuple[list[bool], Floats, Floats]:
    """For each area: whether polynomials through its nodes are good, and their coefficients."""
    to = _to_coefficients()
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
    """1 for the coefficients of the two highest degrees either way, 0 for the others."""
    weights = np.zeros((_NODES, _NODES))
    weights[-2:] = weights[:, -2:] = 1
    return weights


def _smooth(rows: slice, columns: slice, x: Floats, y: Floats) -> Smooth:
    """A piece from its coefficients. No Chebyshev polynomial exceeds 1, so their sum bounds what it covers."""
    middle_x, middle_y = float(x[0, 0]), float(y[0, 0])
    spread_x = float(np.abs(x).sum()) - abs(middle_x)
    spread_y = float(np.abs(y).sum()) - abs(middle_y)
    extent = (middle_x - spread_x, middle_x + spread_x, middle_y - spread_y, middle_y + spread_y)
    return Smooth(rows=rows, columns=columns, x=x, y=y, extent=extent)


@lru_cache(maxsize=512)
def _part(start: int, stop: int, count: int) -> Floats | None:
    """What makes the coefficients of ``count`` pixels those of the pixels from ``start`` to ``stop``: a matrix.

    None for a single pixel, which has no ends.
    """
    if stop - start < 2:
        return None
    whole = (count - 1) / 2
    at = _nodes() * ((stop - start - 1) / 2 / whole) + ((start + stop - 1) / 2 - whole) / whole
    found: Floats = _to_coefficients() @ _polynomials(at)
    return found


def _quarters(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """An area cut in four, or in two where a side is short."""

    def halves(side: slice) -> list[slice]:
        if side.stop - side.start <= _SMALLEST // 2:
            return [side]
        middle = (side.start + side.stop) // 2
        return [slice(side.start, middle), slice(middle, side.stop)]

    return [(down, across) for down in halves(rows) for across in halves(columns)]


def _linear_scale(cx: Floats, cy: Floats, pixels: int) -> tuple[float, float]:
    """Pixels of the raster to one of the grid where a polynomial tells: the side of the area that its slopes span."""
    area = abs(float(cx[0, 1] * cy[1, 0] - cx[1, 0] * cy[0, 1])) * 4 / pixels
    return (math.sqrt(area), math.sqrt(area)) if area > 0 else (1.0, 1.0)


def _linear_sides(cx: Floats, cy: Floats, rows: slice, columns: slice) -> tuple[float, float]:
    """Width and height of a pixel of the grid in pixels of the raster, where a polynomial tells."""
    across, down = columns.stop - columns.start - 1, rows.stop - rows.start - 1
    return (
        2 * math.hypot(cx[0, 1], cy[0, 1]) / across if across else 0.0,
        2 * math.hypot(cx[1, 0], cy[1, 0]) / down if down else 0.0,
    )


def _sides(x: Floats, y: Floats, rows: slice, columns: slice) -> tuple[float, float]:
    """The same where there is none: medians between nodes."""
    spacing = np.diff(_nodes())
    across = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)) / spacing
    down = np.hypot(np.diff(x, axis=0), np.diff(y, axis=0)) / spacing[:, None]
    sides = []
    for lengths, side in ((across, columns), (down, rows)):
        known, steps = lengths[np.isfinite(lengths)], side.stop - side.start - 1
        sides.append(2 * float(np.median(known)) / steps if known.size and steps else 0.0)
    return (sides[0], sides[1])


def _scale(x: Floats, y: Floats, pixels: int) -> tuple[float, float]:
    """Pixels of the raster to one of the grid: the side of the median area between nodes, as there is no axis to it."""
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
    """Areas between nodes."""
    spacing = np.diff(_nodes())
    return spacing[:, None] * spacing


def along_rows(
    piece: Smooth, scale: tuple[float, float], origin: tuple[float, float], height: int, most_shear: float
) -> Floats | None:
    """Where the columns of a piece cross the rows of a window: x at [row of the window, column of the piece].

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
    nodes = _polynomials(_nodes())
    known_x, known_y = nodes @ x @ nodes.T, nodes @ y @ nodes.T
    reach = np.ptp(known_y, axis=0)
    if (np.abs(known_y[-1] - known_y[0]) < 0.999 * reach).any() or height > 1.5 * reach.min() + 16:
        return None
    # For each of the columns at nodes, x as a polynomial of y through the places that are known.
    half = (height - 1) / 2
    powers = _polynomials((known_y.T - height / 2) / half)
    crossing = nodes @ np.linalg.solve(powers, known_x.T[:, :, None])[:, :, 0].T
    coefficients = _to_coefficients() @ crossing @ _to_coefficients().T
    dtype = np.dtype(np.float32)
    columns = piece.columns.stop - piece.columns.start
    found: Floats = _basis(height, dtype) @ coefficients.astype(dtype) @ _basis_across(columns, dtype)
    return found

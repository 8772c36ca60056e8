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

import numpy as np

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Grid
from tilery.reading.footprint import finer
from tilery.reading.grid import polynomials
from tilery.reading.grid.pieces import Axes, Piece, Scattered, smooth_piece, step_of
from tilery.reading.grid.polynomials import Floats
from tilery.reading.profile import Affine, Profile

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
_MARGIN = 0.05
"""Share of its size by which a raster's bounds in another CRS are widened, because they come from few points."""


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
        """Return where the pixels of the grid lie on the raster."""
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
            x, y = self._at_nodes(grid, [area])
            if polynomials.is_straight(x[0], y[0]):
                return self._along_axes(grid, same=same, area=area)
            smooth, cx, cy = polynomials.fit(x, y, [area])
            rows, columns = area
            pixels = (rows.stop - rows.start - 1) * (columns.stop - columns.start - 1)
            if not pixels:
                scale = self._scale_at(grid, area)
                detail = finer(grid, self._size, math.sqrt(scale[0] * scale[1]), *scale)
            elif smooth[0]:
                scale = polynomials.linear_scale(cx[0], cy[0], pixels)
                detail = finer(grid, self._size, scale[0], *polynomials.linear_sides(cx[0], cy[0], rows, columns))
            else:
                scale = polynomials.scale(x[0], y[0], pixels)
                detail = finer(grid, self._size, scale[0], *polynomials.sides(x[0], y[0], rows, columns))
            if smooth[0]:
                pieces: list[Piece] = [smooth_piece(rows, columns, cx[0], cy[0])]
            else:
                pieces = self._pieces(grid, area)
            return Placement(pieces=tuple(pieces), scale=scale, detail=detail, same_crs=same)

    def _from_region(self, grid: Grid, area: tuple[slice, slice], *, same: bool) -> Placement | None:
        """Return a placement by the polynomial of the region around the grid; None where there is none."""
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
        down, across = row * grid.height, column * grid.width
        down_part = polynomials.part(down + rows.start, down + rows.stop, grid.height * _REGION)
        across_part = polynomials.part(across + columns.start, across + columns.stop, grid.width * _REGION)
        if down_part is None or across_part is None:
            return None
        x, y = down_part @ region.coefficients @ across_part.T
        pixels = (rows.stop - rows.start - 1) * (columns.stop - columns.start - 1)
        scale = polynomials.linear_scale(x, y, pixels)
        detail = finer(grid, self._size, scale[0], *polynomials.linear_sides(x, y, rows, columns))
        return Placement(pieces=(smooth_piece(rows, columns, x, y),), scale=scale, detail=detail, same_crs=same)

    def _region(self, grid: Grid, corner: tuple[float, float]) -> _Region:
        """Return the region with this left and top corner, of grids like this one."""
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
            x, y = self._at_nodes(whole, [area])
            if polynomials.is_straight(x[0], y[0]):
                return _Region(left=left, top=top, coefficients=None)
            smooth, cx, cy = polynomials.fit(x, y, [area])
        return _Region(left=left, top=top, coefficients=np.stack((cx[0], cy[0])) if smooth[0] else None)

    def _scaled(self, grid: Grid) -> Placement:
        """Return a placement in the raster's own CRS: pixels of the grid are the raster's, scaled and moved."""
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
        """Return True when the raster or the grid in its CRS goes beyond the antimeridian."""
        if self._world is None or grid.crs is None:
            return False
        low, high = self._world
        left, _, right, _ = grid.bounds
        return min(left, self._bounds[0]) < low or max(right, self._bounds[2]) > high

    @property
    def _north_up(self) -> bool:
        return self._inverse[1] == 0.0 and self._inverse[3] == 0.0

    def _to_pixels(self, grid: Grid, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
        """Return pixels of the raster from coordinates of the grid's CRS."""
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
        """Return a placement by one array of columns and one of rows."""
        rows, columns = area or (slice(0, grid.height), slice(0, grid.width))
        grid_x, grid_y = _centres(grid)
        grid_x, grid_y = grid_x[columns], grid_y[rows]
        xs, _ = self._to_pixels(grid, grid_x, np.full(grid_x.shape, grid_y[grid_y.size // 2]))
        _, ys = self._to_pixels(grid, np.full(grid_y.shape, grid_x[grid_x.size // 2]), grid_y)
        scale = (step_of(xs), step_of(ys)) if min(xs.size, ys.size) > 1 else self._scale_at(grid, (rows, columns))
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
        detail = finer(grid, self._size, math.sqrt(scale[0] * scale[1]), *scale)
        return Placement(pieces=pieces, scale=scale, detail=detail, same_crs=same)

    def _scale_at(self, grid: Grid, area: tuple[slice, slice]) -> tuple[float, float]:
        """Return pixels of the raster to the one of the grid in the middle of an area."""
        left, _, _, top = grid.bounds
        dx, dy = _pixel(grid)
        x = left + (area[1].start + area[1].stop) / 2 * dx + np.array([-0.5, 0.5, 0.0, 0.0]) * dx
        y = top + (area[0].start + area[0].stop) / 2 * dy + np.array([0.0, 0.0, -0.5, 0.5]) * dy
        x, y = self._to_pixels(grid, x, y)
        scale = (math.hypot(x[1] - x[0], y[1] - y[0]), math.hypot(x[3] - x[2], y[3] - y[2]))
        return scale if all(map(math.isfinite, scale)) and min(scale) > 0 else (1.0, 1.0)

    def _restricted(self, grid: Grid) -> tuple[slice, slice] | None:
        """Return rows and columns of the grid that may lie on the raster; None when none do."""
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
        """Return the raster's bounds in the grid's CRS, on the safe side; None when they cannot be told."""
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
        """Return True when the raster goes beyond the antimeridian, so that bounds in a CRS that ends there mislead."""
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

    def _at_nodes(self, grid: Grid, areas: Sequence[tuple[slice, slice]]) -> tuple[Floats, Floats]:
        """Return positions at the Chebyshev nodes of each area: two arrays of shape (areas, nodes, nodes)."""
        left, _, _, top = grid.bounds
        dx, dy = _pixel(grid)
        nodes = polynomials.nodes()
        xs, ys = np.empty((2, len(areas), polynomials.NODES, polynomials.NODES))
        for index, (rows, columns) in enumerate(areas):
            middle, half = (columns.start + columns.stop) / 2, (columns.stop - columns.start - 1) / 2
            xs[index] = nodes * (half * dx) + (left + middle * dx)
            middle, half = (rows.start + rows.stop) / 2, (rows.stop - rows.start - 1) / 2
            ys[index] = (nodes * (half * dy) + (top + middle * dy))[:, None]
        x, y = self._to_pixels(grid, xs.ravel(), ys.ravel())
        return x.reshape(xs.shape), y.reshape(xs.shape)

    def _pieces(self, grid: Grid, area: tuple[slice, slice]) -> list[Piece]:
        """Return an area cut in four, and again, until polynomials are good enough for each part."""
        found: list[Piece] = []
        areas = _quarters(*area)
        small: list[tuple[slice, slice]] = []
        while areas:
            smooth, cx, cy = polynomials.fit(*self._at_nodes(grid, areas), areas)
            rest: list[tuple[slice, slice]] = []
            for index, (rows, columns) in enumerate(areas):
                if smooth[index]:
                    found.append(smooth_piece(rows, columns, cx[index], cy[index]))
                elif max(rows.stop - rows.start, columns.stop - columns.start) <= _SMALLEST:
                    small.append((rows, columns))
                else:
                    rest += _quarters(rows, columns)
            areas = rest
        if small:
            found += self._scattered(grid, small)
        return found

    def _scattered(self, grid: Grid, areas: Sequence[tuple[slice, slice]]) -> list[Piece]:
        """Return positions of all pixels of some areas, asked for one by one."""
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
    """Return the affine transform from coordinates to pixels."""
    a, b, c, d, e, f = transform
    if b == 0.0 and d == 0.0:
        return (1 / a, 0.0, -c / a, 0.0, 1 / e, -f / e)
    determinant = a * e - b * d
    ia, ib, id_, ie = e / determinant, -b / determinant, -d / determinant, a / determinant
    return (ia, ib, -ia * c - ib * f, id_, ie, -id_ * c - ie * f)


def _pixel(grid: Grid) -> tuple[float, float]:
    """Return width and (negative) height of a pixel of the grid."""
    left, bottom, right, top = grid.bounds
    return (right - left) / grid.width, (bottom - top) / grid.height


def _centres(grid: Grid) -> tuple[Floats, Floats]:
    """Return the x of all columns and the y of all rows, in the grid's CRS."""
    left, _, _, top = grid.bounds
    dx, dy = _pixel(grid)
    return left + _counted(grid.width) * dx, top + _counted(grid.height) * dy


@lru_cache(maxsize=64)
def _counted(count: int) -> Floats:
    """Return the middle of each of some pixels, in pixels."""
    return np.arange(count) + 0.5


def _between(low: float, high: float, first: float, last: float, count: int) -> slice:
    """Return which of ``count`` pixels from ``first`` to ``last`` may touch what lies between low and high."""
    step = (last - first) / count
    ends = sorted(((low - first) / step, (high - first) / step))
    start = max(0.0, min(float(count), ends[0] - 2))
    stop = max(0.0, min(float(count), ends[1] + 2))
    return slice(math.floor(start), math.ceil(stop))


def _quarters(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """Return an area cut in four, or in two where a side is short."""

    def halves(side: slice) -> list[slice]:
        if side.stop - side.start <= _SMALLEST // 2:
            return [side]
        middle = (side.start + side.stop) // 2
        return [slice(side.start, middle), slice(middle, side.stop)]

    return [(down, across) for down in halves(rows) for across in halves(columns)]

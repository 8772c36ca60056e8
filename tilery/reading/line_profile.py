"""Values along a line: the raster read at even distances, one position after the other.

Each position is the middle of a grid of one pixel, as wide as the positions lie apart. So a position has the very value
of `Reader.point` as long as the raster's pixels are wider than that, and else one of the overview that has pixels of
about that width: what a line of 1,000 km takes to read depends on the number of positions alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidGeometry, PointOutsideBounds
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs, Grid, Raster
from tilery.limits import deadline, memory
from tilery.reading import footprint
from tilery.reading.dataset import Composite, Dataset
from tilery.reading.filling import bands_of, fill, prepared
from tilery.reading.geometry import Positions
from tilery.reading.grid_reader import Fetching
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile
from tilery.reading.reader import Reader

Floats = NDArray[np.float64]

_PARTS = 4096
"""Parts that a line is cut into to measure it; each segment has at least one."""
_TOGETHER = 64
"""Positions whose blocks are fetched at once."""
_HELD = 64 << 20
"""Bytes of decoded blocks that are fetched at once."""
_NARROWEST = 0.02
"""Width of a position in pixels of the raster where positions lie closer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProfile:
    """What was read along a line."""

    positions: Positions
    """In the line's CRS."""
    distances: Floats
    """From the line's beginning; metres on the ellipsoid, or units of the coordinates where these are no place."""
    in_metres: bool
    raster: Raster
    """One row, a column a position; masked where the raster has no value or does not lie."""


def along(reader: Reader, line: Positions, *, coord_crs: Crs, samples: int, options: ReadOptions) -> LineProfile:
    """Return the values at ``samples`` positions, from the first vertex of a line to the last, evenly apart.

    Args:
        reader: of the raster.
        line: at least two vertices, straight lines between them in ``coord_crs``.
        coord_crs: CRS of the line; does not count where the raster has none.
        samples: positions, two at least.
        options: how the raster is read.

    Raises:
        InvalidGeometry: the line has no length, or no place in the raster's CRS.
        PointOutsideBounds: no position is on the raster.
    """
    profile = reader.profile
    crs = None if profile.crs is None else coord_crs
    positions, distances = _evenly(line, crs, samples)
    x, y = _in_raster(profile, crs, positions)
    widths = _widths(profile, x, y)
    inside = _inside(profile, x, y)
    if not inside.any():
        raise PointOutsideBounds("No position of the line is on the raster.")
    memory.need(samples * len(bands_of(profile, options)) * (profile.dtype.itemsize + 1))
    one = replace(options, max_answer_pixels=None)
    grids = {}
    for index in np.flatnonzero(inside).tolist():
        half = widths[index] / 2
        bounds = (x[index] - half, y[index] - half, x[index] + half, y[index] + half)
        grids[index] = Grid(crs=profile.crs, bounds=bounds, width=1, height=1)
    found = _filled(reader.source, grids, one)
    return LineProfile(
        positions=positions, distances=distances, in_metres=crs is not None, raster=_joined(found, samples)
    )


def _filled(dataset: Dataset, grids: dict[int, Grid], options: ReadOptions) -> dict[int, Raster]:
    """Return each grid filled; what some of them need is fetched together."""
    fetching, at_once = None, _TOGETHER
    if not isinstance(dataset, Composite):
        first = prepared(dataset, next(iter(grids.values())), options)
        if isinstance(first.reader, Fetching):
            fetching, at_once = first.reader, max(1, min(_TOGETHER, _HELD // max(first.decoded, 1)))
            memory.need(at_once * first.decoded)
    found = {}
    indexes = list(grids)
    for start in range(0, len(indexes), at_once):
        some = indexes[start : start + at_once]
        if fetching is not None:
            fetching.fetch([grids[index] for index in some], bands=first.bands, method=first.method)
        for index in deadline.paced(some):
            found[index] = fill(dataset, grids[index], options)
    return found


def _evenly(line: Positions, crs: Crs | None, samples: int) -> tuple[Positions, Floats]:
    """Return positions on a line at even distances, and the distances."""
    each = max(1, _PARTS // (len(line) - 1))
    steps = np.arange(1, each + 1)[:, None] / each
    parts = [line[:1], *(start + (end - start) * steps for start, end in pairwise(line))]
    fine = np.concatenate(parts)
    apart = _lengths(fine, crs)
    if not np.isfinite(apart).all():
        raise InvalidGeometry("The line has no place on the globe of its coordinate reference system.")
    measured = np.concatenate([[0.0], np.cumsum(apart)])
    if not measured[-1] > 0:
        raise InvalidGeometry("The line has no length.")
    distances = np.linspace(0.0, measured[-1], samples)
    positions = np.stack([np.interp(distances, measured, fine[:, axis]) for axis in (0, 1)], axis=1)
    positions[0], positions[-1] = line[0], line[-1]
    return positions, distances


def _lengths(positions: Positions, crs: Crs | None) -> Floats:
    """Return distances from each position to the next."""
    if crs is None:
        plain: Floats = np.hypot(*np.diff(positions, axis=0).T)
        return plain
    globe = crs_.geodetic(crs)
    longitude, latitude = positions.T if globe == crs else crs_.transform_points(crs, globe, *positions.T)
    geod = crs_.to_pyproj(globe).get_geod()
    if geod is None or not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return np.array([math.nan])
    apart: Floats = geod.inv(longitude[:-1], latitude[:-1], longitude[1:], latitude[1:])[2]
    return apart


def _in_raster(profile: Profile, crs: Crs | None, positions: Positions) -> tuple[Floats, Floats]:
    """Return positions in the raster's CRS, at the turn around the world at which the raster lies."""
    x, y = positions.T
    if crs is not None and profile.crs is not None and crs != profile.crs:
        x, y = crs_.transform_points(crs, profile.crs, x, y)
    return np.array([footprint.turned(profile, value) for value in x.tolist()]), np.asarray(y)


def _widths(profile: Profile, x: Floats, y: Floats) -> Floats:
    """Return how far each position lies from its nearer neighbour, in units of the raster's CRS."""
    with np.errstate(invalid="ignore"):
        steps = np.hypot(np.diff(x), np.diff(y))
    steps[~np.isfinite(steps)] = math.inf
    nearer = np.minimum(np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]]))
    least = _NARROWEST * min(profile.resolution)
    return np.where(np.isfinite(nearer), np.maximum(nearer, least), least)


def _inside(profile: Profile, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return which positions are on the raster."""
    a, b, c, d, e, f = profile.transform
    determinant = a * e - b * d
    if not determinant:
        return np.zeros(x.shape, bool)
    with np.errstate(invalid="ignore", over="ignore"):
        across = (e * (x - c) - b * (y - f)) / determinant
        down = (a * (y - f) - d * (x - c)) / determinant
        inside: NDArray[np.bool_] = (across >= 0) & (across < profile.width) & (down >= 0) & (down < profile.height)
    return inside


def _joined(found: dict[int, Raster], samples: int) -> Raster:
    """Return one raster of one row; what was not read is masked."""
    first = next(iter(found.values()))
    kind = np.result_type(*{raster.data.dtype for raster in found.values()})
    data = np.zeros((first.count, 1, samples), kind)
    mask = np.zeros(data.shape, bool)
    for index, raster in found.items():
        data[:, 0, index] = raster.data[:, 0, 0]
        mask[:, 0, index] = True if raster.mask is None else raster.mask[:, 0, 0]
        if raster.alpha is not None:
            mask[:, 0, index] &= bool(raster.alpha[0, 0])
    return replace(first, data=data, mask=mask, alpha=None)

"""Pixels of an overview from those of the level above it, about half as many along each side.

GDAL's own overviews mix what a mask hides into colours, wear masks away with cubic kernels, do not know an alpha band
that is not the second or fourth, and take negative nodata of integers for a class (GDAL 3.10). Here one rule holds for
all: a pixel that is missing has no weight.

Pixel ``i`` of a side stands for the pixels above at ``(i + ¼)·r`` and ``(i + ¾)·r``, where ``r`` is the ratio of the
lengths: 2, or a little less when the level above has an odd length. It is valid when any of the four (two a side) is.
Its value is, where every pixel under the kernel is valid, the kernel's: cubic (Keys' with a = -½) or a triangle, both
widened by ``r`` as GDAL's are; else the mean of the valid pixels under it, weighted by their opacity where there is an
alpha band. ``mode`` takes the most frequent of the four, and the first of those that are equally frequent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery import kernels
from tilery.geo.raster import Array

Floats = NDArray[np.float64]


def _box(x: Floats, ratio: float) -> Floats:
    """Return part of a pixel of the overview that a pixel above takes, by the distance of their centres."""
    half = 0.5 / ratio
    overlap = np.minimum(x + half, 0.5) - np.maximum(x - half, -0.5)
    return np.asarray(np.maximum(0.0, overlap))


def _triangle(x: Floats, _ratio: float) -> Floats:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: Floats, _ratio: float) -> Floats:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


_KERNELS: dict[str, tuple[float, Callable[[Floats, float], Floats]]] = {
    "average": (0.5, _box),
    "bilinear": (1.0, _triangle),
    "cubic": (2.0, _cubic),
}
"""Radius in pixels of the overview, and weight at a distance in such pixels."""

METHODS = frozenset({*_KERNELS, "mode", "nearest"})

_Tap = tuple[Any, Any]
"""Which pixels above (a slice or indexes), and their weight (a number, or one a pixel of the overview)."""


@dataclass(frozen=True, slots=True)
class Side:
    """A stretch of one side of an overview, and what is needed for it of the level above."""

    start: int
    """First pixel above; may be negative, which stands for the edge's own."""
    stop: int
    """Behind the last pixel above; may lie beyond the level."""
    kernel: tuple[_Tap, ...]
    mean: tuple[_Tap, ...]
    quarters: tuple[Any, Any]
    """Places of the two pixels that each pixel of the overview stands for."""


@lru_cache(maxsize=2048)
def side(method: str, above: int, below: int, first: int, last: int) -> Side:
    """Return pixels ``first`` to ``last`` (behind the end) of a side that has ``below`` of them where the level above
    has ``above``.
    """
    here = np.arange(first, last)
    quarters = [(4 * here + part) * above // (4 * below) for part in (1, 3)]
    kernel = _taps(method if method in _KERNELS else "average", above, below, here)
    mean = _taps("average", above, below, here)
    start = int(min(kernel[0].min(), mean[0].min(), quarters[0].min()))
    stop = int(max(kernel[0].max(), mean[0].max(), quarters[1].max())) + 1
    halved = above == 2 * below
    return Side(
        start=start,
        stop=stop,
        kernel=_pairs(*kernel, start, halved=halved),
        mean=_pairs(*mean, start, halved=halved),
        quarters=(_places(quarters[0] - start, halved=halved), _places(quarters[1] - start, halved=halved)),
    )


def _taps(name: str, above: int, below: int, here: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Return pixels above under the kernel of each pixel, shape (taps, pixels), and their weights, which sum to one."""
    radius, weight_at = _KERNELS[name]
    ratio = above / below
    centre = (here + 0.5) * ratio
    begin = np.floor(centre - radius * ratio + 1e-9).astype("int64")
    count = int(np.ceil((centre + radius * ratio - begin).max() - 1e-9))
    index = begin + np.arange(count)[:, None]
    weight = weight_at((index + 0.5 - centre) / ratio, ratio)
    return index, weight / weight.sum(axis=0)


def _pairs(index: NDArray[np.int64], weight: Floats, start: int, *, halved: bool) -> tuple[_Tap, ...]:
    if halved:  # every pixel has the same weights, and its taps are two further than its neighbour's
        return tuple(
            (_places(places - start, halved=True), float(w[0])) for places, w in zip(index, weight, strict=True)
        )
    return tuple((places - start, w) for places, w in zip(index, weight, strict=True))


def _places(places: NDArray[np.int64], *, halved: bool) -> Any:
    return slice(int(places[0]), int(places[-1]) + 1, 2) if halved else places


def halve(
    data: Array, weight: Array | None, rows: Side, columns: Side, method: str, nodata: float | None
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return a part of an overview, and which of it is valid (None: all).

    Args:
        data: the level above from ``rows.start`` to ``rows.stop`` and so on, shape (bands, rows, columns).
        weight: 0 where something is missing: booleans, or opacity; shape (bands or 1, rows, columns). None: all is
            there.
        rows: which rows.
        columns: which columns.
        method: one of `METHODS`.
        nodata: a value that no valid pixel may get.

    Returns:
        Values of the type given, any where they are not valid; validity of the shape (bands or 1, rows, columns).
    """
    if is_whole(weight):
        weight = None
    valid = None
    if weight is not None:
        present = weight != 0
        valid = _any(present, rows, columns)
        if not valid.any():
            return np.zeros((len(data), *valid.shape[1:]), data.dtype), valid
    if weight is not None and is_fast(data, weight, rows, columns, method):
        return _fast(data, weight, rows, columns, nodata)
    made = []
    for number, band in enumerate(data):
        of_band = None if weight is None else weight[number if len(weight) > 1 else 0]
        if method in _KERNELS:
            made.append(_mean_of(band, of_band, rows, columns, nodata, smooth=method != "average"))
        else:
            made.append(_one_of(band, of_band, rows, columns, first_wins=method == "nearest"))
    return np.stack(made), valid


def is_fast(data: Array, weight: Array | None, rows: Side, columns: Side, method: str) -> bool:
    """Return whether a kernel makes a part of an overview, of which pixels are there or not and nothing in between."""
    known = weight is None or weight.dtype == bool
    simple = known and method in _KERNELS and data.dtype.name in kernels.SHORT
    return simple and _is_halved(rows) and _is_halved(columns)


def _fast(
    data: Array, there: Array, rows: Side, columns: Side, nodata: float | None
) -> tuple[Array, NDArray[np.bool_]]:
    weights = [[by for _, by in of_side.kernel] for of_side in (rows, columns)]
    place = (slice(None), _stretch(rows), _stretch(columns))
    known = there[place]
    found = [
        kernels.halve_valid(band, known[number if len(known) > 1 else 0], *weights)
        for number, band in enumerate(data[place])
    ]
    valid = [of_band for _, of_band in found[: len(known)]]
    return np.stack([_away_from(values, nodata) for values, _ in found]), np.stack(valid)


def is_whole(weight: Array | None) -> bool:
    """Return whether nothing is missing, nor of less weight than the rest."""
    return weight is None or bool(weight.all() and (weight.dtype == bool or weight.min() == weight.max()))


def halve_alpha(alpha: Array, rows: Side, columns: Side, method: str) -> Array:
    """Return the opacity of a part of an overview: the mean, and not nothing where anything is; with classes the
    highest. ``alpha`` has shape (rows, columns), and other arguments are those of `halve`.
    """
    four = [alpha[place][:, across] for place, across in _corners(rows, columns)]
    highest = np.maximum(np.maximum(four[0], four[1]), np.maximum(four[2], four[3]))
    if method not in _KERNELS:
        return np.asarray(highest)
    mean = _weighted(_weighted(alpha.astype("float64"), rows.mean, 0), columns.mean, 1)
    if alpha.dtype.kind == "f":
        return np.asarray(mean, alpha.dtype)
    return np.where(highest > 0, np.maximum(np.rint(mean), 1), 0).astype(alpha.dtype)


def _corners(rows: Side, columns: Side) -> list[tuple[Any, Any]]:
    return [(row, column) for row in rows.quarters for column in columns.quarters]


def _any(present: NDArray[np.bool_], rows: Side, columns: Side) -> NDArray[np.bool_]:
    down = present[:, rows.quarters[0]] | present[:, rows.quarters[1]]
    return np.asarray(down[:, :, columns.quarters[0]] | down[:, :, columns.quarters[1]])


def _weighted(values: Array, taps: tuple[_Tap, ...], axis: int) -> Array:
    """Return sums of values along an axis (0 or 1) of two."""
    total: Any = None
    part: Array | None = None
    for places, weight in taps:
        taken = values[places] if axis == 0 else values[:, places]
        by = np.asarray(weight, values.dtype)
        if axis == 0 and by.ndim:
            by = by[:, None]
        if total is None:
            total = taken * by
        else:
            part = np.multiply(taken, by, out=part)
            total += part
    return np.asarray(total)


def _all(full: NDArray[np.bool_], rows: Side, columns: Side) -> NDArray[np.bool_]:
    """Return where everything under the kernel is fully there."""
    down = np.logical_and.reduce([full[places] for places, _ in rows.kernel])
    return np.asarray(np.logical_and.reduce([down[:, places] for places, _ in columns.kernel]))


def _mean_of(
    band: Array, weight: Array | None, rows: Side, columns: Side, nodata: float | None, *, smooth: bool
) -> Array:
    """Return a band under the kernel; where the kernel meets missing pixels, the mean of those that are there."""
    dtype = band.dtype
    if weight is None and dtype.name in kernels.SHORT and _is_halved(rows) and _is_halved(columns):
        needed = band[_stretch(rows), _stretch(columns)]
        weights = ([by for _, by in of_side.kernel] for of_side in (rows, columns))
        return _away_from(kernels.halve(needed, *weights), nodata)
    wide = band.astype(_working_type(dtype, weight))
    offset = None
    if dtype.kind in "iu" and dtype.itemsize == 8:  # beyond 2^53 a float has not got every integer: differences have
        offset = np.min(band if weight is None else band[weight != 0])
        wide = (band.astype("uint64") - offset.astype("uint64")).astype("float64")
    if weight is None:
        found = _weighted(_weighted(wide, rows.kernel, 0), columns.kernel, 1)
    else:
        by = weight.astype(wide.dtype)
        known = np.where(weight != 0, wide, 0)
        share = _weighted(_weighted(by, rows.mean, 0), columns.mean, 1)
        total = _weighted(_weighted(known * by, rows.mean, 0), columns.mean, 1)
        found = np.divide(total, share, out=np.zeros_like(total), where=share > 0)
        if smooth:
            whole = _all(weight == weight.max(), rows, columns)
            if whole.any():
                found = np.where(whole, _weighted(_weighted(known, rows.kernel, 0), columns.kernel, 1), found)
    if offset is not None:
        reach = wide.max() if weight is None else known.max()
        steps = np.clip(np.rint(found), 0, reach).astype("uint64")
        return _away_from((steps + offset.astype("uint64")).astype(dtype), nodata)
    return _away_from(_to_type(found, dtype), nodata)


def _is_halved(of_side: Side) -> bool:
    return isinstance(of_side.kernel[0][0], slice)


def _stretch(of_side: Side) -> slice:
    """Return the pixels above that the kernel needs."""
    return slice(of_side.kernel[0][0].start, of_side.kernel[-1][0].stop)


def _working_type(dtype: np.dtype[Any], weight: Array | None) -> str:
    """Return floats in which sums of products are exact enough: those of 24 bits for integers of 8, and of 16 where no
    opacity weights them.
    """
    if dtype.kind not in "iub" or dtype.itemsize > 2:
        return "float64"
    opacity = 0 if weight is None or weight.dtype == bool else weight.dtype.itemsize
    return "float64" if opacity and dtype.itemsize + opacity > 2 else "float32"


def _to_type(found: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b":
        return np.asarray(found >= 0.5)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return found.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    np.rint(found, out=found)
    return np.clip(found, limits.min, limits.max, out=found).astype(dtype)


def _away_from(found: Array, nodata: float | None) -> Array:
    """Return the values, those that came out as the nodata value moved to the next one that the type has."""
    if nodata is None or math.isnan(nodata):
        return found
    hit = found == found.dtype.type(nodata)
    if hit.any():
        if found.dtype.kind == "f":
            found[hit] = np.nextafter(found.dtype.type(nodata), found.dtype.type(np.inf))
        else:
            found[hit] = int(nodata) + (1 if int(nodata) < np.iinfo(found.dtype).max else -1)
    return found


def _one_of(band: Array, weight: Array | None, rows: Side, columns: Side, *, first_wins: bool) -> Array:
    """Return one of the four pixels that each stands for: the most frequent valid one."""
    four = [band[row][:, column] for row, column in _corners(rows, columns)]
    there = None if weight is None else [weight[row][:, column] != 0 for row, column in _corners(rows, columns)]
    if first_wins:
        return _first(four, there)
    votes = [np.ones(four[0].shape, "int8") if there is None else there[k].astype("int8") for k in range(4)]
    for one in range(4):
        for other in range(one + 1, 4):
            same = four[one] == four[other]
            if there is not None:
                same &= there[one] & there[other]
            votes[one] += same
            votes[other] += same
    best: Array = four[0].copy()
    most = votes[0]
    for k in range(1, 4):
        more = votes[k] > most
        best[more] = four[k][more]
        most = np.maximum(most, votes[k])
    return best


def _first(four: list[Array], there: list[NDArray[np.bool_]] | None) -> Array:
    """Return the last of the four, which lies nearest to the middle as GDAL counts; where it is missing, another."""
    found = four[3].copy()
    if there is not None:
        known = there[3]
        for k in (2, 1, 0):
            take = there[k] & ~known
            found[take] = four[k][take]
            known = known | there[k]
    return found

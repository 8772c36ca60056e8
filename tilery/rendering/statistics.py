"""Statistics of each band, with rio-tiler's names and meanings.

Everything is worked out from a band's distinct values and how much each of them weighs: for types of 8 and 16 bits
these come from counting, for others from one sort.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidParameter, OverLimit, TooMuchWork
from tilery.geo.raster import Array, Raster
from tilery.rendering.validity import Mask, valid

MAX_BINS = 10_000
"""Bins of a histogram."""
MAX_PERCENTILES = 101
"""Percentiles of one request."""
MAX_CATEGORIES = 4096
"""Categories of one request."""
MAX_VALUES = 1 << 16
"""Distinct values that are counted one by one: all that 16 bits have. Measured values differ from pixel to pixel, and a
list of millions of them stops everything else in the process while it is written.
"""

Floats = NDArray[np.float64]
Weights = NDArray[np.float64] | NDArray[np.int64]
_PART = 1 << 16
"""Values that sums are made of at a time: what lies between is never as large as all of them."""


def statistics(
    raster: Raster,
    *,
    coverage: NDArray[np.floating[Any]] | None = None,
    categorical: bool = False,
    categories: Sequence[float] | None = None,
    percentiles: Sequence[float] = (2, 98),
    bins: int | Sequence[float] = 10,
    range: tuple[float, float] | None = None,  # noqa: A002 - numpy's and rio-tiler's name for it
) -> dict[str, dict[str, Any]]:
    """Return the JSON object at ``/statistics``, of a ``raster``: statistics by band, None for what is not a number.

    ``coverage``, shape (rows, columns), is how much of each pixel counts; mean, count, sum, std, median and percentiles
    are weighted by it. With ``categorical`` the histogram counts each value, or those of ``categories``; else it has
    ``bins`` (a number of them, or their edges) between the bounds of ``range``, by default the band's own.

    Raises:
        InvalidParameter: histogram_bins, histogram_range or p that cannot be.
        OverLimit: too many bins, percentiles or categories.
        TooMuchWork: too many different values are to be counted one by one.
    """
    check(categories, percentiles, bins, range)
    mask = valid(raster)
    weights = None if coverage is None else coverage.astype(np.float64, copy=False)
    covered = raster.height * raster.width if weights is None else int(np.count_nonzero(weights))
    names = raster.band_names or tuple(f"b{number + 1}" for number in np.arange(raster.count).tolist())
    found = {}
    for band, name in enumerate(names):
        known = None if mask is None else mask[band if len(mask) > 1 else 0]
        values, weighing = counted(raster.data[band], known, weights)
        keys, counts, shares = _distinct(values, weighing)
        description = raster.band_descriptions[band] if band < len(raster.band_descriptions) else ""
        facts, quantiles = of_distinct(
            keys,
            counts,
            shares,
            categorical=categorical,
            categories=categories,
            percentiles=percentiles,
            bins=bins,
            range=range,
        )
        found[name] = {
            **facts,
            "valid_percent": round(min(values.size / covered, 1) * 100, 2) if covered else 0.0,
            "masked_pixels": float(raster.data[band].size - values.size),
            "valid_pixels": float(values.size),
            "description": description,
            **quantiles,
        }
        del values, weighing, keys, counts, shares  # not held while the next band's are made
    return found


def of_distinct(
    keys: Array,
    counts: NDArray[np.int64],
    shares: Weights,
    *,
    categorical: bool,
    categories: Sequence[float] | None,
    percentiles: Sequence[float],
    bins: int | Sequence[float],
    range: tuple[float, float] | None,  # noqa: A002 - as in `statistics`
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """Return what there is to say of distinct values in order, of the number of pixels of each and of their weight; and
    the percentiles. The three arrays are of one dimension and one length.

    Raises:
        InvalidParameter: the histogram cannot have these bins.
    """
    facts = {
        **_summary(keys, counts, shares),
        "histogram": _categories(keys, counts, categories) if categorical else histogram(keys, counts, bins, range),
    }
    return facts, _percentiles(keys, shares, percentiles)


def check(
    categories: Sequence[float] | None,
    percentiles: Sequence[float],
    bins: int | Sequence[float],
    limits: tuple[float, float] | None,
) -> None:
    """Refuse what cannot be counted, or is too much."""
    number = bins if isinstance(bins, int) else len(bins) - 1
    if number < 1:
        raise InvalidParameter("histogram_bins must be at least 1.", parameter="histogram_bins")
    for name, count, most in (
        ("histogram_bins", number, MAX_BINS),
        ("p", len(percentiles), MAX_PERCENTILES),
        ("c", len(categories or ()), MAX_CATEGORIES),
    ):
        if count > most:
            raise OverLimit(f"{name} may be {most} at most.", parameter=name, limit=most)
    if not isinstance(bins, int) and not all(low <= high for low, high in pairwise(bins)):
        raise InvalidParameter("histogram_bins must be edges in rising order.", parameter="histogram_bins")
    if limits is not None and not (all(math.isfinite(limit) for limit in limits) and limits[0] <= limits[1]):
        raise InvalidParameter("histogram_range must be 'minimum,maximum'.", parameter="histogram_range")
    if not all(0 <= percentile <= 100 for percentile in percentiles):
        raise InvalidParameter("p must be from 0 to 100.", parameter="p")


def histogram(
    keys: Array, counts: NDArray[np.int64] | None, bins: int | Sequence[float], limits: tuple[float, float] | None
) -> list[list[float]]:
    """Return heights and edges of the bins; without ``counts`` each key counts once.

    Args:
        keys: values, one dimension.
        counts: how often each of them occurs.
        bins: how many, of one width, or their edges.
        limits: least and largest value that count. None: those of the values.

    Raises:
        InvalidParameter: the range cannot be cut into so many bins.
    """
    cut = bins if isinstance(bins, int) else np.asarray(bins, dtype=np.float64)
    for values in (keys, keys.astype(np.float64)):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                heights, edges = np.histogram(values, bins=cut, range=limits, weights=counts)
        except ValueError:
            # float32 may be too coarse for the bins of a narrow range: float64 then is not
            continue
        return [heights.tolist(), edges.tolist()]
    raise InvalidParameter(
        "histogram_bins: the range of the values cannot be cut into this number of bins.", parameter="histogram_bins"
    )


def counted(data: Array, known: Mask | None, weights: Floats | None) -> tuple[Array, Floats | None]:
    """Return the values that count, in one dimension, and their weights. Truth values are counted as 0 and 1.

    Args:
        data: of any shape.
        known: which are valid, of the same shape; None: all. What is not finite does not count either.
        weights: of the same shape; None: each counts as one.
    """
    if data.dtype == np.bool_:
        data = data.view(np.uint8)
    if data.dtype.kind == "f":
        finite = np.isfinite(data)
        if not finite.all():
            known = finite if known is None else known & finite
    if known is None or known.all():
        return data.ravel(), None if weights is None else weights.ravel()
    return data[known], None if weights is None else weights[known]


def _distinct(values: Array, weights: Floats | None) -> tuple[Array, NDArray[np.int64], Weights]:
    """Return (distinct values in order, number of pixels of each, weight of each: the number itself where none is
    given).
    """
    kind = values.dtype
    shares: Any = None
    counts: Any
    if kind.itemsize <= 2 and kind.kind in "iu":
        least = int(np.iinfo(kind).min)
        positions = values if least == 0 else values.astype(np.int32) - least
        counts = np.bincount(positions)
        present = np.flatnonzero(counts)
        keys = (present + least).astype(kind)
        if weights is not None:
            shares = np.bincount(positions, weights=weights)[present]
        counts = counts[present]
    elif weights is None:
        ordered = np.sort(values)
        starts = _starts(ordered)
        keys, counts = ordered[starts], np.diff(starts, append=ordered.size)
    else:
        order = np.argsort(values)
        ordered = values[order]
        starts = _starts(ordered)
        keys, counts = ordered[starts], np.diff(starts, append=ordered.size)
        shares = np.add.reduceat(weights[order], starts) if starts.size else np.zeros(0)
    return keys, counts, counts if shares is None else shares


def _starts(ordered: Array) -> NDArray[np.intp]:
    """Return where each distinct value begins."""
    first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return np.flatnonzero(first)


def _summary(keys: Array, counts: NDArray[np.int64], shares: Weights) -> dict[str, float | None]:
    names = ("min", "max", "mean", "count", "sum", "std", "median", "majority", "minority")
    if not keys.size:
        return {**dict.fromkeys(names), "count": 0.0, "sum": 0.0, "unique": 0.0}
    total = float(shares.sum())
    parts = [slice(start, start + _PART) for start in range(0, keys.size, _PART)]
    with np.errstate(over="ignore", invalid="ignore"):
        whole = math.fsum(float((keys[part] * shares[part].astype(np.float64)).sum()) for part in parts)
        mean = whole / total if total else math.nan
        squares = ((keys[part].astype(np.float64) - mean) ** 2 * shares[part] for part in parts)
        variance = math.fsum(float(found.sum()) for found in squares) / total if total else math.nan
    found = (
        float(keys[0]),
        float(keys[-1]),
        mean,
        total,
        whole,
        math.sqrt(variance),
        float(keys[_quantiles(shares, [0.5])[0]]),
        float(keys[counts.argmax()]),
        float(keys[counts.argmin()]),
    )
    return {**{name: _json(value) for name, value in zip(names, found, strict=True)}, "unique": float(keys.size)}


def _percentiles(keys: Array, shares: Weights, percentiles: Sequence[float]) -> dict[str, float | None]:
    names = [f"percentile_{int(percentile)}" for percentile in percentiles]
    if not keys.size:
        return dict.fromkeys(names)
    positions = _quantiles(shares, [percentile / 100.0 for percentile in percentiles])
    return dict(zip(names, (_json(float(keys[position])) for position in positions), strict=True))


def _quantiles(shares: Weights, quantiles: Sequence[float]) -> list[int]:
    """Return position of the first value at which the running weight reaches each share of the whole."""
    running = np.cumsum(shares)
    positions = np.searchsorted(running, np.asarray(quantiles) * running[-1])
    return [min(position, len(shares) - 1) for position in positions.tolist()]


def _categories(keys: Array, counts: NDArray[np.int64], categories: Sequence[float] | None) -> list[list[float]]:
    if not categories:
        if keys.size > MAX_VALUES:
            raise TooMuchWork(
                f"The band has {keys.size} different values, and at most {MAX_VALUES} are counted one by one. Name "
                "those to count with c, give a smaller max_size, or leave categorical out.",
                parameter="categorical",
                limit=MAX_VALUES,
            )
        return [counts.tolist(), keys.tolist()]
    wanted = np.asarray(categories, dtype=np.float64)
    if keys.dtype.kind == "f":
        wanted = wanted.astype(keys.dtype)
    listed = wanted.tolist()
    if keys.dtype.kind in "iu":
        listed = [int(value) if value.is_integer() else value for value in listed]
    if not keys.size:
        return [[0] * len(listed), listed]
    positions = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return [np.where(keys[positions] == wanted, counts[positions], 0).tolist(), listed]


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None

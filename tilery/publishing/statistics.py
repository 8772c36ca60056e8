"""Exact statistics of a published raster: of values that were counted when they were made, or read block by block.

Integers of up to 16 bits are counted value by value, which gives everything exactly. For other types two passes are
made: limits first, then moments and a histogram of 65,536 steps between them, from which the percentiles are taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import UnsupportedRaster
from tilery.geo.raster import Array
from tilery.publishing import rasters, validity
from tilery.publishing.counting import counts_of, is_countable, lowest_and_number
from tilery.publishing.progress import Advance
from tilery.publishing.windows import in_order, pieces
from tilery.reading.profile import Profile

STEPS = 65536
BINS = 64
"""Bins of the histogram that goes into the document."""

_DIGITS = 6
"""Digits that tell one value of a range from another."""
_LARGEST = 1e140
"""Beyond it sums of squares do not fit into a float."""
_COUNTING = 32
"""Bytes that counting needs for each pixel of the band that is being counted: NumPy widens what it counts."""

Statistics = dict[str, dict[str, Any]]


@dataclass(slots=True)
class _Counts:
    """How often each value was seen: of an integer type, or of steps between two limits."""

    values: NDArray[np.float64]
    """What each count stands for."""
    counts: NDArray[np.int64]
    exact: bool
    total: float = 0.0
    squares: float = 0.0
    """Sum of squared distances from ``origin``."""
    origin: float = 0.0
    minimum: float = field(default=float("nan"))
    maximum: float = field(default=float("nan"))


def passes(dtype: str) -> int:
    """Return how often the raster is read."""
    return 1 if is_countable(dtype) else 2


def statistics(path: Path, profile: Profile, advance: Advance, counts: list[list[int]] | None = None) -> Statistics:
    """Return statistics of each band with TiTiler's names, by ``b1``, ``b2``…; bands without any valid pixel say so.

    Args:
        path: the file.
        profile: its facts.
        advance: called with pixels, `passes` times as many as there are.
        counts: how often each value occurs in each band, from the lowest of the type on, where that is known.

    Raises:
        BrokenRaster: a block does not decode.
        UnsupportedRaster: values that are too large for sums of them.
    """
    bands = profile.data_bands
    size = profile.width * profile.height
    if counts is not None:
        found = _from_all_values(profile, np.array(counts, "int64"))
        advance(size)
    elif is_countable(profile.dtypes[0]):
        found = _count_values(path, profile, advance)
    else:
        limits = _limits(path, profile, advance)
        found = _count_steps(path, profile, limits, advance)
    return {
        f"b{number}": _summary(counts, size, profile.descriptions[band - 1] or f"b{number}")
        for number, (band, counts) in enumerate(zip(bands, found, strict=True), 1)
    }


def _valid_values(path: Path, profile: Profile, work: Any, advance: Advance) -> Iterator[list[Any]]:
    """Yield what ``work`` made of the valid values of each band, piece by piece; nothing of it is kept here, or memory
    would grow with the raster.
    """
    handles = rasters.Handles(lambda: rasters.reading(path, driver=profile.driver))
    bands = list(profile.data_bands)
    dtype = np.dtype(profile.dtypes[0])

    def read(window: Any) -> list[Any]:
        with handles.borrow() as dataset:
            pixels = validity.read(dataset, profile, window)
        weight = pixels.weight()
        made = []
        for number, band in enumerate(pixels.data):
            keep = None if weight is None else weight[number if len(weight) > 1 else 0] != 0
            made.append(work(number, band.ravel() if keep is None or keep.all() else band[keep]))
        return made

    with rasters.failures(path.parent), rasters.environment():
        try:
            windows = pieces(profile.width, profile.height, len(bands) * (dtype.itemsize + 1) + _COUNTING)
            for window, made in in_order(windows, read):
                yield made
                advance(int(window.width * window.height))
        finally:
            handles.close()


def _count_values(path: Path, profile: Profile, advance: Advance) -> list[_Counts]:
    _, length = lowest_and_number(profile.dtypes[0])
    counts = np.zeros((len(profile.data_bands), length), "int64")

    def work(_number: int, values: Array) -> Array:
        return counts_of(values, length)

    for made in _valid_values(path, profile, work, advance):
        for number, found in enumerate(made):
            counts[number] += found
    return _from_all_values(profile, counts)


def _from_all_values(profile: Profile, counts: NDArray[np.int64]) -> list[_Counts]:
    low, length = lowest_and_number(profile.dtypes[0])
    values = np.arange(low, low + length, dtype="float64")
    return [_from_values(values, of_band) for of_band in counts]


def _from_values(values: NDArray[np.float64], counts: NDArray[np.int64]) -> _Counts:
    found = _Counts(values=values, counts=counts, exact=True)
    seen = np.flatnonzero(counts)
    if seen.size:
        found.minimum, found.maximum = float(values[seen[0]]), float(values[seen[-1]])
        found.total = float((values * counts).sum())
        found.origin = found.total / float(counts.sum())
        found.squares = float((counts * (values - found.origin) ** 2).sum())
    return found


def _limits(path: Path, profile: Profile, advance: Advance) -> list[tuple[float, float]]:
    limits = [(float("inf"), float("-inf"))] * len(profile.data_bands)

    def work(_number: int, values: Array) -> tuple[float, float] | None:
        return (float(values.min()), float(values.max())) if values.size else None

    for made in _valid_values(path, profile, work, advance):
        for number, found in enumerate(made):
            if found is not None:
                limits[number] = (min(limits[number][0], found[0]), max(limits[number][1], found[1]))
    for value in (value for pair in limits for value in pair):
        if math.isfinite(value) and abs(value) > _LARGEST:
            raise UnsupportedRaster(
                f"Values as {value!r} stand for missing ones, most likely: give --nodata={value!r}."
            )
    return limits


def _count_steps(path: Path, profile: Profile, limits: list[tuple[float, float]], advance: Advance) -> list[_Counts]:
    totals: list[_Counts] = []
    for low, high in limits:
        edges = np.linspace(low, high, STEPS + 1) if low <= high else np.zeros(STEPS + 1)
        totals.append(
            _Counts(
                values=(edges[:-1] + edges[1:]) / 2,
                counts=np.zeros(STEPS, "int64"),
                exact=False,
                origin=(low + high) / 2 if low <= high else 0.0,
                minimum=low,
                maximum=high,
            )
        )

    def work(number: int, values: Array) -> tuple[Array, float, float] | None:
        if not values.size:
            return None
        low, high = limits[number]
        wide = values.astype("float64")
        steps = np.zeros(STEPS, "int64")
        if high > low:
            places = ((wide - low) * (STEPS / (high - low))).astype("int64")
            steps += np.bincount(np.minimum(places, STEPS - 1), minlength=STEPS)
        else:
            steps[0] = wide.size
        distance = wide - totals[number].origin
        return steps, float(wide.sum()), float((distance * distance).sum())

    for made in _valid_values(path, profile, work, advance):
        for number, found in enumerate(made):
            if found is not None:
                totals[number].counts += found[0]
                totals[number].total += found[1]
                totals[number].squares += found[2]
    return totals


def _summary(found: _Counts, size: int, description: str) -> dict[str, Any]:
    count = int(found.counts.sum())
    shared: dict[str, Any] = {
        "count": count,
        "valid_pixels": count,
        "masked_pixels": size - count,
        "valid_percent": round(100.0 * count / size, 2) if size else 0.0,
        "description": description,
    }
    if count == 0:
        return shared
    mean = found.total / count
    variance = max(0.0, found.squares / count - (mean - found.origin) ** 2)
    return {
        "min": found.minimum,
        "max": found.maximum,
        "mean": mean,
        "sum": found.total,
        "std": variance**0.5,
        "median": _percentile(found, 50),
        "percentile_2": _percentile(found, 2),
        "percentile_98": _percentile(found, 98),
        "histogram": _histogram(found),
        **_exact_only(found),
        **shared,
    }


def _exact_only(found: _Counts) -> dict[str, Any]:
    """Return what only counting every value can tell."""
    if not found.exact:
        return {}
    seen = np.flatnonzero(found.counts)
    return {
        "majority": float(found.values[np.argmax(found.counts)]),
        "minority": float(found.values[seen[np.argmin(found.counts[seen])]]),
        "unique": int(seen.size),
    }


def _percentile(found: _Counts, percent: float) -> float:
    """Return the value below which that part of the pixels lies, between neighbours in proportion as numpy does."""
    position = (int(found.counts.sum()) - 1) * percent / 100
    cumulated = np.cumsum(found.counts)
    lower = found.values[int(np.searchsorted(cumulated, int(position), side="right"))]
    upper = found.values[int(np.searchsorted(cumulated, int(np.ceil(position)), side="right"))]
    return float(lower + (upper - lower) * (position - int(position)))


def _histogram(found: _Counts) -> list[list[float]]:
    """Return counts and edges of `BINS` bins between the limits."""
    edges = np.linspace(found.minimum, found.maximum, BINS + 1)
    if found.minimum == found.maximum:
        edges = np.linspace(found.minimum - 0.5, found.maximum + 0.5, BINS + 1)
    counts, _ = np.histogram(found.values, bins=edges, weights=found.counts)
    return [[float(value) for value in counts], [float(edge) for edge in edges]]


def limits_for_display(statistics_: Mapping[str, Mapping[str, Any]], dtype: str) -> list[str] | None:
    """Return the ``rescale`` that shows most of the values, a range a band; None where bytes can be shown
    as they are.
    """
    if dtype == "uint8":
        return None
    ranges = []
    for band in statistics_.values():
        low, high = band.get("percentile_2"), band.get("percentile_98")
        if low is None or high is None:
            return None
        if low == high:
            low, high = band["min"], band["max"]
        if low == high:
            high = low + max(1.0, abs(low) / 10**_DIGITS)
        digits = _DIGITS + max(0, math.ceil(math.log10(max(abs(low), abs(high)) / (high - low))))
        ranges.append(f"{low:.{digits}g},{high:.{digits}g}")
    return ranges

"""Statistics of more pixels than are held at a time: values are added part by part, then told of as `statistics` does.

Of types of 8 and 16 bits only the number of pixels of each value is kept. Of others the values themselves are, sorted
once; everything is then found by walking over them, without the arrays of the size of the raster that weights would
need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import TooMuchWork
from tilery.geo.raster import Array, Raster
from tilery.limits import deadline
from tilery.rendering import statistics
from tilery.rendering.validity import valid

MAX_BYTES = 128 << 20
"""Of values that are kept to be sorted."""
_CHUNK = 1 << 18

_Found = tuple[dict[str, Any], dict[str, float | None]]


class _Counts:
    """Numbers of pixels by value, for types of 8 and 16 bits."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._least = int(np.iinfo(kind).min)
        self._counts = np.zeros(256**kind.itemsize, np.int64)

    def add(self, values: Array) -> int:
        positions = values if self._least == 0 else values.astype(np.int32) - self._least
        self._counts += np.bincount(positions.ravel(), minlength=self._counts.size)
        return 0

    def found(self, how: dict[str, Any]) -> _Found:
        present = np.flatnonzero(self._counts)
        keys, counts = (present + self._least).astype(self._kind), self._counts[present]
        return statistics.of_distinct(keys, counts, counts.astype(np.float64), **how)


class _Values:
    """The values themselves."""

    def __init__(self) -> None:
        self._parts: list[Array] = []

    def add(self, values: Array) -> int:
        self._parts.append(values)
        return values.nbytes

    def found(self, how: dict[str, Any]) -> _Found:
        ordered = np.concatenate(self._parts) if self._parts else np.zeros(0)
        self._parts.clear()
        ordered.sort()
        if how["categorical"] or not ordered.size:
            keys, counts = np.unique(ordered, return_counts=True)
            return statistics.of_distinct(keys, counts, counts.astype(np.float64), **how)
        facts = {**_summary(ordered), "histogram": statistics.histogram(ordered, None, how["bins"], how["range"])}
        return facts, {
            f"percentile_{int(percentile)}": _at(ordered, percentile / 100.0) for percentile in how["percentiles"]
        }


class Counting:
    """Adds up the parts of a raster, whose bands are the same in each."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bands: list[_Counts | _Values] = []
        self._valid: list[int] = []
        self._pixels = 0
        self._bytes = 0
        self._names: tuple[str, ...] = ()
        self._descriptions: tuple[str, ...] = ()

    def add(self, raster: Raster) -> None:
        """Count the pixels of one part.

        Raises:
            TooMuchWork: the values of all parts so far take more memory than may be.
        """
        if not self._bands:
            kind = raster.data.dtype
            small = kind.itemsize <= 2 and kind.kind in "iu"
            self._bands = [_Counts(kind) if small else _Values() for _ in range(raster.count)]
            self._valid = [0] * raster.count
            self._names = raster.band_names or tuple(f"b{number}" for number in range(1, raster.count + 1))
            self._descriptions = raster.band_descriptions
        mask = valid(raster)
        self._pixels += raster.height * raster.width
        for number, band in enumerate(self._bands):
            known = None if mask is None else mask[number if len(mask) > 1 else 0]
            values = statistics.counted(raster.data[number], known, None)[0]
            self._valid[number] += values.size
            self._bytes += band.add(values.copy())
        if self._bytes > MAX_BYTES:
            raise TooMuchWork(
                "There are too many pixels to count the values of. Give a max_size, or fewer bands.",
                parameter="max_size",
                limit=MAX_BYTES,
            )

    def found(
        self,
        *,
        categorical: bool = False,
        categories: Sequence[float] | None = None,
        percentiles: Sequence[float] = (2, 98),
        bins: int | Sequence[float] = 10,
        range: tuple[float, float] | None = None,  # noqa: A002 - as in `statistics.statistics`
    ) -> dict[str, dict[str, Any]]:
        """Return statistics of all parts together, as `tilery.rendering.statistics.statistics` gives them."""
        statistics.check(categories, percentiles, bins, range)
        how = {
            "categorical": categorical,
            "categories": categories,
            "percentiles": percentiles,
            "bins": bins,
            "range": range,
        }
        told = {}
        for number, (name, band, size) in enumerate(zip(self._names, self._bands, self._valid, strict=True)):
            facts, quantiles = band.found(how)
            told[name] = {
                **facts,
                "valid_percent": round(size / self._pixels * 100, 2) if self._pixels else 0.0,
                "masked_pixels": float(self._pixels - size),
                "valid_pixels": float(size),
                "description": self._descriptions[number] if number < len(self._descriptions) else "",
                **quantiles,
            }
        return told


def _summary(ordered: Array) -> dict[str, float | None]:
    size = ordered.size
    whole = float(ordered.sum(dtype=np.float64))
    mean = whole / size
    apart = 0.0
    most, least, unique = (0, 0), (size + 1, 0), 0
    start = 0
    for chunk in range(0, size, _CHUNK):
        deadline.check()
        values = ordered[chunk : chunk + _CHUNK]
        apart += float(np.square(values.astype(np.float64) - mean).sum())
        # where runs of the same value end: behind the last of them lies another one, or nothing
        ends = _ends(ordered, chunk, min(size, chunk + _CHUNK))
        if ends.size:
            lengths = np.diff(ends, prepend=start)
            longest, shortest = int(lengths.argmax()), int(lengths.argmin())
            if lengths[longest] > most[0]:
                most = (int(lengths[longest]), int(ends[longest]) - 1)
            if lengths[shortest] < least[0]:
                least = (int(lengths[shortest]), int(ends[shortest]) - 1)
            unique += ends.size
            start = int(ends[-1])
    found: dict[str, float] = {
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "mean": mean,
        "count": float(size),
        "sum": whole,
        "std": math.sqrt(apart / size),
        "median": float(ordered[_position(size, 0.5)]),
        "majority": float(ordered[most[1]]),
        "minority": float(ordered[least[1]]),
        "unique": float(unique),
    }
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _ends(ordered: Array, first: int, last: int) -> NDArray[np.intp]:
    """Return where runs of the same value end, from ``first`` on and before ``last``."""
    following = ordered[first + 1 : last + 1]
    ends = np.flatnonzero(ordered[first : first + following.size] != following) + first + 1
    return np.append(ends, last) if last == ordered.size else ends


def _position(size: int, quantile: float) -> int:
    """Return the position of the first of so many sorted values at which that share of them is reached."""
    return min(max(math.ceil(quantile * size) - 1, 0), size - 1)


def _at(ordered: Array, quantile: float) -> float | None:
    value = float(ordered[_position(ordered.size, quantile)])
    return value if math.isfinite(value) else None

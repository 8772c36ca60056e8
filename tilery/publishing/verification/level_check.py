"""Pixels of an overview against those of the level above it.

A pixel of an overview stands for four pixels above, those at a quarter and at three quarters of it each way. It must be
valid exactly where one of them is. Its value must lie within what the valid ones around it are (and, of a cubic
kernel, a little beyond), and the mean of the overview must be that of the level above over the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery import kernels
from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing import validity
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window

_OVERSHOOT = 0.25
"""Part of the range around a pixel by which a cubic kernel may leave it: (1.1875² - 1) / 2, rounded up."""
_LOSS = 40
"""By how much lossy compression of bytes may move a pixel out of that range."""
_LOST = 0.01
"""Part of the pixels that it may move further."""
_ROWS = 64
_DRIFT = {"cubic": 0.25}
_LEAST_DRIFT = 0.02
"""Part of the standard deviation by which means may differ, besides rounding: a cubic kernel's overshoot is cut off at
the ends of the type, as beside black specks on white.
"""


@dataclass(slots=True)
class Sums:
    """Of one band of a level."""

    pixels: int = 0
    overview: float = 0.0
    above: float = 0.0
    squares: float = 0.0
    outside: int = 0
    """Pixels out of the range of those around them."""
    misjudged: int = 0
    """Valid where nothing above is, or not where something is."""

    def add(self, other: Sums) -> None:
        """Count another window's in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class LevelCheck:
    """What was seen of an overview and the level above it."""

    def __init__(self, profile: Profile, resampling: str, factor: int, *, lossless: bool) -> None:
        """Start with nothing.

        Args:
            profile: facts of the raster.
            resampling: how the overview was to be made.
            factor: pixels of the raster to one of the overview.
            lossless: whether its values are those that were written.
        """
        self.profile = profile
        self._factor = factor
        self._lossless = lossless
        self._reach = 2 if resampling in ("cubic", "bilinear") else 1
        self._slack = _OVERSHOOT if resampling == "cubic" else 0.0
        self._loss = 0 if lossless else _LOSS
        self._blend = resampling not in ("mode", "nearest")
        self._drift = _DRIFT.get(resampling, _LEAST_DRIFT)
        self._sums = [Sums() for _ in profile.data_bands]

    def add(self, sums: Sequence[Sums]) -> None:
        """Count a window in."""
        for total, part in zip(self._sums, sums, strict=True):
            total.add(part)

    def need_right(self) -> None:
        """Check all that was counted.

        Raises:
            BrokenRaster: the overview shows something else.
        """
        for number, band in enumerate(self._sums, 1):
            if wrong := _wrong(band, self.profile, self._drift, lossless=self._lossless):
                raise BrokenRaster(
                    f"The overview of 1:{self._factor} does not show what the level above it shows ({wrong}); "
                    "nothing was published.",
                    private=f"band {number}: {band}",
                )

    def is_fast(
        self,
        source: validity.WindowPixels,
        made: validity.WindowPixels,
        above: tuple[int, int],
        below: tuple[int, int],
    ) -> bool:
        """Return whether a kernel compares these, however many pixels of them are missing."""
        return above == (2 * below[0], 2 * below[1]) and _is_simple(source) and _is_simple(made)

    def compare(
        self,
        source: validity.WindowPixels,
        made: validity.WindowPixels,
        window: Window,
        above: tuple[int, int],
        below: tuple[int, int],
    ) -> list[Sums]:
        """Return a window of an overview against the pixels above it and around, for any thread to do.

        Args:
            source: pixels of the level above, all that `pixels_above` names and no other.
            made: pixels of the window.
            window: where in the overview.
            above: width and height of the level above.
            below: those of the overview.
        """
        top, left, height, width = places_of(window)
        down = _Run.over(top, top + height, above[1], below[1])
        across = _Run.over(left, left + width, above[0], below[0])
        if _is_missing(source) and _is_missing(made):
            return [Sums() for _ in made.data]
        # What lies around pixels at a window's edge would take four blocks more; their values count in the mean alone.
        reach = self._reach
        checked = _checked(left, left + width, reach, below[0])
        weight, made_weight = source.weight(), made.weight()
        sums = [Sums() for _ in made.data]
        if self.is_fast(source, made, above, below):
            certain = (_checked(top, top + height, reach, below[1]), checked)
            masks = [
                [None if known is None else known[number if len(known) > 1 else 0] for number in range(len(sums))]
                for known in map(_missing, (weight, made_weight))
            ]
            bands = zip(source.data, made.data, *masks, strict=True)
            return [self._fast(one, other, there, valid, certain) for one, other, there, valid in bands]
        for first in range(0, height, _ROWS):  # what a few rows need stays in the processor's cache
            last = min(height, first + _ROWS)
            begin, end = max(0, first - reach), min(height, last + reach)
            rows = _Run.over(top + begin, top + end, above[1], below[1])
            part = slice(rows.start - down.start, rows.stop - down.start)
            inner = slice(first - begin, last - begin)
            of_window = _checked(top, top + height, reach, below[1])
            certain = (slice(max(0, of_window.start - first), max(0, of_window.stop - first)), checked)
            for number, total in enumerate(sums):
                there = None
                if made_weight is not None:
                    there = made_weight[number if len(made_weight) > 1 else 0][first:last] != 0
                total.add(
                    _band(
                        source.data[number][part],
                        None if weight is None else weight[number if len(weight) > 1 else 0][part],
                        made.data[number][first:last],
                        there,
                        rows,
                        across,
                        inner,
                        certain,
                        reach,
                        slack=self._slack,
                        loss=self._loss,
                        blend=self._blend,
                    )
                )
        return sums

    def _fast(
        self, above: Array, made: Array, there: Array | None, valid: Array | None, certain: tuple[slice, slice]
    ) -> Sums:
        """Return a band of a window half the size of what is above it."""
        allowed, slack = self._loss + 1, self._slack
        found = kernels.compare(
            above, made, self._reach, certain, allowed=allowed, slack=slack, there=there, valid=valid
        )
        sums = Sums(pixels=found.pixels, outside=found.outside, misjudged=found.misjudged)
        if self._blend:  # means of numbers that stand for something mean nothing
            sums.overview, sums.above, sums.squares = float(found.sum), found.sum_above, found.squares
        return sums


def _is_simple(pixels: validity.WindowPixels) -> bool:
    """Return whether pixels are there or not and nothing in between, and of a type that a kernel compares."""
    weight = pixels.weight()
    return (weight is None or weight.dtype == bool) and pixels.data.dtype.name in kernels.SHORT


def _missing(weight: Array | None) -> Array | None:
    """Return which pixels are there; None where all are."""
    return None if weight is None or weight.all() else weight


def _is_missing(pixels: validity.WindowPixels) -> bool:
    """Return whether nothing is valid."""
    weight = pixels.weight()
    return weight is not None and not weight.any()


def pixels_above(window: Window, above: tuple[int, int], below: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of the level above that a window of an overview stands for."""
    top, left, height, width = places_of(window)
    down = _Run.over(top, top + height, above[1], below[1])
    across = _Run.over(left, left + width, above[0], below[0])
    return slice(down.start, down.stop), slice(across.start, across.stop)


def places_of(window: Window) -> tuple[int, int, int, int]:
    """Return top, left, height and width."""
    return int(window.row_off), int(window.col_off), int(window.height), int(window.width)


def _wrong(found: Sums, profile: Profile, drift: float, *, lossless: bool) -> str | None:
    """Return what is wrong with a band of an overview."""
    if found.misjudged > (0 if lossless else _LOST * max(1, found.pixels)):
        return "other pixels are valid"
    if found.outside > (0 if lossless else _LOST * found.pixels):
        return "other values"
    if not found.pixels:
        return None
    mean, above = found.overview / found.pixels, found.above / found.pixels
    spread = max(0.0, found.squares / found.pixels - above**2) ** 0.5
    rounding = (0.5 if lossless else 3.0) if profile.dtype.kind in "iub" else 1e-5 * max(abs(above), abs(mean))
    if not abs(mean - above) <= rounding + spread * (drift + 4 / found.pixels**0.5):
        return f"a mean of {mean:g} and not {above:g}"
    return None


@dataclass(frozen=True, slots=True)
class _Run:
    """Pixels along a side of an overview and those above that they stand for."""

    start: int
    """First pixel above."""
    stop: int
    places: tuple[Any, Any]
    """Of the two that each pixel stands for, counted from ``start``."""

    @classmethod
    def over(cls, first: int, last: int, above: int, below: int) -> _Run:
        """Return the run from ``first`` to ``last`` (behind the end)."""
        pair = [((np.arange(first, last) + part) * (above / below)).astype("int64") for part in (0.25, 0.75)]
        start = int(pair[0][0])
        places: Any = [side - start for side in pair]
        if above == 2 * below:
            places = [slice(int(side[0]), int(side[-1]) + 1, 2) for side in places]
        return cls(start, int(pair[1][-1]) + 1, tuple(places))


def _checked(first: int, last: int, reach: int, length: int) -> slice:
    """Return which pixels of a window have all that is around them in it, counted from the first."""
    return slice(reach if first > 0 else 0, last - first - (reach if last < length else 0))


def _pool(values: Array, rows: _Run, columns: _Run, choose: Callable[..., Array]) -> Array:
    """Return four pixels become one."""
    halved = choose(values[rows.places[0]], values[rows.places[1]])
    return np.asarray(choose(halved[:, columns.places[0]], halved[:, columns.places[1]]))


def _band(
    above: Array,
    weight: Array | None,
    made: Array,
    there: NDArray[np.bool_] | None,
    rows: _Run,
    columns: _Run,
    inner: slice,
    certain: tuple[slice, slice],
    reach: int,
    *,
    slack: float,
    loss: float,
    blend: bool,
) -> Sums:
    found = Sums()
    dtype = made.dtype
    lowest: Any = np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf
    highest: Any = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    known = None if weight is None else weight != 0
    if known is not None and known.all():
        known = None
    both = None
    found.pixels = made.size
    if known is not None or there is not None:
        expected = np.ones(made.shape, "bool") if known is None else _pool(known, rows, columns, np.logical_or)[inner]
        actual = np.ones(made.shape, "bool") if there is None else there
        found.misjudged = int(np.count_nonzero(expected != actual))
        both = expected & actual
        found.pixels = int(np.count_nonzero(both))
    if not found.pixels:
        return found
    low = above if known is None else np.where(known, above, dtype.type(highest))
    high = above if known is None else np.where(known, above, dtype.type(lowest))
    low = _around(_pool(low, rows, columns, np.minimum), reach, np.minimum)[inner]
    high = _around(_pool(high, rows, columns, np.maximum), reach, np.maximum)[inner]
    out = np.zeros(made.shape, "bool")
    out[certain] = ((made < low) | (made > high))[certain]
    if both is not None:
        out &= both
    if out.any():
        found.outside = _far(made[out], low[out], high[out], slack, loss)
    if blend:  # means of numbers that stand for something mean nothing
        mean = _means(above, weight, known, rows, columns)[inner]
        if both is not None:
            made, mean = made[both], mean[both]
        found.overview, found.above = float(made.sum(dtype="float64")), float(mean.sum(dtype="float64"))
        found.squares = float(np.square(mean, dtype="float64").sum())
    return found


def _far(made: Array, low: Array, high: Array, slack: float, loss: float) -> int:
    """Return how many values are out of their range by more than a kernel may bring them."""
    values, floor, ceiling = (part.astype("float64") for part in (made, low, high))
    allowed = loss + (1.0 if made.dtype.kind in "iu" else 1e-6 * np.maximum(np.abs(floor), np.abs(ceiling)))
    allowed = allowed + slack * (ceiling - floor)
    return int(np.count_nonzero((values < floor - allowed) | (values > ceiling + allowed)))


def _means(
    above: Array, weight: Array | None, known: NDArray[np.bool_] | None, rows: _Run, columns: _Run
) -> NDArray[Any]:
    """Return the mean of the valid ones of four pixels, weighted by their opacity."""
    values = above.astype("float32" if above.dtype.kind in "iu" and above.dtype.itemsize <= 2 else "float64")
    if weight is None or (known is None and weight.min() == weight.max()):
        return np.asarray(_pool(values, rows, columns, np.add) * values.dtype.type(0.25))
    by = weight.astype(values.dtype if weight.dtype == bool else "float64")
    total = _pool(np.where(by > 0, values, 0) * by, rows, columns, np.add)
    share = _pool(by, rows, columns, np.add)
    return np.asarray(np.divide(total, share, out=np.zeros_like(total), where=share > 0))


def _around(values: Array, reach: int, choose: Callable[..., Array]) -> Array:
    """Return the lowest or highest of what lies up to ``reach`` pixels away, diagonally too."""
    for axis in (0, 1):
        out = values.copy()
        for step in range(1, min(reach, values.shape[axis] - 1) + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            choose(out[tuple(behind)], values[tuple(ahead)], out=out[tuple(behind)])
            choose(out[tuple(ahead)], values[tuple(behind)], out=out[tuple(ahead)])
        values = out
    return values

"""Does each overview show what the level above it shows? Read from the finished file.

A pixel of an overview stands for four pixels above, those at a quarter and at three quarters of it each way. It must be
valid exactly where one of them is. Its value must lie within what the valid ones around it are (and, of a cubic
kernel, a little beyond), and the mean of the overview must be that of the level above over the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing import rasters, validity
from tilery.publishing.progress import Advance
from tilery.publishing.windows import in_order, panels
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
class _Sums:
    """Of one band of a level."""

    pixels: int = 0
    overview: float = 0.0
    above: float = 0.0
    squares: float = 0.0
    outside: int = 0
    """Pixels out of the range of those around them."""
    misjudged: int = 0
    """Valid where nothing above is, or not where something is."""

    def add(self, other: _Sums) -> None:
        """Count another window's in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def pixels(profile: Profile) -> int:
    """Pixels that `need_true_overviews` looks at: those of all overviews."""
    return sum(-(-profile.width // factor) * -(-profile.height // factor) for factor in profile.overviews)


def need_true_overviews(path: Path, profile: Profile, resampling: str, advance: Advance, *, lossless: bool) -> None:
    """Check every overview of a file against the level above it.

    Args:
        path: the file.
        profile: its facts.
        resampling: how its overviews were to be made.
        advance: called with pixels, `pixels` of them in all.
        lossless: whether its values are those that were written.

    Raises:
        BrokenRaster: an overview shows something else, or cannot be read.
    """
    for level, factor in enumerate(profile.overviews):
        sums = _compare(path, profile, level, resampling, advance, lossless=lossless)
        for number, band in enumerate(sums, 1):
            if wrong := _wrong(band, profile, _DRIFT.get(resampling, _LEAST_DRIFT), lossless=lossless):
                raise BrokenRaster(
                    f"The overview of 1:{factor} does not show what the level above it shows ({wrong}); "
                    "nothing was published.",
                    private=f"band {number}: {band}",
                )


def _wrong(found: _Sums, profile: Profile, drift: float, *, lossless: bool) -> str | None:
    """What is wrong with a band of an overview."""
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


def _compare(
    path: Path, profile: Profile, level: int, resampling: str, advance: Advance, *, lossless: bool
) -> list[_Sums]:
    reach = 2 if resampling in ("cubic", "bilinear") else 1
    slack = _OVERSHOOT if resampling == "cubic" else 0.0
    loss = 0 if lossless else _LOSS
    handles = rasters.Handles(lambda: _pair(path, level))
    bands = len(profile.data_bands)
    blend = resampling not in ("mode", "nearest")

    def work(window: Window) -> list[_Sums]:
        with handles.borrow() as (above, below):
            return _window(above, below, profile, window, reach=reach, slack=slack, loss=loss, blend=blend)

    sums = [_Sums() for _ in range(bands)]
    with rasters.failures(path.parent), rasters.environment(), ExitStack() as stack:
        stack.callback(handles.close)
        with _pair(path, level) as (_, below):
            windows = list(panels(below.width, below.height, bands * profile.dtype.itemsize * 5))
        for window, found in in_order(windows, work):
            for total, part in zip(sums, found, strict=True):
                total.add(part)
            advance(int(window.width * window.height))
    return sums


@contextmanager
def _pair(path: Path, level: int) -> Iterator[Any]:
    with ExitStack() as stack:
        yield (
            stack.enter_context(rasters.reading(path, overview=level - 1 if level else None)),
            stack.enter_context(rasters.reading(path, overview=level)),
        )


def _window(
    above: Any, below: Any, profile: Profile, window: Window, *, reach: int, slack: float, loss: float, blend: bool
) -> list[_Sums]:
    """A window of an overview against the pixels above it and around."""
    from rasterio.windows import Window

    top, left, height, width = (int(n) for n in (window.row_off, window.col_off, window.height, window.width))
    down = _Run.over(top, top + height, above.height, below.height)
    across = _Run.over(left, left + width, above.width, below.width)
    # What lies around pixels at a window's edge would take four blocks more; their values count in the mean alone.
    checked = _checked(left, left + width, reach, below.width)
    over = Window(across.start, down.start, across.stop - across.start, down.stop - down.start)
    source, made = validity.read(above, profile, over), validity.read(below, profile, window)
    weight, made_weight = source.weight(), made.weight()
    sums = [_Sums() for _ in made.data]
    for first in range(0, height, _ROWS):  # what a few rows need stays in the processor's cache
        last = min(height, first + _ROWS)
        begin, end = max(0, first - reach), min(height, last + reach)
        rows = _Run.over(top + begin, top + end, above.height, below.height)
        part = slice(rows.start - down.start, rows.stop - down.start)
        inner = slice(first - begin, last - begin)
        of_window = _checked(top, top + height, reach, below.height)
        certain = (slice(max(0, of_window.start - first), max(0, of_window.stop - first)), checked)
        for number, total in enumerate(sums):
            total.add(
                _band(
                    source.data[number][part],
                    None if weight is None else weight[number if len(weight) > 1 else 0][part],
                    made.data[number][first:last],
                    None
                    if made_weight is None
                    else made_weight[number if len(made_weight) > 1 else 0][first:last] != 0,
                    rows,
                    across,
                    inner,
                    certain,
                    reach,
                    slack=slack,
                    loss=loss,
                    blend=blend,
                )
            )
    return sums


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
        """The run from ``first`` to ``last`` (behind the end)."""
        pair = [((np.arange(first, last) + part) * (above / below)).astype("int64") for part in (0.25, 0.75)]
        start = int(pair[0][0])
        places: Any = [side - start for side in pair]
        if above == 2 * below:
            places = [slice(int(side[0]), int(side[-1]) + 1, 2) for side in places]
        return cls(start, int(pair[1][-1]) + 1, tuple(places))


def _checked(first: int, last: int, reach: int, length: int) -> slice:
    """Which pixels of a window have all that is around them in it, counted from the first."""
    return slice(reach if first > 0 else 0, last - first - (reach if last < length else 0))


def _pool(values: Array, rows: _Run, columns: _Run, choose: Callable[..., Array]) -> Array:
    """Four pixels become one."""
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
) -> _Sums:
    found = _Sums()
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
    """How many values are out of their range by more than a kernel may bring them."""
    values, floor, ceiling = (part.astype("float64") for part in (made, low, high))
    allowed = loss + (1.0 if made.dtype.kind in "iu" else 1e-6 * np.maximum(np.abs(floor), np.abs(ceiling)))
    allowed = allowed + slack * (ceiling - floor)
    return int(np.count_nonzero((values < floor - allowed) | (values > ceiling + allowed)))


def _means(
    above: Array, weight: Array | None, known: NDArray[np.bool_] | None, rows: _Run, columns: _Run
) -> NDArray[Any]:
    """The mean of the valid ones of four pixels, weighted by their opacity."""
    values = above.astype("float32" if above.dtype.kind in "iu" and above.dtype.itemsize <= 2 else "float64")
    if weight is None or (known is None and weight.min() == weight.max()):
        return np.asarray(_pool(values, rows, columns, np.add) * values.dtype.type(0.25))
    by = weight.astype(values.dtype if weight.dtype == bool else "float64")
    total = _pool(np.where(by > 0, values, 0) * by, rows, columns, np.add)
    share = _pool(by, rows, columns, np.add)
    return np.asarray(np.divide(total, share, out=np.zeros_like(total), where=share > 0))


def _around(values: Array, reach: int, choose: Callable[..., Array]) -> Array:
    """The lowest or highest of what lies up to ``reach`` pixels away, diagonally too."""
    for axis in (0, 1):
        out = values.copy()
        for step in range(1, min(reach, values.shape[axis] - 1) + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            choose(out[tuple(behind)], values[tuple(ahead)], out=out[tuple(behind)])
            choose(out[tuple(ahead)], values[tuple(behind)], out=out[tuple(ahead)])
        values = out
    return values

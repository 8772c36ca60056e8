"""Does each overview of a finished file show what the level above it shows?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilery.publishing import rasters, validity
from tilery.publishing.progress import Advance
from tilery.publishing.verification.level_check import LevelCheck, Sums, pixels_above
from tilery.publishing.windows import in_order, panels
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window


def pixels(profile: Profile) -> int:
    """Return pixels that `need_true_overviews` looks at: those of all overviews."""
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
        seen = LevelCheck(profile, resampling, factor, lossless=lossless)
        _compare(path, level, seen, advance)
        seen.need_right()


def _compare(path: Path, level: int, seen: LevelCheck, advance: Advance) -> None:
    from rasterio.windows import Window

    profile = seen.profile
    handles = rasters.Handles(lambda: _pair(path, level))

    def work(window: Window) -> list[Sums]:
        with handles.borrow() as (above, below):
            sizes = (above.width, above.height), (below.width, below.height)
            rows, columns = pixels_above(window, *sizes)
            over = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            source, made = validity.read(above, profile, over), validity.read(below, profile, window)
            return seen.compare(source, made, window, *sizes)

    with rasters.failures(path.parent), rasters.environment(), ExitStack() as stack:
        stack.callback(handles.close)
        with _pair(path, level) as (_, below):
            pixel_bytes = len(profile.data_bands) * profile.dtype.itemsize * 5
            windows = list(panels(below.width, below.height, pixel_bytes))
        for window, found in in_order(windows, work):
            seen.add(found)
            advance(int(window.width * window.height))


@contextmanager
def _pair(path: Path, level: int) -> Iterator[Any]:
    with ExitStack() as stack:
        yield (
            stack.enter_context(rasters.reading(path, overview=level - 1 if level else None)),
            stack.enter_context(rasters.reading(path, overview=level)),
        )

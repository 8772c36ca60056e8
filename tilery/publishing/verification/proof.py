"""Does the raster that was made show what its source shows? Asked before anything is switched to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tilery.publishing import kinds
from tilery.publishing.plan import PublishPlan
from tilery.publishing.progress import Advance
from tilery.publishing.subprocess_work import apart
from tilery.publishing.tiff.copied import need_same_blocks
from tilery.publishing.verification import overview_levels, served_tiles, valid_area
from tilery.reading.profile import Profile

_LARGE = 256 << 20
"""Bytes of pixels from which on a process of its own is worth the second that it takes to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedLevels:
    """Files of a raster and its overviews whose blocks a finished file is to have."""

    levels: Sequence[tuple[Path, Path | None]]
    """Each with that of its mask."""
    sums: Mapping[str, int]
    """Check sums of their blocks as they were compressed, by the names of the files."""


def need_right(
    planned: PublishPlan, source: Path, target: Path, profile: Profile, copied: CopiedLevels | None, advance: Advance
) -> None:
    """Check that a finished file shows what its source shows, at every zoom.

    Of a large raster that is done in a process of its own: the memory of the one that made the file lies in pieces by
    then, and the engine needs more.

    Args:
        planned: what was to be done.
        source: the raster that was to be published.
        target: the finished file.
        profile: its facts.
        copied: what its blocks were copied from, checked when it was made. None: it was made otherwise.
        advance: called with pixels, `overview_levels.pixels` of them in all.

    Raises:
        BrokenRaster: it does not, or that cannot be said.
    """
    lossless = planned.compression.lossless
    area = (source, planned.original, target, profile)
    zooms = (planned.minzoom, planned.zoom)
    resampling = kinds.OVERVIEWS[planned.kind] if copied is None else None
    if copied is not None:
        need_same_blocks(copied.levels, copied.sums, target)
        advance(overview_levels.pixels(profile))
    if planned.raw_bytes > _LARGE:
        apart(_valid, *area, *zooms, resampling, lossless, advance=advance)
    else:
        _valid(*area, *zooms, resampling, lossless, advance)


def _valid(
    source: Path,
    original: Profile,
    target: Path,
    profile: Profile,
    minzoom: int,
    zoom: int,
    resampling: str | None,
    lossless: bool,
    advance: Advance,
) -> None:
    """Check overviews, where the method of their resampling is given, what is valid, and tiles."""
    if resampling is not None:
        overview_levels.need_true_overviews(target, profile, resampling, advance, lossless=lossless)
    points = valid_area.need_same_area(source, original, target, profile)
    served_tiles.need_tiles(target, profile, minzoom, zoom, points, lossless)

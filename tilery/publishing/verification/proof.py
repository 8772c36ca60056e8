"""Does the raster that was made show what its source shows? Asked before anything is switched to it."""

from __future__ import annotations

from pathlib import Path

from tilery.publishing import kinds
from tilery.publishing.plan import PublishPlan
from tilery.publishing.progress import Advance
from tilery.publishing.subprocess_work import apart
from tilery.publishing.verification import overview_levels, served_tiles, valid_area
from tilery.reading.profile import Profile

_LARGE = 256 << 20
"""Bytes of pixels from which on a process of its own is worth the second that it takes to start."""


def need_right(planned: PublishPlan, source: Path, target: Path, profile: Profile, advance: Advance) -> None:
    """Check that a finished file shows what its source shows, at every zoom.

    Of a large raster that is done in processes of their own: the memory of the one that made the file lies in pieces
    by then, and the engine needs more.

    Args:
        planned: what was to be done.
        source: the raster that was to be published.
        target: the finished file.
        profile: its facts.
        advance: called with pixels, `levels.pixels` of them in all.

    Raises:
        BrokenRaster: it does not, or that cannot be said.
    """
    lossless = planned.compression.lossless
    proof = (source, planned.original, target, profile, kinds.OVERVIEWS[planned.kind], lossless)
    large = planned.raw_bytes > _LARGE
    points = apart(_valid, *proof, advance=advance) if large else _valid(*proof, advance)
    tiles = (target, profile, planned.minzoom, planned.zoom, points, lossless)
    if large:
        apart(served_tiles.need_tiles, *tiles)
    else:
        served_tiles.need_tiles(*tiles)


def _valid(
    source: Path,
    original: Profile,
    target: Path,
    profile: Profile,
    resampling: str,
    lossless: bool,
    advance: Advance,
) -> valid_area.Points:
    """Check everything but tiles; return where the raster is valid."""
    overview_levels.need_true_overviews(target, profile, resampling, advance, lossless=lossless)
    return valid_area.need_same_area(source, original, target, profile)

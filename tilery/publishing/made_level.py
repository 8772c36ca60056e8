"""A raster written window by window, by all cores: its blocks, its mask's, those of its first overview, and how often
each value occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.counting import ValueCounts
from tilery.publishing.first_overview import Part, can_be_made, first_overview
from tilery.publishing.overviews import mask_file
from tilery.publishing.progress import Advance
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.tiff.level_writer import Blocks, Taken, writing_level, writing_mask
from tilery.publishing.windows import in_order

if TYPE_CHECKING:
    from rasterio.io import DatasetWriter
    from rasterio.windows import Window

Made = tuple[Array | None, Array | None]
"""Pixels of a window, shape (bands, rows, columns), None where nothing is valid; and its mask, 0 where something is
missing, None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLevel:
    """What is known of a raster that was written."""

    whole: bool
    """Whether its mask, if it has one, says that everything is valid."""
    sums: Mapping[str, int]
    """Check sums of the blocks of its files, by their names."""
    counts: ValueCounts | None
    """How often each value occurs; None where that was not counted."""
    halved: bool
    """Whether its first overview was made and checked with it."""

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        counts = None if self.counts is None else self.counts.counts.tolist()
        return {"sums": dict(self.sums), "counts": counts, "halved": self.halved}


def make_level(
    target: Path,
    encoding: Encoding,
    describe: Callable[[DatasetWriter], None],
    windows: Iterable[Window],
    make: Callable[[Window], Made],
    advance: Advance,
    *,
    masked: bool,
    workers: int | None = None,
    overview: str | None = None,
    taken: Taken | None = None,
    **profile: Any,
) -> MadeLevel:
    """Write ``target``, its mask beside it and, where windows have whole blocks of it, the first overview of both.

    Args:
        target: a new GeoTIFF.
        encoding: of its blocks.
        describe: gives GDAL's dataset what its header is to say beside the profile.
        windows: which begin where blocks do, and end there or at the raster's edge.
        make: the pixels of a window, for any thread to make; it may be asked for some more around each.
        advance: called with pixels.
        masked: whether there is a mask.
        workers: threads. None: as many as cores.
        overview: how that overview is resampled. None: there is to be none.
        taken: returns blocks of the source that are as they would be made, after their window was.
        **profile: of the file, as rasterio wants it.

    Returns:
        What is known of it afterwards.
    """
    windows = list(windows)
    whole = True
    with ExitStack() as stack:
        level = stack.enter_context(writing_level(target, encoding, describe, **profile))
        place = {name: profile[name] for name in ("width", "height", "crs", "transform")}
        mask = stack.enter_context(writing_mask(mask_file(target), **place)) if masked else None
        found = replace(rasters.facts(target, checked=True), has_mask=masked)
        counts = ValueCounts.of(found)
        smaller = None
        if overview is not None and can_be_made(found, windows):
            smaller = stack.enter_context(first_overview(target, encoding, found, overview))

        def work(window: Window) -> tuple[Blocks, Blocks, bool, Any, Part | None]:
            around = window if smaller is None else smaller.around(window)
            data, said = make(around)
            if data is None:
                return (), (), False, None, None
            part = None if smaller is None else smaller.part(data, said, around, window)
            data, said = _cut(data, around, window), None if said is None else _cut(said, around, window)
            counted = counts.counted(data, said) if counts is not None else None
            blocks = level.encoded(data, window, taken)
            if said is None or mask is None:
                return blocks, (), True, counted, part
            return blocks, mask.encoded(said[None], window), bool(np.all(said)), counted, part

        for window, (blocks, of_mask, full, counted, part) in in_order(windows, work, workers):
            level.write(blocks)
            if mask is not None:
                mask.write(of_mask)
            if part is not None:
                part.write()
            if counts is not None and counted is not None:
                counts.add(counted)
            whole = whole and full
            advance(int(window.width * window.height))
    sums = {target.name: level.sum()} | ({mask_file(target).name: mask.sum()} if mask is not None else {})
    if smaller is not None:
        sums |= smaller.sums()
    return MadeLevel(whole=whole, sums=sums, counts=counts, halved=smaller is not None)


def _cut(pixels: Array, around: Window, window: Window) -> Array:
    """Return a window out of one around it."""
    top, left = int(window.row_off - around.row_off), int(window.col_off - around.col_off)
    return pixels[..., top : top + int(window.height), left : left + int(window.width)]

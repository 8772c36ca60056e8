"""A raster written window by window, by all cores: its blocks, its mask's, and how often each value occurs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.geo.raster import Array
from tilery.publishing.counting import ValueCounts
from tilery.publishing.overviews import mask_file
from tilery.publishing.progress import Advance
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.tiff.level_writer import Blocks, writing_level, writing_mask
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

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        return {"sums": dict(self.sums), "counts": None if self.counts is None else self.counts.counts.tolist()}


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
    **profile: Any,
) -> MadeLevel:
    """Write ``target``, and its mask beside it.

    Args:
        target: a new GeoTIFF.
        encoding: of its blocks.
        describe: gives GDAL's dataset what its header is to say beside the profile.
        windows: which begin where blocks do, and end there or at the raster's edge.
        make: the pixels of a window, for any thread to make.
        advance: called with pixels.
        masked: whether there is a mask.
        workers: threads. None: as many as cores.
        **profile: of the file, as rasterio wants it.

    Returns:
        What is known of it afterwards.
    """
    whole = True
    with ExitStack() as stack:
        level = stack.enter_context(writing_level(target, encoding, describe, **profile))
        place = {name: profile[name] for name in ("width", "height", "crs", "transform")}
        mask = stack.enter_context(writing_mask(mask_file(target), **place)) if masked else None
        counts = ValueCounts.of(target, masked=masked)

        def work(window: Window) -> tuple[Blocks, Blocks, bool, Any]:
            data, said = make(window)
            if data is None:
                return (), (), False, None
            counted = counts.counted(data, said) if counts is not None else None
            if said is None or mask is None:
                return level.encoded(data, window), (), True, counted
            return level.encoded(data, window), mask.encoded(said[None], window), bool(np.all(said)), counted

        for window, (blocks, of_mask, full, counted) in in_order(windows, work, workers):
            level.write(blocks)
            if mask is not None:
                mask.write(of_mask)
            if counts is not None and counted is not None:
                counts.add(counted)
            whole = whole and full
            advance(int(window.width * window.height))
    sums = {target.name: level.sum()} | ({mask_file(target).name: mask.sum()} if mask is not None else {})
    return MadeLevel(whole=whole, sums=sums, counts=counts)

"""What a raster says of itself beyond its pixels, taken over into the published one: tags and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tilery.publishing import rasters

_STALE = ("STATISTICS_", "OVR_RESAMPLING_ALG", "LAYOUT", "OVERVIEWS_")
"""Beginnings of names that say something of the pixels as they were."""
_OF_THE_FILE = ("AREA_OR_POINT", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION", "TIFFTAG_RESOLUTIONUNIT")
_MOST_BYTES = 64 << 10
"""Of all tags: they stand at the head of the file, which every server reads first."""


def copy_tags(source: Path, driver: str, written: Any, bands: Sequence[int]) -> None:
    """Give a dataset the tags and units of a source, as many as a header has room for.

    Args:
        source: the source.
        driver: what it was opened as.
        written: the dataset, open for writing.
        bands: of the source, in the order in which they are written.
    """
    with rasters.reading(source, driver=driver) as dataset:
        whole = dataset.tags()
        of_bands = [dataset.tags(band) for band in bands]
        units = [dataset.units[band - 1] for band in bands]
    space = _MOST_BYTES
    chosen, space = _fitting(whole, space)
    if chosen:
        written.update_tags(**chosen)
    for number, (tags, unit) in enumerate(zip(of_bands, units, strict=True), 1):
        chosen, space = _fitting(tags, space)
        if chosen:
            written.update_tags(number, **chosen)
        if unit:
            written.set_band_unit(number, unit)


def _fitting(tags: Mapping[str, str], space: int) -> tuple[dict[str, str], int]:
    """Return tags to keep, and the space that they leave."""
    chosen = {}
    for name, value in tags.items():
        size = len(name.encode()) + len(value.encode()) + 32
        if name.startswith(_STALE) or name in _OF_THE_FILE or size > space:
            continue
        chosen[name] = value
        space -= size
    return chosen, space

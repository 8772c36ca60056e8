"""Is a file what was meant to be published? Asked of the finished file, before anybody can see it."""

from __future__ import annotations

from pathlib import Path

from tilery.errors import BrokenRaster
from tilery.publishing import rasters
from tilery.publishing.overviews import factors
from tilery.publishing.verification.written_blocks import whole
from tilery.reading.profile import Profile


def check(path: Path, *, width: int, height: int, bands: int, dtype: str, cloud_optimized: bool = True) -> Profile:
    """Return the facts of the finished file.

    Raises:
        BrokenRaster: it is not what was meant, or its parts do not stand in the order of a Cloud-Optimized GeoTIFF.
    """
    whole(path)
    found = rasters.facts(path, checked=True)
    wrong = [
        text
        for text, is_wrong in (
            ("size", (found.width, found.height) != (width, height)),
            ("number of bands", found.count != bands),
            ("data type", set(found.dtypes) != {dtype}),
            ("place", found.crs is None),
        )
        if is_wrong
    ]
    if cloud_optimized:
        wrong += _layout(path, found)
    if wrong:
        raise BrokenRaster(f"The file that was written has the wrong {', '.join(wrong)}; nothing was published.")
    return found


def _layout(path: Path, profile: Profile) -> list[str]:
    """Return what is wrong with the order of the file: https://docs.ogc.org/is/21-026/21-026.html."""
    wrong = []
    rows, columns = profile.block_shapes[0]
    large = max(profile.width, profile.height) > rasters.BLOCK
    if large and (rows, columns) != (rasters.BLOCK, rasters.BLOCK):
        wrong.append("block size")
    if large and profile.overviews != factors(profile.width, profile.height):
        wrong.append("overviews")
    with rasters.environment(), rasters.reading(path) as dataset:
        levels = [None, *range(len(profile.overviews))]
        headers = [int(dataset.get_tag_item("IFD_OFFSET", "TIFF", 1, ovr=level) or 0) for level in levels]
        blocks = [int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", 1, ovr=level) or 0) for level in levels]
    if headers != sorted(headers):
        wrong.append("order of headers")
    present = [block for block in blocks if block]
    if present != sorted(present, reverse=True) or (present and present[-1] < headers[-1]):
        wrong.append("order of overviews")
    return wrong

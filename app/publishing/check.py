"""Is a file what was meant to be published? Asked of the finished file, before anybody can see it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import BrokenRaster, CatalogError, SourceError, StoreFull
from app.publishing import rasters
from app.publishing.overviews import factors
from app.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader


def whole(path: Path) -> None:
    """Nothing, when every block of the file and of its overviews is there.

    GDAL tells nobody when a block that it kept for later cannot be written, as on a full disk; such a block reads as
    empty afterwards.

    Raises:
        StoreFull: it is not, and the disk is full.
        CatalogError: a block has no place, or one beyond the end of its file; or it cannot be opened at all.
    """
    try:
        _need_all_blocks(path)
    except SourceError as error:  # of our own making, so the source is not to blame
        private = f"{error.detail} {error.private or ''}"
        if shutil.disk_usage(path.parent).free < rasters.ROOM:
            raise StoreFull("The disk is full; nothing was published.", private=private) from error
        raise CatalogError("A file that was written cannot be read; nothing was published.", private=private) from error


def _need_all_blocks(path: Path) -> None:
    sidecar = path.with_name(f"{path.name}.ovr")
    with rasters.environment(), rasters.reading(path) as dataset:
        by_band = dataset.interleaving is not None and dataset.interleaving.name == "band"
        for band in dataset.indexes if by_band else (1,):
            levels = [None, *range(len(dataset.overviews(band)))]
            for level in levels:
                beside = level is not None and sidecar.exists()
                _need_blocks(dataset, band, level, (sidecar if beside else path).stat().st_size)


def _need_blocks(dataset: DatasetReader, band: int, level: int | None, size: int) -> None:
    factor = 1 if level is None else dataset.overviews(band)[level]
    rows, columns = dataset.block_shapes[band - 1] if level is None else (rasters.BLOCK, rasters.BLOCK)
    width, height = -(-dataset.width // factor), -(-dataset.height // factor)
    for row in range(-(-height // rows)):
        for column in range(-(-width // columns)):
            place = f"{column}_{row}"
            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", band, ovr=level)
            length = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", band, ovr=level)
            if not offset or not length or int(offset) + int(length) > size:
                raise BrokenRaster("A part of the file could not be written.")


def check(path: Path, *, width: int, height: int, bands: int, dtype: str, cloud_optimized: bool = True) -> Profile:
    """The facts of the finished file.

    Raises:
        BrokenRaster: it is not what was meant, or its parts do not stand in the order of a Cloud-Optimized GeoTIFF.
    """
    whole(path)
    found = rasters.facts(path)
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
    """What is wrong with the order of the file: https://docs.ogc.org/is/21-026/21-026.html."""
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

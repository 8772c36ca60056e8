"""Did every block of a file that was written reach the disk?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tilery.errors import BrokenRaster, CatalogError, SourceError, StoreFull
from tilery.publishing import rasters

if TYPE_CHECKING:
    from rasterio.io import DatasetReader


def whole(path: Path) -> None:
    """Check that every block of the file and of its overviews is there.

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
        if shutil.disk_usage(path.parent).free < rasters.SPARE_SPACE:
            raise StoreFull("The disk is full.", private=private) from error
        raise CatalogError("A file that was written cannot be read; nothing was published.", private=private) from error


def _need_all_blocks(path: Path) -> None:
    beside = path.with_name(f"{path.name}.ovr").exists()  # such overviews are files of their own
    with rasters.environment(), rasters.reading(path) as dataset:
        by_band = dataset.interleaving is not None and dataset.interleaving.name == "band"
        for band in dataset.indexes if by_band else (1,):
            for level in [None, *([] if beside else range(len(dataset.overviews(band))))]:
                _need_blocks(dataset, band, level, path.stat().st_size)


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

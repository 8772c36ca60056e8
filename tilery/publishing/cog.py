"""The file that is published: a Cloud-Optimized GeoTIFF made from a working file with its overviews and mask.

Where blocks are compressed without loss they are compressed once, when they are made, and copied here; the rest is
GDAL's.
"""

from __future__ import annotations

from pathlib import Path

from tilery.publishing import rasters
from tilery.publishing.overviews import level_file, mask_file
from tilery.publishing.profiles import Compression
from tilery.publishing.progress import Advance, growth
from tilery.publishing.rasters import BLOCK
from tilery.publishing.subprocess_work import apart_if_large
from tilery.publishing.tiff import assembled
from tilery.publishing.tiff.blocks import encoding


def cog(source: Path, target: Path, compression: Compression, dtype: str, expected: int, advance: Advance) -> None:
    """Write ``target``, headers first and small overviews before large.

    Args:
        source: a GeoTIFF with its overviews and, where something is missing, its mask.
        target: the new file.
        compression: how blocks are compressed.
        dtype: numpy's name of the type.
        expected: bytes that the file is expected to have.
        advance: called with bytes.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    target.unlink(missing_ok=True)
    if (levels := copied_levels(source, compression, dtype)) is not None:
        with rasters.failures(target.parent), growth([target], expected, advance):
            assembled.assemble(levels, target)
        return
    with growth([target], expected, advance):
        apart_if_large(source, _write, source, target, compression.options(dtype))


def copied_levels(source: Path, compression: Compression, dtype: str) -> list[tuple[Path, Path | None]] | None:
    """Return the files of a raster and its overviews, each with that of its mask, whose blocks are copied into the file
    to publish; None where GDAL makes it.
    """
    chosen = encoding(compression, dtype)
    if chosen is None:
        return None
    found: list[tuple[Path, Path | None]] = []
    while (path := level_file(source, len(found))).exists():
        if not assembled.can_be_copied(path, chosen):
            return None
        mask = mask_file(source, len(found))
        found.append((path, mask if mask.exists() else None))
    return found


def _write(source: Path, target: Path, options: dict[str, str]) -> None:
    from rasterio.shutil import copy

    with rasters.failures(target.parent), rasters.environment():
        copy(
            source,
            target,
            driver="COG",
            BLOCKSIZE=str(BLOCK),
            OVERVIEWS="FORCE_USE_EXISTING",
            BIGTIFF="IF_SAFER",
            NUM_THREADS="ALL_CPUS",
            STATISTICS="NO",
            **options,
        )

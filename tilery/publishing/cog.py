"""The file that is published: a Cloud-Optimized GeoTIFF made from a working file with its overviews and mask."""

from __future__ import annotations

from pathlib import Path

from tilery.publishing import rasters
from tilery.publishing.profiles import Compression
from tilery.publishing.progress import Advance, growth
from tilery.publishing.rasters import BLOCK
from tilery.publishing.subprocess_work import apart_if_large


def cog(source: Path, target: Path, compression: Compression, dtype: str, expected: int, advance: Advance) -> None:
    """Write ``target`` by GDAL's COG driver, which puts headers first and small overviews before large.

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
    with growth([target], expected, advance):
        apart_if_large(source, _write, source, target, compression.options(dtype))


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

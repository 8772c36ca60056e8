"""Smaller copies of a raster, each half as wide as the one before."""

from __future__ import annotations

from pathlib import Path

from app.publishing import rasters
from app.publishing.apart import apart_if_large
from app.publishing.progress import Advance, growth
from app.publishing.rasters import BLOCK

_WORKING = {"COMPRESS_OVERVIEW": "ZSTD", "ZSTD_LEVEL_OVERVIEW": "1"}


def factors(width: int, height: int, block: int = BLOCK) -> tuple[int, ...]:
    """Decimations until the whole raster is one block: 2, 4, 8…; none for a raster that is one already."""
    found = []
    factor = 2
    while max(width, height) * 2 > block * factor:
        found.append(factor)
        factor *= 2
    return tuple(found)


def overviews(
    path: Path,
    chosen: tuple[int, ...],
    resampling: str,
    advance: Advance,
    options: dict[str, str] | None = None,
    *,
    inside: bool = False,
) -> None:
    """Nothing; ``path.ovr`` (and ``path.msk.ovr`` where it has a mask beside it) was written.

    Args:
        path: a GeoTIFF.
        chosen: decimations.
        resampling: GDAL's name of a method for overviews.
        advance: called with bytes, `expected_bytes` of them in all.
        options: GDAL's settings for how overviews are compressed. None: for a file of one publish.
        inside: put them into the file itself, which a mask inside the file needs to get overviews too.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    beside = [path.with_name(f"{path.name}.ovr"), path.with_name(f"{path.name}.msk.ovr")]
    for leftover in beside:
        leftover.unlink(missing_ok=True)
    if not chosen:
        return
    settings = dict(options or _WORKING)
    settings |= {"TIFF_USE_OVR": "NO" if inside else "YES"}
    with growth([path] if inside else beside, expected_bytes(path), advance):
        apart_if_large(path, _build, path, chosen, resampling, settings)


def expected_bytes(path: Path) -> int:
    """About what the overviews of a file will take: a quarter, a sixteenth and so on."""
    return max(1, path.stat().st_blocks * 512 // 3)


def _build(path: Path, chosen: tuple[int, ...], resampling: str, options: dict[str, str]) -> None:
    from rasterio.enums import Resampling

    settings = {"GDAL_OVR_BLOCKSIZE": str(BLOCK), "BIGTIFF_OVERVIEW": "IF_SAFER"}
    with rasters.failures(path.parent), rasters.environment(**settings, **options), rasters.updating(path) as dataset:
        dataset.build_overviews(list(chosen), Resampling[resampling])

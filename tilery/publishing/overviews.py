"""Smaller copies of a raster, each half as wide as the one before and made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from tilery.geo.raster import Array
from tilery.publishing import rasters, validity
from tilery.publishing.downsampling import Side, halve, halve_alpha, side
from tilery.publishing.progress import Advance
from tilery.publishing.rasters import BLOCK
from tilery.publishing.subprocess_work import apart_if_large
from tilery.publishing.verification.written_blocks import whole
from tilery.publishing.windows import in_order, panels
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window

_WORKING = {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "1"}
_ROWS = 64
"""Rows of an overview that are worked on at a time: what they need stays in the processor's cache."""


def factors(width: int, height: int, block: int = BLOCK) -> tuple[int, ...]:
    """Decimations until the whole raster is one block: 2, 4, 8…; none for a raster that is one already."""
    found = []
    factor = 2
    while max(width, height) * 2 > block * factor:
        found.append(factor)
        factor *= 2
    return tuple(found)


def pixels(width: int, height: int) -> int:
    """Pixels of all overviews of a raster."""
    return sum(-(-width // factor) * -(-height // factor) for factor in factors(width, height))


def level_file(path: Path, level: int) -> Path:
    """Where an overview is, from 1: each is the one before's own ``.ovr``, which GDAL takes for further overviews."""
    return path.with_name(f"{path.name}{'.ovr' * level}")


def mask_file(path: Path, level: int = 0) -> Path:
    """The same of the mask."""
    return path.with_name(f"{path.name}.msk{'.ovr' * level}")


def files(path: Path, levels: int) -> list[str]:
    """Names that `overviews` writes, those of masks included."""
    return [made(path, level).name for level in range(1, levels + 1) for made in (level_file, mask_file)]


@dataclass(frozen=True, slots=True)
class _Level:
    """A raster to make the next overview from."""

    path: Path
    mask: Path | None
    """Its mask; None: the file itself knows."""
    width: int
    height: int


def overviews(path: Path, levels: int, resampling: str, advance: Advance, *, beside: Path | None = None) -> None:
    """Write the overviews of a GeoTIFF, and of its mask, each as a file of its own (`level_file`, `mask_file`).

    Args:
        path: the raster.
        levels: how many, each half as wide as the one before.
        resampling: one of `tilery.publishing.downsampling.METHODS`.
        advance: called with pixels, `pixels` of them in all.
        beside: the path to name the files after. None: the raster's own.

    Raises:
        BrokenRaster, CatalogError, StoreFull: a part cannot be read or written.
    """
    beside = beside or path
    profile = rasters.facts(path, checked=True)
    above = _Level(path, None, profile.width, profile.height)
    for level in range(1, levels + 1):
        masked = validity.has_mask(profile)
        below = _Level(
            level_file(beside, level),
            mask_file(beside, level) if masked else None,
            -(-above.width // 2),
            -(-above.height // 2),
        )
        for stale in (below.path, mask_file(beside, level)):
            stale.unlink(missing_ok=True)
        _make(above, below, profile, resampling, advance)
        for made in (below.path, below.mask):
            if made is not None:
                whole(made)
        above = below


def _make(above: _Level, below: _Level, profile: Profile, resampling: str, advance: Advance) -> None:
    dtype = profile.dtype
    handles = rasters.Handles(lambda: _opened(above))
    windows = panels(below.width, below.height, profile.count * dtype.itemsize * 5)

    def work(window: Window) -> tuple[Array, Array | None]:
        with handles.borrow() as (dataset, mask):
            return _piece(dataset, mask, above, below, profile, window, resampling)

    place = Affine.scale(above.width / below.width, above.height / below.height)  # rasterio warns of files without any
    shape = {"width": below.width, "height": below.height, "transform": place}
    with rasters.failures(below.path.parent), rasters.environment(), ExitStack() as stack:
        stack.callback(handles.close)
        nodata = profile.usable_nodata
        written = stack.enter_context(
            rasters.writing(below.path, count=profile.count, dtype=dtype.name, nodata=nodata, **shape, **_WORKING)
        )
        mask = None
        if below.mask is not None:
            mask = stack.enter_context(rasters.writing(below.mask, count=1, dtype="uint8", **shape, **_WORKING))
            mask.update_tags(INTERNAL_MASK_FLAGS_1="2")  # GDAL's word for a mask of all bands; it looks for it here too
        for window, (data, there) in in_order(windows, work):
            written.write(data, window=window)
            if mask is not None and there is not None:
                mask.write(there, 1, window=window)
            advance(int(window.width * window.height))


@contextmanager
def _opened(level: _Level) -> Iterator[Any]:
    with ExitStack() as stack:
        dataset = stack.enter_context(rasters.reading(level.path))
        yield dataset, stack.enter_context(rasters.reading(level.mask)) if level.mask else None


def _piece(
    dataset: Any, mask: Any, above: _Level, below: _Level, profile: Profile, window: Window, resampling: str
) -> tuple[Array, Array | None]:
    """A window of an overview: all bands, and its mask where it has one (0 or 255)."""
    top, left = int(window.row_off), int(window.col_off)
    height, width = int(window.height), int(window.width)
    rows = side(resampling, above.height, below.height, top, top + height)
    columns = side(resampling, above.width, below.width, left, left + width)
    found = _edged(dataset, mask, above, profile, rows, columns)
    weight = found.weight()
    data = np.empty((profile.count, height, width), profile.dtype)
    there = np.empty((height, width), "uint8") if validity.has_mask(profile) else None
    bands = [band - 1 for band in profile.data_bands]
    nodata, filler = profile.usable_nodata, validity.filler(profile)
    for first in range(0, height, _ROWS):
        last = min(height, first + _ROWS)
        strip = side(resampling, above.height, below.height, top + first, top + last)
        needed = slice(strip.start - rows.start, strip.stop - rows.start)
        of_strip = None if weight is None else weight[:, needed]
        values, known = halve(found.data[:, needed], of_strip, strip, columns, resampling, nodata)
        if known is not None:
            np.copyto(values, np.asarray(filler).astype(values.dtype), where=~known)
        data[bands, first:last] = values
        if found.alpha is not None and profile.alpha_band is not None:
            data[profile.alpha_band - 1, first:last] = halve_alpha(found.alpha[needed], strip, columns, resampling)
        if there is not None:
            there[first:last] = 255 if known is None else np.where(known[0], 255, 0)
    return data, there


def _edged(
    dataset: Any, mask: Any, level: _Level, profile: Profile, rows: Side, columns: Side
) -> validity.WindowPixels:
    """What the sides ask for; beyond the raster's edges its outermost pixels again."""
    from rasterio.windows import Window

    top, bottom = max(0, rows.start), min(level.height, rows.stop)
    left, right = max(0, columns.start), min(level.width, columns.stop)
    found = validity.read(dataset, profile, Window(left, top, right - left, bottom - top), mask=mask)
    around = ((top - rows.start, rows.stop - bottom), (left - columns.start, columns.stop - right))
    if not any(map(any, around)):
        return found

    def grown(array: Array | None) -> Any:
        return None if array is None else np.pad(array, (*[(0, 0)] * (array.ndim - 2), *around), mode="edge")

    return validity.WindowPixels(data=grown(found.data), alpha=grown(found.alpha), valid=grown(found.valid))


def sidecar(path: Path, levels: int, resampling: str, advance: Advance) -> None:
    """Write ``path.ovr``, and ``path.msk.ovr`` where it has a mask, in place of those there were.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    part = path.with_name(f".part-{path.name}")
    level_file(path, 1).unlink(missing_ok=True)
    mask_file(path, 1).unlink(missing_ok=True)
    try:
        overviews(path, levels, resampling, advance, beside=part)
        join(part, path, {"COMPRESS": "DEFLATE"})
    finally:
        for name in files(part, levels):
            path.with_name(name).unlink(missing_ok=True)


def join(path: Path, target: Path, options: dict[str, str]) -> None:
    """Write one file, with its mask's beside it, from the overviews of a raster: what GDAL calls external ones.

    Args:
        path: the path that `overviews` named its files after.
        target: the raster that they are to belong to: ``target.ovr`` and, where there are masks, ``target.msk.ovr``.
        options: GDAL's creation options for how they are compressed.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    for source, joined in ((level_file(path, 1), level_file(target, 1)), (mask_file(path, 1), mask_file(target, 1))):
        part = joined.with_name(f".joined-{joined.name}")
        joined.unlink(missing_ok=True)
        if source.exists():
            apart_if_large(source, _join, source, part, options)
            part.replace(joined)


def _join(source: Path, target: Path, options: dict[str, str]) -> None:
    from rasterio.shutil import copy

    tiled = {"TILED": "YES", "BLOCKXSIZE": str(BLOCK), "BLOCKYSIZE": str(BLOCK), "BIGTIFF": "IF_SAFER"}
    with rasters.failures(target.parent), rasters.environment():
        copy(source, target, driver="GTiff", COPY_SRC_OVERVIEWS="YES", **tiled, **options)


def inside(path: Path, chosen: tuple[int, ...], resampling: str) -> None:
    """Let GDAL put overviews into a GeoTIFF itself, which a mask inside the file needs to get overviews too.

    GDAL's cubic kernels wear such masks away, so that a mean stands for them.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    apart_if_large(path, _inside, path, chosen, "mode" if resampling == "mode" else "average")


def _inside(path: Path, chosen: tuple[int, ...], resampling: str) -> None:
    from rasterio.enums import Resampling

    settings = {
        "GDAL_OVR_BLOCKSIZE": str(BLOCK),
        "BIGTIFF_OVERVIEW": "IF_SAFER",
        "COMPRESS_OVERVIEW": "DEFLATE",
        "TIFF_USE_OVR": "NO",
    }
    with rasters.failures(path.parent), rasters.environment(**settings), rasters.updating(path) as dataset:
        dataset.build_overviews(list(chosen), Resampling[resampling])

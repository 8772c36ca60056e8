"""Smaller copies of a raster, each half as wide as the one before and made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affine import Affine

from tilery.publishing import rasters, validity
from tilery.publishing.halving import Halving, edged
from tilery.publishing.progress import Advance
from tilery.publishing.rasters import BLOCK
from tilery.publishing.subprocess_work import apart_if_large
from tilery.publishing.tiff.blocks import WORKING, Encoding
from tilery.publishing.tiff.level_writer import Blocks, writing_level, writing_mask
from tilery.publishing.tiff.tiled_reader import TiledReader, reading_tiles
from tilery.publishing.verification.level_check import LevelCheck, Sums
from tilery.publishing.verification.written_blocks import whole
from tilery.publishing.windows import in_order, panels
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window


def factors(width: int, height: int, block: int = BLOCK) -> tuple[int, ...]:
    """Return decimations until the whole raster is one block: 2, 4, 8…; none for a raster that is one already."""
    found = []
    factor = 2
    while max(width, height) * 2 > block * factor:
        found.append(factor)
        factor *= 2
    return tuple(found)


def pixels(width: int, height: int) -> int:
    """Return pixels of all overviews of a raster."""
    return sum(-(-width // factor) * -(-height // factor) for factor in factors(width, height))


def level_file(path: Path, level: int) -> Path:
    """Return where an overview is, from 1: each is the one before's own ``.ovr``, which GDAL takes for further
    overviews.
    """
    return path.with_name(f"{path.name}{'.ovr' * level}")


def mask_file(path: Path, level: int = 0) -> Path:
    """Return the same of the mask."""
    return path.with_name(f"{path.name}.msk{'.ovr' * level}")


def files(path: Path, levels: int) -> list[str]:
    """Return names that `overviews` writes, those of masks included."""
    return [made(path, level).name for level in range(1, levels + 1) for made in (level_file, mask_file)]


@dataclass(frozen=True, slots=True)
class _Level:
    """A raster to make the next overview from."""

    path: Path
    mask: Path | None
    """Its mask; None: the file itself knows."""
    width: int
    height: int


def overviews(
    path: Path,
    levels: int,
    resampling: str,
    advance: Advance,
    *,
    beside: Path | None = None,
    encoding: Encoding = WORKING,
    checked: bool = False,
    first: int = 1,
) -> dict[str, int]:
    """Write the overviews of a GeoTIFF, and of its mask, each as a file of its own (`level_file`, `mask_file`).

    Args:
        path: the raster.
        levels: how many, each half as wide as the one before.
        resampling: one of `tilery.publishing.downsampling.METHODS`.
        advance: called with pixels, `pixels` of them in all.
        beside: the path to name the files after. None: the raster's own.
        encoding: how their blocks are compressed.
        checked: hold the pixels of each against those of the level above, while both are at hand.
        first: the level to begin with; those before it are there.

    Returns:
        Check sums of the blocks of each file, by its name.

    Raises:
        BrokenRaster, CatalogError, StoreFull: a part cannot be read or written, or an overview shows something else.
    """
    beside = beside or path
    profile = rasters.facts(path, checked=True)
    sums: dict[str, int] = {}
    above = _Level(path, None, profile.width, profile.height)
    for level in range(1, levels + 1):
        masked = validity.has_mask(profile)
        below = _Level(
            level_file(beside, level),
            mask_file(beside, level) if masked else None,
            -(-above.width // 2),
            -(-above.height // 2),
        )
        if level < first:
            above = below
            continue
        for stale in (below.path, mask_file(beside, level)):
            stale.unlink(missing_ok=True)
        check = LevelCheck(profile, resampling, 2**level, lossless=True) if checked else None
        halving = Halving(profile, resampling, above.width, above.height)
        sums |= _make(above, below, halving, encoding, check, advance)
        if check is not None:
            check.need_right()
        for made in (below.path, below.mask):
            if made is not None:
                whole(made)
        above = below
    return sums


def _make(
    above: _Level, below: _Level, halving: Halving, encoding: Encoding, check: LevelCheck | None, advance: Advance
) -> dict[str, int]:
    profile = halving.profile
    dtype = profile.dtype
    windows = panels(below.width, below.height, profile.count * dtype.itemsize * 5)
    place = Affine.scale(above.width / below.width, above.height / below.height)  # rasterio warns of files without any
    shape: dict[str, Any] = {"width": below.width, "height": below.height, "transform": place}
    with rasters.failures(below.path.parent), rasters.environment(GDAL_NUM_THREADS="1"), ExitStack() as stack:
        borrow = _lending(above, profile, stack, own=check is not None)
        nodata = profile.usable_nodata
        written = stack.enter_context(
            writing_level(below.path, encoding, count=profile.count, dtype=dtype.name, nodata=nodata, **shape)
        )
        mask = stack.enter_context(writing_mask(below.mask, **shape)) if below.mask is not None else None

        def work(window: Window) -> tuple[Blocks, Blocks, list[list[Sums]]]:
            with borrow() as (dataset, of_mask):
                source = _source(dataset, of_mask, halving, window)
            data, there = halving.made(source, window)
            sums = [] if check is None else halving.compared(check, source, data, there, window)
            of_there = mask.encoded(there[None], window) if mask is not None and there is not None else ()
            return written.encoded(data, window), of_there, sums

        for window, (data, there, sums) in in_order(windows, work):
            written.write(data)
            if mask is not None:
                mask.write(there)
            if check is not None:
                for part in sums:
                    check.add(part)
            advance(int(window.width * window.height))
    found = {below.path.name: written.sum()}
    return found if mask is None or below.mask is None else found | {below.mask.name: mask.sum()}


def _lending(
    level: _Level, profile: Profile, stack: ExitStack, *, own: bool
) -> Callable[[], AbstractContextManager[tuple[Any, Any]]]:
    """Return a function that lends a thread a dataset of a level and, where that is a file of its own, its mask's.

    Args:
        level: which.
        profile: of the raster.
        stack: closes them.
        own: whether the files are of our own making, and are read without GDAL where that can be.
    """
    if own:
        mask = (level.mask or mask_file(level.path)) if validity.has_mask(profile) else None
        found = stack.enter_context(reading_tiles(level.path, profile.dtype, profile.count, mask))
        if found is not None:
            return lambda: nullcontext((found, found.mask if level.mask else None))
    handles = rasters.Handles(lambda: _opened(level))
    stack.callback(handles.close)
    return handles.borrow


@contextmanager
def _opened(level: _Level) -> Iterator[Any]:
    with ExitStack() as stack:
        dataset = stack.enter_context(rasters.reading(level.path))
        yield dataset, stack.enter_context(rasters.reading(level.mask)) if level.mask else None


def _source(dataset: Any, mask: Any, halving: Halving, window: Window) -> validity.WindowPixels:
    """Return what a window of an overview is made of; beyond the edges of the level above it its outermost pixels
    again.
    """
    from rasterio.windows import Window as Above

    rows, columns = halving.sides(window)
    if isinstance(dataset, TiledReader):  # which does so itself, without a copy
        over = Above(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        return validity.read(dataset, halving.profile, over, mask=mask)
    top, bottom = max(0, rows.start), min(halving.height, rows.stop)
    left, right = max(0, columns.start), min(halving.width, columns.stop)
    found = validity.read(dataset, halving.profile, Above(left, top, right - left, bottom - top), mask=mask)
    return edged(found, ((top - rows.start, rows.stop - bottom), (left - columns.start, columns.stop - right)))


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

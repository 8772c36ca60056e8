"""Grids filled from blocks by our own reader: see `tilery.reading.grid_reader.GridReader`."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import TooMuchWork
from tilery.geo.raster import Array, Grid
from tilery.reading import footprint, masks
from tilery.reading.grid import blocks, kernels, sampling
from tilery.reading.grid.coordinates import Placement, Placer
from tilery.reading.grid.image import BlockImage, Level
from tilery.reading.grid.windows import BlockReader, Patch, Window
from tilery.reading.grid.workers import Workers
from tilery.reading.grid_reader import Pixels
from tilery.reading.profile import Profile
from tilery.storage.bytes.protocol import ByteSource

METHODS = frozenset({"nearest"}) | kernels.METHODS
"""Resamplings that are done here; GDAL knows the others."""


_AT_ONCE = 64 << 20
"""Bytes of decoded blocks that a grid may need; one that needs more is filled in parts to bound memory."""
_BLOCK_OVERHEAD = 4096
"""Bytes that a block costs beside its samples while it is fetched and decoded: all there is to blocks of a few pixels.
"""
_PER_PIXEL, _PER_BAND = 24, 12
"""Bytes for each pixel of a grid that a kernel takes in another CRS, and for each of its bands: two thirds of them."""
_SMALL = 1024
"""Pixels of a grid that is not cut any more."""
_WINDOWS = 8 * _AT_ONCE
"""Bytes of all windows of a read by a kernel, as floating point: a small grid may lie on much of the raster."""
_WIDEST = 1 << 16
"""Pixels of the raster to one of the grid for which a kernel is still made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filling:
    """Values for a part of the grid."""

    rows: slice
    columns: slice
    data: Array
    """Shape (rows, columns, bands)."""
    valid: NDArray[np.bool_] | None
    """True where the raster has a pixel and its mask, if any, says it is valid. None: everywhere."""


class BlockGridReader:
    """Fills grids from one raster made of blocks. Safe under threads."""

    def __init__(
        self,
        source: ByteSource,
        profile: Profile,
        levels: Sequence[Level],
        *,
        sparse: float,
        cache: blocks.BlockCache,
        workers: Workers,
    ) -> None:
        """Read the raster of a source.

        Args:
            source: its bytes.
            profile: what it says of itself.
            levels: the full raster, then its overviews, each smaller than the one before.
            sparse: value of blocks that are not stored.
            cache: keeps decoded blocks.
            workers: decode blocks side by side where cores are idle.
        """
        self.levels = levels
        self._profile = profile
        self._reader = BlockReader(source, cache, workers)
        self._placer = Placer(profile)
        self._sparse = sparse
        self._last = threading.local()

    def takes(self, method: str) -> bool:
        """Return True when a resampling is done here."""
        return method in METHODS

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled with the bands asked for; see `tilery.reading.grid_reader.GridReader.read`."""
        placement = self._place(grid)
        level = self._level(placement, method)
        if self._at_once(grid, placement, level, bands, method) > _AT_ONCE and grid.width * grid.height > _SMALL:
            return self._by_halves(grid, level, bands, nodata, method)
        return self._fill(grid, placement, level, bands, nodata, method)

    def fetch(self, grids: Sequence[Grid], *, bands: tuple[int, ...], method: str) -> None:
        """Have the blocks of small grids in memory at once; see `tilery.reading.grid_reader.Fetching.fetch`."""
        wanted: dict[int, tuple[Level, dict[tuple[int, int], sampling.Target]]] = {}
        for grid in grids:
            placement = self._placer.place(grid)
            level = self._level(placement, method)
            image, targets = level.image, wanted.setdefault(level.image.position, (level, {}))[1]
            for piece in placement.pieces:
                needed = sampling.target(piece, image, self._scale_of(image))
                if needed is not None:
                    targets.setdefault((needed.top // image.tile_height, needed.left // image.tile_width), needed)
        for level, targets in wanted.values():
            planes = tuple(dict.fromkeys(band - 1 for band in bands)) if level.image.planar else (0,)
            self._patches(list(targets.values()), level.image, level.mask, planes)

    def _by_halves(self, grid: Grid, level: Level, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return a grid that is too large to be filled at once, cut along its longer side, again and again."""
        both, axis = halves(grid)
        parts = []
        for half in both:
            placement = self._placer.place(half)
            if self._at_once(half, placement, level, bands, method) > _AT_ONCE and half.width * half.height > _SMALL:
                parts.append(self._by_halves(half, level, bands, nodata, method))
            else:
                parts.append(self._fill(half, placement, level, bands, nodata, method))
        return joined(parts, axis)

    def _fill(
        self,
        grid: Grid,
        placement: Placement,
        level: Level,
        bands: tuple[int, ...],
        nodata: float | None,
        method: str,
    ) -> Pixels:
        """Return the grid filled from a level."""
        alpha_band = self._profile.alpha_band if nodata is None else None
        wanted = bands if alpha_band is None else (*bands, alpha_band)
        count, opaque = len(wanted), -1
        if method == "nearest" or (method in kernels.INTERPOLATING and self._on_centres(placement, level)):
            fillings = self._fill_nearest(placement, level, wanted, use_mask=nodata is None)
        else:
            fillings = self._fill_by_kernel(placement, level, wanted, nodata, alpha_band, method)
            if alpha_band is not None:
                count, opaque = count + 1, count  # see `_resampled`
        fill = 0.0 if nodata is None else nodata
        data, mask = _put_together(fillings, grid, count, level.image.dtype, fill)
        alpha = None
        if alpha_band is not None:
            mask = masks.opaque(data[opaque])
            data, alpha = data[: len(bands)], data[len(bands)]
        elif nodata is not None:
            mask = masks.valid(data, nodata)
        return Pixels(data=data, mask=mask, alpha=alpha)

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Return bytes of the blocks that the grid needs, decoded, and what handling them takes, from the
        header alone.
        """
        placement = self._place(grid)
        level = self._level(placement, "average")
        return self._bytes_of(placement, level, bands) + level.image.working_bytes

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:
        """Return bytes of memory that filling the grid takes at a time, beside the output; more than `_AT_ONCE` is done
        in parts.
        """
        placement = self._place(grid)
        at_once = min(self._at_once(grid, placement, self._level(placement, method), bands, method), _AT_ONCE)
        return at_once + grid.width * grid.height * len(bands) * self._profile.dtype.itemsize

    def _at_once(self, grid: Grid, placement: Placement, level: Level, bands: tuple[int, ...], method: str) -> int:
        """Return bytes that filling a grid takes when it is not done in parts: of its blocks, and of what a kernel
        makes of them, which counts in float32.
        """
        blocks_bytes = self._bytes_of(placement, level, bands)
        if method == "nearest":
            return blocks_bytes
        times = max(1, 4 // level.image.dtype.itemsize)
        weights = 0 if placement.same_crs else grid.width * grid.height * (_PER_PIXEL + _PER_BAND * len(bands))
        return max(blocks_bytes * times, weights)

    def _bytes_of(self, placement: Placement, level: Level, bands: tuple[int, ...]) -> int:
        """Return bytes of a level's blocks that a grid needs, decoded, and what handling them takes."""
        image = level.image
        planes = len({image.place_of(band - 1)[0] for band in set(bands)}) if image.planar else 1
        scale = self._scale_of(image)
        total = 0
        for piece in placement.pieces:
            low_x, high_x, low_y, high_y = piece.extent
            ends = (low_x * scale[0], high_x * scale[0], low_y * scale[1], high_y * scale[1])
            if not all(map(math.isfinite, ends)):
                continue
            across = _blocks_between(ends[0] - 4, ends[1] + 4, image.tile_width, image.width)
            down = _blocks_between(ends[2] - 4, ends[3] + 4, image.tile_height, image.height)
            total += across * down * planes * (image.block_bytes + _BLOCK_OVERHEAD)
        return total

    def _place(self, grid: Grid) -> Placement:
        """Return where the grid lies on the raster; kept for the next call of this thread, which is mostly for the same
        grid.
        """
        last: tuple[Grid, Placement] | None = getattr(self._last, "placed", None)
        if last is not None and last[0] == grid:
            return last[1]
        placement = self._placer.place(grid)
        self._last.placed = (grid, placement)
        return placement

    def _level(self, placement: Placement, method: str) -> Level:
        """Return the level that GDAL would read from."""
        levels = self.levels
        if not placement.same_crs:
            chosen = footprint.overview(self._profile, placement.detail, method)
            return levels[0 if chosen is None else chosen + 1]
        limit = min(placement.scale) * (1.2 if method == "nearest" else 1.0) + 0.1
        best, best_factor = levels[0], 1.0
        for level in levels[1:]:
            across, down = self._scale_of(level.image)
            factor = min(1 / across, 1 / down)
            if best_factor < factor < limit:
                best, best_factor = level, factor
        return best

    def _scale_of(self, image: BlockImage) -> tuple[float, float]:
        """Return pixels of an image to one of the full raster, across and down."""
        return (image.width / self._profile.width, image.height / self._profile.height)

    def _on_centres(self, placement: Placement, level: Level) -> bool:
        """Return True when the grid's pixels are those of the level, so that interpolation has nothing to do."""
        scale = self._scale_of(level.image)
        targets = (sampling.target(piece, level.image, scale) for piece in placement.pieces)
        return all(found is None or sampling.on_centres(found) for found in targets)

    def _fill_nearest(
        self, placement: Placement, level: Level, bands: tuple[int, ...], *, use_mask: bool
    ) -> list[_Filling]:
        """Return each part of the grid with its nearest pixels."""
        image, mask = level.image, level.mask if use_mask else None
        scale = self._scale_of(image)
        found = [needed for piece in placement.pieces if (needed := sampling.target(piece, image, scale)) is not None]
        planes = tuple(dict.fromkeys(band - 1 for band in bands)) if image.planar else (0,)
        patches = self._patches(found, image, mask, planes)
        fillings = []
        for index, needed in enumerate(found):
            sources = _sources(patches[index], bands, planar=image.planar)
            masked = mask is not None and not _all_valid(needed, patches[len(found) + index][0])
            if masked:
                sources.append(sampling.Wanted(patch=patches[len(found) + index][0], samples=(0,)))
            pixels, valid = sampling.nearest(needed, sources)
            if masked:
                valid = _and(valid, pixels.pop()[:, :, 0] != 0)
            data = _stacked(pixels, planes, bands) if image.planar else pixels[0]
            fillings.append(_Filling(rows=needed.rows, columns=needed.columns, data=data, valid=valid))
        return fillings

    def _patches(
        self, found: list[sampling.Target], image: BlockImage, mask: BlockImage | None, planes: tuple[int, ...]
    ) -> list[list[Patch]]:
        """Return the windows of all targets, a patch a plane; then, where there is a mask image, theirs in it."""
        windows = [_window(needed, image, planes, self._sparse) for needed in found]
        if mask is not None:
            windows += [_window(needed, mask, (0,), 0.0) for needed in found]
        return self._reader.read(windows) if windows else []

    def _fill_by_kernel(
        self,
        placement: Placement,
        level: Level,
        bands: tuple[int, ...],
        nodata: float | None,
        alpha_band: int | None,
        method: str,
    ) -> list[_Filling]:
        """Return each part of the grid with what a kernel makes of the pixels around."""
        image, mask = level.image, level.mask if nodata is None else None
        scale = self._scale_of(image)
        found = []
        chosen = []
        for piece in placement.pieces:
            across, down = piece.stretch(placement.scale)
            stretch = (across * scale[0], down * scale[1])
            if not max(stretch) <= _WIDEST:
                raise _too_coarse(_WIDEST)
            kernel = kernels.kernel(method, stretch)
            needed = sampling.target(piece, image, scale, kernel.reach)
            if needed is not None:
                found.append(needed)
                chosen.append(kernel)
        pixels = sum((needed.bottom - needed.top) * (needed.right - needed.left) for needed in found)
        if pixels * len(set(bands)) * np.dtype(np.float32).itemsize > _WINDOWS:
            raise _too_coarse(_WINDOWS)
        planes = tuple(dict.fromkeys(band - 1 for band in bands)) if image.planar else (0,)
        patches = self._patches(found, image, mask, planes)
        fillings = []
        for index, (needed, kernel) in enumerate(zip(found, chosen, strict=True)):
            shared = _inside_of(needed, image)
            if mask is not None and not _all_valid(needed, patches[len(found) + index][0]):
                shared = _and(shared, _window_of(needed, patches[len(found) + index][0], 0) != 0)
            values = {
                band: _window_of(needed, patches[index][planes.index(band - 1) if image.planar else 0], band - 1)
                for band in dict.fromkeys(bands)
            }
            fillings.append(_resampled(needed, kernel, bands, values, shared, nodata, alpha_band))
        return fillings


def _too_coarse(limit: int) -> TooMuchWork:
    return TooMuchWork(
        "This resampling would take too many pixels of the raster for each one of the output. Ask for less area or a "
        "larger picture, for nearest or average, or give the raster overviews.",
        parameter="resampling",
        limit=limit,
    )


def _inside_of(needed: sampling.Target, image: BlockImage) -> NDArray[np.bool_] | None:
    """True for pixels of a window that are pixels of the image. None: all are."""
    if needed.top >= 0 and needed.left >= 0 and needed.bottom <= image.height and needed.right <= image.width:
        return None
    inside = np.zeros((needed.bottom - needed.top, needed.right - needed.left), bool)
    inside[
        max(0, -needed.top) : image.height - needed.top,
        max(0, -needed.left) : image.width - needed.left,
    ] = True
    return inside


def _window_of(needed: sampling.Target, patch: Patch, sample: int) -> Array:
    """Return one band of a window: shape (rows, columns). What lies outside of the image is 0."""
    data = patch.data[:, :, sample if patch.data.shape[2] > 1 else 0]
    top, left = needed.top - patch.top, needed.left - patch.left
    height, width = needed.bottom - needed.top, needed.right - needed.left
    part = data[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    if part.shape == (height, width):
        return part
    padded = np.zeros((height, width), data.dtype)
    padded[max(0, -top) : max(0, -top) + part.shape[0], max(0, -left) : max(0, -left) + part.shape[1]] = part
    return padded


def _resampled(
    needed: sampling.Target,
    kernel: kernels.Kernel,
    bands: tuple[int, ...],
    values: dict[int, Array],
    shared: NDArray[np.bool_] | None,
    nodata: float | None,
    alpha_band: int | None,
) -> _Filling:
    """Return a part of the grid from the windows of its bands, and behind an alpha band that of the nearest pixels.

    A pixel is valid where the nearest one of the raster is, as in GDAL's warper: with alpha, where that is opaque.
    """
    weights: dict[int, Array | None] = dict.fromkeys(values, shared)
    if nodata is not None:
        weights = {band: _and(shared, masks.valid(window, nodata)) for band, window in values.items()}
    elif alpha_band is not None and (opacity := masks.opacity(values[alpha_band])) is not None:
        opacity = opacity if shared is None else opacity * shared
        weights = {band: opacity if band != alpha_band else shared for band in values}
    order = list(values)
    results = kernels.resample(
        needed, kernel, [kernels.BandWindow(values=values[band], weights=weights[band]) for band in order]
    )
    dtype = values[order[0]].dtype
    by_band: dict[int, Array] = {}
    for band, result in zip(order, results, strict=True):
        by_band[band] = kernels.rounded(result.values, dtype)
        if nodata is not None:
            valid = sampling.counted(needed, weights[band])
            masks.set_nodata(by_band[band], nodata, valid)
    stacked = [by_band[band] for band in bands]
    if alpha_band is not None:
        stacked.append(sampling.of_window(needed, values[alpha_band])[0])
    data = np.stack(stacked, axis=-1)
    valid = None if nodata is not None else sampling.counted(needed, shared)
    return _Filling(rows=needed.rows, columns=needed.columns, data=data, valid=valid)


def _sources(patches: list[Patch], bands: tuple[int, ...], *, planar: bool) -> list[sampling.Wanted]:
    """Return which samples to take from which patch."""
    if planar:
        return [sampling.Wanted(patch=patch, samples=(0,)) for patch in patches]
    return [sampling.Wanted(patch=patches[0], samples=tuple(band - 1 for band in bands))]


def _stacked(pixels: list[Array], planes: tuple[int, ...], bands: tuple[int, ...]) -> Array:
    """Return bands that were read apart as one array of shape (rows, columns, bands)."""
    by_plane = {plane: part[:, :, 0] for plane, part in zip(planes, pixels, strict=True)}
    return np.stack([by_plane[band - 1] for band in bands]).transpose(1, 2, 0)


def _all_valid(needed: sampling.Target, patch: Patch) -> bool:
    """Return True when a mask image says so of a whole window."""
    top, left = needed.top - patch.top, needed.left - patch.left
    height, width = needed.bottom - needed.top, needed.right - needed.left
    return bool(patch.data[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)].all())


def _window(needed: sampling.Target, image: BlockImage, planes: tuple[int, ...], fill: float) -> Window:
    return Window(
        image=image,
        top=max(0, needed.top),
        left=max(0, needed.left),
        bottom=min(image.height, needed.bottom),
        right=min(image.width, needed.right),
        planes=planes,
        fill=fill,
    )


def halves(grid: Grid) -> tuple[tuple[Grid, Grid], int]:
    """Return a grid cut in two along its longer side, and the axis of arrays that this is."""
    left, bottom, right, top = grid.bounds
    if grid.width >= grid.height:
        first = grid.width // 2
        middle = left + (right - left) * first / grid.width
        one = Grid(crs=grid.crs, bounds=(left, bottom, middle, top), width=first, height=grid.height)
        other = Grid(crs=grid.crs, bounds=(middle, bottom, right, top), width=grid.width - first, height=grid.height)
        return (one, other), -1
    first = grid.height // 2
    middle = top + (bottom - top) * first / grid.height
    one = Grid(crs=grid.crs, bounds=(left, middle, right, top), width=grid.width, height=first)
    other = Grid(crs=grid.crs, bounds=(left, bottom, right, middle), width=grid.width, height=grid.height - first)
    return (one, other), -2


def rows_of(grid: Grid, start: int, end: int) -> Grid:
    """Return some rows of a grid."""
    left, bottom, right, top = grid.bounds
    side = (top - bottom) / grid.height
    return Grid(
        crs=grid.crs, bounds=(left, top - end * side, right, top - start * side), width=grid.width, height=end - start
    )


def joined(parts: list[Pixels], axis: int) -> Pixels:
    """Return two halves of a grid put together again along an axis: -2 for rows, -1 for columns. Where one of them has
    a mask the result has one; both have opacity, or neither.
    """
    mask = None
    if any(part.mask is not None for part in parts):
        bands = max(1 if part.mask is None else part.mask.shape[0] for part in parts)
        shapes = [(bands, *part.data.shape[1:]) for part in parts]
        masks = [
            np.ones(shape, bool) if part.mask is None else np.broadcast_to(part.mask, shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]
        mask = np.concatenate(masks, axis=axis)
    alphas = [part.alpha for part in parts if part.alpha is not None]
    return Pixels(
        data=np.concatenate([part.data for part in parts], axis=axis),
        mask=mask,
        alpha=np.concatenate(alphas, axis=axis) if alphas else None,
    )


def _put_together(
    fillings: list[_Filling], grid: Grid, bands: int, dtype: np.dtype[Any], fill: float
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return data of shape (bands, rows, columns) and, where some pixels have none, a mask of shape (1,
    rows, columns).
    """
    if len(fillings) == 1:
        (only,) = fillings
        if only.data.shape[:2] == (grid.height, grid.width):
            if only.valid is None:
                return only.data.transpose(2, 0, 1), None
            data = only.data if only.data.flags.writeable else only.data.copy()
            data[~only.valid] = fill
            return data.transpose(2, 0, 1), only.valid[None]
    data = np.full((grid.height, grid.width, bands), fill, dtype)
    mask = np.zeros((grid.height, grid.width), bool)
    for part in fillings:
        area = (part.rows, part.columns)
        if part.valid is None:
            data[area] = part.data
            mask[area] = True
        else:
            np.copyto(data[area], part.data, where=part.valid[:, :, None])
            mask[area] = part.valid
    return data.transpose(2, 0, 1), mask[None]


def _and(first: NDArray[np.bool_] | None, second: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _blocks_between(low: float, high: float, block: int, size: int) -> int:
    """Return number of blocks along a side that a range of pixels touches."""
    first, last = max(0.0, low), min(size - 1.0, high)
    return 0 if last < first else int(last // block) - int(first // block) + 1

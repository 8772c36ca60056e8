"""Nearest pixels of a raster through GDAL, data and mask taken from the same places.

GDAL's own reads round a window that reaches beyond the raster to whole pixels, for data and mask apart: along such
edges a pixel may be valid and have no value. Its warps compare values with nodata as floating point, which takes
numbers of 32 and 64 bits for one another. Here places are worked out once, exactly; GDAL only hands out windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array, Grid
from tilery.limits import deadline
from tilery.reading import masks
from tilery.reading.grid import sampling
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.reader import halves, joined, rows_of
from tilery.reading.grid.windows import Patch
from tilery.reading.grid_reader import Pixels
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

_AT_ONCE = 32 << 20
"""Bytes of a window; a grid that needs a larger one is filled in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    width: int
    height: int


def nearest(
    dataset: DatasetReader,
    profile: Profile,
    placer: Placer,
    grid: Grid,
    bands: tuple[int, ...],
    nodata: float | None,
) -> Pixels:
    """Return the grid filled with the nearest pixels.

    Args:
        dataset: the raster, or one of its overviews.
        profile: of the full raster.
        placer: of the raster.
        grid: to fill.
        bands: numbers from 1.
        nodata: value that means missing, as in `tilery.reading.grid_reader.GridReader.read`.
    """
    deadline.check()
    size = _Size(width=dataset.width, height=dataset.height)
    scale = (size.width / profile.width, size.height / profile.height)
    placement = placer.place(grid)
    targets = [found for piece in placement.pieces if (found := sampling.target(piece, size, scale)) is not None]
    alpha_band = profile.alpha_band if nodata is None else None
    wanted = [*bands] if alpha_band is None else [*bands, alpha_band]
    masked = alpha_band is None and nodata is None and profile.has_mask
    needed = sum((found.bottom - found.top) * (found.right - found.left) for found in targets)
    if needed * len(wanted) * profile.dtype.itemsize > _AT_ONCE and grid.width * grid.height > 1:
        parts, axis = _cut(grid)
        return joined([nearest(dataset, profile, placer, part, bands, nodata) for part in parts], axis)
    data = np.full((len(wanted), grid.height, grid.width), 0 if nodata is None else nodata, profile.dtype)
    valid = np.zeros((grid.height, grid.width), bool)
    for found in targets:
        area = (found.rows, found.columns)
        pixels, inside = _taken(dataset, found, wanted, masked=masked)
        where = np.ones(found.shape, bool) if inside is None else inside
        np.copyto(data[:, *area], pixels, where=where)
        valid[area] |= where
    if nodata is not None:
        return Pixels(data=data, mask=masks.valid(data, nodata), alpha=None)
    if alpha_band is not None:
        return Pixels(data=data[:-1], mask=masks.opaque(data[-1]), alpha=data[-1])
    return Pixels(data=data, mask=None if valid.all() else valid[None], alpha=None)


def _cut(grid: Grid) -> tuple[tuple[Grid, Grid], int]:
    """Return a grid cut in two, and the axis of arrays that this is: rows from rows, so that strips are
    decoded once.
    """
    if grid.height == 1:
        return halves(grid)
    middle = grid.height // 2
    return (rows_of(grid, 0, middle), rows_of(grid, middle, grid.height)), -2


def _taken(
    dataset: DatasetReader, found: sampling.Target, bands: list[int], *, masked: bool
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return bands of a part of the grid, and where they are valid; None: everywhere."""
    from rasterio.windows import Window

    window = Window(found.left, found.top, found.right - found.left, found.bottom - found.top)

    def source(read: Array) -> sampling.Wanted:
        patch = Patch(data=np.ascontiguousarray(read.transpose(1, 2, 0)), top=found.top, left=found.left)
        return sampling.Wanted(patch=patch, samples=tuple(range(len(read))))

    sources = [source(dataset.read(bands, window=window))]
    if masked:
        sources.append(source(dataset.read_masks(bands[0], window=window)[None]))
    pixels, inside = sampling.nearest(found, sources)
    if masked:
        shown = pixels[1][:, :, 0] != 0
        inside = shown if inside is None else inside & shown
    return pixels[0].transpose(2, 0, 1), inside


def majority(values: Array, valid: NDArray[np.bool_] | None) -> tuple[Array, NDArray[np.bool_]]:
    """Return the value that is most frequent among the valid ones of each row of ``values``, the least of several that
    are; and in which rows anything is valid.

    Args:
        values: shape (rows, values of a row), of any type that can be sorted.
        valid: which of them count, of the same shape; None: all.

    Returns:
        Both of shape (rows,). Where nothing of a row is valid its value means nothing.
    """
    rows, count = values.shape
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    starts = np.ones((rows, count), bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    first = np.flatnonzero(starts)
    if valid is None:
        weights = np.diff(first, append=rows * count)
    else:
        counted = np.take_along_axis(valid, order, axis=1).ravel()
        weights = np.add.reduceat(counted.astype(np.intp), first)
    row = first // count
    most = np.maximum.reduceat(weights, np.flatnonzero(np.diff(row, prepend=-1)))
    best = np.flatnonzero(weights == most[row])
    chosen = best[np.flatnonzero(np.diff(row[best], prepend=-1))]
    return ordered.ravel()[first[chosen]], most > 0


def most_frequent(pixels: Pixels, times: int, nodata: float | None) -> Pixels:
    """Return pixels of ``times`` × ``times`` as one each, with the value that is most frequent among the valid ones.

    Args:
        pixels: rows and columns are multiples of ``times``.
        times: by how much rows and columns become fewer.
        nodata: what stands where none is valid. None: what a pixel without a valid value holds means nothing. A pixel
            is as opaque as the most opaque of those that it is made of.
    """
    bands, height, width = pixels.data.shape
    rows, columns = height // times, width // times

    def cells(array: Array) -> Array:
        cut = array.reshape(-1, rows, times, columns, times).transpose(0, 1, 3, 2, 4)
        return cut.reshape(len(array) * rows * columns, times * times)

    valid = None if pixels.mask is None else cells(np.broadcast_to(pixels.mask, pixels.data.shape))
    found, some = majority(cells(pixels.data), valid)
    data, known = found.reshape(bands, rows, columns), some.reshape(bands, rows, columns)
    alpha = None
    if pixels.alpha is not None:
        alpha = cells(pixels.alpha[None]).max(axis=1).reshape(rows, columns)
    if nodata is not None:
        data[~known] = nodata
        return Pixels(data=data, mask=None if known.all() else known, alpha=None)
    return Pixels(data=data, mask=None if known[0].all() else known[:1], alpha=alpha)

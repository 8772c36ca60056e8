"""Pixels of a grid from pixels of a raster: which one is nearest, or what a kernel makes of those around.

The kernels and their widening are those of GDAL's warper (https://gdal.org/programs/gdalwarp.html, ``-r``): where the
output is coarser than the raster, a kernel reaches as far as its pixels are wide, so that none is left out. A pixel
that is not valid has no weight, and what is left is made whole again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.raster import Array
from app.reading.cog.coordinates import Axes, Floats, Piece
from app.reading.cog.header import Image
from app.reading.cog.windows import Patch

_WHOLE_CHUNKS = (1, 2, 4, 8, 16, 32)
"""Bytes of a pixel that numpy's ``take`` moves in one step; others cost four times as much."""
_ON_THE_LINE = 1e-6
"""Pixels by which a position may miss the line between two pixels and still be taken to be on it."""

Bools = NDArray[np.bool_]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Which pixel of an image is nearest to each one of a piece of the grid."""

    rows: slice
    """Of the grid, those that may have a pixel."""
    columns: slice
    top: int
    """First row of the image that is needed, and so on: a window inside of the image."""
    left: int
    bottom: int
    right: int
    x: Indexes
    """Columns of the image counted from ``left``: shape (rows, columns), or (columns,) along axes."""
    y: Indexes
    """Rows of the image counted from ``top``: shape (rows, columns), or (rows, 1) along axes."""
    inside: Bools | None
    """True where the pixel lies on the image. None: all do."""


def nearest(piece: Piece, image: Image, scale: tuple[float, float]) -> Nearest | None:
    """The nearest pixels of an image, ``scale`` times the size of the full raster; None when none lies on it."""
    if isinstance(piece, Axes):
        return _nearest_along_axes(piece, image, scale)
    low_x, high_x, low_y, high_y = _scaled(piece.extent, scale)
    if not (high_x >= 0 and low_x < image.width and high_y >= 0 and low_y < image.height):
        return None
    left, right = max(0, math.floor(low_x)), min(image.width, math.floor(high_x) + 1)
    top, bottom = max(0, math.floor(low_y)), min(image.height, math.floor(high_y) + 1)
    x, y = piece.positions(scale, (left, top))
    if low_x >= 0 and low_y >= 0 and high_x < image.width and high_y < image.height and np.isfinite(x[0, 0]):
        inside = None
    else:
        inside = (x >= 0) & (x < right - left) & (y >= 0) & (y < bottom - top)
        if inside.all():
            inside = None
        elif not inside.any():
            return None
        else:
            x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    return Nearest(
        rows=piece.rows,
        columns=piece.columns,
        top=top,
        left=left,
        bottom=bottom,
        right=right,
        x=x.astype(np.intp),
        y=y.astype(np.intp),
        inside=inside,
    )


def _nearest_along_axes(piece: Axes, image: Image, scale: tuple[float, float]) -> Nearest | None:
    columns, x = _on(piece.columns, piece.xs * scale[0], image.width)
    rows, y = _on(piece.rows, piece.ys * scale[1], image.height)
    if not (x.size and y.size):
        return None
    left, right, top, bottom = int(x.min()), int(x.max()) + 1, int(y.min()), int(y.max()) + 1
    return Nearest(
        rows=rows,
        columns=columns,
        top=top,
        left=left,
        bottom=bottom,
        right=right,
        x=x - left,
        y=(y - top)[:, None],
        inside=None,
    )


def _on(side: slice, positions: Floats, size: int) -> tuple[slice, Indexes]:
    """Those of a side's positions that lie on an image, as whole pixels. They are one run: positions only rise or
    fall.
    """
    positions = positions + _ON_THE_LINE
    on = np.flatnonzero((positions >= 0) & (positions < size))
    if not on.size:
        return side, np.empty(0, np.intp)
    first, last = int(on[0]), int(on[-1]) + 1
    return slice(side.start + first, side.start + last), positions[first:last].astype(np.intp)


def _scaled(extent: tuple[float, float, float, float], scale: tuple[float, float]) -> tuple[float, float, float, float]:
    return (extent[0] * scale[0], extent[1] * scale[0], extent[2] * scale[1], extent[3] * scale[1])


def pick(found: Nearest, patch: Patch, samples: tuple[int, ...]) -> Array:
    """The samples asked for at the nearest pixels: shape (rows, columns, samples).

    A view of the patch where the grid runs along its pixels one by one.
    """
    data = patch.data
    across, down = _run(found.x), _run(found.y)
    if across is not None and down is not None:
        left, top = found.left - patch.left, found.top - patch.top
        window = data[_moved(down, top), _moved(across, left)]
        return _chosen(window, samples)
    width, count = data.shape[1], data.shape[2]
    flat = found.y * width
    flat += (found.top - patch.top) * width + found.left - patch.left
    flat = flat + found.x if flat.shape != found.x.shape else np.add(flat, found.x, out=flat)
    if count == 1:
        return _chosen(data.ravel().take(flat, mode="clip")[:, :, None], samples)
    if data.itemsize * count in _WHOLE_CHUNKS and len(samples) > 1:
        return _chosen(data.reshape(-1, count).take(flat, axis=0, mode="clip"), samples)
    values = data.ravel()
    flat *= count
    out = np.empty((*flat.shape, len(samples)), data.dtype)
    at = 0
    for place, sample in enumerate(samples):
        flat += sample - at
        at = sample
        out[:, :, place] = values.take(flat, mode="clip")
    return out


def _run(indexes: Indexes) -> slice | None:
    """Indexes along an axis as a slice, where each is one more, or one less, than the one before."""
    if indexes.ndim == 2 and indexes.shape[1] > 1:
        return None
    line = indexes.ravel()
    if line.size == 1:
        return slice(int(line[0]), int(line[0]) + 1)
    step = int(line[1] - line[0])
    first, last = int(line[0]), int(line[-1])
    if step not in (1, -1) or last - first != step * (line.size - 1) or not (np.diff(line) == step).all():
        return None
    return slice(first, last + step, step)


def _moved(run: slice, by: int) -> slice:
    stop = run.stop + by
    return slice(run.start + by, stop if stop >= 0 else None, run.step)


def _chosen(pixels: Array, samples: tuple[int, ...]) -> Array:
    """Some samples of pixels, without a copy where they are a run."""
    if len(samples) == pixels.shape[2] and samples == tuple(range(len(samples))):
        return pixels
    if samples == tuple(range(samples[0], samples[0] + len(samples))):
        return pixels[:, :, samples[0] : samples[0] + len(samples)]
    return pixels[:, :, list(samples)]

"""Pixels of a grid from pixels of a raster: which one is nearest.

Every array that is only needed on the way lives in buffers that a thread keeps: fresh memory costs more than what is
computed in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array
from tilery.reading.grid.buffers import buffer, strips
from tilery.reading.grid.pieces import Axes, Piece
from tilery.reading.grid.polynomials import Floats
from tilery.reading.grid.windows import Patch

_QUICK_SIZES = (2, 4, 8, 16)
"""Bytes of a pixel that numpy's ``take`` moves in one step."""
_ON_THE_LINE = 1e-6
"""Pixels by which a position may miss the line between two pixels and still be taken to be on it."""
_ON_CENTRE = 1e-4
"""The same for a position and the centre of a pixel."""
_INT32_SAMPLES = 1 << 30
"""Samples of a patch up to which int32 counts them, positions a little outside of it included."""
_FLOAT32_SPAN = 1024
"""Pixels along a window's side up to which float32 tells positions apart finely enough: to 1/16,000 of a pixel."""

Bools = NDArray[np.bool_]
Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A part of the grid, and the window of an image that it needs."""

    piece: Piece
    rows: slice
    """Of the grid, those that may have a pixel."""
    columns: slice
    top: int
    """First row of the image that is needed, and so on. Where a kernel reaches over an edge, so does the window."""
    left: int
    bottom: int
    right: int
    scale: tuple[float, float]
    inside: bool
    """True when every position is known to lie on the image."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the part."""
        return (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)


class Sized(Protocol):
    """What has a size: an image."""

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def height(self) -> int:
        """Rows."""
        ...


def target(piece: Piece, image: Sized, scale: tuple[float, float], reach: tuple[int, int] = (0, 0)) -> Target | None:
    """Return what a piece needs of an image, ``scale`` times the size of the full raster; None when it needs nothing.

    Args:
        piece: a part of the grid.
        image: where pixels are to come from.
        scale: pixels of the image to one of the full raster.
        reach: columns and rows that are needed around each position.
    """
    low_x, high_x, low_y, high_y = piece.extent
    low_x, high_x, low_y, high_y = low_x * scale[0], high_x * scale[0], low_y * scale[1], high_y * scale[1]
    if not (high_x >= 0 and low_x < image.width and high_y >= 0 and low_y < image.height):
        return None
    rows, columns = piece.rows, piece.columns
    if isinstance(piece, Axes):
        columns, low_x, high_x = _on(columns, piece.xs * scale[0], image.width)
        rows, low_y, high_y = _on(rows, piece.ys * scale[1], image.height)
        if columns.start == columns.stop or rows.start == rows.stop:
            return None
    # A kernel that reaches over an edge by more than a row, or a column along axes, finds the same nothing there again.
    over = min(reach[0], 1) if isinstance(piece, Axes) else reach[0], min(reach[1], 1)
    return Target(
        piece=piece,
        rows=rows,
        columns=columns,
        top=max(max(0, math.floor(low_y)) - reach[1], -over[1]),
        left=max(max(0, math.floor(low_x)) - reach[0], -over[0]),
        bottom=min(min(image.height, math.floor(high_y) + 1) + reach[1], image.height + over[1]),
        right=min(min(image.width, math.floor(high_x) + 1) + reach[0], image.width + over[0]),
        scale=scale,
        inside=low_x >= 0 and low_y >= 0 and high_x < image.width and high_y < image.height,
    )


def _on(side: slice, positions: Floats, size: int) -> tuple[slice, float, float]:
    """Return those of a side's positions that lie on an image, and the least and largest. They are one run: positions
    along an axis only rise or only fall.
    """
    moved = positions + _ON_THE_LINE
    on = np.flatnonzero((moved >= 0) & (moved < size))
    if not on.size:
        return slice(side.start, side.start), 0.0, 0.0
    first, last = int(on[0]), int(on[-1])
    low, high = sorted((float(moved[first]), float(moved[last])))
    return slice(side.start + first, side.start + last + 1), low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Samples to be taken from a patch."""

    patch: Patch
    samples: tuple[int, ...]


def nearest(found: Target, sources: Sequence[Wanted]) -> tuple[list[Array], Bools | None]:
    """Return for each source its nearest pixels, shape (rows, columns, samples), and where the image has pixels at all.

    The pixels are a view of the patch, not to be written to, where the grid runs along its pixels one by one. The mask
    is None when all pixels lie on the image.
    """
    if isinstance(found.piece, Axes):
        return _nearest_along_axes(found, found.piece, sources), None
    shape = found.shape
    outputs = [_empty(source.patch.data, source.samples, shape) for source in sources]
    inside = None if found.inside else np.empty(shape, bool)
    size = (found.right - found.left, found.bottom - found.top)
    first = sources[0].patch
    # Counted from the corner of the first patch, so that nothing has to be added afterwards; sources mostly share it.
    left, top = found.left - first.left, found.top - first.top
    dtype = np.float32 if max(size[0] + left, size[1] + top) <= _FLOAT32_SPAN else np.float64
    # Half as wide indexes take half the time; `take` itself knows one width only.
    index = np.int32 if max(source.patch.data.size for source in sources) < _INT32_SAMPLES else np.intp
    for rows in strips(*shape):
        size_here = (rows.stop - rows.start, shape[1])
        x, y = buffer("x", size_here, dtype), buffer("y", size_here, dtype)
        columns, lines = buffer("columns", size_here, index), buffer("lines", size_here, index)
        found.piece.positions(found.scale, (first.left, first.top), rows, (x, y))
        if inside is not None:
            np.logical_and(x >= left, x < left + size[0], out=inside[rows])
            inside[rows] &= y >= top
            inside[rows] &= y < top + size[1]
        np.copyto(columns, x, casting="unsafe")
        np.copyto(lines, y, casting="unsafe")
        for source, out in zip(sources, outputs, strict=True):
            patch = source.patch
            across, count = patch.data.shape[1:]
            each = 1 if _whole(patch.data, source.samples) else count
            at = np.multiply(lines, across * each, out=buffer("at", size_here, index))
            at += columns if each == 1 else np.multiply(columns, each, out=buffer("scaled", size_here, index))
            moved = ((first.top - patch.top) * across + first.left - patch.left) * each
            if moved:
                at += moved
            flat = buffer("flat", size_here, np.intp)
            np.copyto(flat, at)
            _take(patch.data, flat, source.samples, out[rows])
    if inside is not None and inside.all():
        inside = None
    taken = [
        _chosen(out, source.samples) if _whole(source.patch.data, source.samples) else out
        for source, out in zip(sources, outputs, strict=True)
    ]
    return taken, inside


def of_window(needed: Target, window: Array) -> tuple[Array, Bools | None]:
    """Return the nearest pixels of a target's own window of one band, shape (rows, columns), and which are inside of
    the image. None: all.
    """
    patch = Patch(data=np.ascontiguousarray(window)[:, :, None], top=needed.top, left=needed.left)
    (pixels,), inside = nearest(needed, [Wanted(patch=patch, samples=(0,))])
    return pixels[:, :, 0], inside


def counted(needed: Target, weights: Array | None) -> Bools | None:
    """Return whether the nearest pixel of a target's window counts, by its weight. None: all do."""
    if weights is None and needed.inside:
        return None
    if weights is None:
        weights = np.ones((needed.bottom - needed.top, needed.right - needed.left), bool)
    found, inside = of_window(needed, weights)
    valid = found > 0 if inside is None else inside & (found > 0)
    return None if valid.all() else valid


def on_centres(found: Target) -> bool:
    """Return True when the grid's positions are the centres of the image's pixels, one by one: nothing is to be
    resampled.
    """
    piece = found.piece
    if not isinstance(piece, Axes):
        return False
    for positions, scale in ((piece.xs, found.scale[0]), (piece.ys, found.scale[1])):
        if np.abs(positions * scale % 1.0 - 0.5).max() > _ON_CENTRE:
            return False
        if positions.size > 1 and abs(abs(positions[1] - positions[0]) * scale - 1) > 0.5:
            return False
    return True


def _nearest_along_axes(found: Target, piece: Axes, sources: Sequence[Wanted]) -> list[Array]:
    first, start = found.columns.start - piece.columns.start, found.rows.start - piece.rows.start
    shape = found.shape
    x = (piece.xs[first : first + shape[1]] * found.scale[0] + _ON_THE_LINE).astype(np.intp)
    y = (piece.ys[start : start + shape[0]] * found.scale[1] + _ON_THE_LINE).astype(np.intp)
    across, down = _run(x), _run(y)
    outputs = []
    for source in sources:
        data, top, left = source.patch.data, source.patch.top, source.patch.left
        if across is not None and down is not None:
            outputs.append(_chosen(data[_moved(down, -top), _moved(across, -left)], source.samples))
            continue
        out = _empty(data, source.samples, shape)
        for rows in strips(*shape):
            flat = buffer("flat", (rows.stop - rows.start, shape[1]), np.intp)
            each = 1 if _whole(data, source.samples) else data.shape[2]
            np.add(((y[rows] - top) * (data.shape[1] * each))[:, None], (x - left) * each, out=flat)
            _take(data, flat, source.samples, out[rows])
        outputs.append(_chosen(out, source.samples) if _whole(data, source.samples) else out)
    return outputs


def _whole(data: Array, samples: tuple[int, ...]) -> bool:
    """Return True when it is quicker to take whole pixels, even where not all of their samples are wanted."""
    count = data.shape[2]
    if samples == tuple(range(count)):
        return True
    return 2 * len(samples) > count and data.itemsize * count in _QUICK_SIZES


def _empty(data: Array, samples: tuple[int, ...], shape: tuple[int, int]) -> Array:
    """Return an array that `_take` can fill."""
    return np.empty((*shape, data.shape[2] if _whole(data, samples) else len(samples)), data.dtype)


def _take(data: Array, flat: Indexes, samples: tuple[int, ...], out: Array) -> None:
    """Fill ``out`` with samples of pixels. ``flat`` counts pixels where these are taken whole, else samples."""
    if _whole(data, samples):
        data.reshape(-1, data.shape[2]).take(flat, axis=0, mode="clip", out=out)
        return
    values = data.reshape(-1)
    if len(samples) == 1:
        values[samples[0] :].take(flat, mode="clip", out=out[:, :, 0])
        return
    one = buffer("one", out.shape[:2], data.dtype)
    for place, sample in enumerate(samples):
        values[sample:].take(flat, mode="clip", out=one)
        out[:, :, place] = one


def _run(indexes: Indexes) -> slice | None:
    """Return indexes as a slice, where each is one more, or one less, than the one before."""
    first, last = int(indexes[0]), int(indexes[-1])
    if indexes.size == 1:
        return slice(first, first + 1)
    step = int(indexes[1]) - first
    if step not in (1, -1) or last - first != step * (indexes.size - 1) or not (np.diff(indexes) == step).all():
        return None
    return slice(first, last + step, step)


def _moved(run: slice, by: int) -> slice:
    stop = run.stop + by
    return slice(run.start + by, stop if stop >= 0 else None, run.step)


def _chosen(pixels: Array, samples: tuple[int, ...]) -> Array:
    """Return some samples of pixels, without a copy where they are a run."""
    if samples == tuple(range(samples[0], samples[0] + len(samples))):
        return pixels[:, :, samples[0] : samples[0] + len(samples)]
    return pixels[:, :, list(samples)]

"""The kernels in NumPy: what they mean, and what does the work where nothing could be compiled."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Weights = NDArray[np.float32]


def compare(
    above: Array, made: Array, reach: int, certain: tuple[int, int, int, int], allowed: float, slack: float, /
) -> tuple[int, int, int, int]:
    """Return what of an overview is out of its range, and sums: of it, of four pixels above each, of the squares of
    these.
    """
    four = [above[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    total = np.sum([part.astype("int64") for part in four], axis=0)
    low, high = np.minimum.reduce(four), np.maximum.reduce(four)
    for axis in (0, 1) if made.size else ():
        low, high = _around(low, reach, axis, np.minimum), _around(high, reach, axis, np.maximum)
    part = slice(certain[0], max(0, certain[1])), slice(certain[2], max(0, certain[3]))
    values, floor, ceiling = (of[part].astype("float64") for of in (made, low, high))
    most = allowed + slack * (ceiling - floor)
    outside = int(np.count_nonzero((floor - values > most) | (values - ceiling > most)))
    return outside, int(made.sum(dtype="int64")), int(total.sum()), int(np.square(total).sum())


def compare_valid(
    above: Array,
    made: Array,
    there: Array,
    valid: Array,
    reach: int,
    certain: tuple[int, int, int, int],
    allowed: float,
    slack: float,
    /,
) -> tuple[int, int, int, int, int, int]:
    """Return the same where only some is there, the means above in twelfths; then how many pixels both have, and how
    many only one.
    """
    four, known = (
        np.stack([of[row::2, column::2] for row in (0, 1) for column in (0, 1)]).astype("int64")
        for of in (above, there)
    )
    limits = np.iinfo(made.dtype)
    low = np.where(known, four, limits.max).min(axis=0, initial=limits.max)
    high = np.where(known, four, limits.min).max(axis=0, initial=limits.min)
    for axis in (0, 1) if made.size else ():
        low, high = _around(low, reach, axis, np.minimum), _around(high, reach, axis, np.maximum)
    number = known.sum(axis=0)
    both = (number > 0) & valid
    twelfths = ((four * known).sum(axis=0) * 12 // np.maximum(number, 1))[both]
    part = slice(certain[0], max(0, certain[1])), slice(certain[2], max(0, certain[3]))
    values, floor, ceiling = (of[part].astype("float64") for of in (made, low, high))
    most = allowed + slack * (ceiling - floor)
    outside = int(np.count_nonzero(((floor - values > most) | (values - ceiling > most)) & both[part]))
    sums = int(made[both].sum(dtype="int64")), int(twelfths.sum()), int(np.square(twelfths).sum())
    return outside, *sums, int(np.count_nonzero(both)), int(np.count_nonzero((number > 0) != valid))


def _around(values: Array, reach: int, axis: int, choose: Callable[..., Array]) -> Array:
    """Return the lowest or highest of what lies up to ``reach`` pixels away along an axis."""
    moved = np.moveaxis(values, axis, 0)
    found = [moved[np.clip(np.arange(len(moved)) + step, 0, len(moved) - 1)] for step in range(-reach, reach + 1)]
    return np.moveaxis(np.asarray(choose.reduce(found)), 0, axis)  # type: ignore[attr-defined]  # a ufunc


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None:
    """Add how often each value occurs to ``counts``, from the lowest of the type on."""
    chosen = values.ravel() if valid is None else values[valid != 0]
    low = 0 if values.dtype.kind in "ub" else int(np.iinfo(values.dtype).min)
    counts += np.bincount(chosen if low == 0 else chosen.astype("int32") - low, minlength=len(counts))


def deflate(raw: Array, made: Array, /) -> int:
    """Fill ``made`` with deflated bytes, and return how many these are."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    found = packer.compress(raw.tobytes()) + packer.flush()
    made[: len(found)] = np.frombuffer(found, "uint8")
    return len(found)


def fold(data: Array, differences: bool, block: Array, /) -> None:
    """Fill a block with bands, pixel by pixel."""
    rows, columns = data.shape[1:]
    block[:rows, :columns] = np.moveaxis(data, 0, -1)
    block[:rows, columns:] = block[:rows, columns - 1 : columns]
    block[rows:] = block[rows - 1]
    if differences:
        block[:, 1:] -= block[:, :-1].copy()


def halve(image: Array, rows: Weights, columns: Weights, made: Array, /) -> None:
    """Fill ``made`` with every second pixel of an image that is smoothed by weights of rows and of columns."""
    height, width = made.shape
    wide = image.astype("float32")
    down = _weighted([wide[first : first + 2 * height - 1 : 2] for first in range(len(rows))], rows)
    along = _weighted([down[:, first : first + 2 * width - 1 : 2] for first in range(len(columns))], columns)
    limits = np.iinfo(made.dtype)
    made[:] = np.clip(np.rint(along), limits.min, limits.max)


def halve_valid(image: Array, rows: Weights, columns: Weights, made: Array, there: Array, valid: Array, /) -> None:
    """Fill ``made`` with the same where all under the kernel is there, else with the mean of those of four that are."""
    halve(image, rows, columns, made)
    height, width = made.shape
    under = [
        there[row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2]
        for row in range(len(rows))
        for column in range(len(columns))
    ]
    whole = np.logical_and.reduce(under)
    middle, centre = len(rows) // 2 - 1, len(columns) // 2 - 1
    places = [
        (slice(row, row + 2 * height - 1, 2), slice(column, column + 2 * width - 1, 2))
        for row in (middle, middle + 1)
        for column in (centre, centre + 1)
    ]
    number = sum(there[place].astype("float32") for place in places)
    total = sum(np.where(there[place], image[place], 0).astype("float32") for place in places)
    valid[:] = number > 0
    mean = np.rint(total / np.maximum(number, np.float32(1)))
    np.copyto(made, mean.astype(made.dtype), where=~whole)


def _weighted(parts: list[Array], weights: Weights) -> Array:
    total: Array = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total += part * weight
    return total


def unfold(block: Array, row: int, column: int, differences: bool, made: Array, /) -> None:
    """Fill ``made`` from a block whose bands lie pixel by pixel."""
    rows, columns = made.shape[1:]
    part = block[row : row + rows, : column + columns]
    values = np.add.accumulate(part, axis=1, dtype=block.dtype) if differences else part
    made[:] = np.moveaxis(values[:, column:], -1, 0)


def warp(image: Array, xs: Floats, ys: Floats, step: int, method: int, made: Array, valid: Array, /) -> None:
    """Fill ``made`` with samples at places between nodes, and say in ``valid`` which of them are in the image."""
    height, width = image.shape[1:]
    with np.errstate(invalid="ignore"):
        x, y = (_between(nodes, step, valid.shape) for nodes in (xs, ys))
        valid[:] = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    u, v = np.where(valid, x, 0), np.where(valid, y, 0)
    half = 0.0 if method == 0 else 0.5
    column, row = np.floor(u - half).astype("int64"), np.floor(v - half).astype("int64")
    across, down = (u - half - column).astype("float32"), (v - half - row).astype("float32")
    whole = (column >= 1) & (row >= 1) & (column + 2 < width) & (row + 2 < height)
    of_columns, of_rows = (_weights(part, method, whole) for part in (across, down))
    for band, target in zip(image, made, strict=True):
        found = np.zeros(valid.shape, "float32")
        for i, by in of_rows.items():
            taken = np.clip(row + i, 0, height - 1)
            found += by * sum(w * band[taken, np.clip(column + j, 0, width - 1)] for j, w in of_columns.items())
        if target.dtype.kind in "iu":
            limits = np.iinfo(target.dtype)
            found = np.floor(np.clip(found, limits.min, limits.max) + np.float32(0.5))
        target[:] = np.where(valid, found, 0)


def _between(nodes: Floats, step: int, shape: tuple[int, int]) -> Floats:
    """Return what lies at each pixel, on straight lines from node to node."""
    rows, columns = (np.arange(length) for length in shape)
    down = (rows % step / step)[:, None]
    lines = nodes[rows // step] + (nodes[rows // step + 1] - nodes[rows // step]) * down
    left, right = lines[:, columns // step], lines[:, columns // step + 1]
    return np.asarray(left + (right - left) / step * (columns % step))


def _weights(part: Array, method: int, whole: NDArray[np.bool_]) -> dict[int, Array]:
    """Return weights of pixels, by how far they are from the one before the place."""
    if method == 0:
        return {0: np.ones_like(part)}
    weights = {-1: np.zeros_like(part), 0: 1 - part, 1: part, 2: np.zeros_like(part)}
    if method == 2:
        near, far = part, 1 - part
        cubic = {
            -1: ((-0.5 * near + 1) * near - 0.5) * near,
            0: (1.5 * near - 2.5) * near * near + 1,
            1: (1.5 * far - 2.5) * far * far + 1,
            2: ((-0.5 * far + 1) * far - 0.5) * far,
        }
        weights = {place: np.where(whole, cubic[place], weights[place]).astype("float32") for place in cubic}
    return weights

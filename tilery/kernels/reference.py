"""The kernels in NumPy: what they mean, and what does the work where nothing could be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None:
    """Add how often each value occurs to ``counts``, from the lowest of the type on."""
    chosen = values.ravel() if valid is None else values[valid != 0]
    low = 0 if values.dtype.kind in "ub" else int(np.iinfo(values.dtype).min)
    counts += np.bincount(chosen if low == 0 else chosen.astype("int32") - low, minlength=len(counts))


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
    """What lies at each pixel, on straight lines from node to node."""
    rows, columns = (np.arange(length) for length in shape)
    down = (rows % step / step)[:, None]
    lines = nodes[rows // step] + (nodes[rows // step + 1] - nodes[rows // step]) * down
    left, right = lines[:, columns // step], lines[:, columns // step + 1]
    return np.asarray(left + (right - left) / step * (columns % step))


def _weights(part: Array, method: int, whole: NDArray[np.bool_]) -> dict[int, Array]:
    """Weights of pixels, by how far they are from the one before the place."""
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

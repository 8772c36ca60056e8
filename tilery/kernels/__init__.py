"""Loops over samples that NumPy has no fast words for, compiled where they could be, in NumPy where not.

`tilery/kernels/src` is C with Python's stable ABI, so that one binary serves CPython 3.11 and all that follow;
`reference` says the same in NumPy, which the tests hold the compiled ones to. Compiled ones check every size before a
loop begins, and release the interpreter's lock.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from tilery.kernels import reference

Array = NDArray[Any]
Floats = NDArray[np.float64]

Weights = NDArray[np.float32]

SHORT = frozenset({"uint8", "uint16", "int16"})
"""Types that `compare` and `halve` take: floats of 24 bits have all their values, and sums of them near enough."""
METHODS = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""How `warp` takes samples between pixels."""
WARPED = frozenset({"uint8", "uint16", "int16", "float32"})
"""Types that `warp` takes."""


class _Kernels(Protocol):
    """What both have."""

    def compare(
        self, above: Array, made: Array, reach: int, certain: tuple[int, int, int, int], allowed: float, slack: float, /
    ) -> tuple[int, int, int, int]: ...
    def count_values(self, values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None: ...
    def halve(self, image: Array, rows: Weights, columns: Weights, made: Array, /) -> None: ...
    def unfold(self, block: Array, row: int, column: int, differences: bool, made: Array, /) -> None: ...
    def warp(
        self, image: Array, xs: Floats, ys: Floats, step: int, method: int, made: Array, valid: Array, /
    ) -> None: ...


def _compiled() -> _Kernels | None:
    """Return the compiled kernels; None where they could not be built."""
    try:
        found = importlib.import_module("tilery.kernels._compiled")
    except ImportError:
        return None
    ours = (name for name in vars(_Kernels) if not name.startswith("_"))
    # a checkout may have those of earlier sources
    return cast("_Kernels", found) if all(hasattr(found, name) for name in ours) else None


_reference: _Kernels = reference
_found = _compiled()
_kernels = _found or _reference
COMPILED = _found is not None
"""Whether the compiled kernels are used."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What `compare` finds."""

    outside: int
    """Pixels of the overview out of their range."""
    sum: int
    sum_above: int
    """Of four pixels above for each of the overview."""
    squares: int
    """Of the sums of four."""


def compare(
    above: Array, made: Array, reach: int, certain: tuple[slice, slice], *, allowed: float, slack: float
) -> Compared:
    """Return an overview of half the size against the level above it.

    Args:
        above: of a type of `SHORT`, with twice as many rows and columns.
        made: the overview.
        reach: pixels of the overview around each, 4 at most, whose own four are its range.
        certain: rows and columns that are held against their range, inside of the overview.
        allowed: by how much a value may leave its range.
        slack: the part of the range by which it may do so beside.
    """
    sides = (certain[0].start, certain[0].stop, certain[1].start, certain[1].stop)
    return Compared(*_kernels.compare(_in_rows(above), _in_rows(made), reach, sides, allowed, slack))


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None = None) -> None:
    """Add how often each value occurs.

    Args:
        values: integers of 8 or 16 bits, or booleans; two axes.
        counts: one for each value that the type has, from the lowest on.
        valid: what is to be counted; None: everything.
    """
    _kernels.count_values(_in_rows(values), counts, None if valid is None else _in_rows(valid))


def halve(image: Array, rows: Sequence[float], columns: Sequence[float]) -> Array:
    """Return each second pixel of an image that is smoothed, in floats of 24 bits, rounded to the nearest integer.

    Args:
        image: of a type of `SHORT`, two axes, as many pixels as are needed and no more.
        rows: weights of a row and of those below it, 16 at most.
        columns: the same of columns.
    """
    sides = [(length - len(by)) // 2 + 1 for length, by in zip(image.shape, (rows, columns), strict=True)]
    made = np.empty(sides, image.dtype.newbyteorder("="))
    _kernels.halve(_in_rows(image), np.asarray(rows, "float32"), np.asarray(columns, "float32"), made)
    return made


def unfold(block: Array, row: int, column: int, made: Array, *, differences: bool) -> None:
    """Fill an array from a block of a TIFF.

    Args:
        block: whole numbers of 8 or 16 bits, shape (rows, columns, bands), without gaps.
        row: of the block, where what is wanted begins.
        column: the same.
        made: of the same type, shape (bands, rows, columns).
        differences: whether each sample is the difference from the one before it in its row (predictor 2).
    """
    whole = np.dtype(f"u{made.itemsize}")
    _kernels.unfold(block.view(whole), row, column, differences, made.view(whole))


def warp(image: Array, xs: Floats, ys: Floats, step: int, method: str, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return samples of an image for a window of another grid, and which of them lie in the image.

    Places count from the image's upper left corner, in its pixels. Where not all pixels under a cubic kernel lie in
    the image, it is bilinear, and there the pixels at the edge stand for those beyond it. Nothing is thinned out: the
    pixels of the window should not be larger than those of the image.

    Args:
        image: shape (bands, rows, columns), of a type of `WARPED`.
        xs: columns of the image that lie at nodes: the centres of the window's first pixel and of each ``step`` pixels
            further, until none of the window lies beyond the last. Not finite where there is no such place.
        ys: the same of rows.
        step: pixels between two nodes, 64 at most.
        method: one of `METHODS`.
        shape: rows and columns of the window.

    Returns:
        Samples, shape (bands, rows, columns), 0 where none lies in the image; and booleans, shape (rows, columns).
    """
    made = np.empty((len(image), *shape), image.dtype.newbyteorder("="))
    valid = np.empty(shape, "bool")
    _kernels.warp(_in_rows(image), xs, ys, step, METHODS[method], made, valid)
    return made, valid


def _in_rows(array: Array) -> Array:
    """Return the array, copied where its rows have gaps or its bytes are foreign."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    whole = native.shape[-1] <= 1 or native.strides[-1] == native.itemsize
    return native if whole and native.flags.aligned else np.require(native, requirements=["C_CONTIGUOUS", "ALIGNED"])

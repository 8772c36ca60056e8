"""Loops over samples that NumPy has no fast words for, compiled where they could be, in NumPy where not.

`tilery/kernels/src` is C with Python's stable ABI, so that one binary serves CPython 3.11 and all that follow;
`reference` says the same in NumPy, which the tests hold the compiled ones to. Compiled ones check every size before a
loop begins, and release the interpreter's lock.
"""

from __future__ import annotations

import importlib
import threading
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
    def compare_valid(
        self,
        above: Array,
        made: Array,
        there: Array,
        valid: Array,
        reach: int,
        certain: tuple[int, int, int, int],
        allowed: float,
        slack: float,
        /,
    ) -> tuple[int, int, int, int, int, int]: ...
    def count_values(self, values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None: ...
    def deflate(self, raw: Array, made: Array, /) -> int: ...
    def fold(self, data: Array, differences: bool, block: Array, /) -> None: ...
    def halve(self, image: Array, rows: Weights, columns: Weights, made: Array, /) -> None: ...
    def halve_valid(
        self, image: Array, rows: Weights, columns: Weights, made: Array, there: Array, valid: Array, /
    ) -> None: ...
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
_of_thread = threading.local()
COMPILED = _found is not None
"""Whether the compiled kernels are used."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What `compare` finds."""

    outside: int
    """Pixels of the overview out of their range."""
    pixels: int
    """Pixels of the overview that are valid and have a valid one above."""
    misjudged: int
    """Pixels of the overview of which only one of both is true."""
    sum: int
    """Of the overview."""
    sum_above: float
    """Of the means of the valid ones of the four pixels above each."""
    squares: float
    """Of these means."""


def compare(
    above: Array,
    made: Array,
    reach: int,
    certain: tuple[slice, slice],
    *,
    allowed: float,
    slack: float,
    there: Array | None = None,
    valid: Array | None = None,
) -> Compared:
    """Return an overview of half the size against the level above it.

    Args:
        above: of a type of `SHORT`, with twice as many rows and columns.
        made: the overview.
        reach: pixels of the overview around each, 4 at most, whose own four are its range.
        certain: rows and columns that are held against their range, inside of the overview.
        allowed: by how much a value may leave its range.
        slack: the part of the range by which it may do so beside.
        there: booleans, which pixels above are valid. None: all.
        valid: the same of the overview.
    """
    sides = (certain[0].start, certain[0].stop, certain[1].start, certain[1].stop)
    pair = _in_rows(above), _in_rows(made)
    if there is None and valid is None:
        outside, of_made, of_four, squares = _kernels.compare(*pair, reach, sides, allowed, slack)
        return Compared(outside, made.size, 0, of_made, of_four / 4, squares / 16)
    known, kept = (
        _in_rows(np.ones(of.shape, "bool") if mask is None else mask) for of, mask in ((above, there), (made, valid))
    )
    outside, of_made, twelfths, squares, pixels, misjudged = _kernels.compare_valid(
        *pair, known, kept, reach, sides, allowed, slack
    )
    return Compared(outside, pixels, misjudged, of_made, twelfths / 12, squares / 144)


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None = None) -> None:
    """Add how often each value occurs.

    Args:
        values: integers of 8 or 16 bits, or booleans; two axes.
        counts: one for each value that the type has, from the lowest on.
        valid: what is to be counted; None: everything.
    """
    _kernels.count_values(_in_rows(values), counts, None if valid is None else _in_rows(valid))


def deflate(raw: Array) -> bytes:
    """Return bytes deflated by how often each of them occurs, and by runs of one (RFC 1951, without a header).

    In differences of a picture's neighbours there is hardly anything else to find, and a search for strings takes more
    than twice as long.
    """
    flat = np.ascontiguousarray(raw).reshape(-1).view("uint8")
    made = _scratch(flat.size + flat.size // 4 + 1024)
    return made[: _kernels.deflate(flat, made)].tobytes()


def fold(data: Array, block: Array, *, differences: bool) -> None:
    """Fill a block of a TIFF with bands; beyond these with their outermost pixels.

    Args:
        data: whole numbers of 8 or 16 bits, shape (bands, rows, columns), not larger than the block.
        block: of the same type, shape (rows, columns, bands), without gaps.
        differences: whether each sample is to be the difference from the one before it in its row (predictor 2).
    """
    whole = np.dtype(f"u{block.itemsize}")
    _kernels.fold(_in_rows(data).view(whole), differences, block.view(whole))


def halve(image: Array, rows: Sequence[float], columns: Sequence[float]) -> Array:
    """Return each second pixel of an image that is smoothed, in floats of 24 bits, rounded to the nearest integer.

    Args:
        image: of a type of `SHORT`, two axes, as many pixels as are needed and no more.
        rows: weights of a row and of those below it, 16 at most.
        columns: the same of columns.
    """
    made = _halved(image, rows, columns)
    _kernels.halve(_in_rows(image), np.asarray(rows, "float32"), np.asarray(columns, "float32"), made)
    return made


def halve_valid(
    image: Array, there: Array, rows: Sequence[float], columns: Sequence[float]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the same of an image of which only some is there, and which pixels are valid.

    A pixel is valid where one of the four in the middle of its kernel is there. Where not all under the kernel is, it
    is the mean of those of the four; 0 where it is not valid.

    Args:
        image: as `halve` takes it.
        there: booleans of the same shape.
        rows: weights, an even number.
        columns: the same.
    """
    made = _halved(image, rows, columns)
    valid = np.empty(made.shape, "bool")
    weights = np.asarray(rows, "float32"), np.asarray(columns, "float32")
    _kernels.halve_valid(_in_rows(image), *weights, made, _in_rows(there), valid)
    return made, valid


def _halved(image: Array, rows: Sequence[float], columns: Sequence[float]) -> Array:
    """Return an array for what is made of an image."""
    sides = [(length - len(by)) // 2 + 1 for length, by in zip(image.shape, (rows, columns), strict=True)]
    return np.empty(sides, image.dtype.newbyteorder("="))


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


def _scratch(length: int) -> Array:
    """Return bytes of the thread's own, at least so many, that hold anything: new ones cost as much as filling them."""
    found: Array | None = getattr(_of_thread, "bytes", None)
    if found is None or found.size < length:
        found = _of_thread.bytes = np.empty(length, "uint8")
    return found


def _in_rows(array: Array) -> Array:
    """Return the array, copied where its rows have gaps or its bytes are foreign."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    whole = native.shape[-1] <= 1 or native.strides[-1] == native.itemsize
    return native if whole and native.flags.aligned else np.require(native, requirements=["C_CONTIGUOUS", "ALIGNED"])

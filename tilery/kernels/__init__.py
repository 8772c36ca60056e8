"""Loops over samples that NumPy has no fast words for, compiled where they could be, in NumPy where not.

`tilery/kernels/src` is C with Python's stable ABI, so that one binary serves CPython 3.11 and all that follow;
`reference` says the same in NumPy, which the tests hold the compiled ones to. Compiled ones check every size before a
loop begins, and release the interpreter's lock.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from tilery.kernels import reference

Array = NDArray[Any]
Floats = NDArray[np.float64]

METHODS = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""How `warp` takes samples between pixels."""
WARPED = frozenset({"uint8", "uint16", "int16", "float32"})
"""Types that `warp` takes."""


class _Kernels(Protocol):
    """What both have."""

    def count_values(self, values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None: ...
    def warp(
        self, image: Array, xs: Floats, ys: Floats, step: int, method: int, made: Array, valid: Array, /
    ) -> None: ...


def _compiled() -> _Kernels | None:
    """The compiled kernels; None where they could not be built."""
    try:
        return cast("_Kernels", importlib.import_module("tilery.kernels._compiled"))
    except ImportError:
        return None


_reference: _Kernels = reference
_found = _compiled()
_kernels = _found or _reference
COMPILED = _found is not None
"""Whether the compiled kernels are used."""


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None = None) -> None:
    """Add how often each value occurs.

    Args:
        values: integers of 8 or 16 bits, or booleans; two axes.
        counts: one for each value that the type has, from the lowest on.
        valid: what is to be counted; None: everything.
    """
    _kernels.count_values(_in_rows(values), counts, None if valid is None else _in_rows(valid))


def warp(image: Array, xs: Floats, ys: Floats, step: int, method: str, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Samples of an image for a window of another grid, and which of them lie in the image.

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
    """The array, copied where its rows have gaps or its bytes are foreign."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    whole = native.shape[-1] <= 1 or native.strides[-1] == native.itemsize
    return native if whole and native.flags.aligned else np.require(native, requirements=["C_CONTIGUOUS", "ALIGNED"])

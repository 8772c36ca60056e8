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


class _Kernels(Protocol):
    """What both have."""

    def count_values(self, values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None: ...


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


def _in_rows(array: Array) -> Array:
    """The array, copied where its rows have gaps or its bytes are foreign."""
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    whole = native.shape[-1] <= 1 or native.strides[-1] == native.itemsize
    return native if whole and native.flags.aligned else np.require(native, requirements=["C_CONTIGUOUS", "ALIGNED"])

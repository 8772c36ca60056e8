"""The kernels in NumPy: what they mean, and what does the work where nothing could be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def count_values(values: Array, counts: NDArray[np.int64], valid: Array | None, /) -> None:
    """Add how often each value occurs to ``counts``, from the lowest of the type on."""
    chosen = values.ravel() if valid is None else values[valid != 0]
    low = 0 if values.dtype.kind in "ub" else int(np.iinfo(values.dtype).min)
    counts += np.bincount(chosen if low == 0 else chosen.astype("int32") - low, minlength=len(counts))

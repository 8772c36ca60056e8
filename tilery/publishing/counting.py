"""How often each value occurs in a raster of integers of up to 16 bits, counted while its pixels are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilery import kernels
from tilery.geo.raster import Array
from tilery.publishing import validity
from tilery.reading.profile import Profile

_MOST = 1 << 20
"""Counts of all bands together, which a step that was interrupted has to find again."""


def is_countable(dtype: str) -> bool:
    """True for types that have so few values that each is counted."""
    return np.dtype(dtype).kind in "iub" and np.dtype(dtype).itemsize <= 2


def lowest_and_number(dtype: str) -> tuple[int, int]:
    """Return the lowest value of such a type, and how many it has."""
    if np.dtype(dtype).kind == "b":
        return 0, 2
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max) - int(limits.min) + 1


def counts_of(values: Array, number: int) -> NDArray[np.int64]:
    """Return how often each of so many values occurs, from the lowest of the type on: shape (number,).

    ``values`` have one dimension or two, and a type that `is_countable`.
    """
    found = np.zeros(number, "int64")
    kernels.count_values(np.atleast_2d(values), found)
    return found


@dataclass(slots=True)
class ValueCounts:
    """Counts of a raster that is being made."""

    profile: Profile
    counts: NDArray[np.int64]
    """Shape (bands, values)."""

    @classmethod
    def of(cls, profile: Profile) -> ValueCounts | None:
        """Return counts of nothing yet; None where values are not counted."""
        bands = len(profile.data_bands)
        if not is_countable(profile.dtypes[0]):
            return None
        _, number = lowest_and_number(profile.dtypes[0])
        return cls(profile, np.zeros((bands, number), "int64")) if bands * number <= _MOST else None

    def counted(self, data: Array, mask: Array | None) -> NDArray[np.int64]:
        """Return counts of a window, for any thread to make.

        Args:
            data: all bands, shape (bands, rows, columns).
            mask: 0 where a mask beside them says that something is missing, shape (rows, columns); None: nothing is.

        Returns:
            Of valid pixels, shape (bands that are not alpha, values).
        """
        alpha = None
        if self.profile.alpha_band is not None:
            alpha = data[self.profile.alpha_band - 1]
            data = data[[band - 1 for band in self.profile.data_bands]]
        weight = validity.of(data, alpha, self.profile, mask).weight()
        found = np.zeros_like(self.counts)
        for index, band in enumerate(data):
            keep = None if weight is None else weight[index if len(weight) > 1 else 0] != 0
            kernels.count_values(band, found[index], keep)
        return found

    def add(self, counts: NDArray[np.int64]) -> None:
        """Count a window in."""
        self.counts += counts

"""One pixel made of those of several rasters, by the methods of rio-tiler (`rio_tiler.mosaic.methods`).

Rasters are fed one after the other, on one grid, and folded into what is there: only the median needs all of them at a
time. A pixel that is masked in a band takes no part in that band.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidBand
from tilery.geo.raster import Array, Raster
from tilery.reading.options import PIXEL_SELECTIONS

Mask = NDArray[np.bool_]


class PixelSelection(ABC):
    """Rasters on one grid, folded into one."""

    keeps_values = True
    """True where each value is that of a raster."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: Raster | None = None

    @property
    def is_full(self) -> bool:
        """True when no further raster would change anything."""
        return False

    def feed(self, raster: Raster) -> None:
        """Fold the next raster in; it is not used by anybody else.

        Raises:
            InvalidBand: it has not as many bands as the first.
        """
        if self._first is None:
            self._first, self._kind = raster, raster.data.dtype
            self._begin(raster)
            return
        self._kind = np.result_type(self._kind, raster.data.dtype)
        if raster.count != self._first.count:
            raise InvalidBand(
                f"It has {raster.count} bands where the first raster of the mosaic has {self._first.count}: "
                "choose those that all have with bidx.",
                parameter="bidx",
                limit=self._first.count,
            )
        self._add(raster)

    def result(self) -> Raster | None:
        """Return what all that was fed makes; None where nothing was."""
        first = self._first
        if first is None:
            return None
        data, mask = self._made()
        if mask is not None and mask.all():
            mask = None
        return replace(
            first,
            data=data,
            mask=mask,
            alpha=None,
            nodata=None,
            statistics=None,
            colormap=first.colormap if self.keeps_values else None,
        )

    @abstractmethod
    def _begin(self, raster: Raster) -> None: ...

    @abstractmethod
    def _add(self, raster: Raster) -> None: ...

    @abstractmethod
    def _made(self) -> tuple[Array, Mask | None]:
        """Return data and what is valid of them."""


class _Chosen(PixelSelection):
    """Each pixel is that of one raster."""

    def _begin(self, raster: Raster) -> None:
        self._data, self._mask = raster.data, raster.mask
        self._is_own = False

    def _add(self, raster: Raster) -> None:
        new = raster.mask
        better = self._better(raster)
        empty = None if self._mask is None else ~self._mask
        if new is not None:
            better = None if better is None else better & new
        taken = better if empty is None else empty if better is None else empty | better
        if taken is None or not taken.any():
            return
        kind = np.result_type(self._data.dtype, raster.data.dtype)
        if not self._is_own or kind != self._data.dtype:  # it may be a view of what a cache holds
            self._data, self._is_own = self._data.astype(kind, order="K", copy=True), True
        _copy(self._data, raster.data, taken)
        if self._mask is not None:
            self._mask = None if new is None else self._mask | new
            if self._mask is not None and self._mask.all():
                self._mask = None

    def _better(self, raster: Raster) -> Mask | None:  # noqa: ARG002 - one of several
        """Return where the next raster's value is to be taken, as long as it has one. None: nowhere but in gaps."""
        return None

    def _made(self) -> tuple[Array, Mask | None]:
        return self._data, self._mask


def _copy(data: Array, new: Array, taken: Mask) -> None:
    """Copy pixels where they are taken: those whose bands lie side by side as one value each, in stretches."""
    across, source = data.transpose(1, 2, 0), new.transpose(1, 2, 0)
    if len(taken) > 1 or data.dtype != new.dtype or not (across.flags.c_contiguous and source.flags.c_contiguous):
        np.copyto(data, new, where=taken)
        return
    pixel = np.dtype((np.void, data.shape[0] * data.itemsize))
    np.copyto(across.view(pixel)[..., 0], source.view(pixel)[..., 0], where=taken[0])


class _First(_Chosen):
    """The first that is valid."""

    @property
    def is_full(self) -> bool:
        return self._first is not None and self._mask is None


class _Highest(_Chosen):
    def _better(self, raster: Raster) -> Mask | None:
        found: Mask = raster.data > self._data
        return found


class _Lowest(_Chosen):
    def _better(self, raster: Raster) -> Mask | None:
        found: Mask = raster.data < self._data
        return found


class _ByLastBand(_Chosen):
    """The last band decides, and is left out."""

    def _begin(self, raster: Raster) -> None:
        if raster.count < 2:
            raise InvalidBand(
                "The last band decides which pixel is taken, and is left out: at least two bands are needed.",
                parameter="pixel_selection",
            )
        super()._begin(raster)

    def _made(self) -> tuple[Array, Mask | None]:
        mask = self._mask
        return self._data[:-1], mask if mask is None or len(mask) == 1 else mask[:-1]

    def result(self) -> Raster | None:
        found = super().result()
        if found is None:
            return None
        return replace(
            found, band_names=found.band_names[: found.count], band_descriptions=found.band_descriptions[: found.count]
        )


class _LastBandHigh(_ByLastBand):
    def _better(self, raster: Raster) -> Mask | None:
        found: Mask = raster.data[-1:] > self._data[-1:]
        return found


class _LastBandLow(_ByLastBand):
    def _better(self, raster: Raster) -> Mask | None:
        found: Mask = raster.data[-1:] < self._data[-1:]
        return found


class _Mean(PixelSelection):
    keeps_values = False

    def _begin(self, raster: Raster) -> None:
        self._sum = np.zeros(raster.data.shape, _wide(raster.data.dtype))
        self._count = np.zeros(raster.data.shape, np.uint16)
        self._add(raster)

    def _add(self, raster: Raster) -> None:
        valid = True if raster.mask is None else raster.mask
        self._sum = _widened(self._sum, raster.data.dtype)
        np.add(self._sum, raster.data, out=self._sum, where=valid)
        np.add(self._count, 1, out=self._count, where=valid)

    def _made(self) -> tuple[Array, Mask | None]:
        mean = self._sum / np.maximum(self._count, 1)
        return mean.astype(self._kind), self._count > 0


class _Deviation(PixelSelection):
    """Standard deviation, of the pixels and not of what they are a sample of (Welford's recurrence)."""

    keeps_values = False

    def _begin(self, raster: Raster) -> None:
        kind = _wide(raster.data.dtype)
        self._count = np.zeros(raster.data.shape, np.uint16)
        self._mean = np.zeros(raster.data.shape, kind)
        self._squares = np.zeros(raster.data.shape, np.float64)
        self._add(raster)

    def _add(self, raster: Raster) -> None:
        valid = np.broadcast_to(True if raster.mask is None else raster.mask, raster.data.shape)
        self._count += valid
        self._mean = _widened(self._mean, raster.data.dtype)
        away = np.where(valid, raster.data - self._mean, 0)
        self._mean += away / np.maximum(self._count, 1)
        rest = np.where(valid, raster.data - self._mean, 0)
        self._squares += (away * rest.conj()).real

    def _made(self) -> tuple[Array, Mask | None]:
        found = np.sqrt(self._squares / np.maximum(self._count, 1))
        return found.astype(self._kind if self._kind.kind == "f" else np.float64), self._count > 0


class _Median(PixelSelection):
    keeps_values = False

    def _begin(self, raster: Raster) -> None:
        self._stack: list[Raster] = [raster]

    def _add(self, raster: Raster) -> None:
        self._stack.append(raster)

    def _made(self) -> tuple[Array, Mask | None]:
        kind = np.result_type(*(raster.data.dtype for raster in self._stack))
        # of the type of all: NumPy would have a plain number take that of the raster, which may be too narrow for it
        last = kind.type(np.inf if kind.kind in "fc" else True if kind.kind == "b" else np.iinfo(kind).max)
        values = np.empty((len(self._stack), *self._stack[0].data.shape), kind)
        count = np.zeros(values.shape[1:], np.intp)
        for place, raster in enumerate(self._stack):
            valid = np.broadcast_to(True if raster.mask is None else raster.mask, count.shape)
            values[place] = np.where(valid, raster.data, last)
            count += valid
        values.sort(axis=0)
        low = np.take_along_axis(values, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
        high = np.take_along_axis(values, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
        middle = low.astype(_wide(kind)) / 2 + high.astype(_wide(kind)) / 2
        with np.errstate(invalid="ignore"):  # where nothing is valid
            return np.where(count > 0, middle, 0).astype(self._kind), count > 0


class _Count(PixelSelection):
    """How many rasters have a pixel in the first band."""

    keeps_values = False

    def _begin(self, raster: Raster) -> None:
        self._fed = 0
        self._count = np.zeros((1, *raster.data.shape[1:]), np.uint16)
        self._add(raster)

    def _add(self, raster: Raster) -> None:
        self._fed += 1
        self._count += True if raster.mask is None else raster.mask[:1]

    def _made(self) -> tuple[Array, Mask | None]:
        return self._count.astype(np.uint8 if self._fed < 256 else np.int64), None

    def result(self) -> Raster | None:
        found = super().result()
        return None if found is None else replace(found, band_names=("b1",), band_descriptions=("b1",))


_METHODS: dict[str, type[PixelSelection]] = dict(
    zip(
        PIXEL_SELECTIONS,
        (_First, _Highest, _Lowest, _Mean, _Median, _Deviation, _LastBandLow, _LastBandHigh, _Count),
        strict=True,
    )
)


def folding(method: str) -> PixelSelection:
    """Return what folds rasters by a method, a name of `PIXEL_SELECTIONS`."""
    return _METHODS[method]()


def memory(method: str, *, pixels: int, bands: int, kind: np.dtype[Any], rasters: int) -> int:
    """Return bytes that folding takes beside the rasters of one wave, for so many pixels of each band."""
    values, size = pixels * bands, max(8, kind.itemsize)
    if method == "median":
        return values * (2 * rasters * (kind.itemsize + 1) + 8 * size)
    if method == "mean":
        return values * (2 * size + kind.itemsize + 8)
    if method == "stdev":
        return values * (6 * size + 8)
    return values * (2 * kind.itemsize + 6)


def _wide(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which sums are counted."""
    return np.dtype(np.complex128 if kind.kind == "c" else np.float64)


def _widened(sums: Array, kind: np.dtype[Any]) -> Array:
    """Return sums of a type that takes values of another as well."""
    return sums if kind.kind != "c" else sums.astype(np.complex128, copy=False)

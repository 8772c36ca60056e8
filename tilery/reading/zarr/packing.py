"""Values as CF packs them: scale, offset and what stands for missing ones, undone as xarray undoes it.

https://cfconventions.org/Data/cf-conventions/cf-conventions-1.12/cf-conventions.html#packed-data
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.reading.zarr.metadata import ArrayMetadata, packed_fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How stored elements become values."""

    dtype: np.dtype[Any]
    """Of the values."""
    missing: tuple[Any, ...]
    """Elements that stand for missing values, which become NaN."""
    scale: float | None
    offset: float | None
    stored: np.dtype[Any]
    """Of the elements: theirs, or the unsigned or signed one that an attribute says they are in truth."""

    @property
    def has_missing(self) -> bool:
        """True where an element may stand for a missing value."""
        return bool(self.missing)

    def unpacked(self, elements: Array) -> Array:
        """Return the values of elements, in their shape and of the type ``dtype``: NaN for missing ones."""
        if elements.dtype != self.stored:
            elements = elements.view(self.stored) if elements.dtype.itemsize == self.stored.itemsize else elements
        if not self.missing and self.scale is None and self.offset is None:
            return elements.astype(self.dtype, copy=False)
        values = elements.astype(self.dtype)
        if self.scale is not None:
            values *= self.scale
        if self.offset is not None:
            values += self.offset
        for one in self.missing:
            if not (isinstance(one, float) and math.isnan(one)):
                values[elements == one] = np.nan
        return values


def packing_of(array: ArrayMetadata) -> Packing:
    """Return how an array's elements become values.

    Raises:
        BrokenRaster: its attributes make no sense.
    """
    attributes = array.attributes
    stored = _stored(array.dtype.newbyteorder("="), attributes.get("_Unsigned"))
    try:
        missing = tuple(_missing(array, stored))
        scale, offset = (_number(attributes.get(name)) for name in ("scale_factor", "add_offset"))
    except (ValueError, TypeError, OverflowError):
        raise BrokenRaster(
            f"The attributes of the variable {array.name[:64]!r} say no number for what stands for missing values, or "
            "for scale and offset.",
            parameter="variable",
        ) from None
    dtype = stored
    if scale is not None or offset is not None:
        dtype = np.dtype(np.float64)  # as xarray chooses where JSON says no more than that it is a number
    elif missing and stored.kind in "iuf":
        dtype = np.dtype(np.float32 if stored.itemsize <= (4 if stored.kind == "f" else 2) else np.float64)
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    return Packing(dtype=dtype, missing=missing, scale=scale, offset=offset, stored=stored)


def _stored(dtype: np.dtype[Any], unsigned: Any) -> np.dtype[Any]:
    """Return the type that elements are in truth: formats without unsigned types say so in an attribute."""
    if dtype.kind == "i" and unsigned == "true":
        return np.dtype(f"u{dtype.itemsize}")
    if dtype.kind == "u" and unsigned == "false":
        return np.dtype(f"i{dtype.itemsize}")
    return dtype


def _missing(array: ArrayMetadata, stored: np.dtype[Any]) -> list[Any]:
    """Return the elements that stand for missing values. The fill value of Zarr 2 is one, that of Zarr 3 is none."""
    if stored.kind not in "iuf":
        return []
    found: list[Any] = []
    for name in ("_FillValue", "missing_value"):
        said = array.attributes.get(name)
        for one in said if isinstance(said, list) and name == "missing_value" else [said]:
            found += [] if one is None else [packed_fill(one, array.dtype)]
    if array.version == 2 and array.fill is not None:
        found.append(array.fill.item())
    whole = [_fitting(one, array.dtype, stored) for one in found]
    return list(dict.fromkeys(one for one in whole if one is not None))


def _fitting(one: Any, dtype: np.dtype[Any], stored: np.dtype[Any]) -> Any:
    """Return a value as elements have it. None: none is like it."""
    if stored.kind == "f":
        return float(stored.type(one))
    if isinstance(one, float) and not one.is_integer():
        return None
    limits = np.iinfo(dtype)
    value = int(one)
    if stored != dtype and limits.min <= value <= limits.max:
        return int(np.array(value, dtype.newbyteorder("=")).view(stored))
    limits = np.iinfo(stored)
    return value if limits.min <= value <= limits.max else None


def _number(found: Any) -> float | None:
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if found is None:
        return None
    if isinstance(found, bool | str) or not math.isfinite(found):
        raise ValueError(found)
    return float(found)

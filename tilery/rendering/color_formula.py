"""rio-color formulas (``gamma RGB 1.5 sigmoidal RGB 6 0.5 saturation 1.2``) on pictures.

The operations are the library's, but for saturation, which is much faster our way (`tilery.rendering.saturation`).
Those that look at one value at a time are run on a table of all values instead of on the picture, which gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from tilery.errors import InvalidBand, InvalidParameter, OverLimit
from tilery.geo.raster import Array, Raster
from tilery.limits.weighted_cache import WeightedCache
from tilery.rendering import rescale, saturation

MAX_LENGTH = 1024
"""Characters of one formula."""

AT_ONCE = 1 << 16
"""Pixels at a time where no table can be used: what bounds the memory of their floats."""

Operation = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class _Saturation:
    """The one operation that needs the pixels."""

    proportion: float


def apply(raster: Raster, formula: str) -> Raster:
    """Return the raster as uint8 after the formula. Integers count from 0 to the most of their type; floats are
    rescaled.

    Raises:
        InvalidParameter: the formula does not parse.
        InvalidBand: it names a band that is not there.
    """
    kind = raster.data.dtype
    if kind.kind not in "iu":
        raster = rescale.automatic(raster)
        kind = raster.data.dtype
    data = raster.data
    for stage in _stages(formula, raster.count):
        if isinstance(stage, _Saturation):
            data = saturation.saturate(data, stage.proportion)
        elif data.dtype.itemsize <= 2:
            data = _by_table(data, _table(stage, raster.count, data.dtype.str))
        else:
            for operation in stage:
                data = _on_pixels(operation, data)
    alpha = None if raster.alpha is None else rescale.opacity(raster.alpha, np.dtype(np.uint8))
    return replace(raster, data=data, alpha=alpha, scales=(), offsets=(), statistics=None, nodata=None)


@lru_cache(maxsize=256)
def _stages(formula: str, count: int) -> tuple[tuple[Operation, ...] | _Saturation, ...]:
    """Return the formula's operations in runs: saturation alone, the others together."""
    from color_operations import parse_operations

    if len(formula) > MAX_LENGTH:
        raise OverLimit(
            f"color_formula may have {MAX_LENGTH} characters at most.", parameter="color_formula", limit=MAX_LENGTH
        )
    try:
        operations = parse_operations(formula)
        for operation in operations:
            with np.errstate(all="ignore"):
                operation(np.full((3, 1, 1), 0.5))
        proportions = _proportions(formula)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise InvalidParameter(
            "color_formula must be operations as 'gamma RGB 1.5', 'sigmoidal RGB 6 0.5' or 'saturation 1.2'.",
            parameter="color_formula",
        ) from error
    stages: list[tuple[Operation, ...] | _Saturation] = []
    for operation in operations:
        _check_bands(operation, count)
        if operation.__name__ == "saturation":
            stages.append(_Saturation(proportions.pop(0)))
        elif stages and isinstance(before := stages[-1], tuple):
            stages[-1] = (*before, operation)
        else:
            stages.append((operation,))
    return tuple(stages)


def _proportions(formula: str) -> list[float]:
    """Return the number of each saturation of a formula.

    Raises:
        ValueError: one is not finite.
    """
    words = formula.replace(",", "").lower().split(" ")
    found = [float(value) for word, value in pairwise(words) if word.strip() == "saturation"]
    if not all(map(isfinite, found)):
        raise ValueError(f"saturation is no number in {formula!r}")
    return found


def _check_bands(operation: Operation, count: int) -> None:
    try:
        with np.errstate(all="ignore"):
            operation(np.full((count, 1, 1), 0.5))
    except (IndexError, ValueError) as error:
        raise InvalidBand(
            f"color_formula works on red, green and blue, and there {'is' if count == 1 else 'are'} {count} band"
            f"{'' if count == 1 else 's'}. Choose bands with bidx or expression.",
            parameter="color_formula",
        ) from error


def _on_pixels(operation: Operation, values: Array) -> Array:
    from color_operations import scale_dtype, to_math_type

    row = values.reshape(len(values), 1, -1)
    result = np.empty(row.shape, np.uint8)
    for start in range(0, row.shape[2], AT_ONCE):
        part = row[:, :, start : start + AT_ONCE]
        if part.dtype.kind == "i":
            part = np.maximum(part, 0)
        with np.errstate(all="ignore"):
            result[:, :, start : start + AT_ONCE] = scale_dtype(operation(to_math_type(part)), np.uint8)
    return result.reshape(values.shape)


def _table(stage: tuple[Operation, ...], count: int, kind: str) -> Array:
    """uint8 of every value of a type of 8 or 16 bits, shape (bands, values), in the order of its bits as unsigned."""
    found = _tables.get((stage, count, kind))
    if found is None:
        found = _made_table(stage, count, kind)
        _tables.put((stage, count, kind), found, found.nbytes)
    return found


_tables: WeightedCache[tuple[tuple[Operation, ...], int, str], Array] = WeightedCache(8 << 20)


def _made_table(stage: tuple[Operation, ...], count: int, kind: str) -> Array:
    size = np.dtype(kind).itemsize
    every: Array = np.arange(256**size, dtype=f"u{size}").view(kind)
    values = np.broadcast_to(every, (count, 1, every.size))
    for operation in stage:
        values = _on_pixels(operation, values)
    return np.ascontiguousarray(values[:, 0])


def _by_table(values: Array, table: Array) -> Array:
    bands, rows, columns = values.shape
    out = np.empty((rows, columns, bands), dtype=np.uint8)
    unsigned: Any = values.view(f"u{values.dtype.itemsize}")
    for band in range(bands):
        out[..., band] = table[band].take(unsigned[band])
    return out.transpose(2, 0, 1)

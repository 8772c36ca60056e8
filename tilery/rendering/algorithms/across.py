"""Algorithms that make one band of all: min, max, median, mean, std, var, sum of a pixel's valid values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tilery.geo.raster import Array, Raster
from tilery.rendering.algorithms.declaration import Algorithm, Run
from tilery.rendering.algorithms.results import result
from tilery.rendering.validity import Mask, valid

Reduce = Callable[[Array, Mask], tuple[Array, Mask]]
"""(values, valid) of all bands to (values, valid) of one, shape (rows, columns)."""


def _limits(kind: np.dtype[Any]) -> tuple[Any, Any]:
    if kind.kind == "b":
        return False, True
    if kind.kind == "f":
        return kind.type(-np.inf), kind.type(np.inf)
    info = np.iinfo(kind)
    return info.min, info.max


def _min(values: Array, known: Mask) -> tuple[Array, Mask]:
    return np.min(values, axis=0, where=known, initial=_limits(values.dtype)[1]), np.logical_or.reduce(known, axis=0)


def _max(values: Array, known: Mask) -> tuple[Array, Mask]:
    return np.max(values, axis=0, where=known, initial=_limits(values.dtype)[0]), np.logical_or.reduce(known, axis=0)


def _sum(values: Array, known: Mask) -> tuple[Array, Mask]:
    return np.sum(values, axis=0, where=known), np.logical_or.reduce(known, axis=0)


def _mean(values: Array, known: Mask) -> tuple[Array, Mask]:
    count = known.sum(axis=0)
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    total = np.sum(values, axis=0, where=known, dtype=kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / count, count > 0


def _var(values: Array, known: Mask) -> tuple[Array, Mask]:
    """Of a sample: the sum of squares is divided by one less than the number of values, of which there must be two."""
    mean, _ = _mean(values, known)
    apart = values - mean
    count = known.sum(axis=0) - 1
    squares = np.sum(apart * apart, axis=0, where=known)
    with np.errstate(divide="ignore", invalid="ignore"):
        return squares / count, count > 0


def _std(values: Array, known: Mask) -> tuple[Array, Mask]:
    variance, sure = _var(values, known)
    with np.errstate(invalid="ignore"):
        return np.sqrt(variance), sure


def _median(values: Array, known: Mask) -> tuple[Array, Mask]:
    if values.dtype.kind == "b":
        values = values.view(np.uint8)
    if known.all():
        return np.median(values, axis=0), known[0]
    # what is masked is sorted behind everything else
    ordered = np.sort(np.where(known, values, _limits(values.dtype)[1]), axis=0)
    count = known.sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[np.newaxis] // 2, axis=0)
    high = np.take_along_axis(ordered, count[np.newaxis] // 2 * (count > 0), axis=0)
    middle = np.concatenate([low, high])
    with np.errstate(invalid="ignore", over="ignore"):
        return np.mean(middle, axis=0), count > 0


def _band(name: str, reduce: Reduce) -> Run:
    def run(raster: Raster, _values: Mapping[str, Any]) -> Raster:
        mask = valid(raster)
        if mask is None:
            mask = np.ones((1, 1, 1), dtype=np.bool_)
        known = np.broadcast_to(mask, raster.data.shape)
        values, sure = reduce(raster.data, known)
        return result(raster, values[np.newaxis], None if sure.all() else sure[np.newaxis], [name])

    return run


def _across(name: str, title: str, description: str, reduce: Reduce, dtype: str | None = None) -> Algorithm:
    return Algorithm(
        name=name, title=title, description=description, run=_band(name, reduce), output_bands=1, output_dtype=dtype
    )


ALGORITHMS = (
    _across("min", "Min", "Return Min values along the `bands` axis.", _min),
    _across("max", "Max", "Return Max values along the `bands` axis.", _max),
    _across("median", "Median", "Return Median values along the `bands` axis.", _median, "float64"),
    _across("mean", "Mean", "Return Mean values.", _mean, "float64"),
    _across("std", "Standard deviation", "Return the Standard Deviation along the `bands` axis.", _std, "float64"),
    _across("var", "Variance", "Return Variance along the `bands` axis.", _var, "float64"),
    _across("sum", "Sum", "Return Sum values along the `bands` axis.", _sum),
)

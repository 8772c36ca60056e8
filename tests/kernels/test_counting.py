"""Counts of values, compiled and in NumPy, against Python's own."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tilery.geo.raster import Array

TYPES = ("bool", "uint8", "int8", "uint16", "int16")
SHAPES = ((0, 0), (0, 7), (3, 0), (1, 1), (1, 13), (5, 8), (33, 67))


def sample(dtype: str, shape: tuple[int, ...]) -> Array:
    """Return values of the whole range, the ends among them."""
    if dtype == "bool":
        return np.random.default_rng(1).random(shape) < 0.3
    limits = np.iinfo(dtype)
    made = np.random.default_rng(1).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    made.flat[:2] = [limits.min, limits.max][: made.size]
    return made


def expected(values: Array, low: int, number: int, earlier: int) -> list[int]:
    found = Counter(values.ravel().tolist())
    return [found[value] + earlier for value in range(low, low + number)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", TYPES)
def test_each_value_is_counted(kernels: ModuleType, dtype: str, shape: tuple[int, int]) -> None:
    values = sample(dtype, shape)
    low, number = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, 2 ** (8 * values.itemsize))
    counts = np.full(number, 3)
    kernels.count_values(values, counts)
    assert counts.tolist() == expected(values, low, number, 3)
    for valid in (
        np.random.default_rng(2).random(shape) < 0.5,
        np.random.default_rng(3).integers(0, 3, shape, "uint8"),
    ):
        counts[:] = 0
        kernels.count_values(values, counts, valid)
        assert counts.tolist() == expected(values[valid != 0], low, number, 0)


@pytest.mark.parametrize("dtype", TYPES)
def test_any_layout_in_memory_will_do(kernels: ModuleType, dtype: str) -> None:
    values = sample(dtype, (33, 67))
    low, number = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, 2 ** (8 * values.itemsize))
    unaligned = np.frombuffer(b"\0" + values.tobytes(), "u1")[1:].view(dtype).reshape(values.shape)
    foreign = values.astype(values.dtype.newbyteorder())
    for view in (values[::-1], values[:, ::-1], values[::3, 1::2], values.T, values[5:9, 60:], unaligned, foreign):
        counts = np.zeros(number, "int64")
        kernels.count_values(view, counts, view != 0)
        assert counts.tolist() == expected(view[view != 0], low, number, 0)
    same = np.broadcast_to(values[0], (4, 67))
    counts = np.zeros(number, "int64")
    kernels.count_values(same, counts)
    assert counts.tolist() == expected(same, low, number, 0)


@pytest.mark.parametrize(
    ("values", "counts", "valid"),
    [
        (np.zeros((2, 2), "uint8"), np.zeros(255, "int64"), None),
        (np.zeros((2, 2), "uint16"), np.zeros(256, "int64"), None),
        (np.zeros((2, 2), "uint8"), np.zeros(256, "int64"), np.ones((2, 3), "bool")),
        (np.zeros((2, 2), "uint8"), np.zeros(256, "int64"), np.ones((1, 2), "bool")),
    ],
)
def test_what_does_not_fit_together_is_refused(
    compiled: ModuleType, values: Array, counts: Array, valid: Array | None
) -> None:
    with pytest.raises(ValueError, match="instead of"):
        compiled.count_values(values, counts, valid)
    assert not counts.any()


@pytest.mark.parametrize(
    "given",
    [
        (np.zeros((2, 2), "float32"), np.zeros(256, "int64"), None),
        (np.zeros((2, 2), ">u2"), np.zeros(65536, "int64"), None),
        (np.zeros((2, 2), "uint8"), np.zeros(256, "int32"), None),
        (np.zeros((2, 2), "uint8"), np.zeros(256, "int64"), np.ones((2, 2), "float64")),
        (np.zeros(4, "uint8"), np.zeros(256, "int64"), None),
        (np.zeros((2, 2, 2), "uint8"), np.zeros(256, "int64"), None),
        (np.zeros((2, 4), "uint8")[:, ::2], np.zeros(256, "int64"), None),
        (np.zeros((2, 2), "uint8"), np.zeros(512, "int64")[::2], None),
        (np.zeros((2, 2), "uint8"), np.frombuffer(bytes(2048), "int64"), None),
        (np.zeros((2, 2), "uint8"), None, None),
        ("text", np.zeros(256, "int64"), None),
        (),
    ],
)
def test_only_what_the_loop_can_walk_is_taken(given: tuple[Any, ...]) -> None:
    """By the extension itself, of whoever calls it."""
    extension = pytest.importorskip("tilery.kernels._compiled", exc_type=ImportError)
    with pytest.raises((TypeError, ValueError, BufferError)):
        extension.count_values(*given)

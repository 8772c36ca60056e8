"""Smoothed halves of images, and their comparison with the whole, against the same in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tilery.geo.raster import Array
from tilery.kernels import SHORT
from tilery.publishing.downsampling import side

TYPES = sorted(SHORT)


def sample(dtype: str, shape: tuple[int, int]) -> Array:
    limits = np.iinfo(dtype)
    return np.random.default_rng(7).integers(limits.min, limits.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("method", ["average", "bilinear", "cubic"])
@pytest.mark.parametrize("dtype", TYPES)
def test_halves_are_sums_of_whole_numbers_by_weights(kernels: ModuleType, dtype: str, method: str) -> None:
    """Weights are whole parts of 256, so that a pixel is a whole number of 65,536ths; halves go to their even side."""
    for height, width in ((1, 1), (1, 9), (7, 1), (5, 17), (33, 64)):
        rows, columns = (side(method, 512, 256, 40, 40 + length) for length in (height, width))
        weights = [np.array([by for _, by in of.kernel]) for of in (rows, columns)]
        assert all((by * 256 % 1 == 0).all() for by in weights)
        image = sample(dtype, (rows.stop - rows.start, columns.stop - columns.start))
        made = kernels.halve(image, *weights)
        assert (made.dtype, made.shape) == (image.dtype, (height, width))
        down, along = ((by * 256).astype("int64") for by in weights)
        exact = np.zeros((height, width), "int64")
        for a, by in enumerate(down):
            for b, other in enumerate(along):
                exact += by * other * image[a : a + 2 * height - 1 : 2, b : b + 2 * width - 1 : 2].astype("int64")
        limits = np.iinfo(dtype)
        expected = np.clip(np.rint(exact / 65536), limits.min, limits.max)
        miss = np.abs(made - expected)
        assert miss.max() <= (0 if dtype == "uint8" else 1)  # of 16 bits a float of 24 has not got every 65,536th
        assert np.count_nonzero(miss) <= 1 + 0.01 * made.size


def test_both_make_the_same_halves(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [0.03, -0.2, 0.41, 0.5, 0.31]
    for dtype in TYPES:
        image = sample(dtype, (45, 63))
        for view in (image, image.T, image[::-1], image[:, ::-1], image.astype(image.dtype.newbyteorder())):
            made = compiled.halve(view, weights, weights)
            with monkeypatch.context() as patched:
                patched.setattr(compiled, "_kernels", compiled.reference)
                assert (compiled.halve(view, weights, weights) == made).all()


def missing(shape: tuple[int, int], part: float) -> Array:
    """Return what is there of an image: single pixels are missing, and a corner."""
    there = np.random.default_rng(3).random(shape) >= part
    rows, columns = np.indices(shape)
    return np.asarray(there & (rows + columns >= shape[0] // 3))


@pytest.mark.parametrize("method", ["average", "bilinear", "cubic"])
@pytest.mark.parametrize("dtype", TYPES)
def test_halves_of_what_is_there(kernels: ModuleType, dtype: str, method: str) -> None:
    """The kernel's value where all under it is there, else the mean of those of its four that are."""
    for height, width, part in ((1, 1, 0.4), (5, 17, 0.3), (33, 64, 0.01), (9, 9, 0.0), (4, 4, 1.0)):
        rows, columns = (side(method, 512, 256, 40, 40 + length) for length in (height, width))
        weights = [np.array([by for _, by in of.kernel]) for of in (rows, columns)]
        image = sample(dtype, (rows.stop - rows.start, columns.stop - columns.start))
        there = missing(image.shape, part)
        made, valid = kernels.halve_valid(image, there, *weights)
        whole = kernels.halve(image, *weights)
        middle, centre = (len(by) // 2 - 1 for by in weights)
        for row in range(height):
            for column in range(width):
                under = there[2 * row :, 2 * column :][: len(weights[0]), : len(weights[1])]
                place = (
                    slice(2 * row + middle, 2 * row + middle + 2),
                    slice(2 * column + centre, 2 * column + centre + 2),
                )
                four = image[place][there[place]].astype("int64")
                assert valid[row, column] == bool(four.size)
                if under.all():
                    assert made[row, column] == whole[row, column]
                elif four.size:
                    assert made[row, column] == round(int(four.sum()) / four.size)
                else:
                    assert made[row, column] == 0


@pytest.mark.parametrize("reach", [0, 1, 2, 4])
@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_there_is_held_against_what_is_there_around_it(kernels: ModuleType, dtype: str, reach: int) -> None:
    outside = 0
    for height, width, part in ((1, 1, 0.3), (1, 6, 0.3), (9, 2, 0.3), (20, 31, 0.3), (12, 12, 0.9)):
        above, made = sample(dtype, (2 * height, 2 * width)) // 8, sample(dtype, (height, width))
        there, valid = missing(above.shape, part), missing(made.shape, part / 2)
        certain = slice(min(1, height), height), slice(0, max(0, width - 1))
        found = kernels.compare(above, made, reach, certain, allowed=1.0, slack=0.25, there=there, valid=valid)
        wrong = pixels = misjudged = total = 0
        means = []
        for row in range(height):
            for column in range(width):
                place = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
                four = above[place][there[place]].astype("int64")
                misjudged += bool(four.size) != valid[row, column]
                if not four.size or not valid[row, column]:
                    continue
                value = int(made[row, column])
                pixels, total = pixels + 1, total + value
                means.append(Fraction(int(four.sum()), four.size))
                if row not in range(height)[certain[0]] or column not in range(width)[certain[1]]:
                    continue
                near = (
                    slice(2 * max(0, row - reach), 2 * (row + reach + 1)),
                    slice(2 * max(0, column - reach), 2 * (column + reach + 1)),
                )
                around = above[near][there[near]]
                low, high = int(around.min()), int(around.max())
                most = 1 + (high - low) / 4
                wrong += not low - most <= value <= high + most
        assert (found.outside, found.pixels, found.misjudged, found.sum) == (wrong, pixels, misjudged, total)
        assert found.sum_above == pytest.approx(float(sum(means)), rel=1e-12)
        assert found.squares == pytest.approx(float(sum(mean * mean for mean in means)), rel=1e-12)
        outside += wrong
    assert outside > 0


@pytest.mark.parametrize("reach", [0, 1, 2, 4])
@pytest.mark.parametrize("dtype", TYPES)
def test_values_are_held_against_those_around_them(kernels: ModuleType, dtype: str, reach: int) -> None:
    for height, width in ((1, 1), (1, 6), (9, 2), (20, 31)):
        above = sample(dtype, (2 * height, 2 * width)) // 8
        made = sample(dtype, (height, width))
        certain = slice(min(1, height), height), slice(0, max(0, width - 1))
        found = kernels.compare(above, made, reach, certain, allowed=1.0, slack=0.25)
        outside = 0
        for row in range(height)[certain[0]]:
            for column in range(width)[certain[1]]:
                around = above[
                    2 * max(0, row - reach) : 2 * (row + reach + 1),
                    2 * max(0, column - reach) : 2 * (column + reach + 1),
                ]
                low, high = int(around.min()), int(around.max())
                most = 1 + (high - low) / 4
                outside += not low - most <= int(made[row, column]) <= high + most
        four = sum(above[a::2, b::2].astype("int64") for a in (0, 1) for b in (0, 1))
        assert found.outside == outside
        assert (found.sum, found.sum_above) == (int(made.sum(dtype="int64")), int(above.sum(dtype="int64")) / 4)
        assert found.squares == int(np.square(four).sum()) / 16
        assert (found.pixels, found.misjudged) == (made.size, 0)
    assert outside > 0


def test_nothing_certain_is_nothing_wrong(kernels: ModuleType) -> None:
    above, made = np.zeros((4, 4), "uint8"), np.full((2, 2), 200, "uint8")
    assert kernels.compare(above, made, 2, (slice(2, 0), slice(0, 2)), allowed=1, slack=0).outside == 0
    assert kernels.compare(above, made, 2, (slice(0, 2), slice(2, -1)), allowed=1, slack=0).outside == 0
    assert kernels.compare(above, made, 2, (slice(0, 2), slice(0, 2)), allowed=1, slack=0).outside == 4
    empty = np.zeros((0, 0), "uint8")
    assert kernels.compare(empty, empty, 2, (slice(0, 0), slice(0, 0)), allowed=1, slack=0).sum == 0


def test_sizes_are_checked_before_the_loop() -> None:
    extension = pytest.importorskip("tilery.kernels._compiled", exc_type=ImportError)
    weights, image, made = np.ones(4, "float32"), np.zeros((10, 12), "uint8"), np.zeros((4, 5), "uint8")
    extension.halve(image, weights, weights, made)
    extension.halve(image, weights, weights, made[:0])
    halves: tuple[Any, ...] = (image, weights, weights, made)
    for number, wrong in [
        (0, image[:9]),
        (0, image[:, :11]),
        (0, image.astype("uint16")),
        (0, image.astype("float32")),
        (1, weights[:3]),
        (1, weights[:0]),
        (1, np.ones(17, "float32")),
        (2, np.ones(4)),
        (3, made[:3]),
        (3, made.astype("int16")),
    ]:
        with pytest.raises((TypeError, ValueError)):
            extension.halve(*halves[:number], wrong, *halves[number + 1 :])
    compared: tuple[Any, ...] = (image, np.zeros((5, 6), "uint8"), 2, (0, 5, 0, 6), 1.0, 0.25)
    extension.compare(*compared)
    cases: list[tuple[int, Any]] = [
        (0, image[:8]),
        (0, image[:, :10]),
        (0, image.astype("int16")),
        (1, made),
        (2, -1),
        (2, 5),
        (3, (-1, 5, 0, 6)),
        (3, (0, 6, 0, 6)),
        (3, (0, 5, -1, 6)),
        (3, (0, 5, 0, 7)),
        (3, (0, 5, 0)),
        (4, "much"),
    ]
    for number, wrong in cases:
        with pytest.raises((TypeError, ValueError)):
            extension.compare(*compared[:number], wrong, *compared[number + 1 :])
    there, valid = np.ones(image.shape, "bool"), np.ones(made.shape, "bool")
    parts: tuple[Any, ...] = (image, weights, weights, made, there, valid)
    extension.halve_valid(*parts)
    cases = [
        (1, np.ones(3, "float32")),
        (4, there[:9]),
        (4, there[:, :11]),
        (4, there.astype("uint8")),
        (5, valid[:3]),
        (5, valid[:, :4]),
        (5, made),
    ]
    for number, wrong in cases:
        with pytest.raises((TypeError, ValueError)):
            extension.halve_valid(*parts[:number], wrong, *parts[number + 1 :])
    held: tuple[Any, ...] = (*compared[:2], there, np.ones((5, 6), "bool"), *compared[2:])
    extension.compare_valid(*held)
    cases = [
        (0, image[:8]),
        (2, there[:8]),
        (2, there.astype("uint8")),
        (3, valid),
        (4, 5),
        (5, (0, 6, 0, 6)),
    ]
    for number, wrong in cases:
        with pytest.raises((TypeError, ValueError)):
            extension.compare_valid(*held[:number], wrong, *held[number + 1 :])

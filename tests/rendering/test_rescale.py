"""Rescaling: every value of the small types, ranges of all sorts, masks, and the range found where none is given."""

from __future__ import annotations

import numpy as np
import pytest

from tilery.errors import InvalidParameter
from tilery.geo.raster import Array, Raster
from tilery.rendering import rescale

RANGES = [
    (0.0, 255.0),
    (10.0, 200.0),
    (0.5, 99.25),
    (-100.0, 100.0),
    (0.0, 10000.0),
    (0.0, 1.0),
    (33.3, 66.6),
    (300, 301),
]


def by_hand(values: Array, low: float, high: float) -> Array:
    """Return the definition, value by value in float64."""
    clipped = np.minimum(np.maximum(values.astype(np.float64), low), high)
    return np.trunc((clipped - low) / (high - low) * 255.0).astype(np.uint8)


@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16"])
def test_every_value_of_a_small_type(kind: str, limits: tuple[float, float]) -> None:
    info = np.iinfo(kind)
    every = np.arange(info.min, info.max + 1).astype(kind).reshape(1, -1, 256)
    result = rescale.linear(Raster(data=every), (limits,))
    assert result.data.dtype == np.uint8
    assert np.array_equal(result.data, by_hand(every, *limits))


@pytest.mark.parametrize("kind", ["int32", "uint32", "int64", "float32", "float64"])
def test_other_types(kind: str) -> None:
    values = np.random.default_rng(1).uniform(0, 5000, (2, 90, 7)).astype(kind)
    result = rescale.linear(Raster(data=values), ((100.0, 4000.0), (0.0, 777.7)))
    assert np.array_equal(result.data[0], by_hand(values[0], 100.0, 4000.0))
    assert np.array_equal(result.data[1], by_hand(values[1], 0.0, 777.7))


def test_large_pictures_are_done_in_parts() -> None:
    values = np.random.default_rng(1).uniform(0, 5000, (1, 1500, 700)).astype(np.float32)
    assert np.array_equal(rescale.linear(Raster(data=values), ((0, 4000),)).data, by_hand(values, 0, 4000))


@pytest.mark.parametrize("layout", ["bands", "pixels", "strided"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_layout_in_memory_does_not_matter(layout: str, kind: str) -> None:
    values = np.random.default_rng(2).integers(0, 255, (3, 20, 30)).astype(kind)
    given = values
    if layout == "pixels":
        given = np.ascontiguousarray(values.transpose(1, 2, 0)).transpose(2, 0, 1)
    if layout == "strided":
        given = np.repeat(values, 2, axis=2)[:, :, ::2]
    for ranges in (((0, 100),), ((0, 100), (10, 20), (5, 250))):
        result = rescale.linear(Raster(data=given), ranges)
        each = ranges if len(ranges) == 3 else ranges * 3
        for band in range(3):
            assert np.array_equal(result.data[band], by_hand(values[band], *each[band]))
        assert result.data.transpose(1, 2, 0).flags.c_contiguous


def test_the_first_range_serves_when_their_number_is_not_that_of_the_bands() -> None:
    values = np.array([[[50]], [[50]], [[50]]], dtype=np.uint8)
    for ranges in (((0, 100), (0, 200)), ((0, 100),) * 4):
        assert rescale.linear(Raster(data=values), ranges).data.ravel().tolist() == [127] * 3


def test_masked_pixels_are_nothing() -> None:
    values = np.full((2, 1, 3), 80, dtype=np.uint16)
    shared = np.array([[[True, False, True]]])
    assert rescale.linear(Raster(data=values, mask=shared), ((0, 100),)).data.tolist() == [[[204, 0, 204]]] * 2
    own = np.array([[[True, False, True]], [[True, True, False]]])
    result = rescale.linear(Raster(data=values, mask=own), ((0, 100),))
    assert result.data.tolist() == [[[204, 0, 204]], [[204, 204, 0]]]
    assert result.mask is own


def test_reversed_ranges_turn_the_picture_round() -> None:
    values = np.array([[[0, 100, 200, 300]]], dtype=np.uint16)
    assert rescale.linear(Raster(data=values), ((200, 0),)).data.tolist() == [[[255, 127, 0, 0]]]


def test_ranges_without_width_give_nothing() -> None:
    for kind in ("uint8", "float32"):
        assert not rescale.linear(Raster(data=np.full((1, 2, 2), 5, dtype=kind)), ((5, 5),)).data.any()


@pytest.mark.parametrize("limits", [(np.nan, 1), (0, np.nan), (-np.inf, 0), (0, np.inf)])
def test_ranges_must_be_finite(limits: tuple[float, float]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        rescale.linear(Raster(data=np.zeros((1, 1, 1))), (limits,))
    assert caught.value.parameter == "rescale"


def test_what_is_not_a_number_becomes_nothing() -> None:
    values = np.array([[[np.nan, np.inf, -np.inf, 1.0]]], dtype=np.float32)
    assert rescale.linear(Raster(data=values), ((0, 2),)).data.tolist() == [[[0, 255, 0, 127]]]


def test_what_belonged_to_the_values_is_dropped() -> None:
    source = Raster(
        data=np.zeros((1, 1, 1), np.uint16), nodata=0.0, scales=(2.0,), offsets=(1.0,), statistics=((0, 1),),
        alpha=np.array([[65535]], np.uint16),
    )  # fmt: skip
    result = rescale.linear(source, ((0, 1),))
    assert (result.nodata, result.scales, result.offsets, result.statistics) == (None, (), (), None)
    assert result.alpha is not None
    assert result.alpha.tolist() == [[255]]


# without a range


def test_statistics_come_first() -> None:
    values = np.array([[[0, 500, 1000]]], dtype=np.uint16)
    assert rescale.automatic(Raster(data=values, statistics=((0, 1000),))).data.tolist() == [[[0, 127, 255]]]


def test_statistics_that_fit_nothing_are_left() -> None:
    values = np.array([[[0, 32768, 65535]]], dtype=np.uint16)
    for statistics in (((0, 1), (0, 1)), ((0, np.nan),)):
        assert rescale.automatic(Raster(data=values, statistics=statistics)).data.tolist() == [[[0, 127, 255]]]


@pytest.mark.parametrize("kind", ["uint16", "int16", "uint32", "int32"])
def test_integers_take_the_whole_range_of_their_type(kind: str) -> None:
    info = np.iinfo(kind)
    values = np.array([[[info.min, (info.min + info.max) // 2 + 1, info.max]]], dtype=kind)
    assert rescale.automatic(Raster(data=values)).data.tolist() == [[[0, 127, 255]]]


def test_true_and_false_are_white_and_black() -> None:
    assert rescale.automatic(Raster(data=np.array([[[True, False]]]))).data.tolist() == [[[255, 0]]]


def test_floats_take_the_range_of_their_valid_pixels_band_by_band() -> None:
    values = np.array([[[0, 5, 10, 1e6]], [[-1, 0, 1, np.nan]]], dtype=np.float32)
    mask = np.array([[[True, True, True, False]]])
    result = rescale.automatic(Raster(data=values, mask=mask))
    assert result.data.tolist() == [[[0, 127, 255, 0]], [[0, 127, 255, 0]]]


def test_floats_without_a_valid_pixel_are_nothing() -> None:
    nothing = Raster(data=np.ones((1, 2, 2)), mask=np.zeros((1, 2, 2), np.bool_))
    assert not rescale.automatic(nothing).data.any()
    assert not rescale.automatic(Raster(data=np.full((1, 2, 2), np.nan))).data.any()


def test_a_mask_of_one_row_does_not_reach_into_others() -> None:
    """TiTiler 2.4 takes a row of the mask for the mask of a band, which stripes the picture (rescale_array)."""
    values = np.full((2, 4, 4), 65535, dtype=np.uint16)
    mask = np.ones((1, 4, 4), dtype=np.bool_)
    mask[0, 0, 1:3] = False
    result = rescale.automatic(Raster(data=values, mask=mask))
    assert (result.data == np.where(mask, 255, 0)).all()


@pytest.mark.parametrize(
    ("alpha", "kind", "expected"),
    [
        (np.array([0, 1, 128, 255], np.uint8), np.uint16, [0, 257, 32896, 65535]),
        (np.array([0, 257, 32767, 65535], np.uint16), np.uint8, [0, 1, 127, 255]),
        (np.array([-5, 0, 16384, 32767], np.int16), np.uint8, [0, 0, 127, 255]),
        (np.array([0, 1, 2**32 - 1], np.uint32), np.uint8, [0, 0, 255]),
        (np.array([0, 2**63, 2**64 - 1], np.uint64), np.uint8, [0, 127, 255]),
        (np.array([0.0, 0.5, 255.0], np.float32), np.uint8, [0, 255, 255]),
        (np.array([0, 7], np.uint8), np.uint8, [0, 7]),
    ],
)
def test_opacity_in_another_type(alpha: Array, kind: type, expected: list[int]) -> None:
    result = rescale.opacity(alpha, np.dtype(kind))
    assert result.dtype == kind
    assert result.tolist() == expected

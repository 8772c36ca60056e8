"""Statistics against the definitions, worked out with Python's own numbers."""

from __future__ import annotations

import math
import statistics as python
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilery.errors import InvalidParameter, OverLimit, RequestError, TooMuchWork
from tilery.geo.raster import Raster
from tilery.rendering.statistics import statistics

KEYS = [
    "min",
    "max",
    "mean",
    "count",
    "sum",
    "std",
    "median",
    "majority",
    "minority",
    "unique",
    "histogram",
    "valid_percent",
    "masked_pixels",
    "valid_pixels",
    "description",
    "percentile_2",
    "percentile_98",
]
KINDS = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float32", "float64")


def band(values: Any, kind: str = "uint8", **options: Any) -> dict[str, Any]:
    data = np.array([values], dtype=kind).reshape(1, 1, -1)
    return statistics(Raster(data=data), **options)["b1"]


def test_keys_in_their_order() -> None:
    assert list(band([1, 2, 3])) == KEYS


@pytest.mark.parametrize("kind", KINDS)
def test_values(kind: str) -> None:
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    found = band(values, kind)
    assert found["min"] == 1
    assert found["max"] == 9
    assert found["mean"] == pytest.approx(python.fmean(values))
    assert found["count"] == 11
    assert found["sum"] == 44
    assert found["std"] == pytest.approx(python.pstdev(values))
    assert found["median"] == 4
    assert found["majority"] == 5
    assert found["minority"] == 2
    assert found["unique"] == 7
    assert found["valid_percent"] == 100
    assert (found["valid_pixels"], found["masked_pixels"]) == (11, 0)
    assert found["percentile_2"] == 1
    assert found["percentile_98"] == 9
    assert all(isinstance(found[key], float) for key in KEYS if key not in {"histogram", "description"})


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "float32"])
def test_negative_values(kind: str) -> None:
    found = band([-5, -5, 0, 7], kind)
    assert (found["min"], found["max"], found["sum"], found["majority"], found["median"]) == (-5, 7, -3, -5, -5)


def test_names_and_descriptions_of_bands() -> None:
    raster = Raster(data=np.zeros((2, 1, 1)), band_names=("b3", "b1"), band_descriptions=("red", ""))
    found = statistics(raster)
    assert {name: entry["description"] for name, entry in found.items()} == {"b3": "red", "b1": ""}


@pytest.mark.parametrize("kind", KINDS)
def test_masked_pixels_do_not_count(kind: str) -> None:
    data = np.array([[[1, 2, 100, 4]], [[1, 2, 100, 4]]], dtype=kind)
    mask = np.array([[[True, True, False, True]], [[True, True, True, True]]])
    found = statistics(Raster(data=data, mask=mask))
    assert (found["b1"]["max"], found["b2"]["max"]) == (4, 100)
    assert found["b1"]["valid_percent"] == 75
    assert (found["b1"]["valid_pixels"], found["b1"]["masked_pixels"]) == (3, 1)
    shared = statistics(Raster(data=data, mask=mask[:1]))
    assert [shared[name]["max"] for name in ("b1", "b2")] == [4, 4]


def test_transparent_pixels_do_not_count() -> None:
    raster = Raster(data=np.array([[[1, 9]]]), alpha=np.array([[255, 0]], np.uint8))
    assert statistics(raster)["b1"]["max"] == 1


def test_what_is_not_finite_does_not_count() -> None:
    found = band([1, np.nan, np.inf, 3], "float32")
    assert (found["max"], found["valid_pixels"], found["masked_pixels"]) == (3, 2, 2)


def test_nothing_valid() -> None:
    raster = Raster(data=np.ones((1, 2, 2)), mask=np.zeros((1, 2, 2), np.bool_))
    found = statistics(raster, percentiles=(2, 50))["b1"]
    for key in ("min", "max", "mean", "std", "median", "majority", "minority", "percentile_2", "percentile_50"):
        assert found[key] is None
    assert (found["count"], found["sum"], found["unique"], found["valid_percent"]) == (0, 0, 0, 0)
    assert found["histogram"] == [[0] * 10, pytest.approx(np.linspace(0, 1, 11))]


def test_true_and_false() -> None:
    found = statistics(Raster(data=np.array([[[True, False, True]]])))["b1"]
    assert (found["min"], found["max"], found["sum"]) == (0, 1, 2)


# histograms


@pytest.mark.parametrize("kind", ["uint8", "float64"])
def test_histogram(kind: str) -> None:
    found = band([0, 1, 2, 3, 4, 5, 6, 7, 8, 10], kind)["histogram"]
    assert found == [[1] * 8 + [1, 1], pytest.approx(range(11))]
    assert all(isinstance(height, int) for height in found[0])


def test_histogram_in_a_range() -> None:
    assert band([0, 1, 2, 50, 100], bins=2, range=(0, 4))["histogram"] == [[2, 1], [0, 2, 4]]


def test_histogram_with_edges() -> None:
    assert band([0, 1, 2, 50, 100], bins=[0, 2, 60, 100])["histogram"] == [[2, 2, 1], [0, 2, 60, 100]]


def test_histogram_of_one_value() -> None:
    assert sum(band([7, 7, 7])["histogram"][0]) == 3
    assert sum(band([1e8] * 3, "float32")["histogram"][0]) == 3


def test_histogram_of_categories() -> None:
    assert band([5, 1, 5, 3], categorical=True)["histogram"] == [[1, 1, 2], [1, 3, 5]]
    found = band([5, 1, 5, 3], categorical=True, categories=[5, 2, 1, 300])["histogram"]
    assert found == [[2, 0, 1, 0], [5, 2, 1, 300]]
    assert band([0.5, 1], "float32", categorical=True, categories=[0.5, 7])["histogram"] == [[1, 0], [0.5, 7.0]]
    nothing = Raster(data=np.ones((1, 1, 1)), mask=np.zeros((1, 1, 1), np.bool_))
    assert statistics(nothing, categorical=True, categories=[1])["b1"]["histogram"] == [[0], [1.0]]


# percentiles


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_percentiles_are_values_that_occur(kind: str) -> None:
    found = band(list(range(1, 101)), kind, percentiles=(0, 1, 50, 99, 100))
    assert [found[f"percentile_{number}"] for number in (0, 1, 50, 99, 100)] == [1, 1, 50, 99, 100]
    assert "percentile_2" not in found


# coverage


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32"])
def test_coverage_weighs(kind: str) -> None:
    data = np.array([[[10, 20], [30, 40]]], dtype=kind)
    coverage = np.array([[1.0, 0.5], [0.0, 0.25]], dtype=np.float32)
    found = statistics(Raster(data=data), coverage=coverage)["b1"]
    assert found["count"] == 1.75
    assert found["sum"] == 10 + 10 + 0 + 10
    assert found["mean"] == pytest.approx(30 / 1.75)
    variance = (1 * (10 - 30 / 1.75) ** 2 + 0.5 * (20 - 30 / 1.75) ** 2 + 0.25 * (40 - 30 / 1.75) ** 2) / 1.75
    assert found["std"] == pytest.approx(math.sqrt(variance))
    assert found["median"] == 10
    assert (found["min"], found["max"]) == (10, 40)
    assert found["percentile_98"] == 40
    assert found["valid_pixels"] == 4
    assert found["valid_percent"] == 100


def test_valid_percent_is_of_the_pixels_covered() -> None:
    raster = Raster(data=np.ones((1, 1, 4)), mask=np.array([[[True, False, True, True]]]))
    found = statistics(raster, coverage=np.array([[1, 1, 0, 1]], np.float32))["b1"]
    assert found["valid_percent"] == 100
    nothing = statistics(raster, coverage=np.zeros((1, 4), np.float32))["b1"]
    assert (nothing["valid_percent"], nothing["mean"], nothing["std"]) == (0, None, None)


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=60),
    st.sampled_from(["uint8", "uint16", "int32", "float64"]),
    st.integers(0, 100),
)
@settings(max_examples=120)
def test_against_pythons_own_sums(values: list[int], kind: str, percentile: int) -> None:
    found = band(values, kind, percentiles=(percentile,))
    assert found["mean"] == pytest.approx(python.fmean(values))
    assert found["std"] == pytest.approx(python.pstdev(values), abs=1e-9)
    assert found["median"] == python.median_low(values)
    assert found["majority"] == min(set(values), key=lambda value: (-values.count(value), value))
    assert found["minority"] == min(set(values), key=lambda value: (values.count(value), value))
    rank = max(math.ceil(percentile / 100.0 * len(values)) - 1, 0)
    assert found[f"percentile_{percentile}"] == sorted(values)[rank]


# limits


@pytest.mark.parametrize(
    ("options", "error", "parameter"),
    [
        ({"bins": 0}, InvalidParameter, "histogram_bins"),
        ({"bins": [1]}, InvalidParameter, "histogram_bins"),
        ({"bins": [3, 1, 2]}, InvalidParameter, "histogram_bins"),
        ({"bins": 50_000_000}, OverLimit, "histogram_bins"),
        ({"range": (5, 1)}, InvalidParameter, "histogram_range"),
        ({"range": (np.nan, 1)}, InvalidParameter, "histogram_range"),
        ({"range": (0, np.inf)}, InvalidParameter, "histogram_range"),
        ({"percentiles": [101]}, InvalidParameter, "p"),
        ({"percentiles": [-1]}, InvalidParameter, "p"),
        ({"percentiles": [5] * 200}, OverLimit, "p"),
        ({"categorical": True, "categories": list(range(5000))}, OverLimit, "c"),
    ],
)
def test_what_cannot_be_asked(options: dict[str, Any], error: type[RequestError], parameter: str) -> None:
    with pytest.raises(error) as caught:
        band([1, 2], **options)
    assert caught.value.parameter == parameter


def test_values_that_differ_from_pixel_to_pixel_are_not_counted_one_by_one() -> None:
    values = np.arange(300 * 300, dtype="float32").reshape(1, 300, 300)
    with pytest.raises(TooMuchWork) as refused:
        statistics(Raster(data=values), categorical=True)
    assert (refused.value.parameter, refused.value.limit) == ("categorical", 1 << 16)
    named = statistics(Raster(data=values), categorical=True, categories=[5.0, 7.5])
    assert named["b1"]["histogram"] == [[1, 0], [5.0, 7.5]]
    whole = np.arange(1 << 16, dtype="uint16").reshape(1, 256, 256)
    assert len(statistics(Raster(data=whole), categorical=True)["b1"]["histogram"][0]) == 1 << 16

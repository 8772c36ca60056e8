"""Algorithms against arithmetic by hand, their documents, their parameters."""

from __future__ import annotations

import math
import statistics as python
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilery.errors import InvalidBand, InvalidParameter
from tilery.geo.raster import Array, Crs, Raster
from tilery.rendering import algorithms, colormap

FLAT = np.full((1, 12, 14), 500, dtype=np.float32)
MASK = np.ones((1, 12, 14), dtype=np.bool_)
MASK[0, 5, 6] = False


def run(name: str, data: Array, params: dict[str, Any] | None = None, **more: Any) -> Raster:
    return algorithms.apply(name, params or {}, Raster(data=data, **more))


def pixels(*bands: Any, kind: str = "uint8") -> Array:
    return np.array(bands, dtype=kind).reshape(len(bands), 1, -1)


# documents and parameters


def test_names_in_their_order() -> None:
    assert algorithms.names() == (
        "hillshade", "slope", "contours", "normalizedIndex", "terrarium", "terrainrgb", "cast", "ceil", "floor", "min",
        "max", "median", "mean", "std", "var", "sum", "grayscale", "bitonal",
    )  # fmt: skip


def test_documents() -> None:
    assert algorithms.describe("slope") == {
        "title": "Slope",
        "description": "Calculate degrees of slope from DEM dataset.",
        "inputs": {"nbands": 1},
        "outputs": {"nbands": 1, "dtype": "float32", "min": [0.0], "max": [90.0]},
        "parameters": {
            "buffer": {
                "default": 3,
                "description": "Buffer size for edge effects",
                "maximum": 99,
                "minimum": 0,
                "title": "Buffer",
                "type": "integer",
            },
            "z_exaggeration": {
                "default": 1.0,
                "maximum": 1000000.0,
                "minimum": 1e-06,
                "title": "Z Exaggeration",
                "type": "number",
            },
        },
    }
    assert algorithms.describe("terrarium")["parameters"] == {
        "nodata_height": {
            "anyOf": [{"maximum": 99999.0, "minimum": -99999.0, "type": "number"}, {"type": "null"}],
            "default": None,
            "title": "Nodata Height",
        }
    }
    assert algorithms.describe("min") == {
        "title": "Min",
        "description": "Return Min values along the `bands` axis.",
        "inputs": {"nbands": None},
        "outputs": {"nbands": 1, "dtype": None, "min": None, "max": None},
        "parameters": {},
    }


@pytest.mark.parametrize("name", algorithms.names())
def test_documents_hold_what_is_done(name: str) -> None:
    document = algorithms.describe(name)
    assert list(document) == ["title", "description", "inputs", "outputs", "parameters"]
    data = np.arange(3 * 20 * 20).reshape(3, 20, 20).astype(np.float32)
    if document["inputs"]["nbands"]:
        data = data[: document["inputs"]["nbands"]]
    result = algorithms.apply(name, {}, Raster(data=data))
    outputs = document["outputs"]
    assert outputs["nbands"] in (None, result.count)
    if outputs["dtype"] and name != "median":  # of float32 the median is float32, here as in TiTiler
        assert result.data.dtype == outputs["dtype"]
    assert len(result.band_names) == result.count
    if outputs["min"] and outputs["dtype"] != "uint8":
        assert result.statistics == ((outputs["min"][0], outputs["max"][0]),)


@pytest.mark.parametrize("name", ["", "Hillshade", "nothing"])
def test_unknown_algorithms(name: str) -> None:
    for act in (lambda: algorithms.describe(name), lambda: algorithms.check(name, {}), lambda: run(name, FLAT)):
        with pytest.raises(InvalidParameter) as caught:
            act()
        assert caught.value.parameter == "algorithm"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("hillshade", {"nothing": 1}),
        ("hillshade", {"output_dtype": "float32"}),
        ("hillshade", {"azimuth": 361}),
        ("hillshade", {"azimuth": -1}),
        ("hillshade", {"azimuth": 1.5}),
        ("hillshade", {"azimuth": "north"}),
        ("hillshade", {"azimuth": None}),
        ("hillshade", {"azimuth": [1]}),
        ("hillshade", {"azimuth": {}}),
        ("hillshade", {"buffer": 10**5}),
        ("hillshade", {"z_exaggeration": 0}),
        ("hillshade", {"z_exaggeration": float("nan")}),
        ("hillshade", {"z_exaggeration": float("inf")}),
        ("hillshade", {"z_exaggeration": "1e999"}),
        ("terrainrgb", {"interval": 2}),
        ("terrainrgb", {"interval": 0}),
        ("min", {"axis": 0}),
        ("cast", {"x" * 1000: 0}),
    ],
)
def test_parameters_that_cannot_be(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        run(name, FLAT, params)
    assert caught.value.parameter == "algorithm_params"
    assert len(caught.value.detail) < 200


def test_numbers_may_be_written_as_text_and_whole_ones_as_fractions() -> None:
    given = run("hillshade", FLAT, {"azimuth": "90", "buffer": 1.0, "angle_altitude": 30})
    assert np.array_equal(given.data, run("hillshade", FLAT, {"azimuth": 90, "buffer": 1, "angle_altitude": 30.0}).data)


# terrain


def test_hillshade_of_a_plain() -> None:
    result = run("hillshade", FLAT)
    assert result.data.dtype == np.uint8
    assert set(result.data.ravel().tolist()) == {int(255 * (math.sin(math.radians(45)) + 1) / 2)}
    assert result.band_descriptions == ("hillshade",)


@pytest.mark.parametrize(("azimuth", "altitude", "exaggeration"), [(45, 45.0, 1.0), (300, 30.0, 2.5), (0, 90.0, 0.1)])
def test_hillshade_of_a_slope(azimuth: int, altitude: float, exaggeration: float) -> None:
    rows, columns = np.mgrid[0:20, 0:20]
    heights = (0.5 * rows + 0.25 * columns)[np.newaxis]
    params = {"azimuth": azimuth, "angle_altitude": altitude, "z_exaggeration": exaggeration, "buffer": 0}
    result = run("hillshade", heights, params)
    x, y = 0.5 * exaggeration, 0.25 * exaggeration
    slope = math.pi / 2 - math.atan(math.hypot(x, y))
    aspect = math.atan2(-x, y)
    sun, height = math.radians(360 - azimuth), math.radians(altitude)
    shade = math.sin(height) * math.sin(slope) + math.cos(height) * math.cos(slope) * math.cos(sun - aspect)
    assert set(result.data.ravel().tolist()) == {max(int(255 * (shade + 1) / 2), 0)}


def test_slope_is_in_degrees_of_the_ground() -> None:
    rows = np.mgrid[0:20, 0:20][0].astype(np.float32)
    result = run("slope", 10 * rows[np.newaxis], {"buffer": 0}, bounds=(0.0, 0.0, 200.0, 600.0))
    # 10 up in a pixel of 10: the width of a pixel is what TiTiler divides the change from row to row by
    assert result.data == pytest.approx(np.full((1, 20, 20), math.degrees(math.atan(1.0))))
    assert result.data.dtype == np.float32
    across = run("slope", 10 * rows.T[np.newaxis], {"buffer": 0}, bounds=(0.0, 0.0, 200.0, 600.0))
    assert across.data == pytest.approx(np.full((1, 20, 20), math.degrees(math.atan(1 / 3))))


@pytest.mark.parametrize("name", ["hillshade", "slope"])
def test_buffers_are_cut_off_again(name: str) -> None:
    source = Raster(
        data=FLAT, mask=MASK, bounds=(0.0, 0.0, 140.0, 120.0), crs=Crs("EPSG:3857"), cutline=np.ones((12, 14), np.bool_)
    )
    result = algorithms.apply(name, {"buffer": 2}, source)
    assert result.data.shape == (1, 8, 10)
    assert result.bounds == (20.0, 20.0, 120.0, 100.0)
    assert result.crs == "EPSG:3857"
    assert result.cutline is not None
    assert result.cutline.shape == (8, 10)
    whole = algorithms.apply(name, {"buffer": 0}, source)
    assert np.array_equal(result.data, whole.data[:, 2:-2, 2:-2])


@pytest.mark.parametrize("name", ["hillshade", "slope"])
def test_the_neighbours_of_what_is_masked_are_not_known(name: str) -> None:
    result = run(name, FLAT, {"buffer": 0}, mask=MASK)
    assert result.mask is not None
    unknown = {tuple(place) for place in np.argwhere(~result.mask[0]).tolist()}
    assert unknown == {(4, 6), (6, 6), (5, 5), (5, 7)}


@pytest.mark.parametrize("name", ["hillshade", "slope"])
def test_edges_have_one_neighbour(name: str) -> None:
    mask = np.ones((1, 12, 14), dtype=np.bool_)
    mask[0, 0, 0] = False
    result = run(name, FLAT, {"buffer": 0}, mask=mask)
    assert result.mask is not None
    unknown = {tuple(place) for place in np.argwhere(~result.mask[0]).tolist()}
    assert unknown == {(0, 0), (1, 0), (0, 1)}


@pytest.mark.parametrize("name", ["hillshade", "slope"])
def test_pictures_too_small(name: str) -> None:
    with pytest.raises(InvalidParameter):
        run(name, np.ones((1, 1, 1)))
    with pytest.raises(InvalidParameter):
        run(name, np.ones((1, 6, 6)))


def test_contours() -> None:
    heights = np.array([[[0.0, 34.5, 35.0, 35.9, 36.0, 9000.0, -20000.0]]])
    result = run("contours", heights, mask=np.array([[[True] * 6 + [False]]]))
    terrain = colormap.get("terrain").rgba
    shades = [int((min(max(height, -12000), 8000) + 12000) / 20000 * 254 + 1) for height in heights[0, 0]]
    for column, (height, shade) in enumerate(zip(heights[0, 0], shades, strict=True)):
        expected = [0, 0, 0] if height % 35 < 1 else terrain[shade, :3].tolist()
        assert result.data[:, 0, column].tolist() == expected
    assert result.mask is not None
    assert result.mask.tolist() == [[[True] * 6 + [False]]]
    assert result.band_descriptions == ("contours_r", "contours_g", "contours_b")


def test_contours_of_odd_parameters() -> None:
    heights = np.array([[[5.0, 50.0]]])
    without = run("contours", heights, {"increment": 0})
    assert without.data.any()
    assert run("contours", heights, {"minz": 10, "maxz": 10}).data.shape == (3, 1, 2)
    with pytest.raises(InvalidBand):
        run("contours", np.ones((2, 3, 3)))


def unpacked_terrarium(colors: Array) -> Array:
    red, green, blue = colors.astype(np.float64)
    return np.asarray(red * 256 + green + blue / 256 - 32768)


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
def test_terrarium(kind: str) -> None:
    heights = np.array([[[-400, 0, 8848, 1234.5, -32768]]]).astype(kind)
    result = run("terrarium", heights)
    assert result.data.dtype == np.uint8
    assert unpacked_terrarium(result.data) == pytest.approx(heights[0].astype(float), abs=1 / 256)


def unpacked_terrainrgb(colors: Array, interval: float = 0.1, base: float = -10000.0) -> Array:
    red, green, blue = colors.astype(np.float64)
    return np.asarray(base + (red * 65536 + green * 256 + blue) * interval)


@pytest.mark.parametrize(("interval", "base"), [(0.1, -10000.0), (0.01, -500.0), (1.0, -1000.0)])
def test_terrainrgb(interval: float, base: float) -> None:
    heights = np.array([[[-400.0, 0.0, 8848.0, 1234.56]]])
    result = run("terrainrgb", heights, {"interval": interval, "baseval": base})
    assert unpacked_terrainrgb(result.data, interval, base) == pytest.approx(heights[0], abs=interval / 2 + 1e-9)


@pytest.mark.parametrize(("name", "unpack"), [("terrarium", unpacked_terrarium), ("terrainrgb", unpacked_terrainrgb)])
def test_heights_for_what_is_masked(name: str, unpack: Any) -> None:
    heights = np.array([[[100.0, -9999.0]]])
    mask = np.array([[[True, False]]])
    assert run(name, heights, mask=mask).mask is not None
    filled = run(name, heights, {"nodata_height": 12}, mask=mask)
    assert filled.mask is None
    assert unpack(filled.data) == pytest.approx(np.array([[100.0, 12.0]]))
    assert run(name, heights, {"nodata_height": None}, mask=mask).mask is not None


def test_heights_that_three_bytes_cannot_tell_stay_at_the_nearest_that_they_can() -> None:
    heights = np.array([[[-10994.0, -10000.04, -9999.96, 0.0, 1667721.5, 2e6, np.inf, -np.inf]]])
    decoded = unpacked_terrainrgb(run("terrainrgb", heights).data)
    lowest, highest = -10000.0, -10000.0 + (256**3 - 1) * 0.1
    assert decoded[0] == pytest.approx([lowest, lowest, lowest, 0.0, highest, highest, highest, lowest], abs=0.05)
    low = unpacked_terrarium(run("terrarium", np.array([[[-40000.0, -32768.0, 1e9]]])).data)
    assert low[0].tolist() == [-32768.0, -32768.0, 32767.0]


def test_a_height_for_what_is_masked_is_rounded_as_others_are() -> None:
    filled = run("terrainrgb", np.array([[[0.3, -9999.0]]]), {"nodata_height": 0.3}, mask=np.array([[[True, False]]]))
    assert filled.data[:, 0, 0].tolist() == filled.data[:, 0, 1].tolist()


# bands


def test_normalized_index() -> None:
    result = run("normalizedIndex", pixels([10, 0, 5], [30, 0, 0]), band_descriptions=("red", "nir"))
    assert result.data.dtype == np.float32
    assert result.data[0, 0, [0, 2]].tolist() == [0.5, -1.0]
    assert result.mask is not None
    assert result.mask.tolist() == [[[True, False, True]]]
    assert result.statistics == ((-1.0, 1.0),)
    assert result.band_descriptions == ("(nir - red) / (nir + red)",)


def test_normalized_index_is_masked_where_either_band_is() -> None:
    mask = np.array([[[True, False, True]], [[True, True, False]]])
    result = run("normalizedIndex", pixels([1, 1, 1], [2, 2, 2]), mask=mask)
    assert result.mask is not None
    assert result.mask.tolist() == [[[True, False, False]]]


@pytest.mark.parametrize(("name", "expected"), [("cast", [1, 254, 0]), ("ceil", [2, 255, 0]), ("floor", [1, 254, 0])])
def test_casts(name: str, expected: list[int]) -> None:
    result = run(name, pixels([1.5, 254.2, 0.0], kind="float32"))
    assert result.data.tolist() == [[expected]]
    assert result.data.dtype == np.uint8


@pytest.mark.parametrize("name", ["hillshade", "slope"])
def test_slopes_of_truth_values_are_those_of_0_and_1(name: str) -> None:
    heights = np.random.default_rng(1).integers(0, 2, (1, 16, 16)).astype(bool)
    result = algorithms.apply(name, {}, Raster(data=heights))
    expected = algorithms.apply(name, {}, Raster(data=heights.astype(np.uint8)))
    assert np.array_equal(result.data, expected.data)


def test_casts_keep_the_low_byte() -> None:
    for name in ("cast", "ceil", "floor"):
        assert run(name, pixels([256, 257, -1], kind="int16")).data.tolist() == [[[0, 1, 255]]]
        assert run(name, pixels([256.0, 513.0], kind="float64")).data.tolist() == [[[0, 1]]]


ACROSS: dict[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "mean": python.fmean,
    "median": python.median,
    "std": python.stdev,
    "var": python.variance,
}


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("name", list(ACROSS))
def test_across_bands(name: str, kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 200, (5, 4, 6)).astype(kind)
    result = run(name, values)
    expected = [[float(ACROSS[name](values[:, row, column].tolist())) for column in range(6)] for row in range(4)]
    assert result.data[0] == pytest.approx(np.array(expected), rel=1e-5)
    assert result.mask is None
    assert result.band_descriptions == (name,)
    if name in {"min", "max"}:
        assert result.data.dtype == kind


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("name", list(ACROSS))
def test_across_valid_bands_only(name: str, kind: str) -> None:
    generator = np.random.default_rng(1)
    values = generator.integers(0, 200, (4, 5, 7)).astype(kind)
    mask = generator.random((4, 5, 7)) < 0.6
    mask[:, 0, 0], mask[:, 0, 1], mask[1:, 0, 1] = False, True, False
    result = run(name, values, mask=mask)
    least = 2 if name in {"std", "var"} else 1
    for row in range(5):
        for column in range(7):
            valid = values[:, row, column][mask[:, row, column]].tolist()
            known = len(valid) >= least
            assert result.mask is not None
            assert bool(result.mask[0, row, column]) is known
            if known:
                assert result.data[0, row, column] == pytest.approx(float(ACROSS[name](valid)), rel=1e-5)


@pytest.mark.parametrize("name", list(ACROSS))
def test_across_one_band(name: str) -> None:
    result = run(name, pixels([3, 4]))
    if name in {"std", "var"}:
        assert result.mask is not None
        assert not result.mask.any()
    else:
        assert result.data.tolist() == [[[3, 4]]]


def test_sums_do_not_overflow() -> None:
    assert run("sum", pixels([250], [250])).data.tolist() == [[[500]]]


# pictures


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_grayscale(kind: str) -> None:
    result = run("grayscale", pixels([10, 255], [20, 255], [30, 255], kind=kind))
    assert result.data.dtype == kind
    luma = [(10 * 299 + 20 * 587 + 30 * 114) / 1000, 255]
    assert result.data[0, 0] == pytest.approx(luma if kind == "float32" else [int(value) for value in luma])


def test_bitonal() -> None:
    assert run("bitonal", pixels([127, 128, 255])).data.tolist() == [[[0, 255, 255]]]
    assert run("bitonal", pixels([200, 0], [100, 0], [255, 255])).data.tolist() == [[[255, 0]]]


def test_gray_is_masked_where_any_colour_is() -> None:
    mask = np.array([[[True, False, True]], [[True, True, True]], [[True, True, False]]])
    for name in ("grayscale", "bitonal"):
        result = run(name, pixels([1, 1, 1], [1, 1, 1], [1, 1, 1]), mask=mask)
        assert result.mask is not None
        assert result.mask.tolist() == [[[True, False, False]]]


@pytest.mark.parametrize(
    ("name", "bands"), [("grayscale", 1), ("grayscale", 2), ("bitonal", 2), ("bitonal", 4), ("normalizedIndex", 1)]
)
def test_bands_missing(name: str, bands: int) -> None:
    with pytest.raises(InvalidBand) as caught:
        run(name, np.ones((bands, 2, 2)))
    assert caught.value.status == 400
    assert caught.value.parameter == "algorithm"


@pytest.mark.parametrize("name", algorithms.names())
def test_transparent_pixels_are_masked(name: str) -> None:
    count = 2 if name == "normalizedIndex" else 1 if name in {"contours", "hillshade", "slope"} else 3
    data = np.full((count, 12, 14), 100, dtype=np.uint8)
    alpha = np.full((12, 14), 255, dtype=np.uint8)
    alpha[:, :5] = 0
    params = {"buffer": 0} if name in {"hillshade", "slope"} else {}
    result = run(name, data, params, alpha=alpha)
    assert result.alpha is None
    assert result.mask is not None
    assert not result.mask[:, :, :4].any()
    assert result.mask[:, :, 7:].all()
    assert data.min() == 100

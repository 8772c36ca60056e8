"""Colour formulas against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from color_operations import parse_operations, scale_dtype, to_math_type

from tilery.errors import InvalidBand, InvalidParameter, OverLimit
from tilery.geo.raster import Array, Raster
from tilery.rendering import color_formula, saturation

EVERY = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (3, 1, 1))


def gamma(values: Array, exponent: float) -> Array:
    return np.trunc((values / 255.0) ** (1 / exponent) * 255).astype(np.uint8)


def sigmoidal(values: Array, contrast: float, bias: float) -> Array:
    def curve(value: Array | float) -> Array:
        return np.asarray(1 / (1 + np.exp(contrast * (bias - value))))

    scaled = (curve(values / 255.0) - curve(0.0)) / (curve(1.0) - curve(0.0))
    whole: Array = np.trunc(scaled * 255).astype(np.uint8)
    return whole


def test_gamma_on_the_bands_named() -> None:
    result = color_formula.apply(Raster(data=EVERY), "gamma RB 1.7").data
    assert np.array_equal(result[0], gamma(EVERY[0], 1.7))
    assert np.array_equal(result[1], EVERY[1])
    assert np.array_equal(result[2], gamma(EVERY[2], 1.7))


def test_sigmoidal() -> None:
    result = color_formula.apply(Raster(data=EVERY), "sigmoidal rgb 6 0.4").data
    # the last digit of an exponential may fall either way
    assert np.abs(result.astype(int) - sigmoidal(EVERY, 6, 0.4)).max() <= 1


def test_operations_follow_each_other() -> None:
    one = color_formula.apply(Raster(data=EVERY), "gamma r 1.5, gamma g 0.8, sigmoidal RGB 3 0.5")
    two = color_formula.apply(Raster(data=EVERY), "gamma r 1.5 gamma g 0.8")
    assert np.array_equal(one.data, color_formula.apply(two, "Sigmoidal RGB 3 0.5").data)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int32"])
@pytest.mark.parametrize("proportion", [0, 0.4, 1, 1.3, 7, -0.5])
def test_saturation_is_the_library_s(proportion: float, kind: str) -> None:
    most = np.iinfo(kind).max
    colors = np.random.default_rng(0).integers(0, most, (4, 90, 100), dtype=kind, endpoint=True)
    colors[:3, 0] = np.linspace(0, most, 100).astype(kind)  # greys
    colors[:3, 1] = 0
    colors[:3, 2] = most
    expected = scale_dtype(parse_operations(f"saturation {proportion}")[0](to_math_type(colors)), np.uint8)
    assert np.array_equal(color_formula.apply(Raster(data=colors), f"saturation {proportion}").data, expected)


@pytest.mark.parametrize("proportion", ["1e300", "1e9"])
def test_saturation_without_bounds(proportion: str) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    assert color_formula.apply(Raster(data=colors), f"saturation {proportion}").data.dtype == np.uint8


def test_saturations_in_a_row() -> None:
    colors = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    both = color_formula.apply(Raster(data=colors), "saturation 0.5, Saturation 1.5").data
    first = color_formula.apply(Raster(data=colors), "saturation 0.5")
    assert np.array_equal(both, color_formula.apply(first, "saturation 1.5").data)


def test_between_other_operations() -> None:
    colors = np.random.default_rng(0).integers(0, 255, (3, 8, 9), dtype=np.uint8)
    whole = color_formula.apply(Raster(data=colors), "gamma RGB 1.2 saturation 1.3 gamma B 0.9")
    steps = Raster(data=colors)
    for formula in ("gamma RGB 1.2", "saturation 1.3", "gamma B 0.9"):
        steps = color_formula.apply(steps, formula)
    assert np.array_equal(whole.data, steps.data)


def test_sixteen_bits_count_from_nothing_to_their_most() -> None:
    values = np.array([[[0, 16384, 65535]]] * 3, dtype=np.uint16)
    expected = np.trunc((values / 65535) ** (1 / 2.0) * 255).astype(np.uint8)
    assert np.array_equal(color_formula.apply(Raster(data=values), "gamma RGB 2").data, expected)


@pytest.mark.parametrize("kind", ["int16", "int32"])
def test_negative_values_are_nothing(kind: str) -> None:
    most = np.iinfo(kind).max
    values = np.array([[[-5, 0, most]]] * 3, dtype=kind)
    assert color_formula.apply(Raster(data=values), "gamma RGB 2").data[0].tolist() == [[0, 0, 255]]


def test_floats_are_rescaled_first() -> None:
    values = np.array([[[0.0, 0.25, 1.0]]] * 3)
    result = color_formula.apply(Raster(data=values), "gamma RGB 2")
    assert result.data[0].tolist() == [[0, int((63 / 255) ** 0.5 * 255), 255]]


def test_mask_and_opacity_stay() -> None:
    mask = np.ones((1, 16, 16), dtype=np.bool_)
    source = Raster(data=EVERY.astype(np.uint16), mask=mask, alpha=np.full((16, 16), 65535, np.uint16))
    result = color_formula.apply(source, "gamma RGB 2")
    assert result.mask is mask
    assert result.alpha is not None
    assert result.alpha.dtype == np.uint8
    assert (result.alpha == 255).all()


@pytest.mark.parametrize(
    "formula",
    ["", " ", "gamma", "gamma RGB", "gamma X 1", "gamma 4 1", "gamma RGB nan", "gamma RGB -1", "gamma RGB 0",
     "blur RGB 1", "sigmoidal RGB 5", "sigmoidal RGB 5 2", "saturation", "saturation x",
     "saturation nan", "saturation inf", "gamma RGB 1.5 saturation", "gamma  RGB 1"],
)  # fmt: skip
def test_what_is_no_formula(formula: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        color_formula.apply(Raster(data=EVERY), formula)
    assert caught.value.parameter == "color_formula"


@pytest.mark.parametrize("formula", ["gamma RGB 1.5", "gamma G 1.5", "saturation 1.2", "sigmoidal B 5 0.5"])
def test_bands_that_are_not_there(formula: str) -> None:
    with pytest.raises(InvalidBand) as caught:
        color_formula.apply(Raster(data=EVERY[:1]), formula)
    assert caught.value.status == 400
    assert "1 band." in caught.value.detail


def test_one_band_may_be_red() -> None:
    assert np.array_equal(color_formula.apply(Raster(data=EVERY[:1]), "gamma R 1.5").data, gamma(EVERY[:1], 1.5))


def test_formulas_are_bounded() -> None:
    with pytest.raises(OverLimit):
        color_formula.apply(Raster(data=EVERY), "gamma RGB 1 " * 100_000)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32"])
def test_pixels_are_worked_out_some_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (3, 90, 101)).astype(kind) * (np.iinfo(kind).max // 255)
    formula = "gamma RGB 1.2 saturation 1.3"
    whole = color_formula.apply(Raster(data=colors), formula).data
    assert np.ptp(whole) > 200
    for module in (color_formula, saturation):
        monkeypatch.setattr(module, "AT_ONCE", 1000)
    assert np.array_equal(color_formula.apply(Raster(data=colors), formula).data, whole)

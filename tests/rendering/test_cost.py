"""The memory that is said to be needed is never less than what is taken, and not many times as much."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tilery.geo.raster import Raster
from tilery.rendering import algorithms, colormap, cost, pipeline, statistics
from tilery.rendering.algorithms import terrain
from tilery.rendering.options import RenderOptions

SIDE = 1024
"""Large enough for what does not grow with the picture (tables, strips) to be little."""
STEADY = 5
"""Bytes a pixel of that: strips of algorithms, tables of 16 bits."""


def raster(kind: str, count: int, *, masked: bool = False) -> Raster:
    values = np.random.default_rng(1).random((count, SIDE, SIDE)) * 200
    mask = None
    if masked:
        mask = np.ones((count, SIDE, SIDE), bool)
        mask[:, :50, :50] = False
    names = tuple(f"b{number + 1}" for number in range(count))
    return Raster(data=values.astype(kind), mask=mask, bounds=(0, 0, 1000, 1000), band_names=names)


def taken(work: Callable[[], object]) -> float:
    """Return bytes a pixel that NumPy and Python take at most; what codecs take by themselves is not seen."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return (tracemalloc.get_traced_memory()[1] - before) / SIDE**2
    finally:
        tracemalloc.stop()


def check(kind: str, count: int, options: RenderOptions, name: str | None, *, masked: bool) -> None:
    pixels = raster(kind, count, masked=masked)
    found = taken(lambda: pipeline.render(pixels, options, name))
    said = cost.of_picture(count, pixels.data.dtype, options, name)
    assert found <= said + STEADY
    assert said < 4 * found + 90


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "jp2", "tif", "npy", None])
@pytest.mark.parametrize("kind", ["uint8", "int16", "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_formats(name: str | None, kind: str, masked: bool) -> None:
    check(kind, 3, RenderOptions(), name, masked=masked)
    check(kind, 3, RenderOptions(rescale=((0.0, 200.0),)), name, masked=masked)


@pytest.mark.parametrize("algorithm", algorithms.names())
@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_algorithms(algorithm: str, kind: str) -> None:
    options = RenderOptions(algorithm=algorithm)
    bands = {"normalizedIndex": 2, "grayscale": 3, "bitonal": 3}.get(algorithm, 1)
    check(kind, bands, options, "png", masked=True)


@pytest.mark.parametrize("algorithm", algorithms.names())
@pytest.mark.parametrize("kind", ["uint8", "int16", "float32", "float64"])
def test_what_algorithms_make_is_no_larger_than_said(algorithm: str, kind: str) -> None:
    bands = 1 if algorithm == "contours" else 3
    made = pipeline.calculated(raster(kind, bands), RenderOptions(algorithm=algorithm))
    count, said = algorithms.output_of(algorithm, bands)
    assert made.count == count
    assert made.data.dtype.itemsize <= said.itemsize


@pytest.mark.parametrize("bands", [2, 5])
@pytest.mark.parametrize("algorithm", ["median", "var", "max", "mean"])
def test_algorithms_across_bands(algorithm: str, bands: int) -> None:
    check("float32", bands, RenderOptions(algorithm=algorithm), "png", masked=True)


@pytest.mark.parametrize("blocks", [1, 8])
@pytest.mark.parametrize(("kind", "name"), [("uint8", "npy"), ("float32", "tif"), ("uint16", "npy")])
def test_expressions(blocks: int, kind: str, name: str) -> None:
    check(kind, 2, RenderOptions(expression=";".join(["b1*1.5+b2"] * blocks)), name, masked=False)


@pytest.mark.parametrize("formula", ["gamma RGB 1.5", "saturation 1.2", "sigmoidal RGB 6 0.5 saturation 1.2"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32"])
def test_color_formulas(formula: str, kind: str) -> None:
    check(kind, 3, RenderOptions(color_formula=formula), "png", masked=True)


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("name", ["png", "jpeg", "npy"])
def test_colormaps(kind: str, name: str) -> None:
    check(kind, 1, RenderOptions(colormap=colormap.get("viridis"), rescale=((0.0, 200.0),)), name, masked=True)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_statistics(kind: str, weighted: bool, masked: bool) -> None:
    pixels = raster(kind, 2, masked=masked)
    coverage: Any = np.random.default_rng(2).random((SIDE, SIDE), dtype="float32") if weighted else None
    found = taken(lambda: statistics.statistics(pixels, coverage=coverage))
    assert found <= cost.of_statistics(2, pixels.data.dtype, RenderOptions(), weighted=weighted) + STEADY


@pytest.mark.parametrize("algorithm", ["hillshade", "slope"])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_terrain_in_strips_is_the_same(algorithm: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = raster("float32", 1, masked=True)
    assert pixels.mask is not None
    part = (slice(None), slice(100), slice(90))
    small = replace(pixels, data=pixels.data[part], mask=pixels.mask[part])
    whole = pipeline.calculated(small, RenderOptions(algorithm=algorithm))
    monkeypatch.setattr(terrain, "_STRIP", rows * 90)
    strips = pipeline.calculated(small, RenderOptions(algorithm=algorithm))
    np.testing.assert_array_equal(strips.data, whole.data)
    np.testing.assert_array_equal(strips.mask, whole.mask)


@pytest.mark.parametrize(
    "options",
    [
        RenderOptions(),
        RenderOptions(return_mask=False),
        RenderOptions(rescale=((0.0, 200.0),)),
        RenderOptions(expression="b1;b2*2"),
        RenderOptions(expression="b1", algorithm="terrarium"),
        RenderOptions(algorithm="mean"),
        RenderOptions(expression="b1", rescale=((0.0, 200.0),), colormap=colormap.get("viridis")),
    ],
)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("name", ["npy", "tif"])
def test_answers_that_are_not_compressed_are_no_smaller_than_said(options: RenderOptions, kind: str, name: str) -> None:
    pixels = raster(kind, 2, masked=True)
    body = pipeline.render(pixels, options, name).body
    said = cost.of_answer(2, pixels.data.dtype, options)
    assert len(body) >= said * SIDE**2
    if not (options.expression or options.algorithm):
        assert len(body) < (said + 1) * SIDE**2

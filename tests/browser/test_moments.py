"""The viewer of Zarr stores: variables, and a slider for each dimension that is not on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.browser.conftest import MOMENTS, Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OUTPUTS = "[...document.querySelectorAll('#dimensions output')].map((one) => one.textContent)"

IN_HASTE = """((slider) => ["1", "2"].forEach((value) => {
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
}))(document.querySelector("#dimension-time"))"""


def gray(pixels: Any, value: int, column: int = 580) -> bool:
    return bool(np.abs(pixels[240, column] - value).max() <= 6)


def test_a_slider_goes_through_time(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/zarr/viewer?url={site.rasters}/moments.zarr&variable=shade&rescale=0,255#map=2/0/0",
        ("wait", "#results:not([hidden])"),
        ("settle",),
        ("evaluate", OUTPUTS),
        ("evaluate", IN_HASTE),
        ("waitUntil", "location.search.includes('time%3D2020-01-03')"),
        ("settle",),
        ("evaluate", OUTPUTS),
        ("clickAt", 580, 240),
        ("wait", ".maplibregl-popup td, .maplibregl-popup svg"),
        ("evaluate", "document.querySelector('.maplibregl-popup').textContent"),
        ("evaluate", "location.search + location.hash"),
    )
    assert seen.results[2] == ["2020-01-01", "0"]
    assert seen.results[6] == ["2020-01-03", "0"]
    assert gray(seen.pixels, MOMENTS[2])
    assert str(MOMENTS[2]) in seen.results[9]
    tiles = [address for address in seen.requests if "/zarr/tiles/" in address]
    assert not [address for address in tiles if "time%3D2020-01-02" in address], (
        "what was passed in haste is not asked for"
    )
    assert len(tiles) == len(set(tiles))
    assert gray(visit(f"/zarr/viewer{seen.results[10]}").pixels, MOMENTS[2])


def test_a_variable_is_chosen(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/zarr/viewer?url={site.rasters}/moments.zarr#map=2/0/0",
        ("wait", "#results:not([hidden])"),
        ("choose", "#variable", "other"),
        ("waitUntil", "location.search.includes('variable=other')"),
        ("settle",),
        ("evaluate", f"[{OUTPUTS}.length, [...document.querySelectorAll('#variable option')].map((one) => one.value)]"),
    )
    sliders, variables = seen.results[4]
    assert sliders == 0
    assert set(variables) == {"shade", "other"}
    assert gray(seen.pixels, 30)


def test_a_layer_has_a_slider_on_the_map_and_in_its_viewer(visit: Visit) -> None:
    slider = "#along-shade-time"
    seen = visit(
        "/map#map=2/0/0&layers=shade",
        ("wait", slider),
        ("evaluate", "[...document.querySelectorAll('.moments output')].map((one) => one.textContent)"),
        ("press", slider, "End"),
        ("waitUntil", "location.hash.includes('2020-01-03')"),
        ("settle",),
        ("clickAt", 580, 240),
        ("wait", ".maplibregl-popup td"),
        ("evaluate", "document.querySelector('.maplibregl-popup td').textContent"),
        ("evaluate", "location.hash"),
        ("evaluate", "location.reload()"),
        ("wait", slider),
        ("settle",),
        ("evaluate", f"[location.hash, document.querySelector('{slider}').value]"),
        axe=True,
    )
    assert seen.results[1] == ["2020-01-01", "0"]
    assert seen.results[7] == str(MOMENTS[2])
    assert seen.results[8].endswith("layers=shade:::time%3D2020-01-03T00%253A00%253A00")
    assert seen.results[-1] == [seen.results[8], "2"]
    assert gray(seen.pixels, MOMENTS[2])
    seen = visit(
        "/layers/shade/viewer#map=2/0/0",
        ("wait", "#dimension-time"),
        ("press", "#dimension-time", "ArrowRight"),
        ("waitUntil", "location.search.includes('time%3D2020-01-02')"),
        ("settle",),
    )
    assert gray(seen.pixels, MOMENTS[1])

"""The pages in a real browser: tiles of the right colours are on them, and the controls do what they say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from tests.browser.conftest import BLUE, RED, Site, Visit
from tilery.rendering import colormap

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OFFERED = "document.querySelectorAll('.edit-button, #save-button').length"
"""How many changes are offered: none where there is no admin."""


def near(found: Any, expected: tuple[int, ...], tolerance: int = 8) -> bool:
    """True for a colour that a lossy codec makes of another."""
    return bool(np.abs(np.asarray(found) - np.asarray(expected)).max() <= tolerance)


def added_in_qgis(code: str) -> dict[str, list[str]]:
    """Run the code for QGIS's console, and return what the source that it adds is made of, as QGIS takes it apart."""
    added: list[str] = []
    interface = SimpleNamespace(addRasterLayer=lambda source, _name, _provider: added.append(source))
    exec(code, {"iface": interface})
    return parse_qs(added[0], strict_parsing=True)


def test_the_map_shows_the_first_layer(visit: Visit) -> None:
    seen = visit("/map", ("evaluate", "document.querySelectorAll('#layers > li').length"), ("evaluate", OFFERED))
    assert seen.results == [4, 0]
    assert near(seen.pixels[240, 400], BLUE)


def test_layers_can_be_switched_and_faded(visit: Visit) -> None:
    opacity = "document.querySelector('li:nth-child(2) input[type=range]')"
    seen = visit(
        "/map#map=2/0/0",
        ("click", "#layers li:nth-child(2) input[type=checkbox]"),
        ("settle",),
        ("evaluate", "location.hash"),
        ("evaluate", f"{opacity}.value = '0.5'; {opacity}.dispatchEvent(new Event('input'))"),
        ("settle",),
    )
    assert seen.results[2].endswith("layers=blue,red")
    assert near(seen.pixels[240, 580], tuple((np.array(RED) + np.array(BLUE)) // 2), 10)


def test_the_address_says_which_layers_are_on(visit: Visit) -> None:
    assert near(visit("/map#map=2/0/0&layers=red").pixels[240, 580], RED)
    assert near(visit("/red/map").pixels[240, 580], RED)


def test_a_style_changes_the_tiles(visit: Visit) -> None:
    seen = visit("/map#map=2/0/0&layers=blue", ("choose", "#layers select", "green"), ("settle",))
    assert near(seen.pixels[240, 580], (BLUE[0], BLUE[2], BLUE[0]))


def test_a_click_on_the_map_reads_values(visit: Visit) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=red",
        ("clickAt", 580, 240),
        ("wait", ".maplibregl-popup table"),
        ("evaluate", "[...document.querySelectorAll('.maplibregl-popup td')].map((cell) => cell.textContent)"),
        axe=True,
    )
    assert seen.results[2] == [str(value) for value in RED]


def test_credits_hold_text_and_no_code(visit: Visit) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=red",
        ("evaluate", "document.querySelector('.maplibregl-ctrl-attrib-inner').innerHTML"),
    )
    assert "Red house" in seen.results[0]
    assert "onclick" not in seen.results[0]
    assert "javascript:" not in seen.results[0]


def test_the_map_fits_a_telephone(visit: Visit) -> None:
    seen = visit("/map", ("evaluate", "document.documentElement.scrollWidth"), width=375, height=480)
    assert seen.results == [375]
    assert near(seen.pixels[240, 187], BLUE)


def test_the_landing_page_has_a_card_with_a_picture_for_each_layer(visit: Visit) -> None:
    seen = visit(
        "/",
        ("wait", ".cards img"),
        ("waitUntil", "[...document.querySelectorAll('.cards img')].every((image) => image.naturalWidth > 0)"),
        ("evaluate", "[...document.querySelectorAll('.cards h3')].map((title) => title.textContent)"),
        ("fill", "#url", "/nowhere/image.tif"),
        ("click", "form button"),
        ("wait", "#error:not([hidden])"),
        ("evaluate", "[location.pathname, document.querySelector('#error').textContent]"),
        allowed=403,
    )
    assert seen.results[2] == ["Blue", "Red", "Shade", "Twice"]
    path, message = seen.results[6]
    assert path == "/cog/viewer"
    assert "nowhere" not in message
    assert message


def test_the_viewer_stretches_and_colours_a_band(visit: Visit, site: Site) -> None:
    url = f"{site.rasters}/ramp.tif"
    seen = visit(
        "/cog/viewer",
        ("fill", "#url", url),
        ("click", "#open button"),
        ("wait", "#results:not([hidden])"),
        ("settle",),
        ("click", "#stretch-all"),
        ("click", "#colormap"),
        ("wait", "#colormap-list button[value=viridis]"),
        ("click", "#colormap-list button[value=viridis]"),
        ("settle",),
        ("evaluate", "location.search"),
        ("evaluate", "document.querySelector('#link-tilejson').value"),
        ("evaluate", "[...document.querySelectorAll('#facts dd')].map((fact) => fact.textContent)"),
        ("evaluate", "fetch(document.querySelector('#link-tilejson').value).then((answer) => answer.json())"),
        ("choose", "#snippet-kind", "QGIS"),
        ("evaluate", "['snippet', 'link-xyz'].map((id) => document.getElementById(id).value)"),
        *(
            step
            for kind in ("leafmap", "ArcGIS for JavaScript")
            for step in (("choose", "#snippet-kind", kind), ("evaluate", "document.querySelector('#snippet').value"))
        ),
        ("click", "#copy-link"),
        ("wait", "#copy-link:has-text('Copied')"),
        ("evaluate", "navigator.clipboard.readText().then((text) => text === location.href)"),
        axe=True,
    )
    query = parse_qs(seen.results[9][1:])
    assert query["url"] == [url]
    assert query["rescale"] == ["1000,3000"]
    assert query["colormap_name"] == ["viridis"]
    assert urlsplit(seen.results[10]).path == "/cog/WebMercatorQuad/tilejson.json"
    assert "uint16" in seen.results[11]
    tilejson = seen.results[12]
    assert tilejson["tiles"][0].startswith(site.address)
    code, tiles = seen.results[14]
    assert added_in_qgis(code) == {
        "type": ["xyz"],
        "zmin": [str(tilejson["minzoom"])],
        "zmax": [str(tilejson["maxzoom"])],
        "url": [tiles],
    }
    assert f'm.add_tile_layer("{tiles}"' in seen.results[16]
    assert "m.zoom_to_bounds([0, 0, 10, 10])" in seen.results[16]
    assert f'urlTemplate: "{tiles.replace("{z}/{x}/{y}", "{level}/{col}/{row}")}"' in seen.results[18]
    assert "extent: { xmin: 0, ymin: 0, xmax: 10, ymax: 10 }" in seen.results[18]
    assert seen.results[-1] is True
    # Along the middle of the raster the colours run through the colormap from one end to the other.
    colours = colormap.get("viridis").rgba[:, :3].astype(int)
    row = seen.pixels[240, 361:]
    distance = np.abs(row[:, None, :] - colours[None]).max(axis=2)
    on_it = distance.min(axis=1) <= 6
    places = distance.argmin(axis=1)[on_it]
    assert places.min() <= 12
    assert places.max() >= 243
    assert (np.diff(places[(places > 12) & (places < 243)]) >= -4).all()


def test_the_viewers_address_brings_the_same_picture_back(visit: Visit, site: Site) -> None:
    path = f"/cog/viewer?url={site.rasters}/half.tif&bidx=1&rescale=0,255&colormap_name=viridis"
    expected = colormap.get("viridis").rgba[128, :3]
    assert near(visit(path).pixels[240, 580], tuple(int(value) for value in expected))


def test_the_viewer_takes_expressions(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/cog/viewer?url={site.rasters}/red.tif",
        ("click", "label:has(input[value=expression])"),
        ("settle",),
        ("fill", "#expression", "b1-b3"),
        ("press", "#expression", "Enter"),
        ("settle",),
        ("evaluate", "document.querySelector('#link-xyz').value"),
        ("clickAt", 580, 240),
        ("wait", ".maplibregl-popup table"),
        ("evaluate", "document.querySelector('.maplibregl-popup td').textContent"),
    )
    assert "expression=b1-b3" in seen.results[5]
    assert seen.results[8] == str(RED[0] - RED[2])


def test_a_layers_own_viewer_needs_no_address(visit: Visit) -> None:
    seen = visit(
        "/layers/red/viewer",
        ("evaluate", "['#open', '#relief-button'].map((id) => document.querySelector(id).hidden)"),
        ("evaluate", OFFERED),
    )
    assert seen.results == [[True, True], 0]
    assert near(seen.pixels[240, 580], RED)


@pytest.mark.parametrize(
    "name", ["WebMercatorQuad", "WGS1984Quad", "WorldMercatorWGS84Quad", "EuropeanETRS89_LAEAQuad"]
)
def test_leaflet_shows_a_raster_in_a_matrix_set(visit: Visit, site: Site, name: str) -> None:
    seen = visit(f"/cog/{name}/map.html?url={site.rasters}/red.tif")
    assert near(seen.pixels[240, 400], RED)
    assert near(seen.pixels[240, 460], RED)


def test_leaflet_shows_the_pole(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/cog/UPSArcticWGS84Quad/map.html?url={site.rasters}/polar.tif",
        ("clickAt", 400, 240),
        ("wait", ".leaflet-popup td"),
        ("evaluate", "document.querySelector('.leaflet-popup td').textContent"),
        axe=True,
    )
    assert near(seen.pixels[300, 450], (200, 200, 200))
    assert seen.results[2] == "200"


def test_swagger_and_redoc_list_the_operations(visit: Visit) -> None:
    seen = visit("/api.html", ("wait", ".opblock-tag"), ("evaluate", "document.body.innerText"), axe=True)
    assert "Tiling Schemes" in seen.results[1]
    level = "Number(title.getAttribute('aria-level') ?? title.tagName.slice(1))"
    seen = visit(
        "/redoc",
        ("waitUntil", "document.querySelector('h5[aria-level]')"),
        ("evaluate", "document.body.innerText"),
        ("evaluate", f"[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((title) => {level})"),
    )
    assert "Tiling Schemes" in seen.results[1]
    assert seen.results[2][0] == 1
    assert max(np.diff(seen.results[2])) == 1, "no level of headings is left out"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/colorMaps", "/colorMaps/viridis", "/tileMatrixSets", "/algorithms/hillshade", "/layers"),
        *("/cog/viewer", "/layers/nothing/viewer"),
    ],
)
def test_pages_of_documents(visit: Visit, path: str) -> None:
    in_sight = "[...document.images].filter((image) => image.getClientRects()[0]?.top < window.innerHeight)"
    seen = visit(
        path,
        ("waitUntil", f"{in_sight}.every((image) => image.naturalWidth > 0)"),
        ("evaluate", "document.documentElement.scrollWidth <= window.innerWidth"),
        width=375,
        allowed=404,
        axe=True,
    )
    assert seen.results[1] is True

"""What the maps show around rasters and instead of them: the world, small pictures, the server's words."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import BLUE, RED, Seen, Site, Visit
from tilery.rendering import colormap

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAY = (200, 200, 200)


VIEWER = 580
"""The column of the middle of the viewer's map."""


def middle(seen: Seen, size: int = 8, column: int = 400) -> tuple[int, ...]:
    """Return the colour of most pixels around the middle of a map."""
    around = seen.pixels[240 - size : 240 + size, column - size : column + size].reshape(-1, 3)
    return tuple(int(value) for value in np.median(around, axis=0))


def tiles(seen: Seen) -> list[str]:
    return [address for address in seen.requests if re.search(r"/tiles/WebMercatorQuad/\d+/", address)]


def test_land_and_sea_lie_where_they_are_light_and_dark(visit: Visit, world: Site) -> None:
    seen = visit(
        "/map#map=4/23/10&layers=",
        ("wait", ".lines-control"),
        ("settle",),
        ("click", ".lines-control"),
        ("click", ".lines-control"),
        ("evaluate", "location.hash"),
        ("settle",),
        at=world,
        dark=True,
    )
    assert seen.results[4].endswith("lines=off")
    assert np.abs(np.subtract(middle(seen), (0x26, 0x35, 0x3D))).max() <= 12  # the Sahara
    assert any("/world/50m.json" in address for address in seen.requests)
    seen = visit("/map#map=2.5/35/-40&layers=&lines=off", ("wait", ".lines-control"), ("settle",), at=world)
    assert np.abs(np.subtract(middle(seen), (0xD9, 0xE4, 0xE8))).max() <= 12  # the Atlantic
    assert not any("/world/50m.json" in address for address in seen.requests)


def test_below_its_least_zoom_a_raster_is_a_small_picture(visit: Visit, site: Site) -> None:
    seen = visit(f"/cog/viewer?url={site.rasters}/small.tif#map=11/10.005/-29.995")
    assert np.abs(np.subtract(middle(seen, 4, VIEWER), GRAY)).max() <= 4
    assert tiles(seen) == []
    assert sum("/bbox/" in address for address in seen.requests) == 1


def test_a_raster_across_the_antimeridian_is_one_place(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/cog/viewer?url={site.rasters}/antimeridian.tif",
        ("evaluate", "document.querySelector('#readout').textContent"),
    )
    assert abs(abs(float(seen.results[0].split("°")[1])) - 180) < 1
    assert np.abs(np.subtract(middle(seen, 60, VIEWER), GRAY)).max() <= 4
    asked = tiles(seen)
    assert asked
    assert len(asked) == len(set(asked)), "each tile is asked for once"
    columns = {tuple(map(int, urlsplit(unquote(address)).path.split("/")[-3:-1])) for address in asked}
    assert all(x in (0, 2**z - 1) for z, x in columns)


def test_a_tile_that_fails_says_why_in_the_servers_words(visit: Visit, site: Site) -> None:
    path = f"/cog/viewer?url={site.rasters}/red.tif&color_formula=nonsense"
    seen = visit(
        path,
        ("wait", "#error:not([hidden])"),
        ("evaluate", "document.querySelector('#error').textContent"),
        ("evaluate", f"fetch('/cog/tiles/WebMercatorQuad/0/0/0' + {path!r}.slice(11)).then((answer) => answer.json())"),
        allowed=422,
    )
    assert seen.results[1] == seen.results[2]["detail"]


def test_without_webgl_the_plain_map_opens(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/cog/viewer?url={site.rasters}/red.tif",
        ("wait", ".leaflet-tile-loaded"),
        ("settle",),
        ("evaluate", "[location.pathname, document.querySelector('#note').textContent]"),
        webgl=False,
    )
    path, note = seen.results[2]
    assert path == "/cog/WebMercatorQuad/map.html"
    assert "WebGL" in note
    assert np.abs(np.subtract(middle(seen), RED)).max() <= 8


def test_without_webgl_values_are_stretched_as_the_viewer_does(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/cog/viewer?url={site.rasters}/ramp.tif",
        ("wait", ".leaflet-tile-loaded"),
        ("settle",),
        ("evaluate", "location.search"),
        webgl=False,
    )
    low, high = map(float, parse_qs(seen.results[2])["rescale"][0].split(","))
    assert 1000 <= low < 1100
    assert 2900 < high <= 3000
    middle_value = (2000 - low) / (high - low) * 255
    assert np.abs(np.asarray(middle(seen, 2)) - middle_value).max() <= 4


def place(x: int, y: int, *, zoom: float, longitude: float, latitude: float) -> tuple[float, float]:
    """Return longitude and latitude of a pixel of the viewer's window, for a map of that middle."""
    size = 512 * 2**zoom
    middle_y = (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2
    at = middle_y + (y - 240) / size
    return longitude + (x - VIEWER) / size * 360, math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * at))))


def test_an_area_that_is_drawn_is_measured(visit: Visit, site: Site) -> None:
    corners, along = [(450, 300), (660, 280), (560, 400)], [(500, 330), (640, 290), (640, 345)]
    seen = visit(
        f"/cog/viewer?url={site.rasters}/ramp.tif#map=4/5/5",
        ("click", "#measure-area"),
        ("wait", "#measure .row"),
        *(("clickAt", *corner) for corner in corners),
        ("clickAt", *corners[0]),
        ("wait", "#measure td"),
        ("evaluate", "[...document.querySelectorAll('#measure td')].map((cell) => Number(cell.textContent))"),
        ("download", "#measure a"),
        ("click", "#measure-line"),
        ("wait", "#measure .keys"),
        *(("clickAt", *point) for point in along),
        ("clickAt", *along[-1]),
        ("wait", "#measure .plot polyline"),
        ("download", "#measure .csv a"),
        ("evaluate", "location.search + location.hash"),
        ("evaluate", "document.querySelector('#measure').textContent"),
        ("press", "#measure .plot", "End"),
        ("evaluate", "document.querySelector('#measure .said').textContent"),
        axe=True,
    )
    ring = [place(*corner, zoom=4, longitude=5, latitude=5) for corner in [*corners, corners[0]]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    body = json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}).encode()
    request = Request(
        f"{site.address}/cog/statistics?url={site.rasters}/ramp.tif", body, {"Content-Type": "application/json"}
    )
    with urlopen(request) as answer:
        expected: dict[str, Any] = json.load(answer)["properties"]["statistics"]["b1"]
    mean, median, low, high, *_ = seen.results[7]
    assert [mean, median, low, high] == pytest.approx(
        [expected[name] for name in ("mean", "median", "min", "max")], rel=2e-3
    )
    lines = seen.results[8].splitlines()
    assert lines[0].startswith("band,mean,median,min,max")
    assert lines[1].split(",")[0] == "b1"
    csv, address, text, _, said = seen.results[-5:]
    head, *rows = (line.split(",") for line in csv.splitlines())
    assert head == ["distance_m", "longitude", "latitude", "b1"]
    ends = [place(*point, zoom=4, longitude=5, latitude=5) for point in (along[0], along[-1])]
    assert np.array([rows[0][1:3], rows[-1][1:3]], float) == pytest.approx(np.array(ends), abs=1e-5)
    distances, longitudes, _, values = np.array(rows, float).T
    assert len(rows) == 256
    assert np.diff(distances) == pytest.approx(distances[-1] / 255, rel=1e-3)
    assert values == pytest.approx(np.linspace(1000, 3000, 256).astype(int)[(longitudes * 25.6).astype(int)], abs=1)
    assert said.endswith(f"km: {values[-1]:g}")
    # whoever is sent the address sees the same line, measured
    kind, _, corners_kept = parse_qs(urlsplit(address).fragment)["drawn"][0].partition(":")
    kept = np.array(corners_kept.split(","), float).reshape(-1, 2)
    expected_line = [place(*point, zoom=4, longitude=5, latitude=5) for point in along]
    assert kind == "line"
    assert kept == pytest.approx(np.array(expected_line), abs=2e-7)
    again = visit(
        f"/cog/viewer{address}",
        ("wait", "#measure .plot polyline"),
        ("evaluate", "document.querySelector('#measure').textContent"),
        ("evaluate", "document.querySelector('#measure').style.visibility = 'hidden'"),
    )
    assert again.results[1] == text
    assert np.abs(again.pixels[310, 570] - (0xE4, 0x57, 0x2E)).max() <= 40  # between the first two points


def test_lines_and_areas_are_drawn_by_touch_and_by_keyboard(visit: Visit, site: Site) -> None:
    cells = "[...document.querySelectorAll('#measure td')].map((cell) => Number(cell.textContent))"
    keys = (" ", "ArrowRight", " ", "ArrowDown", "Backspace", " ", " ")
    seen = visit(
        f"/cog/viewer?url={site.rasters}/planes.tif&bidx=1&rescale=0,3000#map=4.5/5/5",
        ("click", "#measure-line"),
        ("wait", "#measure .row"),
        ("tapAt", 520, 300),
        ("tapAt", 640, 300),
        ("tapAt", 641, 301),
        ("wait", "#measure .plot polyline"),
        ("download", "#measure .csv a"),
        ("press", "#measure-area", "Enter"),
        ("waitUntil", "document.querySelector('#measure .missed')"),
        ("press", ".maplibregl-canvas", "Enter"),
        ("evaluate", "document.querySelector('#measure [role=status]').textContent"),
        *((("pan", key) if key.startswith("Arrow") else ("press", ".maplibregl-canvas", key)) for key in keys),
        ("press", ".maplibregl-canvas", "Enter"),
        ("wait", "#measure .row"),
        ("pan", "ArrowLeft"),
        ("press", ".maplibregl-canvas", " "),
        ("press", ".maplibregl-canvas", "Enter"),
        ("wait", "#measure td"),
        ("evaluate", cells),
        touch=True,
    )
    head, *rows = (line.split(",") for line in seen.results[6].splitlines())
    _, longitudes, latitudes, values = np.array(rows, float).T
    assert head == ["distance_m", "longitude", "latitude", "b1 Blue 490 nm"]
    assert seen.results[10] == "An area needs 3 corners at least: 3 more."
    first = place(520, 300, zoom=4.5, longitude=5, latitude=5)
    assert (longitudes[0], latitudes[0]) == pytest.approx(first, abs=1e-5)
    assert values == pytest.approx(100 + 3 * longitudes * 25.6 + 2 * (10 - latitudes) * 25.6, abs=5)
    mean, _, low, high, *_ = seen.results[-1]
    assert low < mean < high


def test_a_click_shows_the_values_of_all_bands_by_wavelength(visit: Visit, site: Site) -> None:
    copy = ".maplibregl-popup .csv button"
    cells = "[...document.querySelectorAll('.maplibregl-popup td')].map((cell) => Number(cell.textContent))"
    at = "['cx', 'cy'].map((name) => Number(point.getAttribute(name)))"
    seen = visit(
        f"/cog/viewer?url={site.rasters}/planes.tif&bidx=2&rescale=0,3000#map=4/5/5",
        ("clickAt", 622, 201),
        ("wait", ".maplibregl-popup .plot circle"),
        ("evaluate", cells),
        ("evaluate", f"[...document.querySelectorAll('.plot circle')].map((point) => {at})"),
        ("download", ".maplibregl-popup .csv a"),
        ("click", copy),
        ("wait", f"{copy}:has-text('Copied')"),
        ("evaluate", "navigator.clipboard.readText()"),
        ("wait", f"{copy}:has-text('Copy CSV')"),
        ("evaluate", "document.execCommand = () => false; navigator.clipboard.writeText = () => Promise.reject()"),
        ("click", copy),
        ("wait", f"{copy}:has-text('Copying is not allowed')"),
        axe=True,
    )
    (asked,) = (address for address in seen.requests if "/cog/point/" in address)
    with urlopen(asked) as answer:
        expected = json.load(answer)
    assert seen.results[2] == pytest.approx(expected["values"], rel=1e-5)
    longitude, latitude = place(622, 201, zoom=4, longitude=5, latitude=5)
    assert expected["coordinates"] == pytest.approx([longitude, latitude], abs=1e-4)
    across, down = math.floor(longitude * 25.6), math.floor((10 - latitude) * 25.6)
    assert expected["values"][0] == 100 + 3 * across + 2 * down
    # from left to right by wavelength: 490, 560, 665, 842 nm
    xs, ys = zip(*seen.results[3], strict=True)
    assert np.diff(xs) / (xs[-1] - xs[0]) * (842 - 490) == pytest.approx([70, 105, 177], rel=0.01)
    assert np.diff(ys) / (ys[1] - ys[0]) == pytest.approx([1, 0, 1], abs=0.01)
    lines = seen.results[4].splitlines()
    assert lines[0] == "longitude,latitude,band,description,wavelength_nm,value"
    assert [line.split(",")[3:] for line in lines[1:]] == [
        [f"{name}", f"{length}", f"{value:g}"]
        for name, length, value in zip(
            ("Blue 490 nm", "Green 560 nm", "Near infrared 0.842 µm", "Red 665 nm"),
            (490, 560, 842, 665),
            expected["values"],
            strict=True,
        )
    ]
    assert seen.results[7] == seen.results[4]


def test_classes_have_colors_and_names_that_the_address_keeps(visit: Visit, site: Site) -> None:
    seven = "#classes tbody tr:nth-child(2)"
    seen = visit(
        f"/cog/viewer?url={site.rasters}/classes.tif#map=4/5/5",
        ("click", "#classes-button"),
        ("wait", "#classes tbody tr:nth-child(3)"),
        ("evaluate", "[...document.querySelectorAll('#classes tbody tr')].map((row) => row.textContent)"),
        ("fill", f"{seven} input[type=color]", "#102030"),
        ("fill", f"{seven} input[type=text]", "Water"),
        ("press", f"{seven} input[type=text]", "Tab"),
        ("click", "#classes tbody tr:nth-child(3) input[type=checkbox]"),
        ("settle",),
        ("evaluate", "location.search"),
        ("evaluate", "fetch(document.querySelector('#legend').src).then((answer) => answer.text())"),
        ("evaluate", "document.querySelector('#link-xyz').value"),
        ("clickAt", 540, 345),
        ("wait", ".maplibregl-popup td"),
        ("evaluate", "document.querySelector('.maplibregl-popup td').textContent"),
        axe=True,
    )
    assert seen.results[-1] == "0 Sea"
    assert seen.results[2] == ["050", "725", "30025"]  # value and percent
    query = {name: value for name, (value,) in parse_qs(seen.results[8][1:]).items()}
    assert json.loads(query["colormap"]) == {"0": "#4477aa", "7": "#102030"}
    assert json.loads(query["labels"]) == {"0": "Sea", "7": "Water"}
    assert "rescale" not in query
    assert "Water" in seen.results[9]
    assert "labels" not in parse_qs(urlsplit(seen.results[10]).query)
    places = ((150, 500), (290, 640), (190, 640))
    colors = [tuple(seen.pixels[place]) for place in places]
    assert np.abs(np.subtract(colors[0], (0x44, 0x77, 0xAA))).max() <= 2
    assert np.abs(np.subtract(colors[1], (0x10, 0x20, 0x30))).max() <= 2
    again = visit(
        f"/cog/viewer{seen.results[8]}#map=4/5/5",
        ("click", "#classes-button"),
        ("wait", "#classes tbody tr"),
        (
            "evaluate",
            "[...document.querySelectorAll('#classes input:not([type=checkbox])')].map((input) => input.value)",
        ),
    )
    assert [tuple(again.pixels[place]) for place in places] == colors
    assert again.results[-1] == ["#4477aa", "Sea", "#102030", "Water", "#228833", ""]


def test_a_raster_without_a_place_has_a_grid_of_its_pixels(visit: Visit, site: Site) -> None:
    box = "['left', 'top', 'width', 'height'].map((side) => grid.getBoundingClientRect()[side])"
    seen = visit(
        f"/cog/viewer?url={site.rasters}/photo.tif",
        ("wait", ".gridded text"),
        ("settle",),
        ("evaluate", f"((grid) => {box})(document.querySelector('.gridded'))"),
        ("evaluate", "[...document.querySelectorAll('.gridded text')].map((label) => label.textContent)"),
        ("clickAt", 620, 300),
        ("wait", "#measure td"),
        ("evaluate", "[...document.querySelectorAll('#measure td')].map((cell) => Number(cell.textContent))"),
        ("click", "#colormap"),
        ("click", "#colormap-list button[value=viridis]"),
        ("settle",),
        ("evaluate", "location.search"),
        ("evaluate", "['error', 'link-tilejson', 'tools'].map((id) => document.getElementById(id).checkVisibility())"),
        ("evaluate", "fetch(document.querySelector('#link-preview').href).then((answer) => answer.status)"),
        axe=True,
    )
    left, top, width, height = seen.results[2]
    assert seen.results[3] == ["0", "100", "200", "300", "400", "0", "100", "200", "300"]
    assert seen.results[6] == [int((300 - top) / width * 400), int((620 - left) / width * 400)]
    assert parse_qs(seen.results[10])["colormap_name"] == ["viridis"]
    assert seen.results[11:] == [[False, False, False], 200]
    # the first colours on top, where the first row is
    right, upper, lower = int(left + width) - 12, int(top) + 12, int(top + height) - 12
    colours = colormap.get("viridis").rgba[:, :3].astype(int)
    assert np.abs(seen.pixels[upper, right] - colours[:12]).max(axis=1).min() <= 6
    assert np.abs(seen.pixels[lower, right] - colours[-12:]).max(axis=1).min() <= 6


def test_two_looks_are_compared_by_an_address(visit: Visit, site: Site) -> None:
    kept = quote(f"url={site.rasters}/blue.tif&bidx=1&bidx=2&bidx=3", safe="")
    seen = visit(
        f"/cog/viewer?url={site.rasters}/red.tif#map=2/0/0&kept={kept}",
        ("pan", "ArrowRight"),
        ("evaluate", "location.hash"),
    )
    # which has an address in it, whose own signs stay escaped when the position beside it changes
    assert seen.results[1].startswith("#map=2/0/")
    assert parse_qs(seen.results[1].partition("#")[2])["kept"] == [unquote(kept)]
    assert np.abs(np.subtract(middle(seen, 8, VIEWER - 60), RED)).max() <= 8
    assert np.abs(np.subtract(middle(seen, 8, VIEWER + 60), BLUE)).max() <= 8


def test_two_layers_of_the_map_are_compared(visit: Visit, site: Site) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=red",
        ("click", "#compare-button"),
        ("wait", "#over canvas"),
        ("click", "#layers li:nth-child(2) input[type=checkbox]"),
        ("click", "#layers li:nth-child(1) input[type=checkbox]"),
        ("settle",),
        ("evaluate", "location.hash"),
        ("clickAt", 560, 300),
        ("wait", "#over .maplibregl-popup td"),
        ("evaluate", "[...document.querySelectorAll('#over .maplibregl-popup td')].map((cell) => cell.textContent)"),
    )
    assert "kept=red" in seen.results[5]
    assert seen.results[8] == [str(value) for value in RED]
    again = visit(f"/map{seen.results[5]}")
    for shown in (seen, again):
        assert np.abs(np.subtract(middle(shown, 8, 360), BLUE)).max() <= 8
        assert np.abs(np.subtract(middle(shown, 8, 440), RED)).max() <= 8


def test_two_revisions_of_a_layer_are_compared(visit: Visit) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=twice",
        ("wait", "[aria-label='Revision of Twice']"),
        ("evaluate", "[...document.querySelectorAll('[aria-label^=Revision] option')].map((one) => one.textContent)"),
        ("click", "#compare-button"),
        ("wait", "#over canvas"),
        ("choose", "[aria-label='Revision of Twice']", "20260102t000000-abcdef"),
        ("settle",),
        ("evaluate", "location.hash"),
    )
    assert seen.results[1] == ["2026-01-03 08:15, current", "2026-01-02 00:00"]
    address = seen.results[6]
    assert "layers=twice::::20260102t000000-abcdef" in address
    for shown in (seen, visit(f"/map{address}")):
        assert np.abs(np.subtract(middle(shown, 8, 360), RED)).max() <= 8
        assert np.abs(np.subtract(middle(shown, 8, 440), BLUE)).max() <= 8


def test_the_assets_of_an_item_are_shown_with_their_legend(visit: Visit, site: Site, tmp_path: Path) -> None:
    before = tmp_path / "before.png"
    seen = visit(
        f"/stac/viewer?url={site.rasters}/item.json",
        ("choose", "#assets", "blue"),
        ("wait", "#legend:not([hidden])"),
        ("settle",),
        ("evaluate", "[...document.querySelectorAll('#assets option')].map((option) => option.value)"),
        ("evaluate", "location.search"),
        ("screenshot", str(before)),
        ("click", "label:has(input[value=one])"),
        ("choose", "#bands select", "3"),
        ("settle",),
        ("evaluate", "location.search"),
        axe=True,
    )
    assert seen.results[3] == ["red", "blue"]
    assert "assets=blue" in seen.results[4]
    with Image.open(before) as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int)[240, VIEWER] - BLUE).max() <= 8
    # one band of an asset of three
    assert np.abs(np.subtract(middle(seen, 8, VIEWER), BLUE[2])).max() <= 8
    again = visit(f"/stac/viewer{seen.results[-1]}", ("wait", "#results:not([hidden])"), ("settle",))
    assert np.abs(np.subtract(middle(again, 8, VIEWER), BLUE[2])).max() <= 8


def test_classes_of_an_item_have_its_names_and_colors(visit: Visit, site: Site) -> None:
    seen = visit(
        f"/stac/viewer?url={site.rasters}/cover.json#map=4/5/5",
        ("wait", "#legend:not([hidden])"),
        ("settle",),
        ("evaluate", "location.search"),
    )
    query = {name: value for name, (value,) in parse_qs(seen.results[2][1:]).items()}
    assert json.loads(query["colormap"]) == {"7": "#123456", "300": "#abcdef"}
    assert json.loads(query["labels"]) == {"7": "Lake", "300": "Ice"}
    assert "rescale" not in query
    assert np.abs(np.subtract(seen.pixels[290, 640], (0x12, 0x34, 0x56))).max() <= 2
    assert np.abs(np.subtract(seen.pixels[190, 640], (0xAB, 0xCD, 0xEF))).max() <= 2

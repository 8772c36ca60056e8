"""What the maps show around rasters and instead of them: the world, small pictures, the server's words."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from tests.browser.conftest import RED, Seen, Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAY = (200, 200, 200)


VIEWER = 580
"""The column of the middle of the viewer's map."""


def middle(seen: Seen, size: int = 8, column: int = 400) -> tuple[int, ...]:
    """The colour of most pixels around the middle of a map."""
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

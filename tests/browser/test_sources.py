"""The page of files: what there is, what is looked for, and what opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.browser.conftest import BLUE, Site, Visit, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = "[...document.querySelectorAll('.files .what > a')].map((link) => link.textContent)"
FACTS = "document.querySelector('.files .facts').textContent"


@pytest.fixture(scope="module")
def listed(site: Site) -> Iterator[Site]:
    with served(site.catalog, site.rasters, TILERY_BASEMAP="none", TILERY_BROWSE="1") as address:
        yield replace(site, address=address)


def test_a_file_is_listed_found_and_opened(visit: Visit, listed: Site) -> None:
    seen = visit(
        "/",
        ("click", "a:text-is('Files')"),
        ("click", f".files a:text('{listed.rasters.name}')"),
        ("wait", "li[data-raster]"),
        ("evaluate", NAMES),
        ("fill", "#q", "blue"),
        ("press", "#q", "Enter"),
        ("waitUntil", f"{FACTS} !== ''"),
        ("evaluate", NAMES),
        ("evaluate", FACTS),
        ("waitUntil", "document.querySelector('.files img')?.naturalWidth > 0"),
        ("click", ".files a"),
        ("wait", "#results:not([hidden])"),
        ("settle",),
        ("evaluate", "[location.pathname, new URLSearchParams(location.search).get('url')]"),
        at=listed,
    )
    names, found, facts, opened = (seen.results[step] for step in (3, 7, 8, 13))
    assert {"red.tif", "blue.tif", "ramp.tif", "polar.tif"} <= set(names)
    assert found == ["blue.tif"]
    assert facts == "512 × 256 · 3 bands · uint8 · EPSG:4326"
    assert opened == ["/cog/viewer", str(listed.rasters / "blue.tif")]
    assert np.abs(seen.pixels[240, 580] - np.asarray(BLUE)).max() <= 8


GIVEN = """((kind, fill) => {{
  const data = new DataTransfer();
  fill(data);
  const how = {{ bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data }};
  document.body.dispatchEvent(new (kind === "drop" ? DragEvent : ClipboardEvent)(kind, how));
}})("{kind}", (data) => {what})"""
SAID = "document.querySelector('#note span').textContent"


def dropped(name: str, size: int) -> tuple[str, str]:
    """A file that is dropped on the page."""
    file = f"data.items.add(new File([new Uint8Array({size})], {json.dumps(name)}))"
    return ("evaluate", GIVEN.format(kind="drop", what=file))


def pasted(document: object) -> tuple[str, str]:
    """A document that is pasted."""
    text = json.dumps(json.dumps(document))
    return ("evaluate", GIVEN.format(kind="paste", what=f"data.setData('text/plain', {text})"))


def test_what_is_dropped_or_pasted_is_shown_as_far_as_it_can_be(visit: Visit, listed: Site) -> None:
    size = (listed.rasters / "blue.tif").stat().st_size
    box = {"type": "Polygon", "coordinates": [[[-9, -9], [9, -9], [9, 9], [-9, 9], [-9, -9]]]}
    links = [{"rel": "self", "href": str(listed.rasters / "item.json")}]
    item = {"type": "Feature", "geometry": box, "properties": {}, "assets": {"red": {"href": "./red.tif"}}}
    seen = visit(
        "/cog/viewer",
        pasted(box),
        ("waitUntil", f"{SAID}.includes('on the map here')"),
        ("settle",),
        dropped("my dem.tif", size),
        ("waitUntil", f"{SAID}.includes('tilery serve')"),
        ("evaluate", SAID),
        pasted(item),
        ("waitUntil", f"{SAID}.includes('does not say where it lies')"),
        pasted({**item, "links": links}),
        ("wait", "#assets option"),
        ("evaluate", "[location.pathname, new URLSearchParams(location.search).get('url')]"),
        dropped("blue.tif", size),
        ("waitUntil", "location.search.includes('blue.tif')"),
        ("wait", "#results:not([hidden])"),
        ("settle",),
        ("evaluate", "location.pathname"),
        at=listed,
    )
    said, item_at, raster_at = seen.results[5], seen.results[10], seen.results[-1]
    assert said.startswith("“my dem.tif” lies on your computer, and a browser does not say where")
    assert "tilery serve './my dem.tif'" in said
    assert item_at == ["/stac/viewer", str(listed.rasters / "item.json")]
    assert raster_at == "/cog/viewer"
    assert np.abs(seen.pixels[240, 580] - np.asarray(BLUE)).max() <= 8


def test_geojson_is_drawn_on_the_map(visit: Visit, listed: Site) -> None:
    box = {"type": "Polygon", "coordinates": [[[-9, -9], [9, -9], [9, 9], [-9, 9], [-9, -9]]]}
    seen = visit(
        "/map#map=2/0/0&layers=",
        pasted({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": box}]}),
        ("waitUntil", f"{SAID}.includes('on the map here')"),
        ("settle",),
        at=listed,
    )
    line = np.abs(seen.pixels[240] - np.asarray((0xE4, 0x57, 0x2E))).max(axis=1) <= 30
    assert np.flatnonzero(line).size, "its outline crosses the middle row"
    assert not [one for one in seen.requests if "collection" in one.lower()]


def test_axe_finds_nothing_on_the_list(visit: Visit, listed: Site) -> None:
    visit(f"/sources?f=html&url={listed.rasters}/", ("wait", ".files img"), ("settle",), at=listed, axe=True)

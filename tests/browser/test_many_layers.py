"""The map of a catalog of many layers: a page of them at a time, and a search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.browser.conftest import RED, Site, Visit, served
from tilery.catalog import index
from tilery.storage.objects.directory import DirectoryStore

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ITEMS = "document.querySelectorAll('#layers > li').length"
NAMES = "[...document.querySelectorAll('#layers .name')].map((name) => name.textContent)"


@pytest.fixture(scope="module")
def many(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """230 layers in folders, all of them the red raster."""
    catalog: Path = tmp_path_factory.mktemp("many")
    for number in range(230):
        folder = catalog / "reds" / str(number % 7) / f"red-{number:03}"
        folder.mkdir(parents=True)
        document = {"name": f"Red {number}", "bounds": [-180, -85, 180, 85], "minzoom": 0, "maxzoom": 2}
        (folder / "index.json").write_text(json.dumps(document | {"source": str(site.rasters / "red.tif")}))
    index.rebuild(DirectoryStore(catalog))
    with served(catalog, site.rasters, TILERY_BASEMAP="none") as address:
        yield replace(site, address=address, catalog=catalog)


def test_a_page_of_layers_and_more(visit: Visit, many: Site) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=reds/6/red-006",
        ("evaluate", ITEMS),
        ("click", "#layers > li:last-child button"),
        ("wait", "#layers > li:nth-child(150)"),
        ("evaluate", ITEMS),
        at=many,
    )
    assert seen.results[0] == 102  # the one that is on, a page, and the button
    assert seen.results[3] == 201  # it is on the second page
    assert tuple(seen.pixels[240, 580]) == pytest.approx(RED, abs=8)
    assert any("/reds/6/red-006/" in address for address in seen.requests)
    assert sum("/layers?" in address for address in seen.requests) == 2


def test_a_search_finds_a_layer_that_is_on_no_page(visit: Visit, many: Site) -> None:
    seen = visit(
        "/map#map=2/0/0&layers=",
        ("fill", "#search", "RED-229"),
        ("wait", "#layers > li:only-child"),
        ("click", "#layers input[type=checkbox]"),
        ("settle",),
        ("evaluate", "location.hash"),
        ("fill", "#search", "nothing like it"),
        ("wait", "#layers > li.soft"),
        ("evaluate", NAMES),
        at=many,
    )
    assert seen.results[4].endswith("layers=reds/5/red-229")
    assert seen.results[7] == ["Red 229"]  # it is on, and stays
    assert tuple(seen.pixels[240, 580]) == pytest.approx(RED, abs=8)


def test_the_page_of_layers_can_be_searched(visit: Visit, many: Site) -> None:
    seen = visit(
        "/layers",
        ("fill", "input[name=q]", "red 22"),
        ("press", "input[name=q]", "Enter"),
        ("wait", ".card:nth-child(12):last-child"),
        at=many,
    )
    assert not seen.failed

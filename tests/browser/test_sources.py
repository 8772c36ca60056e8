"""The page of files: what there is, what is looked for, and what opens."""

from __future__ import annotations

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


def test_axe_finds_nothing_on_the_list(visit: Visit, listed: Site) -> None:
    visit(f"/sources?f=html&url={listed.rasters}/", ("wait", ".files img"), ("settle",), at=listed, axe=True)

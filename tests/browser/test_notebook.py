"""The map of a notebook's output in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tilery
from tests.browser.conftest import BLUE, RED, Site
from tests.browser.test_chromium import near
from tilery.notebook.tiles import tiles

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_swipe_shows_one_raster_on_each_side_and_a_click_the_values_of_both(
    site: Site, chromium: Callable[[Any], Any], tmp_path: Path
) -> None:
    shown = tilery.open(site.rasters / "red.tif") | tilery.open(site.rasters / "blue.tif")
    try:
        (text,) = re.findall(r"to = (\{.*?\});", shown.html())
        place = json.loads(text)
        halves, moved = tmp_path / "halves.png", tmp_path / "moved.png"
        handle = "document.getElementById('swipe')"
        report = chromium(
            {
                "url": f"http://127.0.0.1:{place['port']}{place['page']}",
                "width": 800,
                "height": 480,
                "webgl": True,
                "steps": [
                    ("settle",),
                    ("screenshot", str(halves)),
                    ("evaluate", f"{handle}.value = 90; {handle}.dispatchEvent(new Event('input'))"),
                    ("clickAt", 300, 150),
                    ("wait", ".maplibregl-popup p:nth-child(2)"),
                    (
                        "evaluate",
                        "[...document.querySelectorAll('.maplibregl-popup p')].map((line) => line.textContent)",
                    ),
                    ("settle",),
                ],
                "screenshot": str(moved),
            }
        )
    finally:
        tiles().close()
    assert (report["errors"], report["elsewhere"], report["failed"]) == ([], [], [])
    assert report["results"][5] == ["b1: 200  b2: 40  b3: 30", "b1: 20  b2: 60  b3: 180"]
    before, after = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (halves, moved))
    left, right = (slice(180, 220), slice(320, 370)), (slice(180, 220), slice(430, 480))
    assert near(np.median(before[left], axis=(0, 1)), RED)
    assert near(np.median(before[right], axis=(0, 1)), BLUE)
    assert near(np.median(after[right], axis=(0, 1)), RED)

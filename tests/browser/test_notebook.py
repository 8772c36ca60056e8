"""The map of a notebook's output in a real browser."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tilery
from tests.browser.conftest import BLUE, RED, Site
from tests.browser.test_chromium import near
from tilery.notebook import Map
from tilery.notebook.tiles import tiles

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def place(shown: Map) -> Any:
    """Return where the frame of a map leads."""
    (text,) = re.findall(r"to = (\{.*?\});", shown.html())
    return json.loads(text)


def test_a_swipe_shows_one_raster_on_each_side_and_a_click_the_values_of_both(
    site: Site, chromium: Callable[[Any], Any], tmp_path: Path
) -> None:
    shown = tilery.open(site.rasters / "red.tif") | tilery.open(site.rasters / "blue.tif")
    try:
        to = place(shown)
        halves, moved = tmp_path / "halves.png", tmp_path / "moved.png"
        handle = "document.getElementById('swipe')"
        report = chromium(
            {
                "url": f"http://127.0.0.1:{to['port']}{to['page']}",
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


def test_a_map_comes_although_its_port_is_forwarded_only_after_a_moment(
    site: Site, chromium: Callable[[Any], Any], tmp_path: Path
) -> None:
    """As VS Code does it for folders on other machines; the page is of another origin, as its outputs are."""
    shown = tilery.open(site.rasters / "red.tif").show()
    late = "const real = fetch; let calls = 0; window.fetch = (...what) => (calls++ ? real(...what) : Promise.reject())"
    output = f"<!doctype html><title>Output</title><body><script>{late}</script>{shown.html()}".encode()

    class Output(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(output if self.path == "/" else b"")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Output) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        leads = place(shown)
        try:
            report = chromium(
                {
                    "url": f"http://localhost:{server.server_port}/",
                    "width": 400,
                    "height": 300,
                    "steps": [("wait", "iframe"), ("evaluate", "document.querySelector('iframe').src")],
                }
            )
        finally:
            server.shutdown()
            tiles().close()
    assert report["failed"] == []
    assert report["results"][1] == f"http://127.0.0.1:{leads['port']}{leads['page']}"

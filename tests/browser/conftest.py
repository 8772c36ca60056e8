"""A real server with rasters of known colours, and Chromium to look at its pages."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from tests.support import items, rasters, zarrs

ROOT = Path(__file__).parents[2]
WORLD = (-180.0, -90.0, 180.0, 90.0)
RED, BLUE = (200, 40, 30), (20, 60, 180)
MOMENTS = (60, 140, 220)
"""Gray of the moments of `moments.zarr`, from 2020-01-01 on, one a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running server."""

    address: str
    rasters: Path
    catalog: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a visit came to."""

    results: list[Any]
    pixels: Any
    """RGB, shape (rows, columns, 3), as the window showed it at the end."""
    failed: list[tuple[int, str]]
    requests: list[str]
    """Addresses, in the order in which they were asked for."""


Visit = Callable[..., Seen]


def installed_chromium() -> str | None:
    """Return where Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def _install() -> None:
    """In CI, as root on Debian: Debian's Chromium."""
    if os.environ.get("CI") and not os.geteuid() and shutil.which("apt-get"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], check=False, capture_output=True, timeout=900)


def _missing() -> str | None:
    """Return why there can be no visit, or None."""
    if installed_chromium() is None:
        _install()
    if installed_chromium() is None:
        return "Chromium is not installed: apt-get install chromium"
    if shutil.which("node") is None or not (ROOT / "node_modules" / "playwright-core").is_dir():
        return "playwright-core is not installed: npm ci"
    if not (ROOT / "app" / "api" / "static" / "vendor" / "pages").is_dir():
        return "the pages' scripts are not built: npm run build"
    return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _layer(catalog: Path, name: str, source: Path, **more: Any) -> None:
    document = {
        "tilejson": "3.0.0",
        "name": name.title(),
        "tiles": [],
        "bounds": [-180, -85, 180, 85],
        "minzoom": 0,
        "maxzoom": 3,
        "source": str(source),
        "revision": "1",
        **more,
    }
    (catalog / name).mkdir(parents=True)
    (catalog / name / "index.json").write_text(json.dumps(document))


def _colour(path: Path, colour: tuple[int, int, int]) -> Path:
    data = np.empty((3, 256, 512), dtype=np.uint8)
    data[:] = np.array(colour, dtype=np.uint8)[:, None, None]
    return rasters.write(path, data, bounds=WORLD)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    reason = _missing()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("browser")
    data = folder / "rasters"
    data.mkdir()
    red = _colour(data / "red.tif", RED)
    blue = _colour(data / "blue.tif", BLUE)
    rasters.write(data / "half.tif", np.full((1, 64, 64), 128, dtype=np.uint8), bounds=WORLD)
    ramp = np.broadcast_to(np.linspace(1000, 3000, 256, dtype=np.uint16), (1, 256, 256))
    rasters.write(data / "ramp.tif", np.ascontiguousarray(ramp), bounds=(0.0, 0.0, 10.0, 10.0))
    rasters.write(
        data / "polar.tif", np.full((1, 128, 128), 200, dtype=np.uint8), crs="EPSG:5041", bounds=(0, 0, 4e6, 4e6)
    )
    columns, rows = np.meshgrid(np.arange(256, dtype=np.float32), np.arange(256, dtype=np.float32))
    rasters.write(
        data / "planes.tif",
        np.stack([times * (100 + 3 * columns + 2 * rows) for times in (1, 2, 3, 2)]),
        bounds=(0.0, 0.0, 10.0, 10.0),
        descriptions=("Blue 490 nm", "Green 560 nm", "Near infrared 0.842 µm", "Red 665 nm"),
    )
    rasters.write(data / "photo.tif", rasters.columns_and_rows(400, 300)[::-1], crs=None, bounds=None)
    classes = np.zeros((1, 256, 256), dtype=np.uint16)
    classes[:, :, 128:], classes[:, 128:, 128:] = 300, 7
    rasters.write(data / "classes.tif", classes, bounds=(0.0, 0.0, 10.0, 10.0))
    (data / "classes.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category>Sea</Category></CategoryNames>"
        "</PAMRasterBand></PAMDataset>"
    )
    hill = np.full((1, 64, 64), 1000, dtype=np.uint16)
    hill[:, 24:40, 24:40] = 3000
    rasters.write(data / "hill.tif", hill, bounds=(8.0, 46.0, 8.1, 46.1))
    gray = np.full((3, 64, 64), 200, dtype=np.uint8)
    rasters.write(data / "small.tif", gray, bounds=(-30.0, 10.0, -29.99, 10.01))
    rasters.write(data / "antimeridian.tif", gray, crs="EPSG:3832", bounds=(2.8e6, -1e6, 3.8e6, 0.0))
    items.write(data / "item.json", "red", "blue")
    said = [
        {"value": 7, "title": "Lake", "color_hint": "123456"},
        {"value": 300, "title": "Ice", "color_hint": "abcdef"},
    ]
    cover = {"href": "./classes.tif", "type": items.COG, "classification:classes": said}
    items.write(data / "cover.json", assets={"cover": cover})
    moments = np.empty((3, 2, 90, 180), dtype=np.uint8)
    moments[:] = np.asarray(MOMENTS, dtype=np.uint8)[:, None, None, None]
    zarrs.write(
        data / "moments.zarr",
        {
            "shade": zarrs.Variable(data=moments, dims=("time", "level", "lat", "lon")),
            "other": zarrs.Variable(data=np.full((90, 180), 30, dtype=np.uint8), dims=("lat", "lon")),
            "time": zarrs.axis(np.arange(3), "time", units=zarrs.UNITS, calendar="standard"),
            "lat": zarrs.axis(zarrs.LATITUDES, "lat"),
            "lon": zarrs.axis(zarrs.LONGITUDES, "lon"),
        },
    )
    catalog = folder / "catalog"
    _layer(catalog, "red", red, attribution='Red <b onclick="x()">house</b> <a href="javascript:x()">bad</a>')
    _layer(catalog, "blue", blue, styles={"green": {"title": "Green", "render": {"bidx": [1, 3, 1]}}})
    earlier, current = "20260102t000000-abcdef", "20260103t081500-abcdef"
    _layer(catalog, "twice", Path(current) / "index.tif", revision=current, history=[earlier])
    for revision, colour in ((earlier, RED), (current, BLUE)):
        (catalog / "twice" / revision).mkdir()
        _colour(catalog / "twice" / revision / "index.tif", colour)
    shade = {"variable": "shade", "sel": ["time=2020-01-01", "level=0"], "rescale": "0,255"}
    _layer(catalog, "shade", data / "moments.zarr", kind="zarr", render=shade)
    # without the world, whose lines and names would lie over the colours
    with served(catalog, data, TILERY_BASEMAP="none") as address:
        yield Site(address=address, rasters=data, catalog=catalog)


@pytest.fixture(scope="session")
def world(site: Site) -> Iterator[Site]:
    """The same rasters with the basemap that there is without a setting."""
    with served(site.catalog, site.rasters) as address:
        yield replace(site, address=address)


@contextmanager
def served(catalog: Path, data: Path, **more: str) -> Iterator[str]:
    """A server of these rasters; gives its address."""
    port = _free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TILERY_", "TITILER_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"],
        cwd=ROOT,
        env=environ | {"TILERY_CATALOG": str(catalog), "TILERY_SOURCES": f"{data}/", "TILERY_SIDECARS": "1"} | more,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            with urlopen(f"{address}/healthz") as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail("the server did not start")


@pytest.fixture(scope="session")
def chromium(site: Site) -> Iterator[Callable[[Any], Any]]:
    """Sends an order to the browser and returns its report."""
    process = subprocess.Popen(
        ["node", "tests/browser/visit.mjs", installed_chromium() or ""],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin, process.stdout

    def send(order: Any) -> Any:
        into.write(json.dumps(order) + "\n")
        into.flush()
        line = out.readline()
        assert line, "the browser went away"
        return json.loads(line)

    yield send
    into.close()
    out.close()
    process.wait(60)


@pytest.fixture
def visit(site: Site, chromium: Callable[[Any], Any], tmp_path: Path) -> Visit:
    """Open a page, do some steps, and look: no complaint, and nothing asked of anybody else.

    With ``axe`` axe-core then looks at the page and finds nothing, light and dark, on a desktop and a telephone.
    """

    def go(
        path: str,
        *steps: tuple[Any, ...],
        width: int = 800,
        height: int = 480,
        allowed: int | None = None,
        at: Site = site,
        dark: bool = False,
        webgl: bool = True,
        touch: bool = False,
        axe: bool = False,
    ) -> Seen:
        picture = tmp_path / "seen.png"
        order = {
            "url": at.address + path,
            "width": width,
            "height": height,
            "dark": dark,
            "webgl": webgl,
            "touch": touch,
            "steps": steps,
            "screenshot": str(picture),
            "axe": axe,
        }
        report = chromium(order)
        failed = [(status, url) for status, url in report["failed"] if status != allowed]
        assert report["axe"] == []
        assert report["elsewhere"] == []
        assert failed == []
        assert [text for text in report["errors"] if not (allowed and f"status of {allowed}" in text)] == []
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        return Seen(results=report["results"], pixels=pixels, failed=report["failed"], requests=report["requests"])

    return go

"""A new process imports only what its first tile needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import rasters

ROOT = Path(__file__).parents[2]
HEAVY = (
    "rasterio",
    "pydantic",
    "fastapi",
    "jinja2",
    "rio_tiler",
    "morecantile",
    "xarray",
    "pandas",
    "rio_stac",
    "pystac",
    "rio_cogeo",
    "numexpr",
    "scipy",
)

START = "import app.main"
FIRST_TILE = """
import os, sys
from app import native
native.prepare(os.environ)
from starlette.testclient import TestClient
from app.api.app import create_app
from app.settings import Settings
client = TestClient(create_app(Settings(sources=sys.argv[1])))
path = "/cog/tiles/WebMercatorQuad/8/134/90.png"
query = {"url": f"{sys.argv[1]}/rgb.tif", "rescale": "0,200", "colormap_name": "viridis", "bidx": 1}
assert client.get(path, params=query).status_code == 200
"""


@pytest.mark.parametrize("script", [START, FIRST_TILE], ids=["start", "first tile"])
def test_nothing_heavy_is_imported(tmp_path: Path, script: str) -> None:
    rasters.rgb(tmp_path / "rgb.tif")
    code = f"{script}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path.resolve())], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"

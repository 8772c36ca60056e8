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
from app.process import native
native.prepare(os.environ)
from starlette.testclient import TestClient
from app.api.app import create_app
from app.config.settings import Settings
client = TestClient(create_app(Settings(sources=sys.argv[1])))
path = "/cog/tiles/WebMercatorQuad/8/134/90.png"
query = {"url": f"{sys.argv[1]}/rgb.tif", "rescale": "0,200", "colormap_name": "viridis", "bidx": 1}
assert client.get(path, params=query).status_code == 200
"""
HANDLER_TILE = """
import os, sys
os.environ |= {"TILERY_SOURCES": sys.argv[1], "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
from app.lambda_handler import handler
class Context:
    get_remaining_time_in_millis = staticmethod(lambda: 30_000)
path = "/cog/tiles/WebMercatorQuad/8/134/90.png"
http = {"method": "GET", "path": path, "sourceIp": "203.0.113.7"}
query = f"url={sys.argv[1]}/rgb.tif&rescale=0,200&colormap_name=viridis&bidx=1"
event = {"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": {"host": "localhost"},
    "requestContext": {"http": http, "domainName": "localhost", "stage": "$default"}}
assert handler(event, Context())["statusCode"] == 200
assert not {"uvicorn", "gunicorn", "app.aws_lambda.snapshot", "snapshot_restore_py"} & sys.modules.keys()
"""


@pytest.mark.parametrize(
    "script", [START, FIRST_TILE, HANDLER_TILE], ids=["start", "first tile", "Lambda's first tile"]
)
def test_nothing_heavy_is_imported(tmp_path: Path, script: str) -> None:
    rasters.rgb(tmp_path / "rgb.tif")
    code = f"{script}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path.resolve())], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"

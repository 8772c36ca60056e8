"""No variable of the environment is set once threads may read.

``setenv`` of one thread moves the table that GDAL's and PROJ's ``getenv`` read in another, which ends the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import rasters

ROOT = Path(__file__).parents[2]
PATHS = (
    "/cog/tiles/WebMercatorQuad/8/134/90.png?url={folder}/rgb.tif&bidx=1",
    "/cog/tiles/WebMercatorQuad/8/134/90.webp?url={folder}/striped.tif&expression=b1*2&rescale=0,200",
    "/cog/tiles/WGS1984Quad/8/270/60.jpg?url={folder}/rgb.tif&algorithm=hillshade&resampling=cubic&reproject=cubic",
    "/cog/preview.tif?url={folder}/rgb.tif&dst_crs=EPSG:3035",
    "/cog/info?url={folder}/rgb.tif",
    "/cog/statistics?url={folder}/striped.tif",
    "/cog/validate?url={folder}/rgb.tif",
    "/cog/stac?url={folder}/rgb.tif",
    "/cog/WebMercatorQuad/map.html?url={folder}/rgb.tif",
    "/cog/WMTSCapabilities.xml?url={folder}/rgb.tif",
    "/tileMatrixSets/WebMercatorQuad",
    "/algorithms",
    "/api",
)
SCRIPT = """
import sys
START
from starlette.testclient import TestClient

def audit(event, arguments):
    if event in {"os.putenv", "os.unsetenv"}:
        changed.append(arguments[0].decode())

changed = []
with TestClient(app, base_url="http://localhost") as client:
    sys.addaudithook(audit)
    for path in sys.argv[1:]:
        answer = client.get(path)
        assert answer.status_code in {200, 204, 404}, (path, answer.text)
    assert any(name.startswith("rasterio") for name in sys.modules)
print(changed)
"""
STARTS = {
    "server": "from app.main import app",
    "Lambda": "from app.aws_lambda import handler\napp = handler._open()[0]",
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_no_variable_is_set_by_a_request(tmp_path: Path, start: str) -> None:
    rasters.rgb(tmp_path / "rgb.tif")
    rasters.constant(tmp_path / "striped.tif", 7, size=64, overviews=(), tiled=False)
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_CURL_CA_BUNDLE")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("START", start), *(path.format(folder=tmp_path) for path in PATHS)],
        cwd=ROOT,
        env=environ | {"TILERY_SOURCES": str(tmp_path), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"

"""Tiles of every kind that rendering has, for the test that reminds of `RENDER_VERSION`.
``python -m tests.serving.golden`` writes them down anew.
"""

from __future__ import annotations

import io
import json
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from tests.support import rasters, service
from tilery.rendering.version import RENDER_VERSION

FILE = Path(__file__).with_name("golden.json")
LOSSY = ("jpg", "webp")
REQUESTS: dict[str, tuple[str, str, str]] = {
    "rgb png": ("rgb.tif", "8/134/90.png", ""),
    "rgb jpg": ("rgb.tif", "8/134/90.jpg", ""),
    "rgb webp": ("rgb.tif", "8/134/90.webp", ""),
    "rgb bilinear": ("rgb.tif", "9/268/180.png", "resampling=bilinear&reproject=bilinear"),
    "rgb cubic": ("rgb.tif", "9/268/180.png", "resampling=cubic&reproject=cubic"),
    "rgb average": ("rgb.tif", "6/33/22.png", "resampling=average"),
    "rgb formula": ("rgb.tif", "8/134/90.png", "color_formula=gamma rgb 1.5 saturation 1.2"),
    "colormap": ("gradient.tif", "8/134/90.png", "rescale=0,4000&colormap_name=viridis"),
    "expression": ("rgb.tif", "8/134/90.png", "expression=(b1-b2)/(b1%2Bb2%2B1)&rescale=-1,1"),
    "hillshade": ("gradient.tif", "9/268/180.png", "algorithm=hillshade&buffer=3"),
    "terrainrgb": ("gradient.tif", "9/268/180.png", "algorithm=terrainrgb"),
    "mask": ("mask.tif", "8/134/90.png", ""),
    "palette": ("palette.tif", "8/134/90.png", ""),
    "values": ("gradient.tif", "8/134/90.npy", ""),
}


def drawn() -> dict[str, Any]:
    """Return what the tiles look like: a digest of their pixels; of lossy ones the means of 16 by 16 squares."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        rasters.rgb(folder / "rgb.tif")
        rasters.gradient(folder / "gradient.tif", count=1, dtype="int16")
        rasters.half_masked(folder / "mask.tif", "mask")
        rasters.palette(folder / "palette.tif")
        with service.client(folder) as client:
            return {called: _drawn(client, folder, *request) for called, request in REQUESTS.items()}


def _drawn(client: TestClient, folder: Path, raster: str, tile: str, query: str) -> Any:
    address = f"/cog/tiles/WebMercatorQuad/{tile}?url={folder / raster}{'&' if query else ''}{query}"
    answer = client.get(address)
    assert answer.status_code == 200, f"{tile}: {answer.text}"
    if tile.endswith("npy"):
        pixels = np.load(io.BytesIO(answer.content))
    else:
        pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
    if tile.rpartition(".")[2] in LOSSY:
        squares = pixels.reshape(16, pixels.shape[0] // 16, 16, pixels.shape[1] // 16, -1).mean(axis=(1, 3))
        return np.round(squares).astype(int).ravel().tolist()
    return blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=8).hexdigest()


def write() -> None:
    """Write the tiles of this version down."""
    FILE.write_text(json.dumps({"version": RENDER_VERSION, "tiles": drawn()}) + "\n")


if __name__ == "__main__":
    write()

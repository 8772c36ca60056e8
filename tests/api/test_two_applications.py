"""Two applications in one process, with different settings, do not see each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api.app import Application, create_app
from app.config.settings import Settings
from tests.support import rasters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rasters.rgb(tmp_path / "rgb.tif")
    rasters.gradient(tmp_path / "many.tif", count=6, size=64)
    return tmp_path


@pytest.fixture
def made() -> Iterator[list[Application]]:
    applications: list[Application] = []
    yield applications
    for application in applications:
        application.context.service.close()
        application.context.engine.close()


def client(made: list[Application], folder: Path, **settings: Any) -> TestClient:
    made.append(create_app(Settings(_env_file=None, sources=f"{folder}/", **settings)))
    return TestClient(made[-1], raise_server_exceptions=False)


def test_limits_are_each_ones_own(folder: Path, made: list[Application]) -> None:
    small = client(made, folder, max_pixels=64 * 64, max_bands=2, max_vertices=4, max_size=128)
    large = client(made, folder)
    url: dict[str, Any] = {"url": f"{folder}/rgb.tif"}
    preview = "/cog/preview/100x100.png"
    assert (small.get(preview, params=url).status_code, large.get(preview, params=url).status_code) == (400, 200)
    many: dict[str, Any] = {"url": f"{folder}/many.tif", "bidx": [1, 2, 3], "rescale": "0,255"}
    assert (small.get("/cog/preview.png", params=many).status_code) == 400
    assert (large.get("/cog/preview.png", params=many).status_code) == 200
    bounds = large.get("/cog/info", params=url | {"bidx": 1}).json()["bounds"]
    left, bottom, right, top = bounds
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    feature = json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    query = url | {"coord_crs": large.get("/cog/info", params=url).json()["crs"], "max_size": 32}
    answers = [each.post("/cog/feature.png", params=query, content=feature) for each in (small, large)]
    assert [answer.status_code for answer in answers] == [400, 200], answers[1].text
    bar = "/colorMaps/viridis?f=png&width=200"
    assert (small.get(bar).status_code, large.get(bar).status_code) == (400, 200)


def test_what_is_too_large_for_a_picture_is_each_ones_own(folder: Path, made: list[Application]) -> None:
    """Statistics of more pixels than a picture may have are counted part by part."""
    found = []
    for most in (32 * 32, 2048 * 2048):
        answer = client(made, folder, max_pixels=most).get("/cog/statistics", params={"url": f"{folder}/many.tif"})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["b1"])
    assert found[0]["count"] == 64 * 64
    for name, value in found[1].items():
        assert found[0][name] == (value if name == "histogram" else pytest.approx(value)), name


def test_folders_are_each_ones_own(folder: Path, made: list[Application], tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    np.save(ours / "mine.npy", np.full((256, 4), 255, np.uint8))
    known = json.loads(client(made, folder).get("/tileMatrixSets/WebMercatorQuad").content)
    (ours / "MyQuad.json").write_text(json.dumps(known | {"id": "MyQuad"}))
    (ours / "landing.html").write_text("mine")
    own = client(
        made,
        folder,
        colormap_directory=str(ours),
        tile_matrix_set_directory=str(ours),
        template_directory=str(ours),
        name="Ours",
    )
    other = client(made, folder)
    for path in ("/colorMaps/mine?f=json", "/tileMatrixSets/MyQuad?f=json"):
        assert (own.get(path).status_code, other.get(path).status_code) == (200, 422), path
    tile = f"/cog/tiles/MyQuad/8/134/90.png?url={folder}/rgb.tif"
    assert own.get(tile).status_code == 200
    assert other.get(tile).status_code == 422
    names = ["MyQuad" in json.dumps(each.get("/api").json()) for each in (own, other)]
    assert names == [True, False]
    assert [b"Ours" in each.get("/wmts").content for each in (own, other)] == [True, False]


def test_open_datasets_and_sources_are_each_ones_own(folder: Path, made: list[Application]) -> None:
    first, second = client(made, folder), client(made, folder)
    path = "/cog/info"
    assert first.get(path, params={"url": f"{folder}/rgb.tif"}).status_code == 200
    assert len(made[0].context.engine.datasets._opened) == 1
    assert len(made[1].context.engine.datasets._opened) == 0
    assert second.get(path, params={"url": f"{folder}/rgb.tif"}).status_code == 200
    nothing = create_app(Settings(_env_file=None))
    made.append(nothing)
    assert TestClient(nothing).get(path, params={"url": f"{folder}/rgb.tif"}).status_code == 403

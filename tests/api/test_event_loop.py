"""What takes long is never done on the event loop, and lists and bodies have an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service
from tilery.geo import crs


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    rasters.gradient(tmp_path / "a.tif")
    with service.client(tmp_path) as found:
        yield found


GET_MAP = "SERVICE=WMS&REQUEST=GetMap&LAYERS=a.tif&STYLES=&BBOX=0,0,1,1&WIDTH=8&HEIGHT=8&FORMAT=image/png"


def on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/cog/info.geojson", "crs=EPSG:32633"),
        ("/cog/info.geojson", "c%72s=EPSG:32633"),
        ("/cog/info.geojson", "crs=foo+bar"),
        ("/cog/bbox/0,0,1,1.png", "coord-crs=EPSG:32633&dst_crs=EPSG:2056"),
        ("/cog/map", "bbox-crs=EPSG:32633&bbox=0,0,1,1"),
        ("/cog/map", "center-crs=EPSG:32633&center=0,0"),
        ("/cog/point/8.5,46.5", "coord_crs=EPSG:32633"),
        ("/cog/preview.png", "dst_crs=EPSG:32633"),
        ("/cog/wms", f"{GET_MAP}&VERSION=1.3.0&CRS=EPSG:32633"),
        ("/cog/wms", f"{GET_MAP}&VERSION=1.1.1&SRS=EPSG:32633"),
    ],
)
def test_a_crs_is_never_parsed_on_the_loop(
    client: TestClient, tmp_path: Path, path: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, where = crs.parse, []

    def noted(text: str, parameter: str = "crs") -> Any:
        where.append(on_a_loop())
        return known(text, parameter)

    monkeypatch.setattr(crs, "parse", noted)
    client.get(f"{path}?url={tmp_path / 'a.tif'}&{query}")
    assert where
    assert not any(where)


def test_no_transformer_is_made_on_the_loop(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, where = crs.transformer, []

    def noted(source: Any, target: Any) -> Any:
        where.append(on_a_loop() or threading.current_thread() is threading.main_thread())
        return known(source, target)

    monkeypatch.setattr(crs, "transformer", noted)
    url = f"url={tmp_path / 'a.tif'}"
    assert client.get(f"/cog/info?{url}").status_code == 200
    for tms in ("WebMercatorQuad", "WorldCRS84Quad", "UPSArcticWGS84Quad"):
        assert client.get(f"/cog/tiles/{tms}/3/0/0?{url}").status_code in {200, 404}
    assert where
    assert not any(where)


@pytest.mark.parametrize("name", ["bidx", "rescale", "histogram_bins"])
def test_a_list_has_an_end(client: TestClient, tmp_path: Path, name: str) -> None:
    many = ",".join(["1"] * 5000)
    found = client.get(f"/cog/{'statistics' if name == 'histogram_bins' else 'preview.png'}?{name}={many}", params=None)
    assert found.status_code == 422
    errors = client.get(
        f"/cog/{'statistics' if name == 'histogram_bins' else 'preview.png'}?url={tmp_path / 'a.tif'}&{name}={many}"
    ).json()
    assert errors["parameter"] == name
    assert "1024" in errors["detail"]

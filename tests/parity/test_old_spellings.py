"""What clients of TiTiler 0.x and 1.x still send, answered as the spelling of today: Tilery alone, in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.parity import rasters, servers
from tests.parity.table import BOX, FIELD, place

TILE = place("rgb").removeprefix("/cog/tiles/WebMercatorQuad")
PAIRS = [
    # old path, its parameters, path of today, its parameters
    (f"/cog/tiles{TILE}.png", {}, f"/cog/tiles/WebMercatorQuad{TILE}.png", {}),
    (f"/cog/tiles{TILE}", {}, f"/cog/tiles/WebMercatorQuad{TILE}", {}),
    (f"/cog/tiles{TILE}@2x.png", {}, f"/cog/tiles/WebMercatorQuad{TILE}.png", {"tilesize": "512"}),
    (f"/cog/tiles/WebMercatorQuad{TILE}@2x.png", {}, f"/cog/tiles/WebMercatorQuad{TILE}.png", {"tilesize": "512"}),
    (f"/cog/tiles/WebMercatorQuad{TILE}@2x", {}, f"/cog/tiles/WebMercatorQuad{TILE}", {"tilesize": "512"}),
    (f"/cog/crop/{BOX}.png", {}, f"/cog/bbox/{BOX}.png", {}),
    (f"/cog/crop/{BOX}/64x64.png", {}, f"/cog/bbox/{BOX}/64x64.png", {}),
    ("/cog/preview.png", {"resampling_method": "cubic"}, "/cog/preview.png", {"resampling": "cubic"}),
    ("/cog/preview.png", {"bidx": "3,2,1"}, "/cog/preview.png", {"bidx": ["3", "2", "1"]}),
    (
        "/cog/preview.png",
        {"rescale": "0,100,0,200,0,255"},
        "/cog/preview.png",
        {"rescale": ["0,100", "0,200", "0,255"]},
    ),
    ("/cog/preview.tif", {"expression": "b1,b2"}, "/cog/preview.tif", {"expression": "b1;b2"}),
    ("/cog/preview.tif", {"dst-crs": "EPSG:3857"}, "/cog/preview.tif", {"dst_crs": "EPSG:3857"}),
    (
        "/cog/point/500120,5541300",
        {"coord-crs": "EPSG:32631"},
        "/cog/point/500120,5541300",
        {"coord_crs": "EPSG:32631"},
    ),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("rasters")
    rasters.make(folder)
    logs = tmp_path_factory.mktemp("logs")
    with (
        servers.tilery(logs / "tilery.log", folder) as address,
        httpx.Client(base_url=address, params={"url": str(folder / "rgb.tif")}, timeout=60) as found,
    ):
        yield found


@pytest.mark.parametrize(("old", "said", "new", "says"), PAIRS, ids=[f"{pair[0]} {pair[1]}" for pair in PAIRS])
def test_an_old_spelling_is_answered_as_the_new_one(
    client: httpx.Client, old: str, said: dict[str, Any], new: str, says: dict[str, Any]
) -> None:
    before = client.get(old, params=dict(client.params) | said)
    today = client.get(new, params=dict(client.params) | says)
    assert before.status_code == 200, before.text[:300]
    assert before.headers["content-type"] == today.headers["content-type"]
    assert before.content == today.content


def test_crop_takes_a_feature(client: httpx.Client) -> None:
    for suffix in ("", ".png", "/64x64.png"):
        before, today = client.post(f"/cog/crop{suffix}", json=FIELD), client.post(f"/cog/feature{suffix}", json=FIELD)
        assert (before.status_code, before.content) == (200, today.content)


def test_a_colormap_by_name_where_json_is_expected(client: httpx.Client) -> None:
    one = dict(client.params) | {"bidx": "1"}
    before = client.get("/cog/preview.png", params=one | {"colormap": "viridis"})
    today = client.get("/cog/preview.png", params=one | {"colormap_name": "viridis"})
    assert before.status_code == 200, before.text[:300]
    assert before.content == today.content


def test_tilejson_and_wmts_without_a_set_are_of_web_mercator(client: httpx.Client) -> None:
    for old, new in (("/cog/tilejson.json", "/cog/WebMercatorQuad/tilejson.json"),):
        before, today = client.get(old), client.get(new)
        assert (before.status_code, before.json()["bounds"]) == (200, today.json()["bounds"])
    one = client.get("/cog/WebMercatorQuad/WMTSCapabilities.xml")
    assert one.status_code == 200
    assert one.text.count("<Layer>") == 1


def test_bounds_are_told(client: httpx.Client) -> None:
    assert client.get("/cog/bounds").json()["bounds"] == pytest.approx(client.get("/cog/info.geojson").json()["bbox"])


def test_pages_have_their_old_addresses(client: httpx.Client) -> None:
    for path in ("/docs", "/openapi.json", "/cog/WebMercatorQuad/map", "/ping"):
        assert client.get(path, follow_redirects=True).status_code == 200, path

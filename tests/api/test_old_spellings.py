"""What clients of older TiTilers still send is answered as it was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.service import pixels

TILE = "8/134/90"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"/cog/tiles/{TILE}.png", f"/cog/tiles/WebMercatorQuad/{TILE}.png"),
        (f"/cog/tiles/{TILE}", f"/cog/tiles/WebMercatorQuad/{TILE}"),
        (f"/cog/tiles/{TILE}@2x.png", f"/cog/tiles/WebMercatorQuad/{TILE}.png?tilesize=512"),
        (f"/cog/tiles/WebMercatorQuad/{TILE}@2x.png", f"/cog/tiles/WebMercatorQuad/{TILE}.png?tilesize=512"),
        (f"/cog/tiles/WebMercatorQuad/{TILE}@1x", f"/cog/tiles/WebMercatorQuad/{TILE}"),
        ("/cog/tilejson.json", "/cog/WebMercatorQuad/tilejson.json"),
        ("/cog/tilejson.json?TileMatrixSetId=WGS1984Quad", "/cog/WGS1984Quad/tilejson.json?"),
        ("/cog/crop/8.2,46.2,8.4,46.4.png", "/cog/bbox/8.2,46.2,8.4,46.4.png"),
        ("/cog/crop/8.2,46.2,8.4,46.4/10x10.png", "/cog/bbox/8.2,46.2,8.4,46.4/10x10.png"),
        ("/cog/preview.png?resampling_method=cubic&max_size=90", "/cog/preview.png?resampling=cubic&max_size=90"),
        ("/cog/preview.png?bidx=3,2,1", "/cog/preview.png?bidx=3&bidx=2&bidx=1"),
        ("/cog/preview.png?rescale=0,9,0,8,0,7", "/cog/preview.png?rescale=0,9&rescale=0,8&rescale=0,7"),
        ("/cog/preview.png?expression=b1,b2,b3", "/cog/preview.png?expression=b1;b2;b3"),
        ("/cog/preview.png?bidx=1&colormap=viridis", "/cog/preview.png?bidx=1&colormap_name=viridis"),
    ],
)
def test_an_old_address_gives_what_the_new_one_gives(client: TestClient, folder: Path, old: str, new: str) -> None:
    def get(path: str) -> bytes:
        joint = "&" if "?" in path else "?"
        answer = client.get(f"{path}{joint}url={folder}/rgb.tif")
        assert answer.status_code == 200, answer.text
        return answer.content.replace(b"TileMatrixSetId=WGS1984Quad&", b"")

    assert get(old) == get(new)


def test_a_scale_makes_a_larger_tile(client: TestClient, folder: Path) -> None:
    answer = client.get(f"/cog/tiles/{TILE}@2x.png", params={"url": f"{folder}/rgb.tif"})
    assert pixels(answer.content).shape[:2] == (512, 512)
    answer = client.get(f"/cog/tiles/{TILE}@9x.png", params={"url": f"{folder}/rgb.tif"})
    assert answer.status_code == 422


def test_tile_scale_of_a_tilejson(client: TestClient, folder: Path) -> None:
    body = client.get("/cog/WebMercatorQuad/tilejson.json", params={"url": f"{folder}/rgb.tif", "tile_scale": 1}).json()
    assert body["tiles"][0].endswith("tilesize=256")
    assert "tile_scale" not in body["tiles"][0]


def test_bounds_and_metadata(client: TestClient, folder: Path) -> None:
    url = f"{folder}/gradient-uint16.tif"
    assert client.get("/cog/bounds", params={"url": url}).json()["bounds"] == [8.0, 46.0, 9.0, 47.0]
    metadata = client.get("/cog/metadata", params={"url": url}).json()
    assert metadata["statistics"]["1"]["max"] == 511
    assert metadata["count"] == 2


def test_a_map_where_it_was_until_0_22(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/WebMercatorQuad/map", params={"url": f"{folder}/rgb.tif"})
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/ping"])
def test_old_names_of_shared_routes(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_slash_too_many_is_led_to_the_right_address(client: TestClient, folder: Path) -> None:
    answer = client.get(f"/cog/info/?url={folder}/rgb.tif", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"/cog/info?url={folder}/rgb.tif"
    away = client.get("//evil.example/", follow_redirects=False)
    assert not away.headers.get("location", "").startswith(("//", "http"))

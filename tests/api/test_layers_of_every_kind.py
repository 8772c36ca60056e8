"""Layers whose source is a mosaic or a STAC Item: named, styled and stored as those of one raster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from app.cli import tilery
from app.config import settings
from tests.support import exact, items, mosaics, rasters, service
from tilery.errors import Conflict, InvalidParameter, NotARaster, SourceRefused

Z, X, Y = exact.tile_of(8.5, 46.5, 10)


def add(*arguments: str | Path) -> Result:
    settings.get.cache_clear()
    found = CliRunner().invoke(tilery, ["layers", "add", *map(str, arguments)], catch_exceptions=False)
    settings.get.cache_clear()
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path.resolve()
    rasters.constant(found / "ten.tif", 10, count=2)
    rasters.constant(found / "twenty.tif", 20, count=2)
    mosaics.write(found / "m.json", "ten.tif", "twenty.tif")
    items.write(found / "item.json", "ten", "twenty")
    monkeypatch.setenv("TILERY_SOURCES", f"{found}/")
    (found / "layers").mkdir(exist_ok=True)
    monkeypatch.setenv("TILERY_CATALOG", str(found / "layers"))
    return found


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    assert add("mosaic", folder / "m.json", "--render", "pixel_selection=highest").exit_code == 0
    assert add("item", folder / "item.json", "--render", "assets=ten&assets=twenty", "--name", "Item").exit_code == 0
    assert add("plain", folder / "ten.tif").exit_code == 0
    with service.client(f"{folder}/", catalog=str(folder / "layers"), tile_store=str(folder / "tiles")) as found:
        yield found


def values(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [np.unique(band).tolist() for band in service.array(answer.content)[0]]


def test_tiles_of_layers_of_every_kind(client: TestClient) -> None:
    assert values(client, f"/mosaic/{Z}/{X}/{Y}.npy") == [[20], [20]]
    assert values(client, f"/mosaic/{Z}/{X}/{Y}.npy", pixel_selection="mean", bidx="1") == [[15]]
    assert values(client, f"/layers/mosaic/tiles/WebMercatorQuad/{Z}/{X}/{Y}.npy", expression="b1*2") == [[40]]
    assert values(client, f"/item/{Z}/{X}/{Y}.npy") == [[10], [10], [20], [20]]
    assert values(client, f"/item/{Z}/{X}/{Y}.npy", assets="twenty|bidx=1") == [[20]]
    assert values(client, f"/item/{Z}/{X}/{Y}.npy", expression="b1+b3") == [[30]]
    assert values(client, f"/plain/{Z}/{X}/{Y}.npy") == [[10], [10]]


@pytest.mark.parametrize("layer", ["mosaic", "item", "plain"])
def test_every_verb_of_a_layer(client: TestClient, layer: str) -> None:
    for path in (
        "/info",
        "/WebMercatorQuad/tilejson.json",
        "/WMTSCapabilities.xml",
        "/preview.png?max_size=32&bidx=1",
        "/point/8.5,46.5",
        "/bbox/8.2,46.2,8.4,46.4/16x16.png?bidx=1",
        "/statistics?max_size=32",
        "/tiles/WebMercatorQuad",
    ):
        answer = client.get(f"/layers/{layer}{path}")
        assert answer.status_code == 200, (path, answer.text)
    line = {"type": "LineString", "coordinates": [[8.1, 46.5], [8.9, 46.5]]}
    answer = client.post(
        f"/layers/{layer}/profile?samples=3", json={"type": "Feature", "properties": {}, "geometry": line}
    )
    expected = {"mosaic": [20, 20], "item": [10, 10, 20, 20], "plain": [10, 10]}[layer]
    assert answer.json()["properties"]["profile"]["values"] == [[value] * 3 for value in expected]
    document = client.get(f"/{layer}").json()
    assert document["bounds"] == [8, 46, 9, 47]
    assert document["minzoom"] <= document["maxzoom"]
    query = {
        "service": "WMS",
        "request": "GetMap",
        "version": "1.3.0",
        "layers": layer,
        "styles": "",
        "format": "image/png",
    }
    query |= {"crs": "CRS:84", "bbox": "8.2,46.2,8.4,46.4", "width": "8", "height": "8", "bidx": "1"}
    assert client.get("/wms", params=query).headers["content-type"] == "image/png"


def test_tiles_of_every_kind_are_stored_under_what_they_are_made_of(client: TestClient, folder: Path) -> None:
    """A document and a file may be written over, so each has its identity in the keys of its tiles."""
    names = ("mosaic", "item", "plain")
    zooms = {name: client.get(f"/{name}").json()["maxzoom"] for name in names}
    paths = {name: "/{}/{}/{}/{}@2x.npy".format(name, *exact.tile_of(8.5, 46.5, zooms[name])) for name in names}
    made = {name: client.get(path) for name, path in paths.items()}
    assert {name: answer.status_code for name, answer in made.items()} == dict.fromkeys(names, 200)
    store = client.app.context.service.tile_store  # type: ignore[attr-defined]
    store.settle(10)
    stored = {path.relative_to(folder / "tiles").parts[0]: path for path in (folder / "tiles").rglob("*.npy")}
    assert {name: path.read_bytes() for name, path in stored.items()} == {n: made[n].content for n in names}
    items.write(folder / "item.new", "twenty", "ten")
    (folder / "item.new").rename(folder / "item.json")
    with service.client(
        f"{folder}/", catalog=str(folder / "layers"), tile_store=str(folder / "tiles"), revalidate_seconds=0
    ) as other:
        assert other.get(paths["item"]).content == made["item"].content
        other.app.context.service.tile_store.settle(10)  # type: ignore[attr-defined]
        found = {path.parts[-4] for path in (folder / "tiles" / "item").rglob("*.npy")}
    assert len(found) == 2, "the same pixels, of another document"


def test_stored_tiles_follow_the_document(client: TestClient, folder: Path) -> None:
    query = {"bidx": "1"}
    first = client.get(f"/mosaic/{Z}/{X}/{Y}.png", params=query)
    assert first.status_code == 200
    stored = client.get(f"/mosaic/{Z}/{X}/{Y}@2x.npy")
    assert stored.status_code == 200
    assert values(client, f"/mosaic/{Z}/{X}/{Y}@2x.npy") == [[20], [20]]
    mosaics.write(folder / "new.json", "ten.tif").rename(folder / "m.json")
    with service.client(
        f"{folder}/", catalog=str(folder / "layers"), tile_store=str(folder / "tiles"), revalidate_seconds=0
    ) as other:
        assert values(other, f"/mosaic/{Z}/{X}/{Y}@2x.npy") == [[10], [10]]


def test_what_cannot_be_a_layer_is_said(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = rasters.constant(tmp_path_factory.mktemp("away") / "a.tif", 1)
    with pytest.raises(SourceRefused):
        add("a", away)
    with pytest.raises(InvalidParameter, match="assets=NAME: ten, twenty"):
        add("a", folder / "item.json")
    with pytest.raises(NotARaster):
        add("a", folder / "ten.tif", "--kind", "mosaic")
    with pytest.raises(InvalidParameter, match="name of a route"):
        add("mosaicjson", folder / "m.json")
    assert add("a", folder / "ten.tif").exit_code == 0
    with pytest.raises(Conflict, match="--replace"):
        add("a", folder / "ten.tif")
    assert add("a", folder / "m.json", "--replace").exit_code == 0

"""Mosaics made of rasters: documents that TiTiler's library reads too, and the raster for low zooms."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rustac
from click.testing import CliRunner, Result

from app.cli import tilery
from app.config import settings
from tests.support import exact, items, mosaics, rasters, service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures
from tests.support.stac_api import StacApi
from tests.support.upstream import Upstream
from tilery.errors import InvalidParameter, SourceError, SourceNotFound
from tilery.publishing.mosaic import addresses, sources_of
from tilery.storage.options import StoreOptions

WEST: rasters.Bounds = (8.0, 46.0, 8.6, 47.0)
EAST: rasters.Bounds = (8.4, 46.0, 9.0, 47.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path.resolve() / "rasters"
    (made / "more").mkdir(parents=True)
    rasters.constant(made / "b.tif", 2, size=1024, bounds=EAST)
    rasters.constant(made / "a.TIF", 1, size=1024, bounds=WEST)
    rasters.constant(made / "more" / "c.tiff", 3, size=1024, bounds=(8.0, 47.0, 8.6, 48.0))
    (made / "notes.txt").write_text("no raster")
    return made


def run(*arguments: str | Path | int) -> Result:
    settings.get.cache_clear()
    found = CliRunner().invoke(tilery, ["mosaic", "--quiet", *map(str, arguments)], catch_exceptions=False)
    settings.get.cache_clear()
    return found


def document_of(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def test_a_folder_becomes_a_document(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--to", tmp_path / "m.json.gz", "--name", "Alps")
    assert done.exit_code == 0, done.output
    assert "/mosaicjson/WebMercatorQuad/map.html?url=" in done.output
    found = document_of(tmp_path / "m.json.gz")
    assert (found["mosaicjson"], found["name"], found["asset_prefix"]) == ("0.0.3", "Alps", f"{folder}/")
    assert found["bounds"] == pytest.approx([8, 46, 9, 48])
    assert found["minzoom"] == found["quadkey_zoom"] <= found["maxzoom"]
    zoom = found["quadkey_zoom"]
    expected: dict[str, list[str]] = {}
    for name, bounds in (("a.TIF", WEST), ("b.tif", EAST), ("more/c.tiff", (8.0, 47.0, 8.6, 48.0))):
        for key in mosaics.tiles(bounds, zoom, []):
            expected.setdefault(key, []).append(name)
    assert found["tiles"] == dict(sorted(expected.items()))


def test_what_is_made_is_served(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--to", folder / "m.json", "--relative", "--minzoom", 9, "--maxzoom", 12).exit_code == 0
    found = document_of(folder / "m.json")
    assert "asset_prefix" not in found
    assert {name for names in found["tiles"].values() for name in names} == {"a.TIF", "b.tif", "more/c.tiff"}
    with service.client(folder) as client:
        z, x, y = exact.tile_of(8.5, 46.5, 13)
        query = {"url": str(folder / "m.json"), "pixel_selection": "mean"}
        data, _ = service.array(client.get(f"/mosaicjson/tiles/{z}/{x}/{y}.npy", params=query).content)
        assert (data == 1).all()  # of 1 and 2, as bytes
        assert client.post("/mosaicjson/validate", content=(folder / "m.json").read_bytes()).json() is True


def test_an_overview_is_made_for_low_zooms(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--to", tmp_path / "out" / "m.json", "--overview", "--minzoom", 9, "--kind", "classes")
    assert done.exit_code == 0, done.output
    assert document_of(tmp_path / "out" / "m.json")["overview"] == "m.overview.tif"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.json", "m.overview.tif"]
    with rasterio.open(tmp_path / "out" / "m.overview.tif") as source:
        assert source.crs.to_epsg() == 3857
        assert source.res[0] == pytest.approx(2 * exact.HALF / 256 / 2**8)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        for lon, lat, value in ((8.2, 46.5, 1), (8.8, 46.5, 2), (8.2, 47.5, 3)):
            x, y = rasterio.warp.transform("EPSG:4326", "EPSG:3857", [lon], [lat])
            assert next(source.sample([(x[0], y[0])]))[0] == value
        x, y = rasterio.warp.transform("EPSG:4326", "EPSG:3857", [8.9], [47.5])
        assert next(source.sample([(x[0], y[0])], masked=True)).mask.all()
    with service.client(tmp_path) as client:
        z, x_, y_ = exact.tile_of(8.5, 46.5, 6)
        query = {"url": str(tmp_path / "out" / "m.json")}
        data, valid = service.array(client.get(f"/mosaicjson/tiles/{z}/{x_}/{y_}.npy", params=query).content)
        assert set(np.unique(data[0][valid])) == {1, 2, 3}


def test_a_search_becomes_a_document_in_its_order(folder: Path, tmp_path: Path) -> None:
    found = [
        items.item(assets={"data": {"href": str(folder / name)}, "other": {"href": "s3://x/y.tif"}})
        for name in ("b.tif", "a.TIF")
    ]
    (tmp_path / "search.json").write_text(json.dumps({"type": "FeatureCollection", "features": found}))
    assert run(tmp_path / "search.json", "--asset", "data", "--to", tmp_path / "m.json").exit_code == 0
    assert ["b.tif", "a.TIF"] in document_of(tmp_path / "m.json")["tiles"].values()
    with pytest.raises(InvalidParameter, match="several assets: name one of data, other"):
        addresses(str(tmp_path / "search.json"), StoreOptions())
    with pytest.raises(InvalidParameter, match="no asset 'red'"):
        addresses(str(tmp_path / "search.json"), StoreOptions(), "red")


def test_a_table_of_items_becomes_a_document(folder: Path, tmp_path: Path) -> None:
    found = [
        {**items.item(assets={"data": {"href": str(folder / name)}, "more": {"href": "s3://x/y"}}), "id": name}
        for name in ("b.tif", "a.TIF")
    ]
    rustac.write_sync(str(tmp_path / "items.parquet"), found)
    assert run(tmp_path / "items.parquet", "--asset", "data", "--to", tmp_path / "m.json").exit_code == 0
    assert ["b.tif", "a.TIF"] in document_of(tmp_path / "m.json")["tiles"].values()
    with Upstream() as upstream:
        upstream.put("/items.parquet", (tmp_path / "items.parquet").read_bytes())
        url = upstream.url("/items.parquet")
        assert addresses(url, StoreOptions(), "data") == [str(folder / "b.tif"), str(folder / "a.TIF")]
    (tmp_path / "wrong.parquet").write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(InvalidParameter, match="no stac-geoparquet table"):
        addresses(str(tmp_path / "wrong.parquet"), StoreOptions())


def test_a_search_of_an_api_becomes_a_document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StacApi([{**items.item(assets={"data": {"href": f"s3://x/{n}.tif"}}), "id": f"{n}"} for n in range(5)]) as api:
        source = f"{api.url}/search?collections=one,two&bbox=8,46,9,47&datetime=2026-01-01/2026-12-31"
        assert addresses(source, StoreOptions()) == [f"s3://x/{number}.tif" for number in range(5)]
        first = api.asked[0]
        assert (first["collections"], first["bbox"]) == (["one", "two"], [8, 46, 9, 47])
        assert first["datetime"].startswith("2026-01-01")
        assert len(api.asked) == 3, "two Items a page"
        with pytest.raises(InvalidParameter, match="'cloud' is no parameter"):
            addresses(f"{source}&cloud=1", StoreOptions())
        with pytest.raises(InvalidParameter, match="four numbers"):
            addresses(f"{api.url}/search?bbox=a", StoreOptions())
        monkeypatch.setattr("tilery.publishing.mosaic.MOST_RASTERS", 4)
        with pytest.raises(InvalidParameter, match="more than 4 Items"):
            addresses(source, StoreOptions())
    with pytest.raises(InvalidParameter, match="failed"):
        addresses("http://127.0.0.1:9/search", StoreOptions())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON document"),
        ("[]", "no JSON document"),
        ('{"type": "FeatureCollection", "features": []}', "no STAC Item"),
        ('{"type": "FeatureCollection", "features": 1}', "no STAC Item"),
        ('{"type": "FeatureCollection", "features": [1]}', "not a STAC Item"),
        (json.dumps(items.item("a")), "relative"),
    ],
)
def test_what_is_no_search_is_said_to_be_none(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(InvalidParameter, match=words):
        addresses(str(tmp_path / "search.json"), StoreOptions())


def test_what_cannot_be_is_said(folder: Path, tmp_path: Path) -> None:
    to = ("--to", tmp_path / "m.json")
    with pytest.raises(SourceNotFound, match=r"gone\.tif"):
        run(folder / "gone.tif", *to)
    with pytest.raises(SourceError, match=r"notes\.txt"):
        run(folder / "notes.txt", *to)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidParameter, match="no file"):
        run(tmp_path / "empty", *to)
    with pytest.raises(InvalidParameter, match="above maxzoom"):
        run(folder, *to, "--minzoom", 12, "--maxzoom", 3)
    with pytest.raises(InvalidParameter, match="more than"):
        run(folder, *to, "--quadkey-zoom", 22)
    assert run(folder, "--to", tmp_path / "m.txt").exit_code == 2
    rasters.constant(folder / "d.tif", 1, count=3)
    assert "has other bands than" in run(folder, *to).output
    assert not list(tmp_path.glob("*.part*"))


def test_a_prefix_of_a_bucket(s3: S3, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    s3.bucket("made")
    for path in ("a.TIF", "b.tif"):
        s3.put("made", f"in/{path}", (folder / path).read_bytes())
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    done = run("s3://made/in/", "--to", "s3://made/out/m.json.gz", "--overview", "--minzoom", 9)
    assert done.exit_code == 0, done.output
    with service.client("s3://made/", s3_endpoint=s3.endpoint) as client:
        for zoom in (6, 11):
            z, x, y = exact.tile_of(8.2, 46.5, zoom)
            query = {"url": "s3://made/out/m.json.gz"}
            data, valid = service.array(client.get(f"/mosaicjson/tiles/{z}/{x}/{y}.npy", params=query).content)
            assert data[0][valid].min() == 1


def test_what_is_named_may_be_read_and_no_more() -> None:
    places = ["s3://bucket/a/b.tif", "gs://other/x.tif", "https://host.example/x.tif", "/tmp/a.tif", "/tmp/b.tif"]
    assert sources_of([*places, "file:///tmp/c.tif"]) == [
        "s3://bucket/",
        "gs://other/",
        "https://host.example/",
        "/tmp/",
    ]

"""Items, mosaics and stores opened in a notebook: what is chosen of them, what may be read, and what is shown."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import tilery
from tests.support import exact, items, mosaics, rasters, zarrs
from tests.support.rasters import ALPS
from tests.support.service import pixels
from tests.support.upstream import Upstream
from tilery.engine import Engine
from tilery.errors import InvalidParameter, SourceNotFound, SourceRefused, TooMuchWork, UnsupportedRaster
from tilery.notebook import OpenedRaster, opened
from tilery.notebook.opened import LIMITS
from tilery.notebook.tiles import tiles

LEVELS = {"red": 200, "green": 120, "blue": 40}
MIDDLE = (8.5, 46.5)


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    tiles().close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("kinds")
    for name, level in LEVELS.items():
        rasters.write(found / f"{name}.tif", np.full((1, 64, 64), level, "uint8"), bounds=ALPS, crs="EPSG:4326")
    items.write(found / "item.json", *LEVELS)
    mosaics.write(found / "mosaic.json", "red.tif")
    zarrs.world(found / "world.zarr")
    return found


def tile(raster: OpenedRaster) -> Any:
    """Return the colour of the map in the middle of the Alps."""
    z, x, y = exact.tile_of(*MIDDLE, 10)
    with urllib.request.urlopen(raster.tile_url.format(z=z, x=x, y=y), timeout=30) as answer:
        return np.atleast_1d(pixels(answer.read())[256, 256])[:3].tolist()


def style(raster: OpenedRaster) -> dict[str, list[str]]:
    found = parse_qs(urlsplit(raster.tile_url).query)
    del found["url"]
    return found


def test_assets_of_an_item(folder: Path) -> None:
    item = tilery.open(folder / "item.json", assets=list(LEVELS))
    assert item.shape[0] == 3
    assert item.point(*MIDDLE).values == (200, 120, 40)
    assert [band["mean"] for band in item.stats().values()] == [200, 120, 40]
    assert item.read(masked=True).mean(axis=(1, 2)).tolist() == [200, 120, 40]
    assert style(item)["assets"] == list(LEVELS)
    assert style(item)["bidx"] == ["1", "2", "3"], "three assets are the colours of a picture"
    assert tile(item) == pytest.approx([200, 120, 40], abs=3)
    assert tilery.open(folder / "item.json", assets="green|expression=b1*2").point(*MIDDLE).values == (240,)
    assert "data:image/webp" in item._repr_mimebundle_()["text/html"]
    with pytest.raises(InvalidParameter, match=r"assets=\['NAME'\]: red, green, blue"):
        tilery.open(folder / "item.json")
    with pytest.raises(UnsupportedRaster, match="layers add"):
        item.publish("x", to=folder / "layers")


def test_the_picture_for_people_is_the_asset_of_those_who_name_none(folder: Path) -> None:
    items.write(folder / "seen.json", "green", assets={"visual": {"href": "blue.tif", "type": items.COG}})
    assert tilery.open(folder / "seen.json").point(*MIDDLE).values == (40,)


def test_a_mosaic(folder: Path) -> None:
    mosaic = tilery.open(folder / "mosaic.json")
    assert mosaic.point(*MIDDLE).values == (200,)
    assert tile(mosaic) == [200]
    assert "data:image/webp" in mosaic._repr_mimebundle_()["text/html"]


def test_of_a_mosaic_of_too_many_rasters_the_middle_says_how_it_is_shown(folder: Path) -> None:
    west, south, east, north = ALPS
    edges = np.linspace(west, east, 8)
    listed: dict[str, list[str]] = {}
    for number, part in enumerate(pairwise(edges.tolist())):
        bounds = (part[0], south, part[1], north)
        data = np.linspace(50, 150, 1024, dtype="uint16").reshape(1, 32, 32)
        rasters.write(folder / f"part{number}.tif", data, bounds=bounds, overviews=())
        for key in mosaics.tiles(bounds, 10, []):
            listed.setdefault(key, []).append(f"part{number}.tif")
    (folder / "many.json").write_text(json.dumps({**mosaics.document(zoom=10), "tiles": listed}))
    mosaic = opened(folder / "many.json", limits=replace(LIMITS, assets=3))
    with pytest.raises(TooMuchWork, match="7 rasters"):
        mosaic.stats()
    low, high = map(float, style(mosaic)["rescale"][0].split(","))
    assert 50 <= low < high <= 150


def test_a_variable_of_a_store(folder: Path) -> None:
    third = tilery.open(folder / "world.zarr", variable="v", sel={"time": "2020-01-03"})
    expected = int(
        zarrs.positions()[2][np.abs(zarrs.LATITUDES - 46.5).argmin(), np.abs(zarrs.LONGITUDES - 8.5).argmin()]
    )
    assert third.point(*MIDDLE).values == (expected,)
    assert (third.name, third.url) == ("world", str(folder / "world.zarr"))
    assert style(third)["sel"] == ["time=2020-01-03"]
    assert len(tile(third)) == 1
    nearest = tilery.open(folder / "world.zarr", variable="v", sel=["time=nearest::2020-01-03T01:00"])
    assert nearest.point(*MIDDLE).values == (expected,)
    with pytest.raises(InvalidParameter, match="time"):
        tilery.open(folder / "world.zarr", variable="v", sel={"time": "1999-01-01"})


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    item = items.write(tmp_path / "item.json", "absent")
    with pytest.raises(SourceNotFound, match="absent"):
        tilery.open(item)


def test_a_document_from_elsewhere_leads_neither_to_files_nor_to_hosts_of_this_machine(folder: Path) -> None:
    with Upstream() as upstream, Upstream() as other:
        body = (folder / "red.tif").read_bytes()
        upstream.put("/beside.tif", body)
        other.put("/other.tif", body)
        (folder / "own.tif").write_bytes(body)
        hrefs = {"beside": "beside.tif", "file": f"file://{folder}/own.tif", "other": other.url("/other.tif")}
        assets = {name: {"href": href, "type": items.COG} for name, href in hrefs.items()}
        upstream.put("/item.json", items.encoded(assets=assets))
        assert tilery.open(upstream.url("/item.json"), assets="beside").point(*MIDDLE).values == (200,)
        assert tile(tilery.open(upstream.url("/item.json"), assets="beside")) == [200]
        with Engine() as engine, pytest.raises(SourceRefused):
            tilery.open(upstream.url("/item.json"), assets="beside", engine=engine)
        for name in ("file", "other"):
            with pytest.raises(SourceRefused):
                tilery.open(upstream.url("/item.json"), assets=name)
        assert not other.requests

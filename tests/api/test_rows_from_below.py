"""Tile matrix sets whose rows are counted upwards, from the lower left corner (OGC 17-083r4, 6.2.1.1)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service
from tilery.geo import tms

ZOOM, COLUMN, ROW = 8, 134, 90
"""A tile of WebMercatorQuad that lies on the raster."""
SIDE = 20037508.342789244


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rasters.gradient(tmp_path_factory.mktemp("upward").resolve() / "a.tif")


@pytest.fixture(scope="module")
def client(path: Path) -> Iterator[TestClient]:
    """Return a client of a service that knows WebMercatorQuad with its rows counted from below as well."""
    definition = copy.deepcopy(tms.get(tms.DEFAULT).document) | {"id": "Upward", "uri": None}
    for matrix in definition["tileMatrices"]:
        matrix |= {"cornerOfOrigin": "bottomLeft", "pointOfOrigin": [-SIDE, -SIDE]}
    (path.parent / "sets").mkdir()
    (path.parent / "sets" / "Upward.json").write_text(json.dumps(definition))
    with service.client(path.parent, tile_matrix_set_directory=str(path.parent / "sets")) as found:
        yield found


def test_tiles_are_those_of_the_other_set_with_the_rows_turned(client: TestClient, path: Path) -> None:
    query = {"url": str(path), "bidx": "1", "rescale": "0,255"}
    below = 2**ZOOM - 1 - ROW
    known = client.get(f"/cog/tiles/WebMercatorQuad/{ZOOM}/{COLUMN}/{ROW}.png", params=query)
    assert known.status_code == 200
    found = client.get(f"/cog/tiles/Upward/{ZOOM}/{COLUMN}/{below}.png", params=query)
    assert found.content == known.content


def test_tilejson_says_which_way_rows_run(client: TestClient, path: Path) -> None:
    schemes = {
        name: client.get(f"/cog/{name}/tilejson.json", params={"url": str(path)}).json()["scheme"]
        for name in ("Upward", "WebMercatorQuad", "WGS1984Quad")
    }
    assert schemes == {"Upward": "tms", "WebMercatorQuad": "xyz", "WGS1984Quad": "xyz"}


def test_limits_are_counted_from_below(client: TestClient, path: Path) -> None:
    found = {}
    for name in ("Upward", "WebMercatorQuad"):
        document = client.get(f"/cog/tiles/{name}", params={"url": str(path), "f": "json"}).json()
        (found[name],) = (one for one in document["tileMatrixSetLimits"] if one["tileMatrix"] == str(ZOOM))
    rows = ("minTileRow", "maxTileRow")
    above, below = ([found[name][row] for row in rows] for name in ("WebMercatorQuad", "Upward"))
    assert below == [2**ZOOM - 1 - row for row in reversed(above)]


def test_wmts_which_counts_from_above_does_not_offer_it(client: TestClient, path: Path) -> None:
    text = client.get("/cog/WMTSCapabilities.xml", params={"url": str(path)}).text
    assert "WebMercatorQuad" in text
    assert "Upward" not in text

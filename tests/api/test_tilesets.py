"""Tileset documents: the limits hold every tile that touches the raster and no row or column more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyproj
import pytest
from starlette.testclient import TestClient

from app.api import tilesets
from app.api.tilesets import Addresses, Extent
from tests.support import rasters, service
from tilery.geo import crs, tms
from tilery.geo.raster import Bounds, Crs

WORLD: Bounds = (-180.0, -90.0, 180.0, 90.0)


def place(bounds: Bounds, code: str) -> Extent:
    name = Crs(code)
    return Extent(bounds=bounds, crs=name, geographic=crs.transform_bounds(name, crs.WGS84, bounds))


def touching(name: str, zoom: int, bounds: Bounds) -> tuple[int, int, int, int]:
    """Return first and last row and column of the tiles that share an area with the bounds, by looking at each tile."""
    grid = tms.get(name)
    matrix = grid.matrix(zoom)
    found = []
    for x in range(matrix.width):
        for y in range(matrix.height):
            left, bottom, right, top = grid.tile_bounds(zoom, x, y)
            if left < bounds[2] and right > bounds[0] and bottom < bounds[3] and top > bounds[1]:
                found.append((x, y))
    return (min(y for _, y in found), max(y for _, y in found), min(x for x, _ in found), max(x for x, _ in found))


@pytest.mark.parametrize("zoom", range(7))
@pytest.mark.parametrize(
    "bounds",
    [
        (1e6, 2e6, 3e6, 5e6),
        (-20037508.342789244, -20037508.342789244, 20037508.342789244, 20037508.342789244),
        (-5009377.085697311, 0.0, 0.0, 5009377.085697311),  # on the seams of zoom 3 and deeper
        (-1.0, -1.0, 1.0, 1.0),
    ],
)
def test_limits_are_those_of_the_tiles_that_touch(zoom: int, bounds: Bounds) -> None:
    grid = tms.get("WebMercatorQuad")
    (found,) = tilesets.limits(grid, tilesets.covered(grid, place(bounds, "EPSG:3857")), zoom, zoom)
    assert (found.first_row, found.last_row, found.first_column, found.last_column) == touching(grid.id, zoom, bounds)


@pytest.mark.parametrize("name", tms.names())
def test_the_world_fills_every_matrix(name: str) -> None:
    grid = tms.get(name)
    world = Extent(bounds=WORLD, crs=crs.WGS84, geographic=WORLD)
    covered = tilesets.covered(grid, world)
    assert covered == pytest.approx(grid.bounds, rel=1e-6)
    zoom = grid.minzoom + 2
    (found,) = tilesets.limits(grid, covered, zoom, zoom)
    matrix = grid.matrix(zoom)
    assert (found.first_row, found.first_column) == (0, 0)
    assert (found.last_row, found.last_column) == (matrix.height - 1, matrix.width - 1)


def test_a_raster_elsewhere_has_no_tiles_in_a_regional_set() -> None:
    greenland = place((373185.0, 8019284.9, 639014.9, 8286015.0), "EPSG:32621")
    for name in ("EuropeanETRS89_LAEAQuad", "NZTM2000Quad", "UPSAntarcticWGS84Quad", "LINZAntarticaMapTilegrid"):
        assert tilesets.covered(tms.get(name), greenland) is None
    assert tilesets.limits(tms.get("NZTM2000Quad"), None, 0, 5) == ()


def test_a_polar_raster_covers_the_pole_in_its_own_set_and_the_whole_width_of_a_cylinder() -> None:
    half = 2_000_000.0
    pole = place((2e6 - half, 2e6 - half, 2e6 + half, 2e6 + half), "EPSG:5041")
    own = tms.get("UPSArcticWGS84Quad")
    assert tilesets.covered(own, pole) == (0.0, 0.0, 4e6, 4e6)
    degrees = tilesets.covered(tms.get("WGS1984Quad"), pole)
    assert degrees is not None
    assert (degrees[0], degrees[2], degrees[3]) == (-180.0, 180.0, 90.0)
    assert 60 < degrees[1] < 72


def test_a_raster_across_the_antimeridian_covers_both_ends() -> None:
    west, east = 177.99, -178.51
    raster = Extent(
        bounds=(0.0, 5600000.0, 250000.0, 5850000.0), crs=Crs("EPSG:32660"), geographic=(west, 50.58, east, 52.77)
    )
    grid = tms.get("WebMercatorQuad")
    (found,) = tilesets.limits(grid, tilesets.covered(grid, raster), 5, 5)
    assert (found.first_column, found.last_column) == (0, 31)
    assert (
        found.first_row
        == found.last_row
        == grid.tile_at(0.0, crs.transform_points(crs.WGS84, crs.WEB_MERCATOR, [180.0], [51.6])[1][0], 5)[1]
    )


def test_reversed_zooms_give_no_limits() -> None:
    grid = tms.get("WebMercatorQuad")
    assert tilesets.limits(grid, grid.bounds, 4, 2) == ()


def test_a_tileset_has_its_links_limits_and_bounds() -> None:
    grid = tms.get("WebMercatorQuad")
    document = tilesets.tileset(
        grid,
        addresses=Addresses(
            tileset="http://a/tiles/WebMercatorQuad?url=x",
            tiles="http://a/tiles/WebMercatorQuad/{z}/{x}/{y}?url=x",
            scheme="http://a/tileMatrixSets/WebMercatorQuad",
            viewer="http://a/WebMercatorQuad/map.html?url=x",
        ),
        place=Extent(bounds=(0.0, 0.0, 10.0, 10.0), crs=crs.WGS84, geographic=(0.0, 0.0, 10.0, 10.0)),
        zooms=(2, 3),
        attribution="somebody",
    )
    assert [item["rel"] for item in document["links"]] == [
        "self",
        "tile",
        "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme",
        "data",
    ]
    assert document["links"][1]["href"].count("{") == 3
    assert document["links"][1]["templated"] is True
    assert document["tileMatrixSetLimits"] == [
        {"tileMatrix": "2", "minTileRow": 1, "maxTileRow": 1, "minTileCol": 2, "maxTileCol": 2},
        {"tileMatrix": "3", "minTileRow": 3, "maxTileRow": 3, "minTileCol": 4, "maxTileCol": 4},
    ]
    assert document["boundingBox"] == {
        "lowerLeft": [0.0, 0.0],
        "upperRight": [10.0, 10.0],
        "crs": "http://www.opengis.net/def/crs/EPSG/0/4326",
    }
    assert document["crs"] == "http://www.opengis.net/def/crs/EPSG/0/3857"
    assert document["attribution"] == "somebody"


def test_a_raster_upside_down_covers_the_same() -> None:
    grid = tms.get("WebMercatorQuad")
    upright, turned = (
        Extent(bounds=bounds, crs=crs.WGS84, geographic=(8.0, 46.0, 9.0, 47.0))
        for bounds in ((8.0, 46.0, 9.0, 47.0), (8.0, 47.0, 9.0, 46.0))
    )
    assert tilesets.covered(grid, turned) == tilesets.covered(grid, upright)


def test_links_of_a_tileset_keep_its_zooms(client: TestClient, folder: Path) -> None:
    query: dict[str, Any] = {"url": f"{folder}/rgb.tif", "minzoom": 5, "maxzoom": 7}
    answer = client.get("/cog/tiles/WebMercatorQuad", params=query)
    links = {link["rel"]: link["href"] for link in answer.json()["links"]}
    for relation in ("self", "data"):
        assert "minzoom=5&maxzoom=7" in links[relation]
    assert "zoom=" not in links["tile"]
    assert client.get(links["self"]).json()["tileMatrixSetLimits"] == answer.json()["tileMatrixSetLimits"]
    page = client.get(links["data"]).text
    assert '"minzoom": 5' in page
    assert '"maxzoom": 7' in page


@pytest.mark.parametrize(
    "path", ["/cog/tiles/WebMercatorQuad/8/87", "/layers/a/tiles/WebMercatorQuad/8/87", "/cog/tiles/a/b/c"]
)
def test_a_tile_path_that_lacks_a_part_is_no_path(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"url": "/none.tif"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "parameter" not in answer.json()


def set_in(code: str, half: float, tmp_path: Path) -> TestClient:
    """Return a client of a service with a tile matrix set of the operator's, ``Own``, around the origin of a CRS."""
    matrices = [
        {
            "id": str(zoom),
            "scaleDenominator": 2 * half / (256 << zoom) / 0.00028,
            "cellSize": 2 * half / (256 << zoom),
            "pointOfOrigin": [-half, half],
            "tileWidth": 256,
            "tileHeight": 256,
            "matrixWidth": 1 << zoom,
            "matrixHeight": 1 << zoom,
        }
        for zoom in range(4)
    ]
    wkt = pyproj.CRS(code).to_json_dict()
    document = {"id": "Own", "crs": {"wkt": wkt}, "orderedAxes": ["E", "N"], "tileMatrices": matrices}
    (tmp_path / "Own.json").write_text(json.dumps(document))
    return service.client(tmp_path, tile_matrix_set_directory=str(tmp_path))


@pytest.mark.parametrize(
    ("bounds", "seen"),
    [
        ((8.0, 46.0, 9.0, 47.0), True),
        ((-10.0, -10.0, 10.0, 10.0), True),
        ((-180.0, -90.0, 180.0, 90.0), True),
        ((170.0, -10.0, 179.0, 10.0), False),
        ((-180.0, -10.0, -100.0, 10.0), False),
    ],
)
def test_the_far_side_of_the_globe_has_no_tiles_in_a_view_of_it(tmp_path: Path, bounds: Bounds, seen: bool) -> None:
    """An orthographic view of 0° north, 0° east sees what is less than 90° away: the cosine of that is positive."""
    path = rasters.constant(tmp_path / "a.tif", 7, bounds=bounds)
    client = set_in("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84", 6378137.0, tmp_path)
    answer = client.get("/cog/tiles/Own", params={"url": str(path)})
    assert answer.status_code == 200, answer.text
    found = answer.json()["tileMatrixSetLimits"]
    assert bool(found) == seen
    if seen:
        last = found[-1]
        column, row = last["minTileCol"], last["minTileRow"]
        tile = client.get(f"/cog/tiles/Own/{last['tileMatrix']}/{column}/{row}.png", params={"url": str(path)})
        assert tile.status_code == 200, tile.text
    capabilities = client.get("/cog/WMTSCapabilities.xml", params={"url": str(path)})
    assert capabilities.status_code == 200
    assert ("<TileMatrixSet>Own</TileMatrixSet>" in capabilities.text) == seen

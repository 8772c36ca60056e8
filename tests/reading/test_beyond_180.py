"""Rasters beyond 180° of longitude, over the antimeridian and around the world: what they say of their place, and what
a map then shows. Right is worked out here, from positions."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from affine import Affine

from tests.support import exact, items, mosaics, rasters, service
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds

SIDE = 200
CASES: dict[str, tuple[str, Bounds, float]] = {
    "0-360": ("EPSG:4326", (0.0, -80.0, 360.0, 80.0), 360.0),
    "170-190": ("EPSG:4326", (170.0, -25.0, 190.0, -10.0), 360.0),
    "-190--170": ("EPSG:4269", (-190.0, -25.0, -170.0, -10.0), 360.0),
    "200-330": ("EPSG:4326", (200.0, -30.0, 330.0, 40.0), 360.0),
    "web beyond": ("EPSG:3857", (19e6, -2e6, 22e6, 1e6), 2 * exact.HALF),
    "utm 60": ("EPSG:32660", (600000.0, 5900000.0, 900000.0, 6200000.0), 0.0),
    "pacific": ("EPSG:3832", (2e6, -3e6, 4.8e6, -1e6), 0.0),
    "albers": ("EPSG:3338", (-2200000.0, 400000.0, -1200000.0, 1400000.0), 0.0),
}


def write(folder: Path, name: str, *, tiled: bool = True, overviews: Any = ()) -> tuple[Path, np.ndarray, Affine]:
    crs, (left, bottom, right, top), _ = CASES[name]
    data = np.random.default_rng(1).integers(1, 60000, (1, SIDE, SIDE), dtype="uint16")
    transform = Affine((right - left) / SIDE, 0, left, 0, (bottom - top) / SIDE, top)
    path = rasters.write(
        folder / "raster.tif", data, crs=crs, transform=transform, nodata=0, tiled=tiled, overviews=overviews
    )
    return path, data, transform


def places(name: str) -> list[tuple[float, float]]:
    """Return longitude within ±180 and latitude of five places on the raster, from west to east."""
    crs, (left, bottom, right, top), _ = CASES[name]
    to = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    found = [
        to.transform(left + part * (right - left), bottom + 0.4512 * (top - bottom))
        for part in (0.0512, 0.2512, 0.5512, 0.7512, 0.9512)
    ]
    return [((lon + 180) % 360 - 180, lat) for lon, lat in found]


def asked_for(bounds: list[float], lon: float) -> bool:
    """Return whether MapLibre asks for the tile of a longitude: from west to east, within ±180 (its tile_bounds.ts)."""
    return max(-180.0, bounds[0]) <= lon <= min(180.0, bounds[2])


@pytest.mark.parametrize("name", CASES)
def test_a_map_asks_for_all_of_it_and_begins_on_it(tmp_path: Path, name: str) -> None:
    path, _, _ = write(tmp_path, name)
    client = service.client(tmp_path)
    found = client.get("/cog/WebMercatorQuad/tilejson.json", params={"url": str(path)}).json()
    west, south, east, north = found["bounds"]
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    for lon, lat in places(name):
        assert asked_for(found["bounds"], lon)
        assert south <= lat <= north
    lon, lat, _ = found["center"]
    assert -180 <= lon <= 180
    assert client.get(f"/cog/point/{lon},{lat}", params={"url": str(path)}).status_code == 200


@pytest.mark.parametrize("kind", ["mosaicjson", "stac"])
@pytest.mark.parametrize("bounds", [(170.0, -25.0, 190.0, -10.0), (170.0, -25.0, -170.0, -10.0)])
def test_so_does_one_of_a_mosaic_or_an_item(tmp_path: Path, bounds: Bounds, kind: str) -> None:
    """In whichever convention their documents say where they are."""
    name = "170-190"
    path, data, transform = write(tmp_path, name)
    document = tmp_path / "document.json"
    if kind == "mosaicjson":
        everywhere = {digit: [path.name] for digit in "0123"}
        mosaics.write(document, zoom=1, bounds=bounds, tiles=everywhere, minzoom=2)
    else:
        document.write_text(json.dumps(items.item(path.stem) | {"bbox": list(bounds), "geometry": None}))
    client, query = service.client(tmp_path), {"url": str(document), "assets": path.stem}
    found = client.get(f"/{kind}/WebMercatorQuad/tilejson.json", params=query).json()
    west, south, east, north = found["bounds"]
    assert (south, north) == pytest.approx((-25, -10))
    assert -180 <= west < east <= 180
    assert client.get(f"/cog/point/{found['center'][0]},{found['center'][1]}", params={"url": str(path)}).is_success
    for lon, lat in places(name):
        assert asked_for(found["bounds"], lon)
        tile = exact.tile_of(lon, lat, 4)
        answer = client.get(f"/{kind}/tiles/WebMercatorQuad/{'/'.join(map(str, tile))}.npy", params=query)
        assert answer.status_code == 200, answer.text
        exact.assert_shows(
            service.array(answer.content),
            exact.nearest(data, transform, "EPSG:4326", exact.tile_bounds(*tile), turn=360.0),
        )


@pytest.mark.parametrize("name", CASES)
def test_wmts_says_the_same(tmp_path: Path, name: str) -> None:
    path, _, _ = write(tmp_path, name)
    answer = service.client(tmp_path).get("/cog/WebMercatorQuad/WMTSCapabilities.xml", params={"url": str(path)})
    root = ET.fromstring(answer.content)
    names = {"ows": "http://www.opengis.net/ows/1.1", "wmts": "http://www.opengis.net/wmts/1.0"}
    box = root.find(".//wmts:Layer/ows:WGS84BoundingBox", names)
    assert box is not None
    west, _ = map(float, str(box.findtext("ows:LowerCorner", namespaces=names)).split())
    east, _ = map(float, str(box.findtext("ows:UpperCorner", namespaces=names)).split())
    assert -180 <= west < east <= 180
    limits = root.findall(".//wmts:TileMatrixLimits", names)
    deepest = limits[-1]
    z = int(str(deepest.findtext("wmts:TileMatrix", namespaces=names)))
    first, last = (int(str(deepest.findtext(f"wmts:{end}TileCol", namespaces=names))) for end in ("Min", "Max"))
    for lon, lat in places(name):
        assert west <= lon <= east
        assert first <= exact.tile_of(lon, lat, z)[1] <= last


@pytest.mark.parametrize("name", CASES)
def test_the_deepest_zoom_is_that_of_its_pixels(tmp_path: Path, name: str) -> None:
    """Those in its middle, whose area in Web Mercator is measured here."""
    path, _, transform = write(tmp_path, name)
    to = pyproj.Transformer.from_crs(CASES[name][0], 3857, always_xy=True)
    corners = [to.transform(*(transform * (SIDE / 2 + 7 + c, SIDE / 2 + r))) for c, r in ((0, 0), (1, 0), (0, 1))]
    (ax, ay), (bx, by), (cx, cy) = corners
    exact_zoom = math.log2(2 * exact.HALF / 256 / math.sqrt(abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))))
    found = service.client(tmp_path).get("/cog/WebMercatorQuad/tilejson.json", params={"url": str(path)}).json()
    assert abs(found["maxzoom"] - max(0.0, exact_zoom)) < 0.6


@pytest.mark.parametrize(
    ("crs", "half_x", "half_y", "zoom", "bounds"),
    [
        ("ESRI:54009", 18040000, 9020000, 3.97, (-180, -90, 180, 90)),
        ("ESRI:54030", 17005833, 8625155, 3.90, (-180, -90, 180, 90)),
        ("+proj=igh +datum=WGS84 +units=m", 20037508, 8683259, 3.81, (-180, -90, 180, 90)),
        ("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84", 5567248, 5567248, 5.66, (-81.3, -81.3, 81.3, 81.3)),
        ("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84", 6378137, 6356752, 5.46, (-90, -90, 90, 90)),
        ("EPSG:4326", 180, 90, 3.81, (-180, -90, 180, 90)),
        ("EPSG:3413", 4000000, 4000000, 4.79, (-180, 40.9, 180, 90)),
    ],
)
def test_a_view_of_the_whole_world_says_where_it_is(
    tmp_path: Path, crs: str, half_x: float, half_y: float, zoom: float, bounds: Bounds
) -> None:
    width, height = 3600, round(3600 * half_y / half_x)
    transform = Affine(2 * half_x / width, 0, -half_x, 0, -2 * half_y / height, half_y)
    path = rasters.write(
        tmp_path / "raster.tif", np.ones((1, height, width), "uint8"), crs=crs, transform=transform, overviews=()
    )
    client = service.client(tmp_path)
    found = client.get("/cog/WebMercatorQuad/tilejson.json", params={"url": str(path)}).json()
    assert found["bounds"] == pytest.approx(bounds, abs=0.3)
    assert found["maxzoom"] == round(zoom)
    place = client.get("/cog/info.geojson", params={"url": str(path)}).json()
    assert place["bbox"] == pytest.approx(bounds, abs=0.3)
    tile = client.get("/cog/tiles/WebMercatorQuad/0/0/0.png", params={"url": str(path), "resampling": "average"})
    assert tile.status_code == 200, tile.text


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_tiles_show_it_on_both_sides_of_the_antimeridian(tmp_path: Path, name: str, tiled: bool) -> None:
    path, data, transform = write(tmp_path, name, tiled=tiled)
    client = service.client(tmp_path)
    crs, _, turn = CASES[name]
    for lon, lat in places(name):
        tile = exact.tile_of(lon, lat, 4)
        answer = client.get("/cog/tiles/WebMercatorQuad/{}/{}/{}.npy".format(*tile), params={"url": str(path)})
        assert answer.status_code == 200, answer.text
        values, valid, sure = exact.nearest(data, transform, crs, exact.tile_bounds(*tile), turn=turn)
        assert valid.any()
        found, found_valid = service.array(answer.content)
        # GDAL's warper misses positions by up to an eighth of a pixel.
        most = 0 if tiled else 0.06
        assert ((found_valid != valid) & sure).mean() <= most
        assert ((found[0] != values[0]) & valid & sure).sum() <= most * valid.sum()


@pytest.mark.parametrize("method", ["average", "mode", "gauss", "bilinear"])
@pytest.mark.parametrize("name", ["0-360", "170-190", "web beyond"])
def test_every_resampling_goes_around(tmp_path: Path, name: str, method: str) -> None:
    path, data, transform = write(tmp_path, name)
    client = service.client(tmp_path)
    crs, _, turn = CASES[name]
    for lon, lat in places(name):
        tile = exact.tile_of(lon, lat, 3)
        answer = client.get(
            "/cog/tiles/WebMercatorQuad/{}/{}/{}.npy".format(*tile),
            params={
                "url": str(path),
                "resampling": method,
                "reproject": "bilinear" if method == "bilinear" else "nearest",
            },
        )
        _, valid, _ = exact.nearest(data, transform, crs, exact.tile_bounds(*tile), turn=turn)
        _, found = service.array(answer.content)
        assert valid.any()
        # Kernels that gather reach over an edge by up to a pixel of the raster.
        assert not (valid & ~found).any()
        assert found.sum() <= 1.1 * valid.sum() + 600


@pytest.mark.parametrize("name", CASES)
def test_a_point_is_found_in_either_convention(tmp_path: Path, name: str) -> None:
    path, data, transform = write(tmp_path, name)
    client = service.client(tmp_path)
    crs, _, turn = CASES[name]
    to = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    for lon, lat in places(name):
        x, y = to.transform(lon, lat)
        if turn:
            middle = (transform * (SIDE / 2, SIDE / 2))[0]
            x += turn * round((middle - x) / turn)
        column, row = ~transform * (x, y)
        value = int(data[0, int(row), int(column)])
        for further in (0, 360 if lon < 0 else -360):
            answer = client.get(f"/cog/point/{lon + further},{lat}", params={"url": str(path)})
            assert answer.json()["values"] == [value]


@pytest.mark.parametrize("tiled", [True, False])
def test_a_box_in_degrees_goes_around_as_well(tmp_path: Path, tiled: bool) -> None:
    """Of rasters beyond 180°, and of plain ones asked for beyond it."""
    beyond, data, _ = write(tmp_path, "170-190", tiled=tiled)
    plain = np.concatenate([data[:, :, 100:], data[:, :, :100]], axis=2)
    within = rasters.write(
        tmp_path / "within.tif", np.repeat(plain, 18, axis=2), bounds=(-180, -25, 180, -10), nodata=0, tiled=tiled
    )
    client = service.client(tmp_path)
    box = client.get("/cog/bbox/-180,-25,-170,-10.npy", params={"url": str(beyond), "width": 100, "height": 200})
    values, valid = service.array(box.content)
    assert valid.all()
    assert np.array_equal(values, data[:, :, 100:])
    over = client.get("/cog/bbox/90,-25,270,-10.npy", params={"url": str(within), "width": 100, "height": 200})
    values, valid = service.array(over.content)
    assert valid.all()
    assert np.array_equal(values, plain[:, :, [*range(150, 200), *range(50)]].repeat(1, axis=2)[:, :, :])


@pytest.mark.parametrize("name", ["utm 60", "170-190", "albers"])
@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4326"])
def test_a_preview_of_one_across_it_is_in_one_piece(tmp_path: Path, name: str, crs: str) -> None:
    path, _, _ = write(tmp_path, name)
    answer = service.client(tmp_path).get(
        "/cog/preview.npy", params={"url": str(path), "dst_crs": crs, "max_size": 128}
    )
    _, valid = service.array(answer.content)
    assert valid.mean() > 0.3
    assert 0.3 < valid.shape[0] / valid.shape[1] < 3


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        ("EPSG:4326", (-180, 180)),
        ("EPSG:4807", (-200, 200)),
        ("EPSG:3857", (-exact.HALF, exact.HALF)),
        ("EPSG:3832", (-exact.HALF, exact.HALF)),
        ("EPSG:6933", (-17367530.445, 17367530.445)),
        ("EPSG:32660", None),
        ("ESRI:54030", None),
    ],
)
def test_which_crss_come_back_to_the_same_place(crs: str, expected: tuple[float, float] | None) -> None:
    found = crs_.world(crs_.parse(crs))
    assert found is None if expected is None else found == pytest.approx(expected, abs=0.01)

"""Pictures of /cog: their pixels against arithmetic, in several CRSs, data types and kinds of mask."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from starlette.testclient import TestClient

from tests.support import rasters, service
from tests.support.service import array, pixels

R = 6378137.0
HALF = math.pi * R


def tile_bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Of a WebMercatorQuad tile, in metres, worked out apart from the service."""
    side = 2 * HALF / 2**z
    return (-HALF + x * side, HALF - (y + 1) * side, -HALF + (x + 1) * side, HALF - y * side)


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int]:
    x = math.radians(lon) * R
    y = math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)) * R
    side = 2 * HALF / 2**z
    return int((x + HALF) // side), int((HALF - y) // side)


def longitudes(bounds: tuple[float, ...], size: int) -> np.ndarray[Any, Any]:
    xs = bounds[0] + (np.arange(size) + 0.5) * (bounds[2] - bounds[0]) / size
    return np.degrees(xs / R)


def latitudes(bounds: tuple[float, ...], size: int) -> np.ndarray[Any, Any]:
    ys = bounds[3] - (np.arange(size) + 0.5) * (bounds[3] - bounds[1]) / size
    return np.degrees(2 * np.arctan(np.exp(ys / R)) - math.pi / 2)


Z = 10
X, Y = tile_at(8.5, 46.5, Z)
TILE = f"/cog/tiles/WebMercatorQuad/{Z}/{X}/{Y}"


@pytest.mark.parametrize("size", [256, 512, 100])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
def test_each_pixel_of_a_tile_holds_its_own_position(client: TestClient, folder: Path, size: int, method: str) -> None:
    answer = client.get(
        f"{TILE}.npy",
        params={"url": f"{folder}/position.tif", "tilesize": size, "resampling": method, "reproject": method},
    )
    assert answer.status_code == 200
    (lon, lat), mask = array(answer.content)
    assert lon.shape == (size, size)
    assert mask.all()
    bounds = tile_bounds(Z, X, Y)
    half_a_pixel = 0.5 / 512 if method == "nearest" else 0.1 / 512
    assert np.abs(lon - longitudes(bounds, size)).max() <= half_a_pixel * 1.01
    assert np.abs(lat - latitudes(bounds, size)[:, None]).max() <= half_a_pixel * 1.01


def test_a_raster_of_the_tiles_own_crs(client: TestClient, folder: Path) -> None:
    answer = client.get(f"{TILE}.npy", params={"url": f"{folder}/position-mercator.tif", "resampling": "bilinear"})
    (x, y), mask = array(answer.content)
    left, bottom, right, top = tile_bounds(Z, X, Y)
    expected = left + (np.arange(256) + 0.5) * (right - left) / 256
    assert mask.all()
    assert np.abs(x - expected).max() < 0.5
    assert np.abs(y[::-1, 0] - (bottom + (np.arange(256) + 0.5) * (top - bottom) / 256)).max() < 0.5


def test_utm_tiles_agree_with_the_inverse_projection(client: TestClient, folder: Path) -> None:
    from pyproj import Transformer

    answer = client.get(
        f"{TILE}.npy", params={"url": f"{folder}/position-utm.tif", "reproject": "bilinear", "tilesize": 64}
    )
    (east, north), mask = array(answer.content)
    bounds = tile_bounds(Z, X, Y)
    lon, lat = np.meshgrid(longitudes(bounds, 64), latitudes(bounds, 64))
    expected = Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)
    assert mask.all()
    assert np.abs(east - expected[0]).max() < 16.0  # of an overview's pixel of about 320 metres
    assert np.abs(north - expected[1]).max() < 16.0


def test_a_tile_at_the_edge_is_masked_outside(client: TestClient, folder: Path) -> None:
    x, y = tile_at(8.001, 46.5, 8)
    answer = client.get(f"/cog/tiles/WebMercatorQuad/8/{x}/{y}.npy", params={"url": f"{folder}/position.tif"})
    (lon, _), mask = array(answer.content)
    bounds = tile_bounds(8, x, y)
    inside = (longitudes(bounds, 256) > 8.0) & (longitudes(bounds, 256) < 9.0)
    inside_rows = (latitudes(bounds, 256) > 46.0) & (latitudes(bounds, 256) < 47.0)
    assert 0 < inside.sum() < 256
    differing = mask != (inside & inside_rows[:, None])
    assert differing.mean() < 0.01  # at most the pixels on the edge itself
    assert np.abs(lon - longitudes(bounds, 256))[mask].max() < 1 / 512


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
def test_tiff_and_npy_keep_the_data_type_and_the_values(client: TestClient, folder: Path, dtype: str) -> None:
    url = f"{folder}/gradient-{dtype}.tif"
    answer = client.get("/cog/preview.tif", params={"url": url})
    with rasterio.open(io.BytesIO(answer.content)) as found, rasterio.open(url) as source:
        assert found.dtypes[0] == dtype
        assert found.crs == source.crs
        assert np.allclose(found.bounds, source.bounds)
        assert (found.read([1, 2]) == source.read()).all()
    bands, _ = array(client.get("/cog/preview.npy", params={"url": url}).content)
    assert bands.dtype == dtype
    assert bands.shape == (2, 512, 512)


def test_rescale_is_linear(client: TestClient, folder: Path) -> None:
    answer = client.get(
        "/cog/preview.png",
        params={"url": f"{folder}/gradient-uint16.tif", "bidx": 1, "rescale": "0,511", "return_mask": "false"},
    )
    found = pixels(answer.content)
    assert found.shape == (512, 512)
    assert np.abs(found[0].astype(int) - np.arange(512) * 255 / 511).max() <= 1


def test_bands_in_the_order_asked_for(client: TestClient, folder: Path) -> None:
    answer = client.get(
        "/cog/preview.npy", params=[("url", f"{folder}/gradient-uint16.tif"), ("bidx", 2), ("bidx", 1), ("bidx", 2)]
    )
    (rows, columns, again), _ = array(answer.content)
    assert (columns[0] == np.arange(512)).all()
    assert (rows[:, 0] == np.arange(512)).all()
    assert (rows == again).all()


def test_an_expression_takes_the_place_of_bands(client: TestClient, folder: Path) -> None:
    answer = client.get(
        "/cog/preview.npy",
        params={"url": f"{folder}/gradient-uint16.tif", "expression": "b2*2+b1;where(b1>100,1,0)", "bidx": 1},
    )
    (total, above), _ = array(answer.content)
    rows, columns = np.mgrid[0:512, 0:512]
    assert (total == rows * 2 + columns).all()
    assert (above == (columns > 100)).all()


@pytest.mark.parametrize("kind", ["nodata", "nan", "mask", "alpha"])
def test_what_is_missing_is_transparent(client: TestClient, folder: Path, kind: str) -> None:
    answer = client.get("/cog/preview", params={"url": f"{folder}/half-{kind}.tif", "rescale": "0,255"})
    assert answer.headers["content-type"] == "image/png"
    found = pixels(answer.content)
    assert found.shape == (256, 256, 4)
    assert (found[:, :128, 3] == 0).all()
    assert (found[:, 128:] == (100, 100, 100, 255)).all()
    without = client.get(
        "/cog/preview.png", params={"url": f"{folder}/half-{kind}.tif", "rescale": "0,255", "return_mask": "false"}
    )
    assert pixels(without.content).shape == (256, 256, 3)


def test_nothing_missing_makes_a_jpeg(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/preview", params={"url": f"{folder}/rgb.tif"})
    assert answer.headers["content-type"] == "image/jpeg"
    found = pixels(answer.content).astype(int)
    ramp = np.linspace(0, 255, 512)
    assert np.abs(found[:, :, 0] - ramp).mean() < 2
    assert np.abs(found[:, :, 1] - ramp[:, None]).mean() < 2
    assert np.abs(found[:, :, 2] - 90).mean() < 2


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        ("png", "image/png"),
        ("pngraw", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("jp2", "image/jp2"),
        ("tif", "image/tiff; application=geotiff"),
        ("tiff", "image/tiff; application=geotiff"),
        ("npy", "application/x-binary"),
    ],
)
def test_formats(client: TestClient, folder: Path, suffix: str, media_type: str) -> None:
    url = f"{folder}/rgb.tif"
    by_suffix = client.get(f"{TILE}.{suffix}", params={"url": url})
    by_name = client.get(TILE, params={"url": url, "format": suffix})
    assert by_suffix.status_code == by_name.status_code == 200
    assert by_suffix.headers["content-type"] == media_type
    assert by_suffix.content == by_name.content


def test_a_palette_colours_the_picture(client: TestClient, folder: Path) -> None:
    found = pixels(client.get("/cog/preview.png", params={"url": f"{folder}/palette.tif"}).content)
    colours = [tuple(found[0, column, :3]) for column in (10, 74, 138, 202)]
    assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)]


def test_colormaps_by_name_and_written(client: TestClient, folder: Path) -> None:
    url = f"{folder}/constant.tif"
    named = pixels(client.get("/cog/preview.png", params={"url": url, "colormap_name": "viridis"}).content)
    from tilery.rendering import colormap

    assert (named[..., :3] == colormap.get("viridis").rgba[7][:3]).all()
    written = json.dumps({"7": "#010203"})
    found = pixels(client.get("/cog/preview.png", params={"url": url, "colormap": written}).content)
    assert (found[..., :3] == (1, 2, 3)).all()
    old = client.get("/cog/preview.png", params={"url": url, "colormap": "viridis"})
    assert (pixels(old.content) == named).all()


def test_scale_and_offset(client: TestClient, folder: Path) -> None:
    plain = array(client.get("/cog/preview.npy", params={"url": f"{folder}/scaled.tif"}).content)
    scaled = array(client.get("/cog/preview.npy", params={"url": f"{folder}/scaled.tif", "unscale": "true"}).content)
    assert (plain[0][0] == 100).all()
    assert (scaled[0][0] == 60).all()


def test_no_longest_side_is_the_rasters_own_resolution(tmp_path: Path) -> None:
    url = str(rasters.rgb(tmp_path.resolve() / "large.tif", size=1100))
    with service.client(tmp_path.resolve()) as client:
        for path, size in (("preview.png", 1100), ("bbox/8,46,8.5,46.5.png", 550)):
            found = pixels(client.get(f"/cog/{path}", params={"url": url, "max_size": 0}).content)
            assert found.shape[:2] == (size, size)
        counted = client.get("/cog/statistics", params={"url": url, "max_size": 0}).json()
        assert counted["b1"]["count"] == 1100 * 1100
        assert client.get("/cog/preview.png", params={"url": url, "max_size": -1}).status_code == 422


def test_sizes(client: TestClient, folder: Path) -> None:
    url = f"{folder}/rgb.tif"

    def shape(path: str, **query: Any) -> tuple[int, ...]:
        found = pixels(client.get(path, params={"url": url, **query}).content)
        return found.shape[:2]

    assert shape("/cog/preview.png") == (512, 512)
    assert shape("/cog/preview.png", max_size=100) == (100, 100)
    assert shape("/cog/preview.png", width=50) == (50, 50)
    assert shape("/cog/preview.png", width=50, height=70, max_size=10) == (70, 50)
    assert shape("/cog/preview.png", width=50, height=70, max_size=0) == (70, 50)
    assert shape("/cog/preview/30x40.png") == (40, 30)
    assert shape("/cog/bbox/8.25,46.25,8.75,46.5.png") == (128, 256)
    assert shape("/cog/bbox/8.25,46.25,8.75,46.5.png", max_size=64) == (32, 64)
    assert shape("/cog/bbox/8.25,46.25,8.75,46.5/10x20.png") == (20, 10)
    assert shape(f"{TILE}.png", buffer=1.5) == (259, 259)
    assert shape(f"{TILE}.png", padding=3) == (256, 256)
    assert shape("/cog/map", f="png", width=60) == (60, 60)


def test_a_box_holds_its_own_coordinates(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/bbox/8.25,46.25,8.75,46.5.npy", params={"url": f"{folder}/position.tif"})
    assert answer.headers["content-bbox"] == "8.25,46.25,8.75,46.5"
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/4326>"
    (lon, lat), _ = array(answer.content)
    assert np.allclose(lon[0], 8.25 + (np.arange(256) + 0.5) / 512)
    assert np.allclose(lat[:, 0], 46.5 - (np.arange(128) + 0.5) / 512)


def test_a_box_in_another_crs(client: TestClient, folder: Path) -> None:
    left, bottom, right, top = tile_bounds(Z, X, Y)
    answer = client.get(
        f"/cog/bbox/{left},{bottom},{right},{top}/32x32.npy",
        params={
            "url": f"{folder}/position.tif",
            "coord_crs": "EPSG:3857",
            "dst_crs": "EPSG:4326",
            "resampling": "bilinear",
        },
    )
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/4326>"
    (lon, _), _ = array(answer.content)
    assert abs(lon[:, 0].mean() - (math.degrees(left / R) + math.degrees((right - left) / R) / 64)) < 1e-3
    old = client.get(
        f"/cog/crop/{left},{bottom},{right},{top}/32x32.npy",
        params={
            "url": f"{folder}/position.tif",
            "coord-crs": "3857",
            "dst-crs": "4326",
            "resampling_method": "bilinear",
        },
    )
    assert old.content == answer.content


def feature(*ring: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}


TRIANGLE = feature((8.2, 46.2), (8.8, 46.2), (8.2, 46.8))


def test_a_polygon_is_cut_out(client: TestClient, folder: Path) -> None:
    answer = client.post("/cog/feature.npy", params={"url": f"{folder}/position.tif"}, json=TRIANGLE)
    assert answer.status_code == 200
    (lon, lat), mask = array(answer.content)
    distance = (8.8 - lon) - (lat - 46.2)  # from the long side, positive inside
    assert mask[distance > 2 / 512].all()
    assert not mask[distance < -2 / 512].any()
    assert answer.headers["cache-control"] == "no-store"
    old = client.post("/cog/crop.npy", params={"url": f"{folder}/position.tif"}, json=TRIANGLE)
    assert old.content == answer.content


def test_maps(client: TestClient, folder: Path) -> None:
    url = f"{folder}/position.tif"
    answer = client.get("/cog/map", params={"url": url, "bbox": "8.25,46.25,0,8.75,46.5,9", "f": "npy", "width": 50})
    (lon, lat), _ = array(answer.content)
    assert lon.shape == (25, 50)
    assert abs(lon.mean() - 8.5) < 0.01
    assert abs(lat.mean() - 46.375) < 0.01
    whole = client.get("/cog/map", params={"url": url, "crs": "[EPSG:3857]", "f": "npy"})
    assert whole.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/3857>"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "image/png"),
        ("image/webp,image/*;q=0.5", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("text/html", "image/png"),
        ("", "image/png"),
    ],
)
def test_maps_by_accept(client: TestClient, folder: Path, accept: str, media_type: str) -> None:
    answer = client.get("/cog/map", params={"url": f"{folder}/rgb.tif"}, headers={"accept": accept})
    assert answer.headers["content-type"] == media_type
    assert "Accept" in answer.headers["vary"]


def test_across_the_antimeridian(client: TestClient, folder: Path) -> None:
    url = f"{folder}/antimeridian.tif"
    west, south, east, north = client.get("/cog/info.geojson", params={"url": url}).json()["bbox"]
    assert west > 170
    assert east < -170
    from pyproj import Transformer

    to_utm = Transformer.from_crs(4326, 32660, always_xy=True)
    for lon in (179.5, -179.5):
        x, y = tile_at(lon, (south + north) / 2, 7)
        answer = client.get(f"/cog/tiles/WebMercatorQuad/7/{x}/{y}.npy", params={"url": url})
        assert answer.status_code == 200
        (columns,), mask = array(answer.content)
        assert mask.any()
        bounds = tile_bounds(7, x, y)
        east, _ = to_utm.transform(*np.meshgrid(longitudes(bounds, 256), latitudes(bounds, 256)))
        expected = (np.asarray(east) - 650_000.0) / 200_000.0 * 256 - 0.5
        assert np.abs(columns - expected)[mask].max() < 1.0


def test_algorithms(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/preview.npy", params={"url": f"{folder}/gradient-uint16.tif", "algorithm": "sum"})
    (total,), _ = array(answer.content)
    rows, columns = np.mgrid[0:512, 0:512]
    assert (total == rows + columns).all()


def test_hillshade_with_a_buffer_has_no_seams(client: TestClient, folder: Path) -> None:
    answer = client.get(
        f"{TILE}.png",
        params={"url": f"{folder}/gradient-float32.tif", "bidx": 1, "algorithm": "hillshade", "buffer": 3},
    )
    assert answer.status_code == 200
    assert pixels(answer.content).shape[:2] == (256, 256)

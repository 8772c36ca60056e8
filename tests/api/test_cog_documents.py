"""Documents of /cog: info, bounds, TileJSON, points, statistics, validation, STAC, tilesets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from starlette.testclient import TestClient

from tests.support import rasters, service
from tests.support.upstream import Upstream
from tilery.reading.gdal_options import ALONE


def get(client: TestClient, path: str, url: Path | str, **query: Any) -> Any:
    answer = client.get(path, params={"url": str(url), **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_info(client: TestClient, folder: Path) -> None:
    info = get(client, "/cog/info", folder / "gradient-uint16.tif")
    assert info == {
        "bounds": [8.0, 46.0, 9.0, 47.0],
        "crs": "http://www.opengis.net/def/crs/EPSG/0/4326",
        "band_metadata": [["b1", {}], ["b2", {}]],
        "band_descriptions": [["b1", "b1"], ["b2", "b2"]],
        "dtype": "uint16",
        "nodata_type": "None",
        "colorinterp": ["gray", "undefined"],
        "scales": [1.0, 1.0],
        "offsets": [0.0, 0.0],
        "driver": "GTiff",
        "count": 2,
        "width": 512,
        "height": 512,
        "overviews": [2, 4],
    }


@pytest.mark.parametrize(
    ("name", "nodata_type"),
    [("half-nodata", "Nodata"), ("half-mask", "Mask"), ("half-alpha", "Alpha"), ("rgb", "None")],
)
def test_how_missing_data_are_said(client: TestClient, folder: Path, name: str, nodata_type: str) -> None:
    assert get(client, "/cog/info", folder / f"{name}.tif")["nodata_type"] == nodata_type


@pytest.mark.parametrize("suffix", [".ovr", ".msk"])
def test_what_lies_beside_a_raster_unread_is_said(folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALONE.items():  # as processes of the service are started
        monkeypatch.setenv(name, value)
    client = service.client(folder)
    url = folder / f"beside{suffix[1:]}.tif"
    rasters.constant(url, 7, overviews=())
    assert "unread_sidecars" not in get(client, "/cog/info", url)
    assert get(client, "/cog/validate", url)["COG_warnings"] is None
    url = rasters.constant(folder / f"beside{suffix[1:]}2.tif", 7, overviews=())
    (folder / f"{url.name}{suffix}").write_bytes(b"II*\0")
    assert get(client, "/cog/info", url)["unread_sidecars"] == [suffix]
    assert get(client, "/cog/info.geojson", url)["properties"]["unread_sidecars"] == [suffix]
    warnings = get(client, "/cog/validate", url)["COG_warnings"]
    assert warnings == [f"A {suffix} file lies beside the raster and is not read"]


def test_overviews_beside_a_raster_are_read_where_the_operator_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GDAL_DISABLE_READDIR_ON_OPEN", "GDAL_PAM_ENABLED"):
        monkeypatch.setenv(name, "FALSE" if name.startswith("GDAL_DIS") else "YES")
    url = rasters.constant(folder / "external.tif", 7, overviews=(), tiled=False)
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(url, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert (folder / "external.tif.ovr").exists()
    with service.client(folder) as client:
        info = get(client, "/cog/info", url)
    assert info["overviews"] == [2, 4]
    assert "unread_sidecars" not in info


def test_info_of_nan_is_json(client: TestClient, folder: Path) -> None:
    info = get(client, "/cog/info", folder / "half-nan.tif")
    assert info["nodata_type"] == "Nodata"
    assert info["nodata_value"] is None


def test_scale_offset_and_description(client: TestClient, folder: Path) -> None:
    info = get(client, "/cog/info", folder / "scaled.tif")
    assert (info["scales"], info["offsets"], info["band_descriptions"]) == ([0.5], [10.0], [["b1", "green"]])


def test_info_geojson(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/info.geojson", params={"url": f"{folder}/rgb.tif"})
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["type"] == "Feature"
    assert body["bbox"] == [8.0, 46.0, 9.0, 47.0]
    assert body["geometry"]["type"] == "Polygon"
    assert body["geometry"]["coordinates"][0][0] == body["geometry"]["coordinates"][0][-1] == [8.0, 46.0]
    assert body["properties"]["count"] == 3
    in_metres = get(client, "/cog/info.geojson", folder / "rgb.tif", crs="EPSG:3857")
    assert in_metres["bbox"][0] == pytest.approx(890555.926)


def test_two_polygons_across_the_antimeridian(client: TestClient, folder: Path) -> None:
    body = get(client, "/cog/info.geojson", folder / "antimeridian.tif")
    assert body["geometry"]["type"] == "MultiPolygon"
    east, west = body["geometry"]["coordinates"]
    assert {x for x, _ in east[0]} == {-180.0, body["bbox"][2]}
    assert {x for x, _ in west[0]} == {body["bbox"][0], 180.0}


def test_tilejson(client: TestClient, folder: Path) -> None:
    url = f"{folder}/gradient-uint16.tif"
    body = get(
        client, "/cog/WebMercatorQuad/tilejson.json", url, rescale="0,100", tile_format="png", minzoom=5, foo="bar"
    )
    assert body["tilejson"] == "3.0.0"
    assert (body["minzoom"], body["scheme"], body["version"]) == (5, "xyz", "1.0.0")
    assert body["bounds"] == [8.0, 46.0, 9.0, 47.0]
    assert body["center"] == [8.5, 46.5, 5]
    assert body["band_descriptions"] == [["b1", "b1"], ["b2", "b2"]]
    (tiles,) = body["tiles"]
    address, _, query = tiles.partition("?")
    assert address == "http://localhost/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png"
    assert query.endswith("&rescale=0%2C100&foo=bar&tilesize=512")


@pytest.mark.parametrize("algorithm", ["terrainrgb", "terrarium"])
@pytest.mark.parametrize(
    ("asked", "named"), [(None, "png"), ("jpg", "png"), ("jp2", "png"), ("webp", "webp"), ("tif", "tif")]
)
def test_tiles_of_packed_heights_are_never_lossy(
    client: TestClient, folder: Path, algorithm: str, asked: str | None, named: str
) -> None:
    query: dict[str, Any] = {"algorithm": algorithm} | ({} if asked is None else {"tile_format": asked})
    url = f"{folder}/gradient-int16.tif"
    (tiles,) = get(client, "/cog/WebMercatorQuad/tilejson.json", url, **query)["tiles"]
    assert tiles.partition("?")[0].endswith(f"/{{y}}.{named}")
    wmts = client.get("/cog/WMTSCapabilities.xml", params={"url": url, **query}).text
    assert f"{{TileRow}}.{named}" in wmts
    other = get(client, "/cog/WebMercatorQuad/tilejson.json", url, **{**query, "algorithm": "hillshade"})["tiles"][0]
    assert other.partition("?")[0].endswith("{y}" if asked is None else f"{{y}}.{asked}")


def test_a_tilejson_leads_to_tiles(client: TestClient, folder: Path) -> None:
    from tests.support.service import pixels

    body = get(client, "/cog/WebMercatorQuad/tilejson.json", f"{folder}/rgb.tif", tile_format="png")
    zoom = body["maxzoom"]
    x, y = int((8.5 + 180) / 360 * 2**zoom), 0
    import math

    y = int((1 - math.asinh(math.tan(math.radians(46.5))) / math.pi) / 2 * 2**zoom)
    answer = client.get(body["tiles"][0].format(z=zoom, x=x, y=y))
    assert answer.status_code == 200
    assert pixels(answer.content).shape[:2] == (512, 512)


def test_the_centre_across_the_antimeridian(client: TestClient, folder: Path) -> None:
    body = get(client, "/cog/WebMercatorQuad/tilejson.json", folder / "antimeridian.tif")
    west, _, east, _ = body["bounds"]
    assert (west, east) == (-180, 180)
    assert abs(abs(body["center"][0]) - 180) < 1


def test_signed_addresses_survive_a_tilejson(client: TestClient, folder: Path) -> None:
    from urllib.parse import parse_qs, urlsplit

    url = f"{folder}/rgb.tif"
    body = get(client, "/cog/WebMercatorQuad/tilejson.json", url, foo="a=1&b=2%3D")
    query = parse_qs(urlsplit(body["tiles"][0]).query)
    assert query["url"] == [url]
    assert query["foo"] == ["a=1&b=2%3D"]


def test_point(client: TestClient, folder: Path) -> None:
    body = get(client, "/cog/point/8.25,46.75", folder / "gradient-uint16.tif")
    assert body == {
        "coordinates": [8.25, 46.75],
        "values": [128, 128],
        "band_names": ["b1", "b2"],
        "band_descriptions": ["b1", "b2"],
    }


def test_point_with_an_expression_and_in_another_crs(client: TestClient, folder: Path) -> None:
    body = get(client, "/cog/point/8.25,46.75", folder / "gradient-uint16.tif", expression="b1+b2;b1*2")
    assert body["values"] == [256, 256]
    assert body["band_names"] == ["b1", "b2"] or body["band_names"] == ["b1+b2", "b1*2"]
    metres = get(client, "/cog/point/946251,5862000", folder / "position.tif", coord_crs="EPSG:3857")
    assert metres["values"][0] == pytest.approx(8.5003, abs=1 / 512)


@pytest.mark.parametrize("kind", ["nodata", "nan", "mask", "alpha"])
def test_a_point_without_data_is_null(client: TestClient, folder: Path, kind: str) -> None:
    assert get(client, "/cog/point/8.1,46.5", folder / f"half-{kind}.tif")["values"][0] is None
    assert get(client, "/cog/point/8.9,46.5", folder / f"half-{kind}.tif")["values"][0] == 100


def test_statistics(client: TestClient, folder: Path) -> None:
    body = get(client, "/cog/statistics", folder / "gradient-uint16.tif", p=50, histogram_bins=4)
    columns = np.broadcast_to(np.arange(512), (512, 512))
    band = body["b1"]
    assert (band["min"], band["max"], band["count"], band["sum"]) == (0, 511, 512 * 512, columns.sum())
    assert band["mean"] == pytest.approx(columns.mean())
    assert band["std"] == pytest.approx(columns.std())
    assert band["percentile_50"] == pytest.approx(np.percentile(columns, 50), abs=0.5)
    assert band["histogram"][0] == [65536, 65536, 65536, 65536]
    assert band["valid_percent"] == 100
    assert "percentile_2" not in band


def test_statistics_of_a_polygon_are_weighted(client: TestClient, folder: Path) -> None:
    # Half of each pixel at the left edge of the box is inside it.
    west = 8.0 + 128.5 / 512
    ring = [[west, 46.25], [8.5, 46.25], [8.5, 46.5], [west, 46.5], [west, 46.25]]
    feature = {
        "type": "Feature",
        "id": "field",
        "properties": {"crop": "wheat"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    answer = client.post("/cog/statistics", params={"url": f"{folder}/gradient-uint16.tif"}, json=feature)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["id"] == "field"
    assert body["properties"]["crop"] == "wheat"
    band = body["properties"]["statistics"]["b1"]
    rows = 128
    # GDAL burns the parts that a polygon touches, so those on its edge count too.
    assert band["count"] == pytest.approx(127.5 * rows, rel=0.01)
    assert band["mean"] == pytest.approx((128 * 0.5 + sum(range(129, 256))) / 127.5, rel=0.005)
    many = client.post(
        "/cog/statistics",
        params={"url": f"{folder}/gradient-uint16.tif"},
        json={"type": "FeatureCollection", "features": [feature, feature]},
    ).json()
    assert [item["properties"]["statistics"]["b1"] for item in many["features"]] == [band, band]


def test_statistics_along_lines_and_at_points(client: TestClient, folder: Path) -> None:
    def at(column: float, row: float) -> list[float]:
        return [8.0 + column / 512, 47.0 - row / 512]

    geometries = [
        ({"type": "Point", "coordinates": at(10.5, 20.5)}, [10]),
        ({"type": "MultiPoint", "coordinates": [at(10.5, 20.5), at(400.5, 300.5)]}, [10, 400]),
        ({"type": "LineString", "coordinates": [at(10.5, 20.5), at(13.5, 20.5)]}, [10, 11, 12, 13]),
        (
            {"type": "MultiLineString", "coordinates": [[at(1.5, 1.5), at(2.5, 1.5)], [at(9.5, 9.5), at(9.5, 12.5)]]},
            [1, 2, 9, 9, 9, 9],
        ),
    ]
    everything = {"type": "GeometryCollection", "geometries": [geometry for geometry, _ in geometries[1:]]}
    geometries.append((everything, [1, 2, 9, 9, 9, 9, 10, 11, 12, 13, 400]))
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry, _ in geometries]
    answer = client.post(
        "/cog/statistics",
        params={"url": f"{folder}/gradient-uint16.tif", "bidx": 1, "categorical": "true"},
        json={"type": "FeatureCollection", "features": features},
    )
    assert answer.status_code == 200, answer.text
    for feature, (_, values) in zip(answer.json()["features"], geometries, strict=True):
        band = feature["properties"]["statistics"]["b1"]
        assert (band["min"], band["max"], band["valid_pixels"]) == (min(values), max(values), len(values))
        counts, keys = band["histogram"]
        assert [key for key, count in zip(keys, counts, strict=True) for _ in range(int(count))] == values


def test_statistics_of_a_polygon_behind_an_algorithm_that_cuts_its_edges_off(client: TestClient, folder: Path) -> None:
    ring = [[8.25, 46.25], [8.5, 46.25], [8.5, 46.5], [8.25, 46.25]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    query: dict[str, Any] = {"url": f"{folder}/gradient-uint16.tif", "bidx": 1, "algorithm": "slope"}
    answer = client.post("/cog/statistics", params=query, json=feature)
    assert answer.status_code == 200, answer.text
    assert answer.json()["properties"]["statistics"]["b1"]["count"] == pytest.approx((128 - 2 * 3) ** 2 / 2, rel=0.02)


def test_statistics_of_no_polygons(client: TestClient, folder: Path) -> None:
    nothing = {"type": "FeatureCollection", "features": []}
    answer = client.post("/cog/statistics", params={"url": f"{folder}/rgb.tif"}, json=nothing)
    assert (answer.status_code, answer.json()) == (200, nothing)


def test_properties_that_json_cannot_say_do_not_hurt(client: TestClient, folder: Path) -> None:
    ring = "[[8.1,46.1],[8.2,46.1],[8.2,46.2],[8.1,46.1]]"
    body = (
        f'{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[{ring}]}},'
        '"properties":{"half":"\\ud800","far":1e999,"none":NaN}}'
    )
    answer = client.post("/cog/statistics", params={"url": f"{folder}/rgb.tif"}, content=body)
    assert answer.status_code == 200, answer.text
    properties = answer.json()["properties"]
    assert (properties["half"], properties["far"], properties["none"]) == ("\ufffd", None, None)


def test_validate(client: TestClient, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"{folder}/rgb.tif"
    body = get(client, "/cog/validate", url)
    assert body["Path"] == url
    assert body["Profile"]["Bands"] == 3
    assert body["GEO"]["CRS"] == "EPSG:4326"
    assert [level["Decimation"] for level in body["IFD"]] == [0, 2, 4]
    assert body["COG"] is (body["COG_errors"] is None)


def test_stac(client: TestClient, folder: Path) -> None:
    url = f"{folder}/rgb.tif"
    body = get(client, "/cog/stac", url, datetime="2020-01-01T00:00:00Z/2021-01-01", collection="all", asset_name="cog")
    assert body["type"] == "Feature"
    assert body["id"] == "rgb.tif"
    assert body["properties"]["start_datetime"] == "2020-01-01T00:00:00Z"
    assert body["assets"]["cog"]["href"] == url
    assert body["properties"]["proj:epsg"] == 4326
    wrong = client.get("/cog/stac", params={"url": url, "datetime": "yesterday"})
    assert (wrong.status_code, wrong.json()["parameter"]) == (422, "datetime")


def test_tilesets(client: TestClient, folder: Path) -> None:
    url = f"{folder}/rgb.tif"
    listing = get(client, "/cog/tiles", url, rescale="0,9")
    assert len(listing["tilesets"]) == 13
    in_metres = get(client, "/cog/tiles", url, crs="EPSG:3857")["tilesets"][0]["boundingBox"]
    assert in_metres["lowerLeft"] == pytest.approx([890555.926, 5780349.220])
    assert in_metres["crs"].endswith("/3857")
    first = listing["tilesets"][0]["links"]
    assert {link["rel"] for link in first} >= {"self", "tile"}
    tileset = get(client, "/cog/tiles/WebMercatorQuad", url, rescale="0,9", minzoom=7, maxzoom=8)
    assert [limit["tileMatrix"] for limit in tileset["tileMatrixSetLimits"]] == ["7", "8"]
    tile = next(link["href"] for link in tileset["links"] if link["rel"] == "tile")
    assert "rescale=0%2C9" in tile
    page = client.get("/cog/tiles/WebMercatorQuad", params={"url": url}, headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/cog/tiles/WebMercatorQuad", "maxzoom", 99),
        ("/cog/WebMercatorQuad/map.html", "maxzoom", 99),
        ("/cog/WMTSCapabilities.xml", "zooms", "WebMercatorQuad::20,99"),
    ],
)
def test_zooms_beyond_the_set_are_left_out(client: TestClient, folder: Path, path: str, name: str, value: Any) -> None:
    answer = client.get(path, params={"url": f"{folder}/rgb.tif", name: value})
    assert answer.status_code == 200, answer.text
    zooms = re.findall(r'"tileMatrix":"(\d+)"|<TileMatrix>(\d+)</TileMatrix>', answer.text)
    assert all(int(zoom or other) <= 24 for zoom, other in zooms)


def test_wmts_of_all_sets_and_of_one(client: TestClient, folder: Path) -> None:
    url = f"{folder}/rgb.tif"
    everything = client.get("/cog/WMTSCapabilities.xml", params={"url": url})
    assert everything.headers["content-type"] == "application/xml"
    one = client.get("/cog/WebMercatorQuad/WMTSCapabilities.xml", params={"url": url, "tile_format": "jpg"})
    assert one.text.count("<Layer>") == 1 < everything.text.count("<Layer>")
    assert "{TileMatrix}/{TileCol}/{TileRow}.jpg" in one.text
    wrong = client.get("/cog/WMTSCapabilities.xml", params={"url": url, "expression": "b1+"})
    assert wrong.status_code == 400


def test_pages(client: TestClient, folder: Path) -> None:
    for path, query in (("/cog/viewer", {}), ("/cog/WebMercatorQuad/map.html", {"url": f"{folder}/rgb.tif"})):
        answer = client.get(path, params=query)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")


def test_a_map_of_nothing_says_so(client: TestClient, folder: Path) -> None:
    answer = client.get("/cog/WebMercatorQuad/map.html", params={"url": f"{folder}/missing.tif"})
    assert answer.status_code == 404


def test_edges_of_bins_are_those_asked_for(client: TestClient, folder: Path) -> None:
    """Band 1 counts columns of 512, each 512 times."""
    url = f"{folder}/gradient-uint16.tif"
    (counts, edges) = get(client, "/cog/statistics", url, bidx=1, histogram_bins="0,10,100,512")["b1"]["histogram"]
    assert edges == [0, 10, 100, 512]
    assert sum(counts) == 512 * 512
    assert counts == [10 * 512, 90 * 512, 412 * 512]


def test_parameters_of_an_algorithm_have_their_say(client: TestClient, folder: Path) -> None:
    query: dict[str, Any] = {"url": f"{folder}/gradient-uint16.tif", "bidx": 1, "algorithm": "hillshade"}
    pictures = {
        client.get("/cog/preview.png", params=query | more).content
        for more in ({}, {"algorithm_params": '{"azimuth": 90}'}, {"algorithm_params": '{"azimuth": 270}'})
    }
    assert len(pictures) >= 2


def test_files_beside_a_signed_address_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature is for one object alone."""
    for name, value in ALONE.items():  # as processes of the service are started
        monkeypatch.setenv(name, value)
    data = rasters.constant(tmp_path / "a.tif", 7).read_bytes()
    with Upstream() as upstream, service.client(upstream.root) as client:
        for query in ("", "?signature=1"):
            upstream.put(f"/a.tif{query}", data)
            upstream.put(f"/a.tif.msk{query}", b"II*\0")
        assert get(client, "/cog/info", upstream.url("/a.tif"))["unread_sidecars"] == [".msk"]
        assert "unread_sidecars" not in get(client, "/cog/info", f"{upstream.url('/a.tif')}?signature=1")


def test_a_raster_without_a_place_has_no_bounds_in_a_crs(client: TestClient, folder: Path) -> None:
    query = {"url": f"{folder}/placeless.tif"}
    found = client.get("/cog/info.geojson", params=query).json()
    assert (found["type"], found["geometry"], found["properties"]["width"]) == ("Feature", None, 64)
    refused = client.get("/cog/info.geojson", params=query | {"crs": "EPSG:3857"})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_raster")

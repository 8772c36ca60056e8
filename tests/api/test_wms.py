"""The Web Map Service: maps lie where their box says in every version and CRS, failures are XML, documents fit."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.support import rasters, service

W = "{http://www.opengis.net/wms}"
OGC = "{http://www.opengis.net/ogc}"
XLINK = "{http://www.w3.org/1999/xlink}"
MAP = {"SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "STYLES": "", "FORMAT": "image/png"}
BOX = (8.1, 46.3, 8.9, 46.8)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two layers, one with a style."""
    found = tmp_path_factory.mktemp("catalog").resolve()
    for name in ("numbers", "picture"):
        (found / name).mkdir()
    rasters.gradient(found / "numbers" / "raster.tif", dtype="uint16")
    rasters.rgb(found / "picture" / "raster.tif")
    numbers = {
        "name": "Numbers & more",
        "bounds": [8, 46, 9, 47],
        "minzoom": 5,
        "maxzoom": 9,
        "source": "raster.tif",
        "render": {"bidx": 1, "rescale": "0,511"},
        "styles": {"rows": {"title": "Rows", "render": {"bidx": 2}}},
    }
    (found / "numbers" / "index.json").write_text(json.dumps(numbers))
    picture = {"name": "Picture", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9, "source": "raster.tif"}
    (found / "picture" / "index.json").write_text(json.dumps(picture))
    return found


@pytest.fixture(scope="module")
def layers(catalog: Path) -> Iterator[TestClient]:
    with service.client(catalog=str(catalog)) as found:
        yield found


def box_in(crs: str, version: str) -> tuple[str, tuple[float, ...]]:
    """Return the value of BBOX for `BOX` in a CRS, and the same box x first; the axis order is pyproj's, which is
    EPSG's.
    """
    name = "OGC:CRS84" if crs == "CRS:84" else crs
    x_first = pyproj.Transformer.from_crs("OGC:CRS84", name, always_xy=True).transform_bounds(*BOX)
    if version != "1.3.0":
        return ",".join(map(repr, x_first)), x_first
    as_defined = pyproj.Transformer.from_crs("OGC:CRS84", name)
    middle = (8.5, 46.55)
    own = as_defined.transform(*middle)
    plain = pyproj.Transformer.from_crs("OGC:CRS84", name, always_xy=True).transform(*middle)
    swapped = not np.allclose(own, plain)
    left, bottom, right, top = x_first
    written = (bottom, left, top, right) if swapped else x_first
    return ",".join(map(repr, written)), x_first


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
@pytest.mark.parametrize(
    "crs", ["EPSG:4326", "CRS:84", "EPSG:3857", "EPSG:3035", "EPSG:32632", "EPSG:31467", "EPSG:2056"]
)
def test_every_pixel_of_a_map_lies_where_the_box_says(client: TestClient, folder: Path, version: str, crs: str) -> None:
    written, (left, bottom, right, top) = box_in(crs, version)
    query: dict[str, Any] = {
        "url": f"{folder}/position.tif",
        "bidx": ["1", "2", "2"],
        "rescale": ["8,9", "46,47", "46,47"],
        "resampling": "bilinear",
        **(MAP | {"VERSION": version, "LAYERS": "position.tif", "BBOX": written, "WIDTH": "90", "HEIGHT": "60"}),
        ("CRS" if version == "1.3.0" else "SRS"): crs,
        "TRANSPARENT": "true",
    }
    answer = client.get("/cog/wms", params=query)
    assert answer.status_code == 200, answer.text
    found = service.pixels(answer.content).astype(float)
    assert found.shape[:2] == (60, 90)
    x = left + (np.arange(90) + 0.5) * (right - left) / 90
    y = top - (np.arange(60) + 0.5) * (top - bottom) / 60
    name = "OGC:CRS84" if crs == "CRS:84" else crs
    lon, lat = pyproj.Transformer.from_crs(name, "OGC:CRS84", always_xy=True).transform(*np.meshgrid(x, y))
    seen = np.ones((60, 90), bool) if found.shape[2] == 3 else found[..., 3] == 255
    assert seen.mean() > 0.9
    # a byte holds what is left after rounding down; a pixel of the map is 2.3 of them wide
    assert abs(found[..., 0] + 0.5 - (lon - 8) * 255)[seen].max() <= 1
    assert abs(found[..., 1] + 0.5 - (lat - 46) * 255)[seen].max() <= 1


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3035"])
def test_the_values_of_a_pixel_are_those_of_its_place(client: TestClient, folder: Path, version: str, crs: str) -> None:
    written, (left, bottom, right, top) = box_in(crs, version)
    column, row = 70, 12
    query: dict[str, Any] = {
        "url": f"{folder}/position.tif",
        **(MAP | {"VERSION": version, "REQUEST": "GetFeatureInfo", "BBOX": written, "WIDTH": "90", "HEIGHT": "60"}),
        "LAYERS": "position.tif",
        "QUERY_LAYERS": "position.tif",
        "INFO_FORMAT": "application/json",
        **({"CRS": crs, "I": column, "J": row} if version == "1.3.0" else {"SRS": crs, "X": column, "Y": row}),
    }
    found = client.get("/cog/wms", params=query)
    assert found.headers["content-type"] == "application/json"
    values = found.json()["features"][0]["properties"]
    x, y = left + (column + 0.5) * (right - left) / 90, top - (row + 0.5) * (top - bottom) / 60
    lon, lat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    assert (values["b1"], values["b2"]) == (pytest.approx(lon, abs=0.5 / 512), pytest.approx(lat, abs=0.5 / 512))
    text = client.get("/cog/wms", params=query | {"INFO_FORMAT": "text/plain"}).text
    assert text.splitlines() == ["position.tif", f"b1 = {values['b1']}", f"b2 = {values['b2']}"]
    assert f"<td>{values['b2']}</td>" in client.get("/cog/wms", params=query | {"INFO_FORMAT": "text/html"}).text


def test_the_values_beside_a_raster_are_none(client: TestClient, folder: Path) -> None:
    query: dict[str, Any] = MAP | {
        "REQUEST": "GetFeatureInfo",
        "QUERY_LAYERS": "rgb.tif",
        "CRS": "CRS:84",
        "BBOX": "0,0,20,60",
    }
    query |= {"url": f"{folder}/rgb.tif", "WIDTH": "20", "HEIGHT": "60", "I": "1", "J": "1"}
    assert client.get("/cog/wms", params=query).json() == {"type": "FeatureCollection", "features": []}


def pixel(image: Image.Image, column: int, row: int) -> tuple[int, ...]:
    found = image.getpixel((column, row))
    assert isinstance(found, tuple)
    return found


def a_map(client: TestClient, path: str, **query: Any) -> Image.Image:
    keys = {**MAP, "CRS": "CRS:84", "BBOX": "8,46,9,47", "WIDTH": "64", "HEIGHT": "64", **query}
    answer = client.get(path, params=keys)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == keys["FORMAT"]
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (int(keys["WIDTH"]), int(keys["HEIGHT"]))
    return image


@pytest.mark.parametrize("kind", ["nodata", "nan", "mask", "alpha"])
def test_where_data_are_missing_there_is_the_background_or_nothing(client: TestClient, folder: Path, kind: str) -> None:
    source = {"url": f"{folder}/half-{kind}.tif", "LAYERS": f"half-{kind}.tif", "rescale": "0,255"}
    for query, left, right in (
        ({}, (255, 255, 255), (100, 100, 100)),
        ({"TRANSPARENT": "FALSE", "BGCOLOR": "0x0A141E"}, (10, 20, 30), (100, 100, 100)),
        ({"FORMAT": "image/jpeg", "TRANSPARENT": "TRUE", "BGCOLOR": "#0A141E"}, (10, 20, 30), (100, 100, 100)),
    ):
        image = a_map(client, "/cog/wms", **source, **query)
        assert image.mode == "RGB"
        near = 3 if "FORMAT" in query else 0
        assert np.abs(np.subtract(pixel(image, 8, 32), left)).max() <= near
        assert np.abs(np.subtract(pixel(image, 56, 32), right)).max() <= near
    clear = a_map(client, "/cog/wms", **source, TRANSPARENT="TRUE")
    assert clear.mode == "RGBA"
    assert (pixel(clear, 8, 32)[3], pixel(clear, 56, 32)) == (0, (100, 100, 100, 255))


def test_a_palette_and_whole_numbers_of_16_bits_are_shown(client: TestClient, folder: Path) -> None:
    image = a_map(client, "/cog/wms", url=f"{folder}/palette.tif", BBOX="7,46,9,47", BGCOLOR="0x010203")
    assert [image.convert("RGB").getpixel((column, 32)) for column in (4, 36, 60)] == [
        (1, 2, 3),
        (255, 0, 0),
        (0, 0, 0),
    ]
    for clear in ("TRUE", "FALSE"):
        image = a_map(client, "/cog/wms", url=f"{folder}/gradient-uint16.tif", bidx="1", TRANSPARENT=clear)
        assert image.mode in ("L", "LA", "RGB", "RGBA")


def test_an_algorithm_that_needs_neighbours_leaves_the_size_and_the_place(client: TestClient, folder: Path) -> None:
    image = a_map(
        client,
        "/cog/wms",
        url=f"{folder}/gradient-float32.tif",
        bidx="1",
        algorithm="hillshade",
        BBOX="8.2,46.2,8.4,46.4",
    )
    assert image.size == (64, 64)


def test_layers_and_their_styles(layers: TestClient) -> None:
    for path, more in (("/wms", {"LAYERS": "numbers"}), ("/numbers/wms", {}), ("/layers/numbers/wms", {})):
        columns, rows = (np.asarray(a_map(layers, path, **more, STYLES=style)) for style in ("default", "rows"))
        ramp = (np.arange(64) + 0.5) * 8 * 255 / 511
        assert abs(columns.astype(float) - ramp).max() < 3
        assert abs(rows.astype(float) - ramp[:, None]).max() < 3
    given = a_map(layers, "/numbers/wms", style="rows")
    assert np.array_equal(np.asarray(given), rows)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"LAYERS": "none"}, "LayerNotDefined"),
        ({"LAYERS": "numbers,picture"}, "LayerNotDefined"),
        ({"LAYERS": ""}, None),
        ({"STYLES": "none"}, "StyleNotDefined"),
        ({"CRS": "EPSG:1"}, "InvalidCRS"),
        ({"CRS": "foo bar"}, "InvalidCRS"),
        ({"CRS": "foo bar", "VERSION": "1.1.1"}, "InvalidSRS"),
        ({"FORMAT": "image/gif"}, "InvalidFormat"),
        ({"FORMAT": "image/tiff"}, "InvalidFormat"),
        ({"BBOX": "9,47,8,46"}, None),
        ({"BBOX": "8,46,nan,47"}, None),
        ({"WIDTH": "100000"}, None),
        ({"WIDTH": "-1"}, None),
        ({"HEIGHT": ""}, None),
        ({"BGCOLOR": "red"}, None),
        ({"REQUEST": "GetTile"}, "OperationNotSupported"),
        ({"SERVICE": "WFS"}, None),
        ({"REQUEST": "GetFeatureInfo", "I": "64", "J": "1"}, "InvalidPoint"),
        ({"REQUEST": "GetFeatureInfo", "I": "x", "J": "1"}, "InvalidPoint"),
        ({"REQUEST": "GetFeatureInfo", "I": "1", "J": "1", "INFO_FORMAT": "text/gml"}, "InvalidFormat"),
        ({"rescale": "<&>"}, None),
    ],
)
def test_failures_are_service_exceptions(layers: TestClient, changes: dict[str, str], code: str | None) -> None:
    query: dict[str, Any] = {
        **MAP,
        "LAYERS": "numbers",
        "CRS": "CRS:84",
        "BBOX": "8,46,9,47",
        "WIDTH": "64",
        "HEIGHT": "64",
        **changes,
    }
    answer = layers.get("/wms", params=query)
    old = changes.get("VERSION") == "1.1.1"
    kind = "application/vnd.ogc.se_xml" if old else "text/xml"
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (400, kind)
    assert answer.headers["cache-control"] == "no-store"
    report = ET.fromstring(answer.content)
    space = "" if old else OGC
    assert (report.tag, report[0].tag) == (f"{space}ServiceExceptionReport", f"{space}ServiceException")
    assert report[0].get("code") == code
    assert answer.headers["x-request-id"] in (report[0].text or "")


def test_the_policy_holds_and_says_so_in_xml(layers: TestClient, catalog: Path) -> None:
    for url in (f"{catalog}/numbers/raster.tif", "http://169.254.169.254/latest"):
        answer = layers.get("/cog/wms", params={"url": url})
        assert answer.status_code == 403
        assert ET.fromstring(answer.content).tag == f"{OGC}ServiceExceptionReport"
    assert ET.fromstring(layers.get("/cog/wms").content)[0].text.startswith("url: Field required")  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/wms", "/numbers/wms"])
def test_capabilities_name_what_can_be_asked_for(layers: TestClient, path: str) -> None:
    answer = layers.get(f"{path}?service=WMS&request=GetCapabilities&rescale=0,255&TILED=true")
    assert answer.headers["content-type"].partition(";")[0] == "text/xml"
    root = ET.fromstring(answer.content)
    assert (root.tag, root.get("version")) == (f"{W}WMS_Capabilities", "1.3.0")
    addresses = {item.get(f"{XLINK}href") for item in root.iter(f"{W}OnlineResource")}
    assert addresses == {f"http://localhost{path}?rescale=0%2C255&"}
    entries = {
        layer.findtext(f"{W}Name"): layer for layer in root.iter(f"{W}Layer") if layer.find(f"{W}Name") is not None
    }
    assert set(entries) == ({"numbers", "picture"} if path == "/wms" else {"numbers"})
    numbers = entries["numbers"]
    assert numbers.findtext(f"{W}Title") == "Numbers & more"
    assert [style.findtext(f"{W}Name") for style in numbers.iter(f"{W}Style")] == ["default", "rows"]
    boxes = {
        box.get("CRS"): [float(box.get(name, "")) for name in ("minx", "miny", "maxx", "maxy")]
        for box in numbers.iter(f"{W}BoundingBox")
    }
    assert boxes["CRS:84"] == [8, 46, 9, 47]
    assert boxes["EPSG:4326"] == [46, 8, 47, 9]
    expected = pyproj.Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True).transform_bounds(8, 46, 9, 47)
    assert boxes["EPSG:3857"] == pytest.approx(expected)
    order = [child.tag.removeprefix(W) for child in numbers]
    schema = ["Name", "Title", "Abstract", "CRS", "EX_GeographicBoundingBox", "BoundingBox", "Attribution", "Style"]
    assert order == sorted(order, key=schema.index)


def test_capabilities_of_the_older_version(layers: TestClient) -> None:
    for query in ("VERSION=1.1.1", "VERSION=1.1.0", "version=1.0.7"):
        answer = layers.get(f"/wms?{query}&SERVICE=WMS&REQUEST=GetCapabilities")
        assert answer.headers["content-type"] == "application/vnd.ogc.wms_xml"
        root = ET.fromstring(answer.content)
        assert (root.tag, root.get("version")) == ("WMT_MS_Capabilities", "1.1.1")
        box = next(item for item in root.iter("BoundingBox") if item.get("SRS") == "EPSG:4326")
        assert [float(box.get(name, "")) for name in ("minx", "miny", "maxx", "maxy")] == [8, 46, 9, 47]
        assert "CRS:84" not in answer.text


def test_capabilities_of_a_dataset_offer_its_own_crs(client: TestClient, folder: Path) -> None:
    url = f"{folder}/position-utm.tif"
    root = ET.fromstring(client.get("/cog/wms", params={"url": url}).content)
    address = next(root.iter(f"{W}OnlineResource")).get(f"{XLINK}href") or ""
    assert address.endswith("&")
    layer = next(item for item in root.iter(f"{W}Layer") if item.find(f"{W}Name") is not None)
    assert layer.findtext(f"{W}Name") == "position-utm.tif"
    assert layer.findtext(f"{W}CRS") == "EPSG:32632"
    box = next(item for item in layer.iter(f"{W}BoundingBox") if item.get("CRS") == "EPSG:32632")
    written = ",".join(box.get(name, "") for name in ("minx", "miny", "maxx", "maxy"))
    keys = "&".join(f"{name}={value}" for name, value in MAP.items())
    whole = f"{address}{keys}&LAYERS=position-utm.tif&CRS=EPSG:32632&BBOX={written}&WIDTH=32&HEIGHT=32&bidx=1"
    assert service.pixels(client.get(whole).content).shape[:2] == (32, 32)


@pytest.mark.parametrize("kind", ["placeless", "mars"])
def test_no_document_names_a_place_of_what_lies_nowhere(client: TestClient, folder: Path, kind: str) -> None:
    path = folder / f"{kind}.tif"
    if not path.exists():
        rasters.constant(path, 1, crs="IAU_2015:49910")
    answer = client.get("/cog/wms", params={"url": str(path)})
    assert answer.status_code == 415
    assert ET.fromstring(answer.content).tag == f"{OGC}ServiceExceptionReport"


def test_two_bands_are_red_and_green(client: TestClient, folder: Path) -> None:
    source = {"url": f"{folder}/gradient-uint8.tif", "BBOX": "7,46,9,47", "resampling": "average"}
    for clear, missing in (("TRUE", (0, 0, 0, 0)), ("FALSE", (255, 255, 255))):
        image = a_map(client, "/cog/wms", **source, TRANSPARENT=clear)
        assert image.getpixel((8, 32)) == missing
        assert image.getpixel((48, 32))[2:] == ((0, 255) if clear == "TRUE" else (0,))  # type: ignore[index]


@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("CRS:84", "179.0,45,181.0,47"),
        ("CRS:84", "-181,45,-179,47"),
        ("EPSG:4326", "45,179,47,181"),
        ("EPSG:3857", "19926188,5621521,20148827,5942074"),
        ("EPSG:32601", "200000,5000000,420000,5200000"),
    ],
)
def test_a_map_goes_on_beyond_the_antimeridian(client: TestClient, folder: Path, crs: str, box: str) -> None:
    """The raster lies from 179.5° to -179.5° or so; a map that covers it shows it on both sides."""
    query: dict[str, Any] = {
        **MAP,
        "url": f"{folder}/antimeridian.tif",
        "LAYERS": "antimeridian.tif",
        "CRS": crs,
        "BBOX": box,
    }
    answer = client.get("/cog/wms", params=query | {"WIDTH": "100", "HEIGHT": "100", "TRANSPARENT": "TRUE"})
    assert answer.status_code == 200, answer.text
    shown = service.pixels(answer.content)[..., -1] > 0
    assert shown[:, 20:45].mean() > 0.3
    assert shown[:, 55:80].mean() > 0.3


def test_a_token_is_wanted_and_carried_along(catalog: Path) -> None:
    with service.client(catalog=str(catalog), access_token="sesame") as client:
        assert client.get("/wms").status_code == 401
        text = client.get("/wms?access_token=sesame").text
    assert set(re.findall(r'href="([^"]+)"', text)) == {"http://localhost/wms?access_token=sesame&amp;"}


@pytest.mark.parametrize(
    ("bounds", "in_mercator"),
    [((0.0, 86.0, 10.0, 89.0), False), ((0.0, 80.0, 10.0, 89.0), True), ((170.0, 10.0, 190.0, 20.0), True)],
)
def test_capabilities_of_what_lies_at_the_edges_of_the_world(
    tmp_path: Path, bounds: tuple[float, float, float, float], in_mercator: bool
) -> None:
    """Web Mercator ends at 85.06 degrees, and a box across the antimeridian goes around the world."""
    path = rasters.constant(tmp_path / "a.tif", 7, bounds=bounds)
    query = {"url": str(path), "service": "WMS", "request": "GetCapabilities"}
    text = service.client(tmp_path).get("/cog/wms", params=query).text
    layer = next(found for found in ET.fromstring(text).iter(f"{W}Layer") if found.find(f"{W}Name") is not None)
    boxes = {box.get("CRS"): box for box in layer.findall(f"{W}BoundingBox")}
    assert ("EPSG:3857" in boxes) == in_mercator
    if bounds[2] > 180:
        assert [boxes["CRS:84"].get(side) for side in ("minx", "maxx")] == ["-180.0", "180.0"]
    if in_mercator and bounds[3] > 86:
        assert float(boxes["EPSG:3857"].get("maxy") or 0) == pytest.approx(20037508.34, abs=1)


def test_another_service_is_none_of_ours(client: TestClient, folder: Path) -> None:
    query = {"url": f"{folder}/rgb.tif", "service": "WFS", "request": "GetCapabilities"}
    answer = client.get("/cog/wms", params=query)
    assert "This is a WMS and no WFS." in answer.text
    query |= {"service": "WMS", "request": "DescribeLayer"}
    assert 'code="OperationNotSupported"' in client.get("/cog/wms", params=query).text
    query |= {"request": "GetMap", "layers": "other", "styles": "", "crs": "CRS:84", "bbox": "8,46,9,47"}
    text = client.get("/cog/wms", params=query | {"width": "8", "height": "8", "format": "image/png"}).text
    assert 'code="LayerNotDefined"' in text
    assert "there is no layer of that name here" in text

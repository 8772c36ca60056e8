"""``/legend.png``, ``.svg``, ``.json``: the colours are those of the tiles, at the places where the numbers say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray
from rio_tiler.colormap import cmap
from starlette.testclient import TestClient

from tests.support import items, rasters, service
from tilery.rendering.legend.drawing import BAR, MARGIN, ROW, SWATCH

TITLE = 20
"""Pixels that a title takes."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("legends").resolve()
    rasters.gradient(found / "two.tif", size=64)
    rasters.write(found / "four.tif", np.full((4, 64, 64), 9, "uint8"))
    rasters.gradient(found / "float.tif", "float32", size=64, count=1)
    tags = [{"STATISTICS_MINIMUM": "-20", "STATISTICS_MAXIMUM": "60"}]
    rasters.gradient(found / "known.tif", "float32", size=64, count=1, band_tags=tags)
    rasters.rgb(found / "rgb.tif", size=64, descriptions=("red", "green", "blue"))
    rasters.palette(found / "palette.tif")
    rasters.constant(found / "complex.tif", 1, "complex64")
    data = {"href": "./two.tif", "type": items.COG}
    items.write(found / "item.json", assets={"data": data})
    layer = {
        "name": "Four",
        "bounds": [8, 46, 9, 47],
        "source": str(found / "two.tif"),
        "render": {"bidx": 1, "rescale": "0,63", "colormap_name": "viridis"},
        "styles": {
            "classes": {
                "render": {"colormap": {"1": "#ff0000", "2": "#0000ff"}, "labels": {"1": "Forest", "2": "Water"}}
            }
        },
    }
    (found / "catalog" / "four").mkdir(parents=True)
    (found / "catalog" / "four" / "index.json").write_text(json.dumps(layer))
    return found


def test_classes_of_a_style_are_not_stretched_as_the_layer_is(client: TestClient) -> None:
    query = {"style": "classes"}
    found = client.get("/layers/four/legend.json", params=query).json()["classes"]
    assert [(one["value"], one["label"], one["color"]) for one in found] == [
        (1, "Forest", "#ff0000"),
        (2, "Water", "#0000ff"),
    ]
    preview = service.pixels(client.get("/layers/four/preview.png", params=query).content).reshape(64, 64, 4)
    assert preview[0, :4].tolist() == [[0, 0, 0, 0], [255, 0, 0, 255], [0, 0, 255, 255], [0, 0, 0, 0]]
    stretched = client.get("/layers/four/legend.json", params={"colormap": '{"255": "#ff0000"}', "rescale": "0,10"})
    assert stretched.json()["classes"][0]["value"] == 10
    linear = json.dumps({str(value): f"#{value:02x}0000" for value in range(256)})
    assert client.get("/layers/four/legend.json", params={"colormap": linear}).json()["ticks"][-1]["value"] == 63


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(folder, catalog=str(folder / "catalog")) as found:
        yield found


def asked(client: TestClient, folder: Path, name: str, suffix: str = "png", **query: Any) -> Any:
    answer = client.get(f"/cog/legend.{suffix}", params={"url": str(folder / name), **query})
    assert answer.status_code == 200, answer.text
    return answer.json() if suffix == "json" else answer


def drawn(client: TestClient, folder: Path, name: str, **query: Any) -> NDArray[Any]:
    return service.pixels(asked(client, folder, name, **query).content)


def rgb_of(name: str, index: int) -> list[int]:
    """Return a colour of a colormap, out of rio-tiler's own file."""
    colors: Any = cmap.get(name)
    return list(colors[index][:3])


@pytest.mark.parametrize("scale", [1, 2])
def test_a_continuous_legend(client: TestClient, folder: Path, scale: int) -> None:
    picture = drawn(client, folder, "two.tif", bidx=1, rescale="0,3000", colormap_name="viridis", scale=scale)
    assert picture.shape == (51 * scale, 256 * scale, 3)
    row = (MARGIN + BAR // 2) * scale
    bar = picture[row, MARGIN * scale : (256 - MARGIN) * scale]
    assert bar[0].tolist() == rgb_of("viridis", 0)
    assert bar[-1].tolist() == rgb_of("viridis", 255)
    for place in (50, 120, 200):
        index = (place * 2 + 1) * 256 // (2 * 240)
        assert bar[place * scale + scale - 1].tolist() in (rgb_of("viridis", index), rgb_of("viridis", index + 1))
    assert picture[0, 0].tolist() == [255, 255, 255]


def test_its_colours_are_those_of_tiles(client: TestClient, folder: Path) -> None:
    """The raster counts columns; the colour of each is where the legend says."""
    query = {"bidx": "1", "rescale": "10,50", "colormap_name": "plasma", "url": str(folder / "two.tif")}
    picture = service.pixels(client.get("/cog/preview.png", params=query).content)
    legend = client.get("/cog/legend.json", params=query).json()
    for value in (10, 22, 37, 50):
        color = legend["colors"][round((value - 10) / 40 * 255 - 0.499)]
        assert color == "#{:02x}{:02x}{:02x}".format(*picture[5, value, :3].tolist())


def test_its_numbers(client: TestClient, folder: Path) -> None:
    found = asked(client, folder, "two.tif", "json", bidx=1, rescale="-50,38", colormap_name="rdylgn")
    assert found["kind"] == "continuous"
    assert [(tick["value"], tick["label"]) for tick in found["ticks"]] == [
        (-50, "−50"),
        (-20, "−20"),
        (0, "0"),
        (20, "20"),
        (38, "38"),
    ]
    assert [tick["position"] for tick in found["ticks"]] == [0, 0.340909, 0.568182, 0.795455, 1]
    assert len(found["colors"]) == 256


@pytest.mark.parametrize(
    ("width", "shown"), [(240, ["1626.8", "1800", "1987.9"]), (480, ["1626.8", "1700", "1800", "1900", "1987.9"])]
)
def test_no_number_lies_over_another(client: TestClient, folder: Path, width: int, shown: list[str]) -> None:
    """All are in the document, and as many as have room are in the pictures."""
    query = {"url": str(folder / "two.tif"), "bidx": "1", "rescale": "1626.8,1987.9", "width": str(width)}
    ticks = client.get("/cog/legend.json", params=query).json()["ticks"]
    assert [tick["label"] for tick in ticks] == ["1626.8", "1700", "1800", "1900", "1987.9"]
    root = ET.fromstring(client.get("/cog/legend.svg", params=query).text)
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")] == shown
    picture = service.pixels(client.get("/cog/legend.png", params=query).content)
    below = picture[MARGIN + BAR + 1, :, :3].max(axis=1) < 128
    assert np.count_nonzero(np.diff(below.astype(int)) == 1) == len(shown)


@pytest.mark.parametrize(
    ("name", "query", "ends"),
    [
        ("two.tif", {"bidx": 1}, ("0", "65535")),
        ("four.tif", {"bidx": 1}, ("0", "255")),
        ("known.tif", {}, ("−20", "60")),
        ("float.tif", {}, ("lowest", "highest")),
        ("two.tif", {"bidx": 1, "colormap_name": "viridis"}, ("0", "255")),
        ("two.tif", {"expression": "b1/b2", "rescale": "-1,1"}, ("−1", "1")),
        ("two.tif", {"bidx": 1, "rescale": "100,0"}, ("0", "100")),
        ("two.tif", {"bidx": 1, "algorithm": "hillshade"}, ("0", "255")),
    ],
)
def test_what_is_dark_and_bright(
    client: TestClient, folder: Path, name: str, query: dict[str, Any], ends: tuple[str, str]
) -> None:
    found = asked(client, folder, name, "json", **query)
    assert (found["ticks"][0]["label"], found["ticks"][-1]["label"]) == ends
    turned = query.get("rescale") == "100,0"
    if "colormap_name" not in query:
        assert [found["colors"][0], found["colors"][-1]] == (
            ["#ffffff", "#000000"] if turned else ["#000000", "#ffffff"]
        )


def swatch(picture: NDArray[Any], number: int, *, top: int = 0, scale: int = 1) -> list[int]:
    """Return the colour in the middle of a class's swatch."""
    row = (MARGIN + top + number * ROW + SWATCH[1] // 2) * scale
    color: list[int] = picture[row, (MARGIN + SWATCH[0] // 2) * scale].tolist()
    return color


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_classes_with_names(client: TestClient, folder: Path, theme: str, scale: int) -> None:
    colormap = json.dumps({"1": "#ff0000", "5": "#00ff00", "9": "#0000ff80"})
    query = {"bidx": 1, "colormap": colormap, "labels": json.dumps({"1": "Forest", "9": "Wasser"}), "scale": scale}
    picture = drawn(client, folder, "two.tif", theme=theme, title="Land cover", **query)
    assert swatch(picture, 0, top=TITLE, scale=scale) == [255, 0, 0]
    assert swatch(picture, 1, top=TITLE, scale=scale) == [0, 255, 0]
    behind = [255, 255, 255] if theme == "light" else [22, 30, 34]
    assert picture[0, 0].tolist() == behind
    # half of it, and what is behind it
    assert swatch(picture, 2, top=TITLE, scale=scale) == [
        (c * 128 + b * 127 + 127) // 255 for c, b in zip((0, 0, 255), behind, strict=True)
    ]
    words = picture[(MARGIN + TITLE) * scale : (MARGIN + TITLE + SWATCH[1]) * scale, 40 * scale :]
    assert (words != np.array(behind)).any()
    found = asked(client, folder, "two.tif", "json", **query)
    assert [(one["value"], one["label"], one["color"]) for one in found["classes"]] == [
        (1, "Forest", "#ff0000"),
        (5, "5", "#00ff00"),
        (9, "Wasser", "#0000ff80"),
    ]


def test_intervals(client: TestClient, folder: Path) -> None:
    colormap = json.dumps([[[0, 10], "#ff0000"], [[10, 100.5], "#00ff00"]])
    found = asked(client, folder, "two.tif", "json", bidx=1, colormap=colormap)
    assert found["kind"] == "intervals"
    assert [(one["label"], one["value"], one["upper"]) for one in found["classes"]] == [
        ("0 to 10", 0, 10),
        ("10 to 100.5", 10, 100.5),
    ]
    picture = drawn(client, folder, "two.tif", bidx=1, colormap=colormap, labels='["low", "high"]')
    assert [swatch(picture, 0), swatch(picture, 1)] == [[255, 0, 0], [0, 255, 0]]
    # values are looked up after they were rescaled: 51 of 255 is a fifth of the way to 1000
    scaled = json.dumps([[[0, 51], "#ff0000"], [[51, 255], "#00ff00"]])
    found = asked(client, folder, "two.tif", "json", bidx=1, colormap=scaled, rescale="0,1000")
    assert [one["label"] for one in found["classes"]] == ["0 to 200", "200 to 1000"]


def test_a_raster_with_colours_of_its_own(client: TestClient, folder: Path) -> None:
    """Only classes that it has, of the 256 that its palette could have."""
    found = asked(client, folder, "palette.tif", "json", labels='{"2": "Water"}')
    assert [(one["label"], one["color"]) for one in found["classes"]] == [
        ("0", "#ff0000"),
        ("1", "#00ff00"),
        ("Water", "#0000ff"),
        ("3", "#000000"),
    ]


def test_bands(client: TestClient, folder: Path) -> None:
    found = asked(client, folder, "rgb.tif", "json", rescale=["0,100", "0,200", "50,255"])
    assert found["kind"] == "bands"
    assert [(one["label"], one["color"]) for one in found["classes"]] == [
        ("red: 0 to 100", "#ff0000"),
        ("green: 0 to 200", "#00ff00"),
        ("blue: 50 to 255", "#0000ff"),
    ]
    assert asked(client, folder, "two.tif", "json", bidx=1, algorithm="terrarium")["kind"] == "none"


def test_without_a_background(client: TestClient, folder: Path) -> None:
    picture = drawn(client, folder, "two.tif", bidx=1, rescale="0,10", transparent="true")
    assert picture[0, 0, 3] == 0
    assert picture[MARGIN + 2, MARGIN + 50, 3] == 255


def test_svg(client: TestClient, folder: Path) -> None:
    label = "<script>alert(1)</script> & \u0001"
    answer = asked(client, folder, "two.tif", "svg", bidx=1, colormap='{"1": "#ff0000"}', labels=json.dumps([label]))
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    root = ET.fromstring(answer.text)
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["<script>alert(1)</script> & "]
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    fills = [one.get("fill") for one in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert "#ff0000" in fills
    ramp = asked(client, folder, "two.tif", "svg", bidx=1, rescale="0,9").text
    stops = list(ET.fromstring(ramp).iter("{http://www.w3.org/2000/svg}stop"))
    assert (stops[0].get("stop-color"), stops[-1].get("stop-color")) == ("#000000", "#ffffff")


def test_the_same_request_gives_the_same_bytes(client: TestClient, folder: Path) -> None:
    one = asked(client, folder, "two.tif", bidx=1, rescale="0,3000", title="Höhe in м → ≥ 中")
    with service.client(folder) as other:
        again = asked(other, folder, "two.tif", bidx=1, rescale="0,3000", title="Höhe in м → ≥ 中")
    assert one.content == again.content
    known = client.get(
        "/cog/legend.png",
        params={"url": str(folder / "two.tif"), "bidx": 1, "rescale": "0,3000", "title": "Höhe in м → ≥ 中"},
        headers={"if-none-match": one.headers["etag"]},
    )
    assert known.status_code == 304


def test_layers_and_their_styles(client: TestClient) -> None:
    found = client.get("/layers/four/legend.json").json()
    assert (found["kind"], found["ticks"][-1]["value"]) == ("continuous", 63)
    styled = client.get("/layers/four/legend.json", params={"style": "classes"}).json()
    assert [one["label"] for one in styled["classes"]] == ["Forest", "Water"]
    tile = client.get("/four/8/134/90.png", params={"style": "classes"})
    assert tile.status_code == 200
    assert "x-ignored-parameters" not in tile.headers


def test_items_and_mosaics(client: TestClient, folder: Path) -> None:
    query = {"url": str(folder / "item.json"), "assets": "data|bidx=1", "rescale": "0,63"}
    assert client.get("/stac/legend.json", params=query).json()["ticks"][-1]["value"] == 63
    assert service.pixels(client.get("/stac/legend.png", params=query).content).shape == (51, 256, 3)
    mosaic = {
        "mosaicjson": "0.0.3",
        "minzoom": 5,
        "maxzoom": 9,
        "bounds": [8, 46, 9, 47],
        "quadkey_zoom": 5,
        "tiles": {"12021": [str(folder / "two.tif")], "12022": [str(folder / "two.tif")]},
    }
    (folder / "mosaic.json").write_text(json.dumps(mosaic))
    query = {"url": str(folder / "mosaic.json"), "bidx": "1", "rescale": "0,63", "colormap_name": "viridis"}
    found = client.get("/mosaicjson/legend.json", params=query)
    assert found.status_code == 200, found.text
    assert found.json()["ticks"][-1]["value"] == 63


@pytest.mark.parametrize(
    ("name", "query", "status", "parameter"),
    [
        ("two.tif", {"bidx": 7}, 400, "bidx"),
        ("two.tif", {"colormap_name": "viridis"}, 400, "colormap"),
        ("two.tif", {"bidx": 1, "labels": "nonsense"}, 422, "labels"),
        ("two.tif", {"bidx": 1, "labels": '{"a": "b"}'}, 422, "labels"),
        ("two.tif", {"bidx": 1, "labels": "[1]"}, 422, "labels"),
        ("two.tif", {"bidx": 1, "labels": "[" * 10_000}, 422, "labels"),
        ("two.tif", {"bidx": 1, "width": 5}, 422, "width"),
        ("two.tif", {"bidx": 1, "scale": 9}, 422, "scale"),
        ("two.tif", {"bidx": 1, "theme": "pink"}, 422, "theme"),
        ("two.tif", {"bidx": 1, "rescale": "0,inf"}, 422, "rescale"),
        ("complex.tif", {}, 415, None),
        ("nothing.tif", {}, 404, None),
    ],
)
def test_what_has_no_legend(
    client: TestClient, folder: Path, name: str, query: dict[str, Any], status: int, parameter: str | None
) -> None:
    answer = client.get("/cog/legend.png", params={"url": str(folder / name), **query})
    assert answer.status_code == status, answer.text
    assert answer.json().get("parameter") == parameter
    assert client.get("/cog/legend.gif", params={"url": str(folder / "two.tif")}).status_code == 422

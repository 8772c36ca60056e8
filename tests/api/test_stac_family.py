"""The routes below ``/stac``: those of rasters for stacked assets, and the documents that tell of each asset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api.families import stac_renders, stac_spellings
from tests.support import exact, items, rasters, service

Z, X, Y = exact.tile_of(8.5, 46.5, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("items").resolve()
    rasters.gradient(found / "fine.tif", "uint8", size=512, count=1)
    rasters.gradient(found / "coarse.tif", "uint8", size=128, count=2)
    rasters.constant(found / "five.tif", 5)
    bands = {"href": "coarse.tif", "eo:bands": [{"common_name": "red"}, {"common_name": "nir"}]}
    items.write(found / "item.json", "fine", "coarse", "five", assets={"named": bands})
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(folder) as found:
        yield found


def ask(client: TestClient, folder: Path, path: str, *assets: str, file: str = "item.json", **params: Any) -> Any:
    query = {"url": str(folder / file), **({"assets": list(assets)} if assets else {}), **params}
    return client.get(f"/stac{path}", params=query)


def values(client: TestClient, folder: Path, path: str, *assets: str, **params: Any) -> Any:
    answer = ask(client, folder, path, *assets, **params)
    assert answer.status_code == 200, answer.text
    return service.array(answer.content)


def test_a_tile_is_made_of_assets(client: TestClient, folder: Path) -> None:
    path = f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.npy"
    data, valid = values(client, folder, path, "fine", "coarse|bidx=2", "five")
    assert data.shape == (3, 256, 256)
    assert valid.all()
    assert (data[2] == 5).all()
    alone, _ = values(client, folder, path, "coarse")
    assert np.array_equal(data[1], alone[1])
    named, _ = values(client, folder, path, "named|bands=nir,red")
    assert np.array_equal(named, alone[::-1])
    maths, _ = values(client, folder, path, "five", "coarse", expression="b2+b3*b1")
    assert np.array_equal(maths[0], alone[0].astype(int) + alone[1].astype(int) * 5)
    picture = ask(client, folder, f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.png", "fine", "coarse|bidx=2", "five")
    assert np.array_equal(service.pixels(picture.content).transpose(2, 0, 1)[:3], data)
    old, _ = values(client, folder, f"/tiles/{Z}/{X}/{Y}.npy", "five")
    assert (old == 5).all()


def test_pictures_of_other_places(client: TestClient, folder: Path) -> None:
    data, _ = values(client, folder, "/preview.npy", "coarse", "fine")
    assert data.shape == (3, 512, 512)
    data, _ = values(client, folder, "/bbox/8,46,8.5,46.5.npy", "coarse", "fine")
    assert data.shape == (3, 256, 256)
    assert data[:, 0, 0].tolist() == [0, 64, 0]
    ring = [[8.0, 46.0], [8.5, 46.0], [8.5, 46.5], [8.0, 46.5], [8.0, 46.0]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    query = {"url": str(folder / "item.json"), "assets": ["coarse", "fine"]}
    cut = client.post("/stac/feature.npy", params=query, content=json.dumps(feature))
    assert np.array_equal(service.array(cut.content)[0], data)
    counted = client.post("/stac/statistics", params=query, content=json.dumps(feature)).json()
    assert list(counted["properties"]["statistics"]) == ["b1", "b2", "b3"]
    assert counted["properties"]["statistics"]["b3"]["max"] == 255


def test_a_point_has_a_value_of_each_band(client: TestClient, folder: Path) -> None:
    found = ask(client, folder, "/point/8.5,46.25", "fine", "coarse").json()
    assert found["values"] == [0, 64, 96]
    assert found["band_names"] == ["b1", "b2", "b3"]
    assert found["band_descriptions"] == ["fine_b1", "coarse_b1", "coarse_b2"]


def test_assets_tell_of_themselves(client: TestClient, folder: Path) -> None:
    assert ask(client, folder, "/assets").json() == ["fine", "coarse", "five", "named"]
    facts = ask(client, folder, "/info", "fine", "coarse|bidx=1").json()
    assert list(facts) == ["fine", "coarse|indexes=[1]"]
    alone = client.get("/cog/info", params={"url": str(folder / "fine.tif")}).json()
    assert facts["fine"] == alone
    place = ask(client, folder, "/info.geojson", ":all:").json()
    assert list(place["properties"]) == ["fine", "coarse", "five", "named"]
    assert place["bbox"] == [8.0, 46.0, 9.0, 47.0]


def test_statistics_are_of_the_stack_or_of_each_asset(client: TestClient, folder: Path) -> None:
    found = ask(client, folder, "/statistics", "five", "coarse", expression="b1+b2").json()
    assert (found["b1"]["min"], found["b1"]["max"], found["b1"]["mean"]) == (5, 132, 68.5)
    each = ask(client, folder, "/asset_statistics", "five", "coarse|bidx=2", "coarse|expression=b1*2").json()
    assert list(each) == ["five", "coarse|indexes=[2]", "coarse|expression=b1*2"]
    assert each["five"]["b1"]["mean"] == 5
    assert each["coarse|indexes=[2]"]["b2"]["max"] == 127
    assert each["coarse|expression=b1*2"]["b1"]["max"] == 254


def test_documents_of_tiles_carry_the_assets_along(client: TestClient, folder: Path) -> None:
    document = ask(client, folder, "/WebMercatorQuad/tilejson.json", "fine", "coarse|bidx=1,2").json()
    assert document["bounds"] == [8.0, 46.0, 9.0, 47.0]
    address = document["tiles"][0].replace("{z}", str(Z)).replace("{x}", str(X)).replace("{y}", str(Y))
    assert client.get(address.removeprefix("http://localhost")).status_code == 200
    assert b"/stac/tiles/" in ask(client, folder, "/WMTSCapabilities.xml", "fine").content
    assert ask(client, folder, "/WebMercatorQuad/map.html", "fine").status_code == 200
    assert ask(client, folder, "/tiles").status_code == 200
    assert ask(client, folder, "/tiles/WebMercatorQuad").status_code == 200
    assert ask(client, folder, "/bounds").json()["bounds"] == [8.0, 46.0, 9.0, 47.0]


@pytest.mark.parametrize(
    ("path", "assets", "params", "status", "parameter"),
    [
        ("/preview.png", (), {}, 422, "assets"),
        ("/info", (), {}, 422, "assets"),
        ("/preview.png", ("red",), {}, 404, "assets"),
        ("/preview.png", ("fine|bidx=2",), {}, 400, "assets"),
        ("/preview.png", ("fine|bidx",), {}, 422, "assets"),
        ("/preview.png", ("fine|expression=b1*",), {}, 400, "assets"),
        ("/preview.png", ("coarse|bands=blue",), {}, 400, "assets"),
        ("/preview.png", ("coarse",), {"asset_as_band": "true"}, 400, "asset_as_band"),
        ("/preview.png", ("fine",), {"expression": "b2"}, 400, "expression"),
        ("/preview.png", ("fine",) * 65, {}, 422, "assets"),
        ("/tiles/WebMercatorQuad/3/0/0.png", ("fine",), {}, 404, None),
        ("/assets", (), {"file": "fine.tif"}, 415, "url"),
        ("/assets", (), {"file": "missing.json"}, 404, None),
        ("/assets", (), {"file": "../item.json"}, 403, "url"),
    ],
)
def test_what_cannot_be_is_said(
    client: TestClient,
    folder: Path,
    path: str,
    assets: tuple[str, ...],
    params: dict[str, str],
    status: int,
    parameter: str | None,
) -> None:
    answer = ask(client, folder, path, *assets, **params)
    assert (answer.status_code, answer.json().get("parameter")) == (status, parameter), answer.text


def test_each_asset_is_called_by_its_name_where_it_is_a_band(client: TestClient, folder: Path) -> None:
    found = ask(client, folder, "/point/8.5,46.25", "fine", "five", asset_as_band="true").json()
    assert found["band_descriptions"] == ["fine", "five"]


def test_a_choice_of_other_assets_is_another_answer(client: TestClient, folder: Path) -> None:
    path = f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.png"
    tags = {ask(client, folder, path, asset).headers["etag"] for asset in ("fine", "five", "coarse|bidx=1")}
    assert len(tags) == 3


def test_the_routes_can_be_left_out(folder: Path) -> None:
    with service.client(folder, disable_stac=True) as without:
        assert ask(without, folder, "/assets").status_code == 404


def test_an_alternate_address_is_read_where_it_is_preferred(folder: Path) -> None:
    asset = {"href": "s3://elsewhere/a.tif", "alternate": {"local": {"href": "five.tif"}}}
    items.write(folder / "alternate.json", assets={"a": asset})
    with service.client(folder) as plain:
        assert ask(plain, folder, "/point/8.5,46.5", "a", file="alternate.json").status_code == 403
    with service.client(folder, stac_alternate="local") as other:
        assert ask(other, folder, "/point/8.5,46.5", "a", file="alternate.json").json()["values"] == [5]


RENDERS = {
    "index": {"title": "Index", "assets": ["coarse"], "expression": "b1-b2", "rescale": [[-127, 127]]},
    "old": {"assets": ["coarse"], "asset_bidx": "coarse|2", "colormap": {"5": "#ff0000"}},
    "wrong": {"assets": ["coarse"], "resampling": "sharp"},
    "named": {"assets": ["fine", "five"], "expression": "(fine\N{EN DASH}five)/(fine+five)", "rescale": [[0, 1]]},
}


@pytest.fixture(scope="module")
def rendered(folder: Path) -> str:
    items.write(folder / "rendered.json", "fine", "coarse", "five", renders=RENDERS)
    return "rendered.json"


def test_no_render_is_what_there_is_without_one(client: TestClient, folder: Path, rendered: str) -> None:
    path = f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.png"
    plain = ask(client, folder, path, "fine", file=rendered)
    for style in ("", "default"):
        assert ask(client, folder, path, "fine", file=rendered, style=style).content == plain.content
    shown = ask(client, folder, path, file=rendered, style="index")
    assert (shown.status_code, shown.content != plain.content) == (200, True)
    assert ask(client, folder, path, "fine", file=rendered, style="none").status_code == 400


def test_renders_lead_to_tiles(client: TestClient, folder: Path, rendered: str) -> None:
    found = ask(client, folder, "/renders", file=rendered).json()["renders"]
    assert {name: render["valid"] for name, render in found.items()} == {name: name != "wrong" for name in RENDERS}
    assert found["old"]["params"]["assets"] == ["coarse|bidx=2"]
    one = ask(client, folder, "/renders/index", file=rendered).json()
    assert one == found["index"]
    link = one["links"][1]["href"].replace("{tileMatrixSetId}", "WebMercatorQuad").removeprefix("http://localhost")
    address = client.get(link).json()["tiles"][0].removeprefix("http://localhost")
    place = address.replace("{z}/{x}/{y}", f"{Z}/{X}/{Y}.png").replace("tilesize=512", "tilesize=256")
    wanted = ask(
        client,
        folder,
        f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.png",
        "coarse",
        expression="b1-b2",
        rescale="-127,127",
    )
    assert client.get(place).content == wanted.content
    missing = ask(client, folder, "/renders/none", file=rendered)
    assert (missing.status_code, missing.json()["parameter"]) == (404, "render_id")
    document = ask(client, folder, "/WebMercatorQuad/tilejson.json", "fine", file=rendered).json()
    assert document["raster_layers"] == RENDERS


def test_a_render_is_a_style(client: TestClient, folder: Path, rendered: str) -> None:
    tile = f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}.png"
    wanted = ask(client, folder, tile, "coarse", expression="b1-b2", rescale="-127,127")
    assert ask(client, folder, tile, file=rendered, style="index").content == wanted.content
    other = ask(client, folder, tile, "coarse", expression="b1-b2", rescale="0,50")
    assert ask(client, folder, tile, file=rendered, style="index", rescale="0,50").content == other.content
    old = ask(client, folder, "/preview.png", "coarse|bidx=2", colormap='{"5": "#ff0000"}')
    assert ask(client, folder, "/preview.png", file=rendered, style="old").content == old.content
    document = ask(client, folder, "/WebMercatorQuad/tilejson.json", file=rendered, style="index").json()
    address = document["tiles"][0].removeprefix("http://localhost").replace("{z}/{x}/{y}", f"{Z}/{X}/{Y}")
    assert client.get(address).status_code == 200
    maths = ask(client, folder, tile, "fine", "five", expression="(b1-b2)/(b1+b2)", rescale="0,1")
    assert ask(client, folder, tile, file=rendered, style="named").content == maths.content
    missing = ask(client, folder, tile, file=rendered, style="none")
    assert (missing.status_code, missing.json()["parameter"]) == (400, "style")
    assert ", ".join(RENDERS) in missing.json()["detail"]
    wrong = ask(client, folder, tile, file=rendered, style="wrong")
    assert (wrong.status_code, wrong.json()["parameter"]) == (422, "resampling")


def test_wmts_has_a_layer_for_each_render(client: TestClient, folder: Path, rendered: str) -> None:
    text = ask(client, folder, "/WMTSCapabilities.xml", file=rendered).text
    names = [part.partition("<")[0] for part in text.split("<ows:Identifier>")[1:]]
    layers = [name for name in names if "WebMercatorQuad_" in name]
    assert {name.rpartition("_")[2] for name in layers} == RENDERS.keys() - {"wrong"}
    assert "assets=coarse%7Cbidx%3D2" in text
    both = ask(client, folder, "/WMTSCapabilities.xml", "fine", file=rendered).text
    assert "WebMercatorQuad_default" in both
    none = ask(client, folder, "/WMTSCapabilities.xml")
    assert (none.status_code, none.json()["parameter"]) == (400, "assets")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"assets": ["coarse"], "asset_bidx": "coarse|2"}, {"assets": ["coarse|bidx=2"]}),
        ({"assets": ["five", "coarse"], "asset_indexes": "coarse|2,1"}, {"assets": ["five", "coarse|bidx=2,1"]}),
        ({"assets": ["coarse"], "asset_expression": "coarse|b1*2"}, {"assets": ["coarse|expression=b1*2"]}),
        (
            {"expression": "coarse_b2-five_b1+coarse_b2"},
            {"assets": ["coarse|bidx=2", "five|bidx=1"], "expression": "b1-b2+b1"},
        ),
        (
            # until 1.x an expression took the place of the assets that were named beside it
            {"assets": ["fine", "coarse|bidx=1"], "expression": "coarse_b2-five_b1"},
            {"assets": ["coarse|bidx=2", "five|bidx=1"], "expression": "b1-b2"},
        ),
        (
            {"expression": "where(five>fine, five, fine-five)", "asset_as_band": "true"},
            {"assets": ["five", "fine"], "expression": "where(b1>b2, b1, b2-b1)", "asset_as_band": "true"},
        ),
        (
            {"assets": ["fine", "five"], "expression": "five/fine", "asset_as_band": "1"},
            {"assets": ["fine", "five"], "expression": "b2/b1", "asset_as_band": "true"},
        ),
    ],
)
def test_old_spellings_of_assets_mean_what_they_meant(
    client: TestClient, folder: Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
    url = {"url": str(folder / "item.json")}
    found = client.get("/stac/point/8.6,46.3", params=old | url)
    wanted = client.get("/stac/point/8.6,46.3", params=new | url)
    assert found.status_code == 200, found.text
    assert found.json() == wanted.json()


def test_names_are_looked_for_in_no_expression_that_is_too_long() -> None:
    """It stays as it is, and is refused where expressions are parsed: queries are read on the event loop."""
    short, long = (f"url=x&expression={'-'.join(['a_b1'] * count)}".encode() for count in (1000, 2000))
    assert stac_spellings.today(short).startswith(b"assets=a%7Cbidx%3D1&url=x&expression=b1-b1-")
    assert stac_spellings.today(long) is long


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    float("inf"),
    "text",
    "\0",
    [],
    [[]],
    [None] * 6,
    [10**400] * 4,
    {},
    {"a": []},
)
FIELDS = ("bbox", "geometry", "properties", "stac_version", "links")
OF_PROPERTIES = ("proj:code", "proj:epsg", "proj:wkt2", "proj:shape", "proj:transform", "renders", "eo:bands")
OF_ASSETS = ("href", "type", "bands", "eo:bands", "raster:bands", "alternate", "proj:shape", "proj:transform")
PLACED: dict[str, Any] = {
    "proj:code": "EPSG:4326",
    "proj:shape": [64, 64],
    "proj:transform": [1 / 64, 0, 8, 0, -1 / 64, 47],
}

_OF_RENDERS = ((), ("/renders", "/WMTSCapabilities.xml"))


@pytest.mark.parametrize("field", [*FIELDS, *OF_PROPERTIES, *(f"asset {name}" for name in OF_ASSETS)])
def test_an_odd_item_is_never_an_error_of_ours(folder: Path, field: str) -> None:
    with service.client(folder, stac_alternate="s3", revalidate_seconds=0) as client:
        for number, odd in enumerate(ODD):
            document = items.item("five", **PLACED, renders={"one": {"assets": ["five"]}})
            if field in FIELDS:
                document[field] = odd
            elif field in OF_PROPERTIES:
                document["properties"][field] = odd
            else:
                document["assets"]["five"][field.removeprefix("asset ")] = odd
            file = f"odd-{field.replace(':', '-').replace(' ', '-')}-{number}.json"
            (folder / file).write_text(json.dumps(document))
            for path in ("/assets", "/bounds", "/tiles/WebMercatorQuad", *_OF_RENDERS[field == "renders"]):
                answer = ask(client, folder, path, file=file)
                assert answer.status_code < 500, (path, odd, answer.text)
            for asset in ("five", "five|bands=red"):
                answer = ask(client, folder, "/preview.png", asset, file=file)
                assert answer.status_code < 500, (asset, odd, answer.text)


@pytest.mark.parametrize(
    ("render", "shown"),
    [
        ({"rescale": [[0, 9]]}, {"rescale": [[0, 9]]}),
        (
            {"assets": ["a", "b"], "asset_bidx": ["a|1,2", "c|3"], "asset_expression": "b|b1*2"},
            {"assets": ["a|bidx=1,2", "b|expression=b1*2"]},
        ),
        ({"assets": ["a"], "asset_bidx": "1"}, {"assets": ["a"]}),
        (
            {"assets": ["nir", "red"], "expression": "(nir_b1-red_b2)/nir_b1"},
            {"assets": ["nir|bidx=1", "red|bidx=2"], "expression": "(b1-b2)/b1"},
        ),
        (
            # as in the examples of the render extension, dashes included
            {"assets": ["B8", "B8-a", "where"], "expression": "(B8\N{EN DASH}B8-a)/where(where>0,B8,1)"},
            {"assets": ["B8", "B8-a", "where"], "expression": "(b1-b2)/where(b3>0,b1,1)", "asset_as_band": True},
        ),
        (
            {"assets": ["rbr"], "expression": "where(rbr>0.7,5,0)", "asset_as_band": "true"},
            {"assets": ["rbr"], "expression": "where(b1>0.7,5,0)", "asset_as_band": True},
        ),
        ({"assets": ["b2", "a"], "expression": "b1/b2"}, {"assets": ["b2", "a"], "expression": "b1/b2"}),
        (
            {"assets": ["B04", "stacked"], "bands": [[], ["red", "nir"]]},
            {"assets": ["B04", "stacked|bands=red,nir"]},
        ),
        ({"assets": ["a"], "bands": ["red"]}, {"assets": ["a"], "bands": ["red"]}),
    ],
)
def test_renders_are_written_as_todays_queries(render: dict[str, Any], shown: dict[str, Any]) -> None:
    """What is said of an asset that the render does not show, or of none, is left out."""
    assert stac_renders.adapted(render) == shown


_NO_VALUES: tuple[Any, ...] = (True, "5", None, [], 1e400)
FOREST: list[Any] = [
    {"value": 5, "name": "forest", "title": "Forest & wood", "color_hint": "006400"},
    {"value": 6, "name": "built-up", "description": "All that is built: " + "houses, " * 40, "color_hint": "#FF0000"},
    {"value": 7, "description": "Water"},
    *({"value": value, "title": "none", "color_hint": "00ff00"} for value in _NO_VALUES),
    "none",
]
NAMES = {"5": "Forest & wood", "6": "built-up", "7": "Water"}
COLORS = {"5": "#006400", "6": "#ff0000"}


@pytest.mark.parametrize("place", ["asset", "bands", "raster:bands"])
def test_classes_of_an_asset_have_names_and_colours(client: TestClient, folder: Path, place: str) -> None:
    said: dict[str, Any] = {"classification:classes": FOREST}
    assets = {"cover": {"href": "./five.tif", "type": items.COG, **(said if place == "asset" else {place: [said]})}}
    items.write(folder / "classes.json", "coarse", assets=assets)
    info = ask(client, folder, "/info", "cover", "coarse", file="classes.json").json()
    assert info["cover"]["class_names"] == {"b1": NAMES}
    assert info["cover"]["class_colors"] == {"b1": COLORS}
    assert "class_names" not in info["coarse"]
    colormap = json.dumps(COLORS)
    for shown in ("cover", "cover|bidx=1"):
        legend = ask(client, folder, "/legend.json", shown, file="classes.json", colormap=colormap).json()
        labels = {one["value"]: one["label"] for one in legend["classes"]}
        assert labels == {5: "Forest & wood", 6: "built-up"}


@pytest.mark.parametrize("said", [None, 5, {}, "x", [[]], [{"value": 1}], [{"value": 1, "color_hint": 5, "title": []}]])
def test_classes_that_are_none(client: TestClient, folder: Path, said: Any) -> None:
    cover = {"href": "./five.tif", "type": items.COG, "classification:classes": said, "bands": said}
    items.write(folder / "odd.json", assets={"cover": cover})
    answer = ask(client, folder, "/info", "cover", file="odd.json")
    assert answer.status_code == 200, answer.text
    assert "class_names" not in answer.json()["cover"]
    assert "class_colors" not in answer.json()["cover"]

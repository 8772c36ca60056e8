"""The routes below ``/mosaicjson``: tiles by pixel selection, look-ups of rasters, points, documents."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.support import exact, mosaics, rasters, service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures

Z, X, Y = exact.tile_of(8.5, 46.5, 10)
TILE = f"/tiles/WebMercatorQuad/{Z}/{X}/{Y}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("mosaics").resolve()
    rasters.constant(found / "ten.tif", 10, count=2)
    rasters.constant(found / "twenty.tif", 20, count=2)
    rasters.constant(found / "forty.tif", 40, count=2)
    rasters.palette(found / "palette.tif")
    mosaics.write(found / "m.json", "twenty.tif", "ten.tif", "forty.tif", name="Alps")
    mosaics.write(found / "palette.json", "palette.tif")
    mosaics.write(found / "missing.json", "gone.tif", "ten.tif")
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(folder) as found:
        yield found


def ask(client: TestClient, folder: Path, path: str, *, file: str = "m.json", **params: Any) -> Any:
    return client.get(f"/mosaicjson{path}", params={"url": str(folder / file), **params})


def value(client: TestClient, folder: Path, path: str, **params: Any) -> Any:
    answer = ask(client, folder, path, **params)
    assert answer.status_code == 200, answer.text
    data, valid = service.array(answer.content)
    assert valid.all()
    return [np.unique(band).tolist() for band in data]


@pytest.mark.parametrize(
    ("selection", "values"),
    [
        (None, [[20], [20]]),
        ("first", [[20], [20]]),
        ("highest", [[40], [40]]),
        ("lowest", [[10], [10]]),
        ("mean", [[23], [23]]),
        ("median", [[20], [20]]),
        ("stdev", [[np.std([10, 20, 40])]] * 2),
        ("lastbandlow", [[10]]),
        ("lastbandhigh", [[40]]),
        ("count", [[3]]),
    ],
)
def test_a_tile_by_pixel_selection(client: TestClient, folder: Path, selection: str | None, values: Any) -> None:
    given = {} if selection is None else {"pixel_selection": selection}
    assert value(client, folder, f"{TILE}.npy", **given) == [pytest.approx(band) for band in values]


def test_an_expression_is_worked_out_before_and_only_once(client: TestClient, folder: Path) -> None:
    found = value(client, folder, f"{TILE}.npy", expression="b1*2;b2-b1", pixel_selection="highest")
    assert found == [[80], [0]]
    assert value(client, folder, f"{TILE}.npy", bidx=[2]) == [[20]]


def test_each_selection_is_an_answer_of_its_own_and_is_kept(client: TestClient, folder: Path) -> None:
    tags = {}
    for selection in ("first", "highest", "count"):
        made, held = (ask(client, folder, f"{TILE}.png", pixel_selection=selection) for _ in range(2))
        assert (made.headers["x-cache"], held.headers["x-cache"]) == ("miss", "hit")
        assert made.headers["etag"] == held.headers["etag"]
        tags[made.headers["etag"]] = selection
        known = client.get(
            f"/mosaicjson{TILE}.png",
            params={"url": str(folder / "m.json"), "pixel_selection": selection},
            headers={"If-None-Match": made.headers["etag"]},
        )
        assert known.status_code == 304
    assert len(tags) == 3


def test_a_legend_of_a_palette_has_every_colour(client: TestClient, folder: Path) -> None:
    """Which of them occur, nobody looks for in all rasters of a mosaic; of one raster they are looked for."""
    entries = ask(client, folder, "/legend.json", file="palette.json").json()["classes"]
    alone = client.get("/cog/legend.json", params={"url": str(folder / "palette.tif")}).json()["classes"]
    assert len(entries) >= len(alone) > 0
    assert {(one["value"], one["color"]) for one in alone} <= {(one["value"], one["color"]) for one in entries}


def test_a_palette_is_shown(client: TestClient, folder: Path) -> None:
    z, x, y = exact.tile_of(8.1, 46.5, 12)
    shown = service.pixels(ask(client, folder, f"/tiles/{z}/{x}/{y}.png", file="palette.json").content)
    assert shown[100, 100, :3].tolist() == [255, 0, 0]


def test_what_the_document_says(client: TestClient, folder: Path) -> None:
    document = json.loads((folder / "m.json").read_text())
    for path in ("/", ""):
        found = ask(client, folder, path).json()
        assert found == {**document, "version": "1.0.0", "center": [8.5, 46.5, 7]}
    info = ask(client, folder, "/info").json()
    assert (info["name"], info["mosaic_minzoom"], info["mosaic_maxzoom"]) == ("Alps", 7, 12)
    assert ask(client, folder, "/info.geojson").json()["bbox"] == [8, 46, 9, 47]
    tilejson = ask(client, folder, "/WebMercatorQuad/tilejson.json", pixel_selection="mean").json()
    assert (tilejson["minzoom"], tilejson["maxzoom"], tilejson["bounds"]) == (7, 12, [8, 46, 9, 47])
    address = tilejson["tiles"][0].replace("{z}/{x}/{y}", f"{Z}/{X}/{Y}.npy").removeprefix("http://localhost")
    assert (service.array(client.get(address).content)[0] == 23).all()
    assert "pixel_selection=mean" in ask(client, folder, "/WMTSCapabilities.xml", pixel_selection="mean").text
    for path in ("/tiles", "/tiles/WebMercatorQuad", "/WebMercatorQuad/map.html", "/bounds"):
        assert ask(client, folder, path).status_code == 200, path


def test_rasters_are_found_by_tile_position_and_box(client: TestClient, folder: Path) -> None:
    names = ["twenty.tif", "ten.tif", "forty.tif"]
    for path in (
        f"{TILE}/assets",
        f"/{Z}/{X}/{Y}/assets",
        f"/WebMercatorQuad/{Z}/{X}/{Y}/assets",
        "/point/8.5,46.5/assets",
        "/8.5,46.5/assets",
        "/bbox/8.1,46.1,8.2,46.2/assets",
        "/8.1,46.1,8.2,46.2/assets",
    ):
        assert ask(client, folder, path).json() == names, path
    for path in ("/tiles/WebMercatorQuad/9/0/0/assets", "/point/20,0/assets", "/bbox/20,0,21,1/assets"):
        assert ask(client, folder, path).json() == [], path
    metres = ask(client, folder, "/point/950000,5860000/assets", coord_crs="EPSG:3857")
    assert metres.json() == names


def test_a_point_has_the_values_of_each_raster(client: TestClient, folder: Path) -> None:
    found = ask(client, folder, "/point/8.5,46.5", expression="b1+b2").json()
    assert found["coordinates"] == [8.5, 46.5]
    assert [(one["name"], one["values"]) for one in found["assets"]] == [
        ("twenty.tif", [40]),
        ("ten.tif", [20]),
        ("forty.tif", [80]),
    ]
    assert ask(client, folder, "/point/20,0").status_code == 204
    assert ask(client, folder, "/point/7.95,46.5").json()["assets"] == []


def test_boxes_features_and_statistics(client: TestClient, folder: Path) -> None:
    assert value(client, folder, "/bbox/8.2,46.2,8.4,46.4/16x16.npy", pixel_selection="highest") == [[40], [40]]
    ring = [[8.2, 46.2], [8.4, 46.2], [8.4, 46.4], [8.2, 46.4], [8.2, 46.2]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    query = {"url": str(folder / "m.json"), "max_size": "32"}
    cut = client.post("/mosaicjson/feature.npy", params=query, json=feature)
    assert (service.array(cut.content)[0] == 20).all()
    counted = client.post("/mosaicjson/statistics", params=query | {"pixel_selection": "lowest"}, json=feature)
    assert counted.json()["properties"]["statistics"]["b1"]["max"] == 10


def test_nothing_there_is_no_content(client: TestClient, folder: Path) -> None:
    for path in ("/tiles/WebMercatorQuad/9/0/0.png", "/tiles/9/0/0.png", "/tiles/WebMercatorQuad/9/600/0.png"):
        answer = ask(client, folder, path)
        assert (answer.status_code, answer.content) == (204, b""), path
    with service.client(folder, empty_tile="transparent") as other:
        assert service.pixels(ask(other, folder, "/tiles/9/0/0.png").content).max() == 0


def test_a_missing_raster_is_said_or_left_out(client: TestClient, folder: Path) -> None:
    for path in (f"{TILE}.png", "/point/8.5,46.5"):
        answer = ask(client, folder, path, file="missing.json")
        assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")
        assert "'gone.tif' of the mosaic" in answer.json()["detail"]
        assert ask(client, folder, path, file="missing.json", skip_missing="true").status_code == 200
    assert ask(client, folder, "/info", file="missing.json").status_code == 200


@pytest.mark.parametrize(
    ("path", "params", "status", "parameter"),
    [
        (f"{TILE}.png", {"pixel_selection": "best"}, 422, "pixel_selection"),
        (f"{TILE}.png", {"pixel_selection": "lastbandlow", "bidx": "1"}, 400, "pixel_selection"),
        (f"{TILE}.png", {"bidx": "3"}, 400, "bidx"),
        (f"{TILE}.png", {"expression": "b3"}, 400, "expression"),
        (f"{TILE}.png", {"expression": "b1*"}, 400, "expression"),
        (f"{TILE}.png", {"skip_missing": "perhaps"}, 422, "skip_missing"),
        (f"{TILE}.png", {"file": "ten.tif"}, 415, "url"),
        ("/info", {"file": "none.json"}, 404, None),
        ("/info", {"file": "../m.json"}, 403, "url"),
        ("/point/8.5,nan", {}, 422, "lat"),
        ("/bbox/1,2,3/assets", {}, 404, None),
    ],
)
def test_what_cannot_be_is_said(
    client: TestClient, folder: Path, path: str, params: dict[str, str], status: int, parameter: str | None
) -> None:
    answer = ask(client, folder, path, **params)
    assert (answer.status_code, answer.json().get("parameter")) == (status, parameter), answer.text


def test_a_document_is_held_against_the_specification(client: TestClient, folder: Path) -> None:
    plain = (folder / "m.json").read_bytes()
    for content in (plain, gzip.compress(plain)):
        assert client.post("/mosaicjson/validate", content=content).json() is True
    wrong = client.post("/mosaicjson/validate", json={"mosaicjson": "0.0.2", "tiles": {}, "minzoom": 99})
    assert (wrong.status_code, wrong.json()["errors"][0]["loc"]) == (422, ["body", "minzoom"])


def test_the_number_of_rasters_has_a_limit(folder: Path) -> None:
    with service.client(folder, max_assets=2) as few:
        assert ask(few, folder, f"{TILE}.png").status_code == 200, "the first is enough"
        for path in (f"{TILE}.png", "/tiles/5/16/11.png", "/point/8.5,46.5"):
            answer = ask(few, folder, path, pixel_selection="mean")
            assert (answer.status_code, answer.json()["limit"]) == (413, 2), answer.text


def test_zooms_that_are_not_offered_can_be_refused(folder: Path) -> None:
    with service.client(folder, mosaic_strict_zoom=True) as strict:
        for zoom, status in ((6, 400), (7, 200), (12, 200), (13, 400), (13, 400)):
            z, x, y = exact.tile_of(8.5, 46.5, zoom)
            for path in (f"/tiles/WebMercatorQuad/{z}/{x}/{y}.png", f"/tiles/{z}/{x}/{y}.png"):
                assert ask(strict, folder, path).status_code == status, (path, status)
        z, x, y = exact.tile_of(8.5, 46.5, 6)
        assert ask(strict, folder, f"/tiles/{z}/{x}/{y}.png").json()["parameter"] == "z"


def test_the_routes_can_be_left_out(folder: Path) -> None:
    with service.client(folder, disable_mosaic=True) as without:
        assert ask(without, folder, "/info").status_code == 404


def test_mosaics_in_a_bucket(s3: S3, folder: Path) -> None:  # noqa: F811
    s3.bucket("mosaics")
    for name in ("ten", "twenty"):
        s3.put("mosaics", f"a/{name}.tif", (folder / f"{name}.tif").read_bytes())
    packed = gzip.compress(mosaics.encoded("ten.tif", "twenty.tif", asset_prefix="s3://mosaics/a/", mosaicjson="0.0.3"))
    s3.put("mosaics", "a/m.json.gz", packed)
    s3.put("mosaics", "a/relative.json", mosaics.encoded("ten.tif", "../secret.tif"))
    with service.client("s3://mosaics/a/", s3_endpoint=s3.endpoint) as client:
        for address, selection, wanted in (("m.json.gz", "highest", 20), ("relative.json", "first", 10)):
            query = {"url": f"s3://mosaics/a/{address}", "pixel_selection": selection}
            found = client.get(f"/mosaicjson{TILE}.npy", params=query)
            assert (service.array(found.content)[0] == wanted).all()
        refused = client.get(f"/mosaicjson{TILE}.npy", params=query | {"pixel_selection": "mean"})
        assert refused.status_code == 403


ODD: tuple[Any, ...] = (None, True, -1, 10**400, float("inf"), "text", "\0", [], [[]], [None] * 4, {}, {"a": []}, 12)
FIELDS = ("mosaicjson", "minzoom", "maxzoom", "quadkey_zoom", "bounds", "center", "tiles", "asset_prefix", "name")


@pytest.mark.parametrize("field", [*FIELDS, "overview", "tilematrixset", "version", "asset"])
def test_an_odd_document_is_never_an_error_of_ours(folder: Path, field: str) -> None:
    with service.client(folder, revalidate_seconds=0) as client:
        for number, odd in enumerate(ODD):
            document = mosaics.document("ten.tif")
            if field == "asset":
                document["tiles"] = dict.fromkeys(document["tiles"], odd)
            else:
                document[field] = odd
            file = f"odd-{field}-{number}.json"
            (folder / file).write_text(json.dumps(document))
            for path in ("/info", "/", "/WebMercatorQuad/tilejson.json", f"{TILE}.png", "/tiles/2/2/1.png"):
                answer = ask(client, folder, path, file=file)
                assert answer.status_code < 500, (path, odd, answer.text)


@pytest.mark.parametrize("levels", [30, 33, 300, 900, 5000])
@pytest.mark.parametrize("inside", ["1", "NaN"])
def test_a_field_is_nested_up_to_a_depth(folder: Path, levels: int, inside: str) -> None:
    deep = "[" * levels + inside + "]" * levels
    text = json.dumps(mosaics.document("ten.tif"))[:-1] + f', "deep": {deep}}}'
    (folder / "deep.json").write_text(text)
    with service.client(folder, revalidate_seconds=0) as client:
        answer = ask(client, folder, "/", file="deep.json")
        assert answer.status_code == (200 if levels == 30 else 415), answer.text
        if levels == 30:
            assert answer.json()["deep"] == json.loads(deep.replace("NaN", "null"))
        validated = client.post("/mosaicjson/validate", content=text)
        assert validated.status_code == (200 if levels == 30 else 422)
        feature = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [8.5, 46.5]}, "properties": %s}'
        posted = client.post(
            "/cog/statistics", params={"url": str(folder / "ten.tif")}, content=feature % f'{{"deep": {deep}}}'
        )
        assert posted.status_code < 500, posted.text


def test_validating_asks_for_memory_and_refuses_what_there_is_none_for(folder: Path) -> None:
    names = [f"{number:x}" for number in range(120_000)]
    body = json.dumps({"mosaicjson": "0.0.3", "tiles": {"0": names}}).encode()
    with service.client(folder, work_bytes=24 << 20, max_body_bytes=8 << 20) as small:
        for content in (body, gzip.compress(body)):
            answer = small.post("/mosaicjson/validate", content=content)
            assert answer.status_code == 413, answer.text


def test_a_raster_that_appears_is_shown(folder: Path) -> None:
    others = [("/bbox/8.4,46.4,8.6,46.6.npy", [[10], [10]]), ("/point/8.5,46.5", [[10.0, 10.0]])]

    def look(client: TestClient, path: str) -> Any:
        if not path.startswith("/point"):
            return value(client, folder, path, file="late.json", skip_missing="true")
        answer = ask(client, folder, path, file="late.json", skip_missing="true")
        return [found["values"] for found in answer.json()["assets"]]

    mosaics.write(folder / "late.json", "late.tif", "ten.tif")
    (folder / "late.tif").unlink(missing_ok=True)
    with service.client(folder, revalidate_seconds=0) as client:
        for path, wanted in (*others, (f"{TILE}.npy", [[10], [10]])):
            assert look(client, path) == wanted, path
        shutil.copy(folder / "forty.tif", folder / "late.tif")
        for path, _ in (*others, (f"{TILE}.npy", None)):
            assert look(client, path)[0][0] == 40, path

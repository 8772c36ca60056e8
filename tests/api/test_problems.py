"""Failures: each error's code and status, and that nothing is said which only the operator may know."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from app.api import problems
from app.api.app import create_app
from app.config.settings import Settings
from tests.support import rasters, service
from tilery import errors
from tilery.errors import InvalidParameter, TileryError


def leaves(of: type[TileryError] = TileryError) -> Iterator[type[TileryError]]:
    below = of.__subclasses__()
    yield of
    for kind in below:
        yield from leaves(kind)


STATUSES = {
    "internal_error": 500,
    "bad_request": 400,
    "invalid_parameter": 422,
    "invalid_expression": 400,
    "invalid_colormap": 400,
    "invalid_band": 400,
    "invalid_format": 400,
    "invalid_geometry": 400,
    "over_limit": 400,
    "too_much_work": 413,
    "unauthorized": 401,
    "not_found": 404,
    "layer_not_found": 404,
    "revision_not_found": 404,
    "tile_outside_bounds": 404,
    "point_outside_bounds": 404,
    "source_error": 400,
    "source_refused": 403,
    "source_denied": 403,
    "source_not_found": 404,
    "not_a_raster": 415,
    "unsupported_raster": 415,
    "broken_raster": 422,
    "upstream_failed": 502,
    "upstream_timeout": 504,
    "deadline_exceeded": 504,
    "busy": 503,
    "answer_too_large": 413,
    "too_many_guesses": 429,
    "catalog_error": 500,
    "broken_document": 500,
    "conflict": 409,
    "store_full": 507,
    "forbidden": 403,
    "rate_limited": 429,
    "precondition_failed": 412,
    "precondition_required": 428,
}


@pytest.mark.parametrize(
    "kind", [kind for kind in leaves() if kind.__module__ == errors.__name__], ids=lambda k: k.code
)
def test_every_error_as_an_answer(kind: type[TileryError]) -> None:
    error = kind("What went wrong.", parameter="url", limit=7, private="s3://bucket/secret", retry_after=3)
    answer = problems.of_error(error, "an-id")
    assert answer.status_code == STATUSES[kind.code]
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert b"secret" not in answer.body
    import json

    body = json.loads(bytes(answer.body))
    expected = {"code": kind.code, "detail": "What went wrong.", "parameter": "url", "limit": 7, "request_id": "an-id"}
    assert {name: value for name, value in body.items() if name != "errors"} == expected
    assert ("errors" in body) is issubclass(kind, InvalidParameter)


def test_every_error_has_a_status_in_the_table() -> None:
    codes = {kind.code for kind in leaves() if kind.__module__ == errors.__name__}
    assert set(STATUSES) == codes


def ask(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert isinstance(body["detail"], str)
    return answer.status_code, body["code"], body


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("missing.tif", 404, "source_not_found"),
        ("text.tif", 415, "not_a_raster"),
        ("empty.tif", 415, "not_a_raster"),
    ],
)
@pytest.mark.parametrize("path", ["/cog/info", "/cog/tiles/WebMercatorQuad/8/134/90.png", "/cog/statistics"])
def test_sources_that_are_no_rasters(
    client: TestClient, folder: Path, path: str, name: str, status: int, code: str
) -> None:
    found, named, body = ask(client, path, url=f"{folder}/{name}")
    assert (found, named) == (status, code)
    assert str(folder) not in str(body)


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd",
        "s3://other/key.tif",
        "https://example.com/x.tif",
        "http://169.254.169.254/latest/meta-data",
        "<VRTDataset></VRTDataset>",
        "/vsicurl/http://127.0.0.1/x.tif",
        "vrt://x.tif",
    ],
)
def test_sources_that_are_not_listed(client: TestClient, url: str) -> None:
    status, code, body = ask(client, "/cog/info", url=url)
    assert (status, code) in ((403, "source_refused"), (422, "invalid_parameter"))
    assert "169.254" not in body["detail"]


@pytest.mark.parametrize(
    ("path", "query", "status", "code", "parameter"),
    [
        ("/cog/tiles/WebMercatorQuad/8/0/0.png", {}, 404, "tile_outside_bounds", None),
        ("/cog/tiles/WebMercatorQuad/99/0/0.png", {}, 404, "tile_outside_bounds", "z"),
        ("/cog/tiles/WebMercatorQuad/2/9/0.png", {}, 404, "tile_outside_bounds", "x"),
        ("/cog/tiles/WebMercatorQuad/2/0/-1.png", {}, 404, "tile_outside_bounds", "y"),
        ("/cog/tiles/Nonsense/2/0/0.png", {}, 422, "invalid_parameter", "tileMatrixSetId"),
        ("/cog/tiles/WebMercatorQuad/2/0/0.gif", {}, 422, "invalid_parameter", "format"),
        ("/cog/tiles/WebMercatorQuad/8/a/90.png", {}, 422, "invalid_parameter", "x"),
        ("/cog/point/100,46", {}, 404, "point_outside_bounds", None),
        ("/cog/point/1e308,1e308", {}, 404, "point_outside_bounds", None),
        ("/cog/point/nan,46", {}, 422, "invalid_parameter", "lon"),
        ("/cog/bbox/9,47,8,46.png", {}, 422, "invalid_parameter", "bbox"),
        ("/cog/bbox/nan,46,9,47.png", {}, 422, "invalid_parameter", "minx"),
        ("/cog/preview.png", {"bidx": 9}, 400, "invalid_band", "bidx"),
        ("/cog/preview.png", {"bidx": 0}, 400, "invalid_band", "bidx"),
        ("/cog/preview.png", {"expression": "b9"}, 400, "invalid_band", "expression"),
        ("/cog/preview.png", {"expression": "b1+"}, 400, "invalid_expression", None),
        ("/cog/preview.png", {"expression": "__import__('os')"}, 400, "invalid_expression", None),
        ("/cog/preview.png", {"expression": "b1+9**9**9"}, 400, "over_limit", "expression"),
        ("/cog/preview.png", {"colormap": "{"}, 400, "invalid_colormap", None),
        (
            "/cog/preview.png",
            {"algorithm": "hillshade", "algorithm_params": "[1]"},
            422,
            "invalid_parameter",
            "algorithm_params",
        ),
        ("/cog/preview.png", {"width": 100000}, 400, "over_limit", "width"),
        ("/cog/preview/4096x4096.png", {}, 400, "over_limit", None),
        ("/cog/preview.png", {"max_size": 100000}, 400, "over_limit", "max_size"),
        ("/cog/preview.png", {"dst_crs": "nonsense"}, 422, "invalid_parameter", "dst_crs"),
        ("/cog/statistics", {"histogram_bins": 50000000}, 400, "over_limit", "histogram_bins"),
        ("/cog/map", {"bbox": "1,2,3"}, 422, "invalid_parameter", "bbox"),
        ("/cog/bbox/8,46,9,47.png", {"nodata": 1e300}, 422, "invalid_parameter", "nodata"),
        ("/cog/WebMercatorQuad/tilejson.json", {"tilesize": 99999}, 400, "over_limit", "tilesize"),
    ],
)
def test_requests_that_mean_nothing(
    client: TestClient, folder: Path, path: str, query: dict[str, Any], status: int, code: str, parameter: str | None
) -> None:
    found, named, body = ask(client, path, url=f"{folder}/rgb.tif", **query)
    assert (found, named) == (status, code), body
    if parameter is not None:
        assert body["parameter"] == parameter


def test_a_limit_is_named_with_its_number(client: TestClient, folder: Path) -> None:
    _, _, body = ask(client, "/cog/preview.png", url=f"{folder}/rgb.tif", width=100000)
    assert body["limit"] == 4096
    assert "4096" in body["detail"]


def test_more_bands_than_a_picture_holds(client: TestClient, folder: Path) -> None:
    status, code, _ = ask(client, "/cog/preview.png", url=f"{folder}/many.tif")
    assert (status, code) == (400, "invalid_format")


def test_a_raster_without_a_place(client: TestClient, folder: Path) -> None:
    status, code, _ = ask(client, "/cog/tiles/WebMercatorQuad/0/0/0.png", url=f"{folder}/placeless.tif")
    assert (status, code) == (415, "unsupported_raster")
    assert client.get("/cog/preview.png", params={"url": f"{folder}/placeless.tif"}).status_code == 200
    assert client.get("/cog/info", params={"url": f"{folder}/placeless.tif"}).json()["crs"] is None


RING = [[8.2, 46.2], [8.4, 46.2], [8.4, 46.4], [8.2, 46.2]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "invalid_parameter"),
        (b"{", 422, "invalid_parameter"),
        (b"[1]", 422, "invalid_parameter"),
        (b'{"type":"Polygon"}', 422, "invalid_parameter"),
        (b'{"type":"Feature"}', 422, "invalid_parameter"),
        (b'{"type":"Feature","geometry":null}', 400, "invalid_geometry"),
        (b'{"type":"Feature","geometry":{"type":"Point","coordinates":[8]}}', 400, "invalid_geometry"),
        (b'{"type":"Feature","geometry":{"type":"Curve","coordinates":[[8,46],[9,47]]}}', 400, "invalid_geometry"),
        (b'{"type":"Feature","geometry":{"type":"GeometryCollection","geometries":[]}}', 400, "invalid_geometry"),
        (
            b'{"type":"Feature","geometry":' + b'{"type":"GeometryCollection","geometries":[' * 25 + b"]}" * 25 + b"}",
            400,
            "invalid_geometry",
        ),
        (
            b'{"type":"Feature","geometry":'
            + b'{"type":"GeometryCollection","geometries":[' * 100
            + b"]}" * 100
            + b"}",
            422,
            "invalid_parameter",
        ),
        (b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[]}}', 400, "invalid_geometry"),
        (b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[1,2]]]}}', 400, "invalid_geometry"),
        (
            b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[8,46],[9,46],[9,NaN],[8,46]]]}}',
            400,
            "invalid_geometry",
        ),
        (
            b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[8,46],[9,46],[9,1'
            + b"0" * 400
            + b"],[8,46]]]}}",
            400,
            "invalid_geometry",
        ),
        (b'{"type":NaN}', 422, "invalid_parameter"),
        (b'{"type":"\\ud800"}', 422, "invalid_parameter"),
        (
            b'{"type":"Feature","properties":{"a":' + b"[" * 700 + b"1e999" + b"]" * 700 + b"}}",
            422,
            "invalid_parameter",
        ),
        (b'{"type":"Feature","geometry":' + b'{"a":' * 100_000, 422, "invalid_parameter"),
        (b" " * (3 << 20), 400, "over_limit"),
        (
            b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[' + b"[8,46]," * 150_000 + b"[8,46]]]}}",
            400,
            "over_limit",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/cog/feature.png", "/cog/statistics"])
def test_bodies_that_are_no_geometry(
    client: TestClient, folder: Path, path: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post(
        path, params={"url": f"{folder}/rgb.tif"}, content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/cog/feature.png", "/cog/statistics"])
def test_bodies_are_looked_through_in_a_slot(
    client: TestClient, folder: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    whole = json.loads

    def noted(*args: Any, **more: Any) -> Any:
        threads.append(threading.current_thread().name)
        return whole(*args, **more)

    monkeypatch.setattr("tilery.limits.untrusted_json.json.loads", noted)
    client.post(path, params={"url": f"{folder}/rgb.tif"}, content=b"[" + b"{}," * 20_000 + b"{}]")
    assert [name.partition("_")[0] for name in threads[:1]] == ["render"]


def _post(folder: Path, ending: Message | None, **settings: Any) -> list[Message]:
    """Return what is answered to half a body, after which nothing comes, or ``ending``."""
    coming: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]
    coming += [ending] if ending else []
    sent: list[Message] = []

    async def receive() -> Message:
        if not coming:
            await asyncio.sleep(60)
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/cog/statistics",
        "query_string": f"url={folder}/rgb.tif".encode(),
        "headers": [],
    }
    app = create_app(Settings(_env_file=None, sources=str(folder), **settings))
    app.routes()
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 30))
    return sent


def test_a_body_that_does_not_come_is_not_waited_for(folder: Path) -> None:
    start, body = _post(folder, None, deadline=0.2)
    assert (start["status"], json.loads(body["body"])["code"]) == (504, "deadline_exceeded")


def test_a_caller_who_goes_away_while_sending_is_no_failure(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _post(folder, {"type": "http.disconnect"}) == []
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_surprise_is_logged_and_not_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from app.serving import render

    def fail(*_: object) -> None:
        raise RuntimeError(f"secret of {folder}")

    monkeypatch.setattr(render, "tile", fail)
    with service.client(folder) as client, caplog.at_level(logging.ERROR, "tilery.request"):
        answer = client.get("/cog/tiles/WebMercatorQuad/8/134/90.png", params={"url": f"{folder}/rgb.tif"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    (record,) = [record for record in caplog.records if record.name == "tilery.request"]
    assert answer.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None


MARS = (
    'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.894]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)


def test_a_raster_of_another_planet(tmp_path: Path) -> None:
    rasters.constant(tmp_path / "mars.tif", 1, crs=MARS)
    with service.client(tmp_path.resolve()) as client:
        for path, status in {
            "/cog/info.geojson?": 200,
            "/cog/preview.png?": 200,
            "/cog/WebMercatorQuad/tilejson.json?": 415,
            "/cog/validate?": 200,
            "/cog/WMTSCapabilities.xml?": 415,
            "/cog/WebMercatorQuad/map.html?": 415,
            "/cog/tiles/WebMercatorQuad?": 415,
            "/cog/tiles/WebMercatorQuad/0/0/0.png?": 415,
            "/cog/preview.png?dst_crs=EPSG:3857&": 415,
            "/cog/point/8.5,46.5?": 415,
            "/cog/stac?": 415,
        }.items():
            answer = client.get(f"{path}url={tmp_path.resolve()}/mars.tif")
            assert answer.status_code == status, (path, answer.text)


def test_paths_and_methods_that_do_not_exist(client: TestClient) -> None:
    assert client.get("/No/such/path").json()["code"] == "not_found"
    answer = client.delete("/cog/info")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"
    assert client.put("/cog/statistics").headers["allow"] == "GET, HEAD, POST"
    assert client.get("/cog/feature").headers["allow"] == "POST"


def test_a_picture_of_too_many_pixels(folder: Path, tmp_path: Path) -> None:
    rasters.constant(tmp_path / "large.tif", 1, size=2100)
    with service.client(tmp_path.resolve()) as client:
        for path in ("/cog/bbox/8,46,9,47.png", "/cog/stac"):
            status, code, body = ask(client, path, url=f"{tmp_path.resolve()}/large.tif", max_size=4096)
            assert (status, code, body["parameter"]) == (413, "too_much_work", "max_size")


def test_a_deadline_that_passes(folder: Path) -> None:
    with service.client(folder, deadline=1e-9) as client:
        status, code, _ = ask(client, "/cog/info", url=f"{folder}/half-mask.tif")
    assert (status, code) == (504, "deadline_exceeded")


@pytest.fixture(scope="module", params=["complex64", "complex128", "complex_int16"])
def complex_numbers(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a raster whose values are column + (column + 5)i."""
    columns = rasters.columns_and_rows(64, 64, "float32", 1)
    data = (columns + 1j * (columns + 5)).astype("complex128" if request.param == "complex128" else "complex64")
    path = rasters.write(folder / f"{request.param}.tif", data, overviews=(), dtype=request.param)
    return str(path)


class TestComplexNumbers:
    @pytest.mark.parametrize(
        "path",
        [
            "statistics",
            "metadata",
            "point/8.5,46.5",
            "preview.png",
            "preview.npy",
            "preview.tif",
            "preview",
            "tiles/WebMercatorQuad/8/134/90.png",
            "preview.png?algorithm=hillshade",
            "preview.png?algorithm=max",
            "preview.png?rescale=-1e308,1e308",
            "preview.npy?colormap_name=viridis&return_mask=false",
        ],
    )
    def test_they_can_neither_be_shown_nor_counted(self, client: TestClient, complex_numbers: str, path: str) -> None:
        answer = client.get(f"/cog/{path}{'&' if '?' in path else '?'}url={complex_numbers}")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_raster")
        assert "unscale=true" in answer.json()["detail"]

    def test_their_real_part_can(self, client: TestClient, complex_numbers: str) -> None:
        query: dict[str, Any] = {"url": complex_numbers, "unscale": True}
        band = client.get("/cog/statistics", params=query).json()["b1"]
        assert (band["min"], band["max"], band["mean"]) == (0.0, 63.0, 31.5)
        assert client.get("/cog/point/8.5,46.5", params=query).json()["values"] == [32.0]
        picture = service.pixels(client.get("/cog/preview.png", params=query | {"rescale": "0,255"}).content)
        assert picture[0].ravel()[:3].tolist() == [0, 1, 2]

    @pytest.mark.parametrize("nodata", [None, 7])
    def test_data_are_given_as_they_are(self, client: TestClient, complex_numbers: str, nodata: int | None) -> None:
        query: dict[str, Any] = {"url": complex_numbers, "return_mask": False} | (
            {} if nodata is None else {"nodata": nodata}
        )
        for suffix in ("tif", "npy"):
            answer = client.get(f"/cog/preview.{suffix}", params=query)
            assert answer.status_code == 200
            if suffix == "npy":
                assert np.load(io.BytesIO(answer.content))[0, 0, :2].tolist() == [5j, 1 + 6j]

    @pytest.mark.filterwarnings("ignore:Casting complex values")
    def test_an_item_has_them_as_texts(self, client: TestClient, complex_numbers: str) -> None:
        item = client.get("/cog/stac", params={"url": complex_numbers}).json()
        (band,) = item["assets"]["data"]["raster:bands"]
        assert (band["statistics"]["minimum"], band["statistics"]["maximum"]) == ("5j", "63+68j")

    def test_facts_are_told(self, client: TestClient, complex_numbers: str) -> None:
        assert client.get("/cog/info", params={"url": complex_numbers}).json()["dtype"] == Path(complex_numbers).stem


def test_failures_are_let_go_of_whatever_they_come_from() -> None:
    """Causes, what was handled meanwhile, groups of them, and those that have come to be causes of each other."""

    def through(of: BaseException) -> BaseException:
        with pytest.raises(type(of)):
            fail(of)
        return of

    def fail(of: BaseException) -> None:
        raise of

    inner, cause, handled, failure = (through(ValueError(name)) for name in ("inner", "cause", "handled", "failure"))
    group = through(ExceptionGroup("several", [inner]))  # type: ignore[type-var]  # it is an Exception
    failure.__cause__, failure.__context__ = cause, handled
    handled.__context__ = group
    cause.__cause__ = cause.__context__ = failure
    everything = (inner, cause, handled, group, failure)
    assert all(error.__traceback__ is not None for error in everything)
    ended = threading.Thread(target=problems.let_go, args=(failure,), daemon=True)
    ended.start()
    ended.join(10)
    assert [str(error) for error in everything if error.__traceback__ is not None] == []

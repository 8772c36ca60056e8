"""Signed addresses, as an attacker would try them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api.access import signatures
from app.api.access.guard import Guard
from app.config.access import rules_of
from app.config.settings import Settings
from tests.api.access.conftest import KEY, OLD, PLACE, access, ask, signed
from tests.support import service

TOKEN = "a-token-of-enough-characters"
TILE = f"/dem/{PLACE}"


@pytest.fixture(scope="module")
def client(catalog: Path) -> Iterator[TestClient]:
    rules = access(KEY, OLD, tokens=[{"name": "all", "token": TOKEN}])
    with service.client(catalog, catalog=str(catalog), access=rules) as found:
        yield found


def get(client: TestClient, path: str, signature: str, method: str = "GET", **query: Any) -> Any:
    """Return the answer to a request whose path is sent as it is written, dots and all."""
    pairs = urlencode({**query, "access_signature": signature})
    return client.request(method, f"{path}?{pairs}")


def test_the_form_is_what_the_documentation_says() -> None:
    """Worked out with Python's own hmac, as somebody would in another language."""
    lines = f"tilery-1\n{KEY.id}\n1800000000\nsource:s3://bucket/ä b.tif".encode()
    digest = base64.urlsafe_b64encode(hmac.new(KEY.secret, lines, hashlib.sha256).digest()).decode().rstrip("=")
    assert signatures.sign(KEY, "source:s3://bucket/ä b.tif", 1800000000) == f"{KEY.id}.1800000000.{digest}"


@pytest.mark.parametrize("key", [KEY, OLD], ids=["new", "old"])
def test_every_key_lets_in(client: TestClient, key: Any) -> None:
    answer = get(client, TILE, signed("layer:dem", key=key))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_an_old_key_is_forgotten_after_rotation(catalog: Path) -> None:
    with service.client(catalog, catalog=str(catalog), access=access(KEY)) as client:
        assert get(client, TILE, signed("layer:dem", key=OLD)).status_code == 401
        assert get(client, TILE, signed("layer:dem", key=KEY)).status_code == 200


GOOD = signed("layer:dem", seconds=100_000)
ID, EXPIRES, DIGEST = GOOD.split(".")
NEXT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WRONG = {
    "nothing": "",
    "a character less": GOOD[:-1],
    "half": f"{ID}.{EXPIRES}.{DIGEST[:20]}",
    "no digest": f"{ID}.{EXPIRES}.",
    "no expiry": f"{ID}.{DIGEST}",
    "padded": f"{GOOD}=",
    "other bits that base64 leaves out": GOOD[:-1] + NEXT[NEXT.index(GOOD[-1]) ^ 1],
    "upper case": GOOD.upper(),
    "later": f"{ID}.{int(EXPIRES) + 1}.{DIGEST}",
    "with a nought": f"{ID}.0{EXPIRES}.{DIGEST}",
    "with a sign": f"{ID}.+{EXPIRES}.{DIGEST}",
    "other digits": f"{ID}.{EXPIRES.translate({ord(str(n)): chr(0x0660 + n) for n in range(10)})}.{DIGEST}",
    "another key's id": f"{OLD.id}.{EXPIRES}.{DIGEST}",
    "no key's id": f"k3.{EXPIRES}.{DIGEST}",
    "a line more": f"{GOOD}\n",
    "of another layer": signed("layer:other"),
    "of a source": signed("source:dem"),
    "of a prefix": signed("layer:de"),
    "of every layer": signed("layer:"),
    "expired by a second": signed("layer:dem", seconds=-1),
    "expires now": signed("layer:dem", seconds=0),
    "very long": "k2." + "9" * 5000,
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong ones are answered at once, as in a function of Lambda."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tiles")


@pytest.fixture(scope="module")
def quick(catalog: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tiles")
        rules = access(KEY, OLD, tokens=[{"name": "all", "token": TOKEN}])
        found = service.client(catalog, catalog=str(catalog), access=rules)
    with found:
        assert get(found, TILE, GOOD).status_code == 200, "the tile is in memory from now on"
        yield found


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_wrong_signatures(quick: TestClient, name: str, method: str) -> None:
    answer = get(quick, TILE, WRONG[name], method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    if method != "HEAD":
        assert answer.json()["code"] == "unauthorized"


def test_what_the_caller_knows_already_needs_a_signature_too(quick: TestClient) -> None:
    tag = get(quick, TILE, GOOD).headers["etag"]
    known = {"if-none-match": tag}
    assert quick.get(TILE, params={"access_signature": GOOD}, headers=known).status_code == 304
    for wrong in (WRONG["expired by a second"], WRONG["of another layer"], ""):
        answer = quick.get(TILE, params={"access_signature": wrong}, headers=known)
        assert answer.status_code == 401


def test_other_methods(quick: TestClient) -> None:
    head = get(quick, TILE, GOOD, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert get(quick, TILE, GOOD, "DELETE").status_code == 405


OTHERS = [
    f"/other/{PLACE}",
    f"/unstored/other/{PLACE}",
    "/layers/other/info",
    "/layers/other/preview.png",
    "/other",
    "/other/wmts",
    "/collections/other",
    f"/dem/../other/{PLACE}",
    f"/dem/%2e%2e/other/{PLACE}",
    f"/dem/%2E%2E%2Fother/{PLACE}",
    f"/dem%2f..%2fother/{PLACE}",
    f"/layers/dem/../other/tiles/{PLACE}",
    "/layers/dem/%2e%2e/other/info",
    f"//other/{PLACE}",
    f"//dem//../other/{PLACE}",
    f"/./other/{PLACE}",
    f"/dem//{PLACE}",
    f"/DEM/{PLACE}",
    f"/dem%20/{PLACE}",
    f"/dem%00/{PLACE}",
    f"/dem;other/{PLACE}",
    f"/%64em/../other/{PLACE}",
    "/layers",
    "/layers/",
    "/layers/dem,other/info",
    "/map",
    "/wmts",
    "/wms",
    "/collections",
    "/",
    "/conformance",
    "/cog/info",
    "/api/../layers",
    "/static/../layers",
    "/static/%2e%2e/other/info",
]


@pytest.mark.parametrize("raw", OTHERS)
def test_no_path_leads_to_anything_else(quick: TestClient, raw: str) -> None:
    status = ask(quick, raw, f"access_signature={GOOD}")
    assert status in {401, 404}
    # and where a router would find something there, it is the guard that says no
    if ask(quick, raw, f"access_token={TOKEN}") == 200:
        assert status == 401


def test_one_may_write_a_path_in_other_letters(quick: TestClient) -> None:
    assert ask(quick, f"/%64em/{quote(PLACE)}", f"access_signature={GOOD}") == 200


def test_a_layer_named_in_the_query_is_not_the_one_that_is_served(client: TestClient, catalog: Path) -> None:
    place = {"TILEMATRIXSET": "WebMercatorQuad", "TILEMATRIX": "8", "TILEROW": "90", "TILECOL": "134"}
    keys = {"REQUEST": "GetTile", "SERVICE": "WMTS", "FORMAT": "image/png", "LAYER": "other", **place}
    found = get(client, "/dem/wmts", GOOD, **keys)
    assert found.status_code == 200
    assert (service.pixels(found.content)[..., 0].max()) == 50
    other = client.get("/other/wmts", params=keys | {"access_token": TOKEN})
    assert service.pixels(other.content)[..., 0].max() == 200
    wanted: dict[str, Any] = {
        "SERVICE": "WMS",
        "REQUEST": "GetMap",
        "LAYERS": "other",
        "WIDTH": 8,
        "HEIGHT": 8,
        "CRS": "CRS:84",
    }
    box = {"BBOX": "8.2,46.2,8.8,46.8", "VERSION": "1.3.0", "FORMAT": "image/png", "STYLES": ""}
    answer = get(client, "/dem/wms", GOOD, **wanted, **box)
    assert not answer.headers["content-type"].startswith("image/")
    source = f"{catalog}/other/raster.tif"
    named = get(client, "/dem/8/134/90.png", GOOD, url=source)
    assert service.pixels(named.content)[..., 0].max() == 50


class TestSources:
    def signature(self, catalog: Path, name: str = "dem") -> str:
        return signed(f"source:{catalog}/{name}/raster.tif")

    def test_good_for_every_route_of_it(self, client: TestClient, catalog: Path) -> None:
        url = f"{catalog}/dem/raster.tif"
        for path in ("/cog/info", f"/cog/tiles/WebMercatorQuad/{PLACE}", "/cog/statistics", "/cog/viewer"):
            assert get(client, path, self.signature(catalog), url=url, rescale="0,255").status_code == 200
        body = json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [8, 46]}})
        posted = client.post(
            "/cog/statistics", params={"url": url, "access_signature": self.signature(catalog)}, content=body
        )
        assert posted.status_code != 401

    @pytest.mark.parametrize(
        "query",
        [
            "url={other}",
            "url={dem}&url={other}",
            "url={other}&url={dem}",
            "URL={other}&url={dem}",
            "url={dem}&Url={other}",
            "url={dem}&%75rl={other}",
            "url={dem}%20",
            "url=file://{dem}",
            "url=/{dem}",
            "url={dem}%3Fx",
            "url=",
            "",
        ],
    )
    def test_no_other_source(self, quick: TestClient, catalog: Path, query: str) -> None:
        text = query.format(dem=f"{catalog}/dem/raster.tif", other=f"{catalog}/other/raster.tif")
        signature = self.signature(catalog)
        assert ask(quick, "/cog/info", f"{text}&access_signature={signature}") == 401

    def test_the_catalog_is_no_source(self, quick: TestClient, catalog: Path) -> None:
        signature, url = self.signature(catalog), f"{catalog}/dem/raster.tif"
        assert get(quick, TILE, signature, url=url).status_code == 401
        assert get(quick, "/cog/info", GOOD, url="dem").status_code == 401

    def test_no_more_than_one_query_can_have(self, quick: TestClient, catalog: Path) -> None:
        text = "&".join(f"a{number}=1" for number in range(3000))
        assert ask(quick, "/cog/info", f"url={catalog}/dem/raster.tif&{text}&access_signature={GOOD}") == 401


def test_of_a_parameter_that_is_repeated_the_last_counts(quick: TestClient) -> None:
    bad = WRONG["of another layer"]
    assert ask(quick, TILE, f"access_signature={bad}&access_signature={GOOD}") == 200
    assert ask(quick, TILE, f"access_signature={GOOD}&access_signature={bad}") == 401


def test_names_in_capitals_where_case_does_not_count(catalog: Path) -> None:
    settings = {"catalog": str(catalog), "access": access(KEY), "lower_case_query_parameters": True}
    with service.client(catalog, **settings) as client:
        assert ask(client, TILE, f"ACCESS_SIGNATURE={GOOD}") == 200
        assert ask(client, "/cog/info", f"URL={catalog}/other/raster.tif&access_signature={GOOD}") == 401


@pytest.mark.parametrize(("late", "state"), [(-1, "good"), (-0.001, "good"), (0, "expired"), (1, "expired")])
def test_the_second_of_its_end(late: float, state: str) -> None:
    text = signatures.sign(KEY, "layer:dem", 1000)
    assert signatures.verify(text, "layer:dem", [KEY], 1000 + late).state == state


def test_the_clock_is_that_of_the_day(catalog: Path) -> None:
    import asyncio

    settings = Settings(_env_file=None, access=access(KEY))
    moment = [1000.0]
    guard = Guard(settings, rules_of(settings), now=lambda: moment[0])
    scope = {"path": "/dem", "query_string": b"access_signature=" + signatures.sign(KEY, "layer:dem", 2000).encode()}
    caller, _ = asyncio.run(guard.admit(scope, None))
    assert (caller.name, sorted(caller.scopes), caller.expires) == ("key k2", ["read"], 2000)
    moment[0] = 2000.0
    with pytest.raises(Exception, match="has expired"):
        asyncio.run(guard.admit(scope, None))


def test_what_expired_is_no_guess(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """A map that is left open sends many: they are answered at once, and the log is spared."""
    for _ in range(20):
        answer = get(client, TILE, WRONG["expired by a second"])
        assert answer.json()["detail"] == "The signature of this address has expired."
    assert not [record for record in caplog.records if "wrong" in record.getMessage()]


def test_wrong_ones_are_in_the_log_without_their_text(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    wrong = WRONG["of another layer"]
    with caplog.at_level(logging.WARNING, logger="tilery.request"):
        get(client, TILE, wrong)
    lines = [record.getMessage() for record in caplog.records]
    assert any("wrong signature" in line and TILE in line for line in lines)
    assert not any(wrong in line or wrong.split(".")[2] in line for line in lines)
    assert KEY.secret.decode() not in caplog.text


class TestCaches:
    def test_part_of_no_key(self, client: TestClient) -> None:
        path = "/dem/9/268/180.png"
        assert get(client, path, signed("layer:dem", seconds=50)).headers["x-cache"] == "miss"
        for way in (signed("layer:dem", seconds=60), signed("layer:dem", key=OLD)):
            answer = get(client, path, way)
            assert answer.headers["x-cache"] == "hit"
            assert "x-ignored-parameters" not in answer.headers
        assert client.get(path, params={"access_token": TOKEN}).headers["x-cache"] == "hit"

    def test_nobody_keeps_an_answer_for_longer(self, catalog: Path) -> None:
        control = "public, max-age=3600, s-maxage=86400, stale-while-revalidate=600"
        rules = access(KEY)
        with service.client(catalog, catalog=str(catalog), access=rules, cache_control=control) as client:
            answer = get(client, TILE, signed("layer:dem", seconds=100)).headers["cache-control"]
            ages = [int(age) for age in re.findall(r"=(\d+)", answer)]
            assert len(ages) == 3
            assert all(0 < age <= 100 for age in ages)
            longer = get(client, TILE, signed("layer:dem", seconds=10**6)).headers["cache-control"]
            assert longer == control
        with service.client(catalog, catalog=str(catalog), access=rules, cache_control="public") as client:
            assert re.fullmatch(
                r"public, max-age=\d\d", get(client, TILE, signed("layer:dem", seconds=99)).headers["cache-control"]
            )

    def test_documents_with_links_are_each_callers_own(self, client: TestClient) -> None:
        for path in ("/dem", "/dem/wmts", "/layers/dem/WebMercatorQuad/tilejson.json", "/layers/dem/tiles"):
            for seconds in (500, 600):
                text = signed("layer:dem", seconds=seconds)
                for _ in range(2):
                    body = get(client, path, text).text
                    assert text in body
                    assert set(re.findall(r"access_signature=([\w.-]+)", body)) == {text}

    def test_redirects_to_the_store(self, catalog: Path, tmp_path: Path) -> None:
        settings = {"tile_store": str(tmp_path), "tile_store_mode": "redirect", "tile_store_url": "https://store.test"}
        path = "/dem/9/268/180.png"
        with service.client(catalog, catalog=str(catalog), access=access(KEY), **settings) as client:
            for _ in range(100):
                answer = client.get(path, params={"access_signature": GOOD}, follow_redirects=False)
                if answer.status_code == 302:
                    break
                client.app.context.service.cache.clear()  # type: ignore[attr-defined]
                time.sleep(0.02)
            assert answer.status_code == 302
            assert "access_signature" not in answer.headers["location"]
            for method in ("GET", "HEAD"):
                wrong = client.request(
                    method,
                    path,
                    params={"access_signature": WRONG["expired by a second"]},
                    follow_redirects=False,
                )
                assert wrong.status_code == 401

    def test_a_website_of_tiles_is_not_named(self, catalog: Path, tmp_path: Path) -> None:
        settings = {
            "tile_store": str(tmp_path),
            "tile_store_url": "https://store.test",
            "tile_store_layout": "plain",
            "tile_store_first": True,
        }
        with service.client(catalog, catalog=str(catalog), access=access(KEY), **settings) as client:
            assert "store.test" not in get(client, "/dem", GOOD).text


def test_pages_of_other_origins(client: TestClient) -> None:
    origin = {"origin": "https://map.example"}
    wish = origin | {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    preflight = client.options(TILE, headers=wish)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    refused = client.get(TILE, params={"access_signature": WRONG["expired by a second"]}, headers=origin)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    assert client.options(TILE, headers=origin).status_code == 401, "OPTIONS without a wish is no preflight"


class TestMaps:
    """A document or a page that was fetched with a signature has addresses that need nothing else."""

    def works(self, client: TestClient, address: str) -> None:
        parts = urlsplit(address)
        path = parts.path
        for name, value in {"z": 8, "x": 134, "y": 90, "TileMatrix": 8, "TileCol": 134, "TileRow": 90}.items():
            path = path.replace(f"{{{name}}}", str(value)).replace(f"{{{name[:1].lower()}{name[1:]}}}", str(value))
        answer = client.get(f"{path}?{parts.query}".replace("{Style}", "default"))
        assert answer.status_code == 200, (address, answer.text[:200])
        assert answer.headers["content-type"].startswith("image/")
        query = dict(parse_qsl(parts.query))
        assert "access_signature" in query
        without = urlencode({name: value for name, value in query.items() if name != "access_signature"})
        assert client.get(f"{path}?{without}").status_code == 401

    def test_of_a_layer(self, client: TestClient) -> None:
        for path in ("/dem", "/layers/dem/WebMercatorQuad/tilejson.json"):
            self.works(client, get(client, path, GOOD).json()["tiles"][0])
        for path in ("/dem/wmts", "/layers/dem/WMTSCapabilities.xml"):
            text = get(client, path, GOOD).text
            templates = [found.replace("&amp;", "&") for found in re.findall(r'template="([^"]+)"', text)]
            assert templates
            self.works(client, templates[0])
        text = get(client, "/dem/wms", GOOD).text
        assert f"access_signature={GOOD}" in text
        tilesets = get(client, "/layers/dem/tiles", GOOD).json()["tilesets"]
        address = next(link["href"] for link in tilesets[0]["links"] if "access_signature" in link["href"])
        assert client.get(address).status_code == 200

    def test_of_a_source(self, client: TestClient, catalog: Path) -> None:
        url = f"{catalog}/dem/raster.tif"
        signature = signed(f"source:{url}")
        document = get(client, "/cog/WebMercatorQuad/tilejson.json", signature, url=url, rescale="0,255").json()
        self.works(client, document["tiles"][0])
        page = get(client, "/cog/WebMercatorQuad/map.html", signature, url=url).text
        data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
        assert ["access_signature", signature] in data["tiles"]["query"]
        self.works(client, f"/{data['tiles']['path']}?{urlencode(list(map(tuple, data['tiles']['query'])))}")

    def test_what_pages_choose_from_is_open(self, client: TestClient, catalog: Path) -> None:
        for path in ("/colorMaps", "/colorMaps/viridis?f=png", "/algorithms", "/tileMatrixSets"):
            assert client.get(path).status_code == 200
        with service.client(catalog, access_token="sesame") as closed:
            assert closed.get("/colorMaps").status_code == 401


def test_pixels_are_those_without_a_signature(client: TestClient, catalog: Path) -> None:
    signed_ = service.pixels(get(client, TILE, GOOD).content)
    with service.client(catalog, catalog=str(catalog)) as free:
        assert np.array_equal(signed_, service.pixels(free.get(TILE).content))

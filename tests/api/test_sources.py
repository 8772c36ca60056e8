"""``/sources``: lists of what may be read, for those who may see them, and sentences for all else."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api import sources
from app.api.app import create_app
from app.config.settings import Settings
from tests.support import items, rasters, service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.storage.listing import local

HTML = {"accept": "text/html"}


def item(**assets: str) -> dict[str, Any]:
    return items.item(assets={name: {"href": href, "type": items.COG} for name, href in assets.items()})


def catalog(*links: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "all", "title": "<b>All</b>", "links": [*links], **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("files").resolve()
    found = top / "in & out"
    (found / "deep").mkdir(parents=True)
    (found / ".hidden").mkdir()
    rasters.rgb(found / "a.tif", size=64)
    rasters.gradient(found / "deep" / "<b>.tif", size=64)
    for name in (".hidden/a.tif", ".secret.tif", "notes.txt", "raster.tif.aux.xml"):
        (found / name).write_text("not to be named")
    (found / "key.json").write_text('{"type": "service_account", "private_key": "SECRET"}')
    (found / "item.json").write_text(json.dumps(item(data="./a.tif", far="https://elsewhere.example.com/a.tif")))
    links = (
        {"rel": "item", "href": "item.json", "title": "A scene"},
        {"rel": "child", "href": "sub/catalog.json"},
        {"rel": "child", "href": "https://elsewhere.example.com/catalog.json"},
        {"rel": "item", "href": "../../passwd.json"},
        {"rel": "self", "href": "catalog.json"},
    )
    (found / "catalog.json").write_text(json.dumps(catalog(*links)))
    (found / "mosaic.json.gz").write_bytes(gzip.compress(b'{"mosaicjson": "0.0.3", "tiles": {}}'))
    (top / "passwd.json").write_text(json.dumps(item(data="a.tif")))
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(folder, browse=True) as found:
        yield found


def listed(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/sources", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["name"], entry["kind"]) for entry in found["entries"]]


def test_it_is_off_unless_it_is_wanted(folder: Path) -> None:
    with service.client(folder) as closed:
        assert closed.get("/sources").status_code == 404
        assert "/sources" not in closed.get("/api").json()["paths"]
        assert "/sources" not in closed.get("/", headers=HTML).text


def test_a_folder(client: TestClient, folder: Path) -> None:
    first = listed(client)
    assert [(entry["url"], entry["kind"]) for entry in first["entries"]] == [(f"{folder}/", "folder")]
    found = listed(client, url=first["entries"][0]["url"])
    assert named(found) == [
        ("deep", "folder"),
        ("a.tif", "raster"),
        ("catalog.json", "stac-catalog"),
        ("item.json", "stac-item"),
        ("mosaic.json.gz", "mosaic"),
    ]
    raster = found["entries"][1]
    assert raster["size"] == (folder / "a.tif").stat().st_size
    ways = {link["rel"]: link["href"] for link in raster["links"]}
    assert client.get(ways["describedby"]).json()["width"] == 64
    assert service.pixels(client.get(ways["preview"]).content).shape[:2] == (64, 64)
    assert client.get(ways["alternate"]).status_code == 200
    assert {link["rel"] for link in found["links"]} == {"self", "up"}


def test_pages_lead_on(client: TestClient, folder: Path) -> None:
    names: list[str] = []
    found = listed(client, url=f"{folder}/", limit=2)
    while True:
        names += [entry["name"] for entry in found["entries"]]
        onward = [link["href"] for link in found["links"] if link["rel"] == "next"]
        if not onward:
            break
        found = client.get(onward[0]).json()
    assert sorted(names) == ["a.tif", "catalog.json", "deep", "item.json", "mosaic.json.gz"]


def test_documents_of_stac(client: TestClient, folder: Path) -> None:
    found = listed(client, url=f"{folder}/catalog.json")
    assert named(found) == [("A scene", "stac-item"), ("sub", "stac-catalog")]
    assert (found["refused"], found["title"]) == (2, "<b>All</b>")
    assert "elsewhere" not in json.dumps(found)
    assert "passwd" not in json.dumps(found)
    found = listed(client, url=f"{folder}/item.json")
    assert [(entry["name"], entry["url"]) for entry in found["entries"]] == [("data", f"{folder}/a.tif")]
    assert found["refused"] == 1


def test_words_find_files_in_folders_below(client: TestClient, folder: Path) -> None:
    assert named(listed(client, url=f"{folder}/", q="DEEP tif")) == [("deep/<b>.tif", "raster")]
    assert named(listed(client, url=f"{folder}/", q="secret")) == []


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("{folder}/..", 403),
        ("{folder}/../", 403),
        ("{folder}/.hidden/", 403),
        ("{folder}/../passwd.json", 403),
        ("{folder}/deep/../../", 403),
        ("/etc/", 403),
        ("/etc/passwd", 403),
        ("file:///etc/", 403),
        ("s3://bucket/", 403),
        ("https://elsewhere.example.com/catalog.json", 403),
        ("http://169.254.169.254/latest/meta-data/", 403),
        ("/vsizip/etc/", 403),
        ("nonsense", 422),
        ("{folder}/key.json", 415),
        ("{folder}/gone/", 404),
        ("{folder}/gone.json", 404),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(client: TestClient, folder: Path, url: str, status: int) -> None:
    address = url.format(folder=folder)
    answer = client.get("/sources", params={"url": address})
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")
    assert "SECRET" not in answer.text
    page = client.get("/sources", params={"url": address}, headers=HTML)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert answer.json()["detail"] in page.text.replace("&#39;", "'")


def test_the_page_shows_names_as_text(client: TestClient, folder: Path) -> None:
    page = client.get("/sources", params={"url": f"{folder}/deep/"}, headers=HTML)
    assert page.status_code == 200
    assert "&lt;b&gt;.tif" in page.text
    assert "<b>" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    titled = client.get("/sources", params={"url": f"{folder}/catalog.json"}, headers=HTML).text
    assert "&lt;b&gt;All&lt;/b&gt;" in titled
    assert "2 more lead where this server may not read." in titled
    assert re.search(r'<a href="\./sources\?f=html">Files</a>', client.get("/", headers=HTML).text)


def test_a_raster_is_shown_by_the_viewer(client: TestClient, folder: Path) -> None:
    answer = client.get("/sources", params={"url": f"{folder}/a.tif"}, headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("./cog/viewer?url=")
    found = listed(client, url=f"{folder}/a.tif")
    assert (found["kind"], found["entries"]) == ("raster", [])


def test_other_sites_see_no_lists(client: TestClient) -> None:
    for name in ("https://evil.example.com", "null", "http://localhost:1"):
        answer = client.get("/sources", headers={"origin": name})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    own = client.get("/sources", headers={"origin": "http://localhost"})
    assert own.status_code == 200
    assert own.headers["cache-control"] == "private, no-store"
    assert own.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_site_that_may_call_the_api_sees_them(folder: Path) -> None:
    with service.client(folder, browse=True, cors_origins="https://maps.example.com") as found:
        assert found.get("/sources", headers={"origin": "https://maps.example.com"}).status_code == 200
        assert found.get("/sources", headers={"origin": "https://evil.example.com"}).status_code == 403


def local_client(folder: Path, **settings: Any) -> TestClient:
    """Return a client on this machine of a server that only this machine can reach."""
    app = create_app(Settings(_env_file=None, sources=str(folder), browse=True, **settings))
    return TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 4000))


def test_a_name_that_leads_to_this_machine_is_not_enough(folder: Path) -> None:
    """DNS rebinding: a site's own name, which suddenly means 127.0.0.1."""
    with local_client(folder) as found:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert found.get("/sources", headers={"host": host}).status_code == 200, host
        for host in ("evil.example.com", "evil.example.com:8000", "localhost.evil.example.com"):
            assert found.get("/sources", headers={"host": host}).status_code == 403, host
        forwarded = found.get("/sources", headers={"x-forwarded-for": "8.8.8.8"})
        assert (forwarded.status_code, forwarded.json()["code"]) == (403, "forbidden")
    with local_client(folder, public_url="https://tiles.example.com") as found:
        headers = {"host": "tiles.example.com", "x-forwarded-for": "8.8.8.8"}
        assert found.get("/sources", headers=headers).status_code == 200


def test_who_needs_a_token_needs_it_for_lists(folder: Path) -> None:
    with service.client(folder, browse=True, access_token="a-token-of-tests") as found:
        assert found.get("/sources").status_code == 401
        page = found.get("/sources", params={"url": f"{folder}/", "access_token": "a-token-of-tests"}, headers=HTML)
        assert page.status_code == 200
        assert page.text.count("access_token=a-token-of-tests") > 4


def test_listing_is_done_by_threads_of_its_own(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    known = local.page

    def noted(*arguments: Any) -> Any:
        seen.append(threading.current_thread().name)
        return known(*arguments)

    monkeypatch.setattr(local, "page", noted)
    listed(client, url=f"{folder}/deep/")
    assert len(seen) == 1
    assert seen[0].startswith("io")


def test_a_bucket(s3: S3, tmp_path: Path) -> None:  # noqa: F811  the fixture
    s3.bucket("files")
    s3.put("files", "in/a.tif", rasters.rgb(tmp_path / "a.tif", size=64).read_bytes())
    s3.put("files", "in/deep/b.tif", b"1234")
    s3.put("files", "in/notes.txt", b"no raster")
    s3.put("files", "in/key.json", b'{"private_key": "SECRET"}')
    s3.put("files", "in/item.json", json.dumps(item(data="./a.tif", up="../out/c.tif")).encode())
    s3.put("files", "out/c.tif", b"1234")
    with service.client("s3://files/in", browse=True, s3_endpoint=s3.endpoint) as found:
        first = listed(found)
        assert [entry["url"] for entry in first["entries"]] == ["s3://files/in/"]
        body = listed(found, url="s3://files/in/")
        assert named(body) == [("deep", "folder"), ("a.tif", "raster"), ("item.json", "stac-item")]
        ways = {link["rel"]: link["href"] for link in body["entries"][1]["links"]}
        assert found.get(ways["describedby"]).json()["width"] == 64
        assert named(listed(found, url="s3://files/in/item.json")) == [("data", "raster")]
        assert named(listed(found, url="s3://files/in/", q="b.tif")) == [("deep/b.tif", "raster")]
        for url in ("s3://files/", "s3://files/out/", "s3://files/in/../out/", "s3://other/in/"):
            assert found.get("/sources", params={"url": url}).status_code == 403, url
        page = found.get("/sources", params={"url": "s3://files/in/"}, headers=HTML)
        assert "secret-of-tests" not in page.text
    with service.client("s3://not-there/", browse=True, s3_endpoint=s3.endpoint) as found:
        answer = found.get("/sources", params={"url": "s3://not-there/"})
        assert answer.status_code in (404, 502)
        assert answer.json()["detail"].endswith(".")


def test_addresses_that_are_remembered_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.context.KEPT_LOCATIONS", 2)
    locations = create_app(Settings(_env_file=None, sources=f"{folder}/")).context.locations
    for name in ("a", "b", "a", "c"):
        assert locations.of(f"{folder}/{name}.tif").url.endswith(f"/{name}.tif")
    assert set(locations._found) == {f"{folder}/{name}.tif" for name in ("b", "c")}


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (812, "812 B"), (1000, "1.0 kB"), (1_400_000_000, "1.4 GB"), (123_456, "123 kB"), (7e15, "7000 TB")],
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert sources.bytes_in_words(int(size)) == words


def test_a_list_of_items_leads_to_its_next_page(client: TestClient, folder: Path) -> None:
    """As a page that was saved of a STAC API's search does; what may not be read is not linked to."""
    query = {"url": f"{folder}/page.json"}
    for address, onward in ((f"{folder}/item.json", True), ("https://elsewhere.example.com/2", False)):
        document = {
            "type": "FeatureCollection",
            "features": [item(data=f"{folder}/a.tif")],
            "links": [{"rel": "next", "href": address}],
        }
        (folder / "page.json").write_text(json.dumps(document))
        links = {link["rel"]: link["href"] for link in client.get("/sources", params=query).json()["links"]}
        page = client.get("/sources", params=query, headers=HTML).text
        assert (("next" in links), ('rel="next"' in page)) == (onward, onward)
        if onward:
            assert client.get(links["next"]).json()["url"] == address

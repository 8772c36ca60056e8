"""Pages: nothing of the caller's gets in unescaped, nothing is fetched from elsewhere, links hold under a prefix."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient

from app.api import static_files, viewer
from tests.support import rasters, service
from tilery.geo import tms

ATTACK = """"><script>alert('x')</script>&{{7*7}}"""


class Page(HTMLParser):
    """What a browser would fetch and run of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.inline_scripts = 0
        self.handlers: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        self._in_data = tag == "script" and given.get("type") == "application/json"
        if tag == "script" and not given.get("src") and not self._in_data:
            self.inline_scripts += 1
        if tag in ("script", "img") and given.get("src"):
            self.addresses.append(given["src"] or "")
        if tag == "link" and given.get("href"):
            self.addresses.append(given["href"] or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("rasters")
    rasters.rgb(found / "image.tif", size=64)
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(f"{folder}/", name=f"Tiles {ATTACK}", description=ATTACK) as found:
        yield found


@pytest.fixture(params=["landing", "map", "viewer", "leaflet", "tileset", "colormaps", "colormap", "swagger", "redoc"])
def path(request: pytest.FixtureRequest, folder: Path) -> str:
    url = f"{folder}/image.tif"
    return {
        "landing": "/?f=html",
        "map": "/map",
        "viewer": f"/cog/viewer?url={url}",
        "leaflet": f"/cog/WebMercatorQuad/map.html?url={url}",
        "tileset": f"/cog/tiles/WebMercatorQuad?url={url}&f=html",
        "colormaps": "/colorMaps?f=html",
        "colormap": "/colorMaps/accent?f=html",
        "swagger": "/api.html",
        "redoc": "/redoc",
    }[request.param]


def test_a_page_may_load_only_our_own(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", maxsplit=1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    page = Page(answer.text)
    assert page.inline_scripts == 0
    assert page.handlers == []
    for address in page.addresses:
        absolute = urljoin(f"http://localhost{path}", address)
        assert urlsplit(absolute).netloc == "localhost"
        if "/vendor/" not in absolute:
            assert client.get(absolute).status_code == 200, address


def test_what_the_operator_and_the_caller_say_is_escaped(client: TestClient, path: str) -> None:
    separator = "&" if "?" in path else "?"
    text = client.get(f"{path}{separator}extra={ATTACK}&access_token={ATTACK}").text
    assert "alert('x')" not in re.sub(r"&lt;script&gt;.*?&lt;/script&gt;", "", text.replace("&#39;", "'"))
    assert "<script>alert" not in text
    assert "49" not in re.findall(r"&amp;(\d+)", text)
    json.loads(Page(text).data)


def test_every_page_has_a_title_a_language_and_a_viewport(client: TestClient, path: str) -> None:
    text = client.get(path).text
    assert '<html lang="en"' in text
    assert re.search(r"<title>\S.*</title>", text)
    assert 'name="viewport"' in text


@pytest.mark.parametrize("prefix", ["", "/maps/v1"])
def test_pages_find_their_parts_under_any_prefix(folder: Path, prefix: str) -> None:
    with service.client(f"{folder}/", root_path=prefix) as client:
        for path in ("/", "/map", "/cog/viewer", f"/cog/WGS1984Quad/map.html?url={folder}/image.tif", "/api.html"):
            for way in {prefix, ""}:
                separator = "&" if "?" in path else "?"
                answer = client.get(f"{way}{path}{separator}f=html")
                assert answer.status_code == 200, path
                page = Page(answer.text)
                own = [address for address in page.addresses if "/static/" in f"/{address}" and "vendor" not in address]
                assert own
                for address in own:
                    absolute = urljoin(f"http://localhost{way}{path}", address)
                    assert urlsplit(absolute).path.startswith(f"{way}/static/")
                    assert client.get(absolute).status_code == 200


def test_a_public_address_may_be_asked_from_the_pages() -> None:
    with service.client(public_url="https://tiles.example.com/maps") as client:
        policy = client.get("/map").headers["content-security-policy"]
    assert "connect-src 'self' https://tiles.example.com;" in policy
    assert "script-src 'self';" in policy


@pytest.mark.parametrize(
    ("basemap", "kind"),
    [
        ("https://maps.example.com/styles/light.json?key=a%20b", "style"),
        ("https://maps.example.com/{z}/{x}/{y}.png", "tiles"),
    ],
)
def test_the_pages_may_ask_the_one_host_of_the_operators_basemap(basemap: str, kind: str) -> None:
    with service.client(basemap=basemap, basemap_attribution="Us") as client:
        answer = client.get("/map")
    policy = dict(part.strip().split(" ", maxsplit=1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["connect-src"] == "'self' https://maps.example.com"
    assert policy["img-src"] == "'self' data: blob: https://maps.example.com"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert json.loads(Page(answer.text).data)["basemap"] == {"kind": kind, "url": basemap, "attribution": "Us"}


def test_the_map_of_a_raster_says_what_leaflet_needs(client: TestClient, folder: Path) -> None:
    query = f"url={folder}/image.tif&rescale=0,255&minzoom=3&access_token=t"
    data = json.loads(Page(client.get(f"/cog/UPSArcticWGS84Quad/map.html?{query}").text).data)
    grid = tms.get("UPSArcticWGS84Quad")
    assert data["root"] == "../../"
    assert data["set"]["id"] == grid.id
    assert "+proj=stere" in data["set"]["proj4"]
    assert data["set"]["cells"] == [matrix.cell_size for matrix in grid.matrices]
    assert data["tiles"]["path"] == "cog/tiles/UPSArcticWGS84Quad/{z}/{x}/{y}"
    names = [name for name, _ in data["tiles"]["query"]]
    assert "rescale" in names
    assert "minzoom" not in names
    assert [name for name, _ in data["point"]["query"]] == ["url"]
    assert min(map(int, data["limits"])) == 3


def test_sets_with_merged_tiles_are_shown_in_mercator_with_a_note(client: TestClient, folder: Path) -> None:
    data = json.loads(Page(client.get(f"/cog/CDB1GlobalGrid/map.html?url={folder}/image.tif").text).data)
    assert data["set"]["id"] == "WebMercatorQuad"
    assert "CDB1GlobalGrid" in data["note"]


@pytest.mark.parametrize("name", tms.names())
def test_every_even_set_can_be_told_to_the_browser(name: str) -> None:
    grid = tms.get(name)
    if any(matrix.coalesce for matrix in grid.matrices):
        pytest.skip("merged tiles: shown in mercator")
    told = viewer.described(grid)
    assert told["proj4"].startswith("+proj=")
    assert told["cells"] == sorted(told["cells"], reverse=True)


# Static files


def test_a_static_file_is_kept_for_ever_under_its_version(client: TestClient) -> None:
    answer = client.get("/" + static_files.address("tilery.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["x-content-type-options"] == "nosniff"
    other = client.get("/static/000000000000/tilery.css")
    assert other.content == answer.content
    assert other.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["nothing.js", "../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "//etc/passwd", "vendor/.made", ""]
)
def test_nothing_else_is_a_static_file(client: TestClient, name: str) -> None:
    answer = client.get(f"/static/x/{name}")
    assert answer.status_code in (307, 404)
    assert "import" not in answer.text


def test_a_compressed_copy_is_sent_to_who_takes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "big.js").write_bytes(b"plain")
    (tmp_path / "big.js.br").write_bytes(b"brotli")
    (tmp_path / "big.js.gz").write_bytes(b"gzip")
    monkeypatch.setattr(static_files, "FOLDER", tmp_path)
    static_files.listed.cache_clear()
    try:
        with service.client() as client:
            for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip"), ("identity", None), ("br;q=0", None)):
                with client.stream("GET", "/static/x/big.js", headers={"Accept-Encoding": accepted}) as answer:
                    body = b"".join(answer.iter_raw())
                    assert answer.headers.get("content-encoding") == encoding
                assert body == {"br": b"brotli", "gzip": b"gzip", None: b"plain"}[encoding]
                assert "accept-encoding" in answer.headers["vary"].lower()
    finally:
        static_files.listed.cache_clear()


@pytest.mark.parametrize("built", [True, False])
def test_a_page_without_its_scripts_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch, built: bool) -> None:
    if not built:
        found = static_files.listed()
        ours = {name: path for name, path in found.paths.items() if not name.startswith("vendor/")}
        monkeypatch.setattr(static_files, "listed", lambda: replace(found, paths=ours))
    said = html.escape(static_files.NOT_BUILT, quote=False).replace("'", "&#39;")
    for path in ("/map", "/cog/viewer", "/api.html"):
        assert (said in client.get(path).text) is not built
    assert said not in client.get("/", headers={"Accept": "text/html"}).text, "this page has none"


def test_an_operators_template_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "map.html").write_text("<p>{{ service }}</p>")
    with service.client(template_directory=str(tmp_path), name="<Mine>") as client:
        assert client.get("/map").text == "<p>&lt;Mine&gt;</p>"
        assert client.get("/cog/viewer").status_code == 200


def test_layers_have_cards_that_escape_their_documents(tmp_path: Path) -> None:
    document = {
        "name": ATTACK,
        "description": ATTACK,
        "attribution": f"<a href='https://example.com'>Somebody</a>{ATTACK}",
        "source": "/nowhere/image.tif",
        "bounds": [0, 0, 1, 1],
        "minzoom": 0,
        "maxzoom": 1,
        "revision": "1",
    }
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.json").write_text(json.dumps(document))
    with service.client(catalog=str(tmp_path)) as client:
        for path in ("/?f=html", "/layers?f=html"):
            text = client.get(path).text
            assert "<script>alert" not in text
            assert "Somebody" in text
            assert Page(text).inline_scripts == 0
            assert "./map#layers=one" in Page(text).links
    with service.client() as client:
        assert "The catalog is empty" in client.get("/layers?f=html").text


def test_old_wmts_documents_take_zooms_of_their_own(client: TestClient, folder: Path) -> None:
    query = f"url={folder}/image.tif&minzoom=3&maxzoom=4"
    for path in (
        "/cog/WebMercatorQuad/WMTSCapabilities.xml?",
        "/cog/WMTSCapabilities.xml?TileMatrixSetId=WebMercatorQuad&",
    ):
        answer = client.get(path + query)
        assert "x-ignored-parameters" not in answer.headers
        assert re.findall(r"<TileMatrix>(\d+)</TileMatrix>", answer.text) == ["3", "4"]
        assert "<ows:Identifier>default</ows:Identifier>" in answer.text

"""Problems as pages for people, with the words of the document that programs get."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from tests.support import rasters, service

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}
PICTURE = {"accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
MAPLIBRE = {"accept": "image/webp,*/*"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/no/where", 404),
        ("/cog/tiles/WebMercatorQuad/1/9/0?url={raster}", 404),
        ("/cog/info?url=/etc/passwd", 403),
        ("/cog/info", 422),
        ("/cog/tiles/WebMercatorQuad/0/0/0?url={raster}&bidx=%3Cscript%3E", 422),
    ],
)
def test_a_browser_gets_the_sentence_of_the_problem_as_a_page(tmp_path: Path, path: str, status: int) -> None:
    path = path.format(raster=rasters.rgb(tmp_path / "image.tif", size=64))
    with service.client(f"{tmp_path}/") as client:
        page = client.get(path, headers=BROWSER)
        problem = client.get(path)
        for others in (PICTURE, MAPLIBRE, {"accept": "*/*"}, {"accept": "application/json,text/html"}):
            assert client.get(path, headers=others).json()["detail"] == problem.json()["detail"]
        assert client.get(f"{path}{'&' if '?' in path else '?'}f=json", headers=BROWSER).json()["code"]
    assert page.status_code == problem.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert problem.json()["detail"] in unescape(page.text)
    assert page.headers["x-request-id"] in page.text
    assert "<script>" not in page.text


def test_what_a_problem_says_in_headers_a_page_of_it_says_too(tmp_path: Path) -> None:
    with service.client(f"{tmp_path}/", access_token="a" * 16) as client:
        page = client.get("/map", headers=BROWSER)
        wrong = client.post("/map", headers=BROWSER)
        right = client.post("/map?access_token=" + "a" * 16, headers=BROWSER)
    assert page.status_code == 401
    assert page.headers["www-authenticate"] == "Bearer"
    assert "An access token is needed" in page.text
    assert wrong.status_code == 401
    assert wrong.json()["code"]
    assert right.status_code == 405
    assert right.headers["allow"]


def test_an_operators_broken_template_leaves_the_document(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("{{ nothing.at.all }}")
    with service.client(template_directory=str(tmp_path)) as client:
        answer = client.get("/nowhere", headers=BROWSER)
    assert answer.status_code == 404
    assert answer.json()["code"] == "layer_not_found"

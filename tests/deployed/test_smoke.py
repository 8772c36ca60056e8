"""The smoke test itself: it passes on a service that is right, and finds each thing that is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.deployed import smoke
from tests.deployed.smoke import NotSoError, Service
from tests.support.http_server import Handler, HttpServer
from tests.support.rasters import write
from tests.support.service import client

Change = Callable[[str, httpx.Response], httpx.Response]


@contextmanager
def served(app: TestClient, change: Change | None = None) -> Iterator[str]:
    """The address of a server before the application that may change its answers."""

    class Front(Handler):
        def do_GET(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            headers.setdefault("Accept-Encoding", "identity")
            with app.stream(self.command, self.path, headers=headers, follow_redirects=False) as streamed:
                raw = b"".join(streamed.iter_raw())
                found = httpx.Response(streamed.status_code, headers=streamed.headers)
            found.extensions["body"] = raw
            answer = change(self.path, found) if change else found
            body: bytes = answer.extensions["body"]
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in {"content-length", "transfer-encoding", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if self.command != "HEAD" else 0))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

    with HttpServer(Front) as server:
        yield server.address


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rasters")
    rows, columns = np.mgrid[0:256, 0:256]
    write(folder / "bytes.tif", np.stack([columns, rows, columns ^ rows]).astype("uint8"))
    write(folder / "heights.tif", (columns * 3.5 + rows * 7.25 - 200)[None].astype("float32"), nodata=-9999)
    return folder


def outcome(url: str, source: Path | None, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    bad = smoke.run(Service(url=url, source=str(source) if source else None))
    return bad, capsys.readouterr().out


@pytest.mark.parametrize("name", ["bytes.tif", "heights.tif"])
def test_a_service_that_is_right_passes(rasters: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with client(rasters) as app, served(app) as url:
        bad, said = outcome(url, rasters / name, capsys)
    assert bad == 0, said
    assert "10 of 10 are right" in said


def test_without_a_raster_it_says_what_it_left_out(rasters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with client(rasters) as app, served(app) as url:
        bad, said = outcome(url, None, capsys)
    assert bad == 0, said
    assert "5 of 5 are right" in said
    assert "name a raster with SOURCE=" in said


def dropped(header: str) -> Change:
    def change(_: str, answer: httpx.Response) -> httpx.Response:
        answer.headers.pop(header, None)
        return answer

    return change


def other_pixels(path: str, answer: httpx.Response) -> httpx.Response:
    if "/tiles/" in path and answer.status_code == 200:
        image = Image.open(io.BytesIO(answer.extensions["body"])).convert("RGBA")
        moved = Image.fromarray(np.roll(np.asarray(image), 40, axis=1))
        written = io.BytesIO()
        moved.save(written, "PNG")
        answer.extensions["body"] = written.getvalue()
    return answer


def as_text(path: str, answer: httpx.Response) -> httpx.Response:
    """Return what a front does that does not know binary bodies."""
    if "/tiles/" in path:
        answer.extensions["body"] = answer.extensions["body"].decode("utf-8", "replace").encode()
    return answer


def of_another_place(_: str, answer: httpx.Response) -> httpx.Response:
    answer.extensions["body"] = answer.extensions["body"].replace(b"127.0.0.1", b"10.0.0.1")
    return answer


def always(status: int) -> Change:
    def change(_: str, answer: httpx.Response) -> httpx.Response:
        answer.status_code = status
        return answer

    return change


@pytest.mark.parametrize(
    ("change", "marks"),
    [
        (dropped("etag"), ["answers 304 to who has it"]),
        (dropped("cache-control"), ["answers 304 to who has it"]),
        (dropped("content-encoding"), ["sends JSON with gzip"]),
        (other_pixels, ["draws the right pixels"]),
        (as_text, ["draws the right pixels"]),
        (of_another_place, ["makes links that lead here"]),
        (always(502), ["is well", "has a problem for an unknown path", "draws the right pixels"]),
    ],
    ids=["etag", "cache-control", "gzip", "pixels", "text", "links", "502"],
)
def test_what_is_wrong_is_found(
    rasters: Path, change: Change, marks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with client(rasters) as app, served(app, change) as url:
        bad, said = outcome(url, rasters / "bytes.tif", capsys)
    assert bad >= len(marks), said
    for mark in marks:
        assert f"✗ {mark}" in said, said


def test_a_service_that_reads_what_is_not_listed_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def leaking(path: str, answer: httpx.Response) -> httpx.Response:
        if "passwd" in path:
            answer.extensions["body"] = b'{"code": "x", "detail": "root:x:0:0"}'
        return answer

    with client(tmp_path) as app, served(app, leaking) as url:
        bad, said = outcome(url, None, capsys)
    assert bad == 1, said
    assert "✗ reads nothing that is not listed" in said


def test_nobody_at_home_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    bad, said = outcome("http://127.0.0.1:9", None, capsys)
    assert bad == 5
    assert "no answer: [Errno 111]" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_the_decoder_agrees_with_another(mode: str) -> None:
    """Every filter that Pillow chooses for noise, steps and flat parts."""
    rows, columns = np.mgrid[0:64, 0:64]
    noise = np.random.default_rng(7).integers(0, 255, (64, 64, 4))
    parts = np.where((rows > 32)[..., None], noise, (columns * 3 + rows)[..., None] * [1, 2, 3, 1]).astype("uint8")
    image = Image.fromarray(parts).convert("RGB").convert("P") if mode == "P" else Image.fromarray(parts).convert(mode)
    written = io.BytesIO()
    image.save(written, "PNG")
    expected = np.asarray(image.convert("RGBA") if mode == "P" else image).reshape(64, 64, -1)
    assert np.array_equal(np.array(smoke.decode(written.getvalue())), expected)


def test_a_damaged_picture_is_not_decoded() -> None:
    written = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(written, "PNG")
    body = bytearray(written.getvalue())
    body[-20] ^= 255
    with pytest.raises(NotSoError, match="damaged"):
        smoke.decode(bytes(body))


@pytest.mark.parametrize(("lon", "lat"), [(0.0, 0.0), (8.5, 46.5), (-179.9, -84.0), (151.2, -33.9)])
def test_a_place_and_its_tile_are_the_same(lon: float, lat: float) -> None:
    x, y = smoke.at(lon, lat, 12)
    assert smoke.place(12, x, y) == pytest.approx((lon, lat), abs=1e-9)

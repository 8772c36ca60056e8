"""``tilery serve``: what its PATHs allow and open, and what it says instead of starting."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from app.api import static_files
from app.cli import main
from app.commands import serve_paths, service
from app.process import launcher
from tests.support import rasters as made
from tests.support.ports import free_port
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tests.support.upstream import Upstream
from tilery.errors import NotARaster, RequestError, SourceError, SourceNotFound, UnsupportedRaster

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rasters, one of them in a folder below, and files that are none."""
    found = tmp_path / "my rasters, old"
    (found / "below").mkdir(parents=True)
    made.rgb(found / "a.tif", size=64)
    made.gradient(found / "below" / "b.tif", size=64)
    (found / "notes.txt").write_text("no raster")
    (found / ".hidden.tif").write_text("hidden")
    (found / "elsewhere.tif").symlink_to("/etc/hostname")
    return found


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "WEB_CONCURRENCY": "1", **more}


@contextmanager
def served(*arguments: str | Path, **more: str) -> Iterator[list[str]]:
    """The lines that a server says until it is ready; it ends with the context."""
    command = [sys.executable, "-m", "app", "serve", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(**more)) as server:
        assert server.stderr is not None
        try:
            lines = []
            for line in server.stderr:
                lines.append(line.rstrip())
                if "Ctrl-C" in line:
                    break
            yield lines
        finally:
            server.send_signal(signal.SIGINT)
            server.stderr.read()
            assert server.wait(30) == 0


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> str:
    """Return what is said where no server starts: one line, no traceback, and a status that is not 0."""
    monkeypatch.setattr(sys, "argv", ["tilery", "serve", "--port", str(free_port()), *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    found = capsys.readouterr()
    assert ended.value.code in (2, 3, 4)
    assert found.out == ""
    assert found.err.count("\n") == 1, found.err
    return found.err


def status(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def address_of(lines: list[str], title: str) -> str:
    return next(line.split()[-1] for line in lines if line.strip().startswith(title))


def test_a_folder_with_a_comma_and_a_port_that_is_taken(folder: Path) -> None:
    """The usual port is taken for the time of the test, by somebody else or by it."""
    with socket.socket() as usual:
        with suppress(OSError):  # somebody else has it: as good
            usual.bind(("127.0.0.1", 8000))
            usual.listen()
        with served(folder) as lines:
            assert any(line.startswith("Port 8000 is taken; this is 80") for line in lines)
            assert not any("CDN" in line or static_files.NOT_BUILT in line for line in lines)
            for name in ("a.tif", "b.tif"):
                page = address_of(lines, f"{name}:")
                assert status(page, f"/cog/info?{urlsplit(page).query}") == 200
            assert not any("elsewhere.tif" in line or "notes.txt" in line for line in lines)
            assert status(page, f"/cog/info?url={quote(str(folder / 'elsewhere.tif'))}") == 403
            files = address_of(lines, "All files:")
            assert status(files, f"/sources?url={quote(str(folder))}/") == 200


@pytest.mark.parametrize(
    ("host", "more", "given"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("localhost", {}, True),
        ("0.0.0.0", {}, False),
        ("192.0.2.7", {}, False),
        ("127.0.0.1", {"TILERY_BROWSE": "0"}, False),
        ("127.0.0.1", {"TILERY_ACCESS_TOKEN": "a-token"}, False),
        ("127.0.0.1", {"TILERY_ACCESS": '{"tokens": [{"name": "a", "token": "sixteen-characters"}]}'}, False),
        ("0.0.0.0", {"TILERY_BROWSE": "1"}, True),
    ],
)
def test_files_are_listed_where_only_this_machine_can_ask(
    folder: Path, monkeypatch: pytest.MonkeyPatch, host: str, more: dict[str, str], given: bool
) -> None:
    environments: list[Mapping[str, str]] = []

    def run(_host: str, _port: int, environment: Mapping[str, str], *_: object) -> int:
        environments.append(environment)
        return 0

    for name, value in more.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launcher, "serve", run)
    monkeypatch.setattr(service, "_listening", lambda *_: 8000)
    monkeypatch.setattr(sys, "argv", ["tilery", "serve", "--host", host, str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert (environments[0].get("TILERY_BROWSE", "0") not in ("0", "")) == given


def test_one_file_is_all_that_may_be_read_and_its_page_is_opened(folder: Path) -> None:
    """At a terminal. A program that notes what it is called with stands for the browser."""
    seen, browser = folder.parent / "seen", folder.parent / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > "{seen}.part" && mv "{seen}.part" "{seen}"\n')
    browser.chmod(0o755)
    port = free_port()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app", "serve", str(folder / "a.tif"), "--port", str(port)]
    more = environment(BROWSER=f"{browser} %s", CI="")
    with subprocess.Popen(command, stderr=theirs, stdout=theirs, env=more) as server:
        os.close(theirs)
        text = ""
        while "Ctrl-C" not in text:
            text += os.read(ours, 4096).decode()
        page = address_of(text.splitlines(), "a.tif:")
        assert page == f"http://127.0.0.1:{port}{serve_paths.viewer(str(folder / 'a.tif'))}"
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert b"<html" in answer.read()
        with urllib.request.urlopen(page.replace("/cog/viewer", "/cog/info"), timeout=20) as answer:
            assert json.load(answer)["count"] == 3
        assert status(page, f"/cog/info?url={quote(str(folder / 'below' / 'b.tif'))}") == 403
        for _ in range(200):
            if seen.exists():
                break
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(0.05)
        server.send_signal(signal.SIGINT)
        with suppress(OSError):  # the other end is closed
            while os.read(ours, 4096):
                pass
        os.close(ours)
        assert server.wait(30) == 0
    assert seen.read_text().strip() == page


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TILERY_SOURCES": "/nowhere/"}, "TILERY_SOURCES: there is no /nowhere."),
        ({"TILERY_SOURCE": "{folder}"}, "Did you mean 'TILERY_SOURCES'?"),
        ({"TILERY_CATALOG": "gs://bucket"}, "TILERY_CATALOG: 'gs://bucket' is neither"),
        ({"TILERY_CATALOG": "{folder}/belo"}, "Did you mean 'below'?"),
        ({"TILERY_MAX_SIZE": "many"}, "TILERY_MAX_SIZE: "),
        ({"HOST": "nowhere.invalid"}, "no host 'nowhere.invalid'"),
        ({"TILERY_SOURCES": "s3:/bucket"}, "TILERY_SOURCES: 's3:/bucket': an object is named as s3://bucket/key."),
        ({"WEB_CONCURRENCY": "two"}, "WEB_CONCURRENCY=two has to be a whole number."),
        ({"WEB_CONCURRENCY": "100000"}, "set WEB_CONCURRENCY to at most "),
        ({"MAX_WORKERS": "-1"}, "MAX_WORKERS=-1 has to be"),
        ({"TIMEOUT": "1m"}, "TIMEOUT=1m has to be a whole number of seconds."),
        ({"GRACEFUL_TIMEOUT": "²"}, "GRACEFUL_TIMEOUT=² has to be a whole number of seconds."),
    ],
)
def test_what_is_wrong_is_one_sentence_and_no_server_starts(
    folder: Path,
    variables: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(folder=folder))
    assert said in refused(capsys, monkeypatch)


def test_a_path_that_is_not_there_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = refused(capsys, monkeypatch, folder / "aa.tif")
    assert found == f"Error: There is no {folder}/aa.tif. Did you mean 'a.tif'?\n"


def test_paths_and_a_file_of_sources_do_not_go_together(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sources.json").write_text('{"sources": []}')
    monkeypatch.setenv("TILERY_SOURCES_FILE", str(folder / "sources.json"))
    assert "unset it, or give no PATH" in refused(capsys, monkeypatch, folder)


def test_gunicorn_by_itself_says_it_too() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "python:app.process.gunicorn_conf", "app.main:app"],
        capture_output=True,
        text=True,
        env=environment(TILERY_SOURCES="/nowhere/", PORT=str(free_port())),
        timeout=60,
        check=False,
    )
    assert found.returncode != 0
    assert found.stderr.count("\n") == 1
    assert "TILERY_SOURCES: there is no /nowhere." in found.stderr


def test_what_a_folder_allows_and_shows(folder: Path) -> None:
    found = serve_paths.opening([str(folder)])
    assert found.sources == (f"{folder}/",)
    assert found.rasters == (str(folder / "a.tif"), str(folder / "below" / "b.tif"))
    assert found.page == serve_paths.viewer(str(folder / "a.tif"))
    assert serve_paths.opening([str(folder / "below"), "~"]).sources[0] == f"{folder / 'below'}/"


def test_many_rasters_are_not_all_told(tmp_path: Path) -> None:
    for number in range(serve_paths.SHOWN + 5):
        (tmp_path / f"{number:02}.tif").touch()
    found = serve_paths.opening([str(tmp_path)])
    assert (len(found.rasters), found.more) == (serve_paths.SHOWN, True)
    assert serve_paths.opening([str(tmp_path / "00.tif"), str(tmp_path / "01.tif")]).more is False


def test_what_is_told_of_many_rasters_and_of_none(tmp_path: Path) -> None:
    empty = serve_paths.opening([str(tmp_path)])
    assert service._page(empty, lists=True) == "/sources"
    told = service._shown(empty, "/", lists=False)
    assert told.notes == ["No rasters were looked for there, or none was found; any that is there can be asked for."]
    assert [title for title, _ in told.links] == ["All pages", "The API"]
    for number in range(serve_paths.SHOWN + 1):
        (tmp_path / f"{number:02}.tif").touch()
    many = serve_paths.opening([str(tmp_path)])
    told = service._shown(many, "/", lists=True)
    assert told.notes == [f"And more: these are the first {serve_paths.SHOWN}."]
    assert [title for title, _ in told.links][-3:] == ["All files", "All pages", "The API"]
    assert service._page(None, lists=True) == launcher.MAP
    assert service._shown(None, "/x", lists=True) == launcher.Shown(page="/x")


def test_files_of_one_name_are_told_apart(folder: Path) -> None:
    (folder / "a.tif").rename(folder / "b.tif")
    told = service._shown(serve_paths.opening([str(folder)]), "/", lists=False)
    assert [title for title, _ in told.links[:2]] == [f"{folder.name}/b.tif", "below/b.tif"]
    assert service._names(["/x/a.tif", "/y/a.tif", "https://host/a/y/a.tif?b=c", "/b.tif"]) == [
        "x/a.tif",
        "/y/a.tif",
        "a/y/a.tif",
        "b.tif",
    ]


def test_where_the_pages_were_not_built_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(static_files, "FOLDER", folder)
    monkeypatch.setattr(launcher, "serve", lambda *_: 0)
    monkeypatch.setattr(sys, "argv", ["tilery", "serve", "--port", str(free_port()), str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().err == f"Warning: {static_files.NOT_BUILT}\n"


def test_of_a_large_folder_not_all_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_paths, "_LOOKED_AT", 2)
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        for name in ("1.tif", "2.tif"):
            (tmp_path / folder / name).touch()
    found = serve_paths.opening([str(tmp_path)]).rasters
    assert found == tuple(str(tmp_path / folder / name) for folder in ("a", "b") for name in ("1.tif", "2.tif"))


def test_a_folder_without_rasters_is_served(tmp_path: Path) -> None:
    found = serve_paths.opening([str(tmp_path)])
    assert (found.rasters, found.page) == ((), "/")


def test_a_single_file_that_is_no_raster_or_has_no_place(folder: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10)).save(folder / "photo.jpg")
    with pytest.raises(NotARaster, match=r"notes\.txt: "):
        serve_paths.opening([str(folder / "notes.txt")])
    with pytest.raises(UnsupportedRaster, match=r"photo\.jpg does not say where it is"):
        serve_paths.opening([str(folder / "photo.jpg")])


def test_what_is_no_folder_of_rasters_or_lacks_a_slash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(capsys, monkeypatch, "/") == "Error: '/' is not a folder of rasters.\n"
    said = "Error: 's3:/bucket/a.tif' has one slash where two are meant: s3://bucket/a.tif.\n"
    assert refused(capsys, monkeypatch, "s3:/bucket/a.tif") == said


@pytest.mark.parametrize("path", ["ftp://host/x", "s3://", "https://host:99999/a.tif", "/", "/proc", "https://a b/"])
def test_what_nobody_may_serve(path: str) -> None:
    with pytest.raises((RequestError, SourceError)):
        serve_paths.opening([path])


def test_a_socket_is_neither_file_nor_folder() -> None:
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        serve_paths.opening(["/dev/null"])


def test_objects_and_prefixes_of_a_bucket(s3: S3, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    s3.bucket("served")
    s3.put("served", "maps/a.tif", (folder / "a.tif").read_bytes())
    found = serve_paths.opening(["s3://served/maps/a.tif"])
    assert found.sources == ("s3://served/maps/a.tif",)
    assert found.page == "/cog/viewer?url=s3://served/maps/a.tif"
    assert serve_paths.opening(["s3://served/maps"]).sources == ("s3://served/maps/",)
    assert serve_paths.opening(["s3://served/any/"]).sources == ("s3://served/any/",)
    assert serve_paths.opening(["s3://served"]).sources == ("s3://served",)
    with pytest.raises(SourceNotFound, match="a folder's address ends with a slash"):
        serve_paths.opening(["s3://served/none.tif"])


def test_a_signed_address_is_allowed_without_its_signature(folder: Path) -> None:
    with Upstream() as upstream:
        upstream.put("/maps/a.tif?signature=x,y", (folder / "a.tif").read_bytes())
        address = upstream.url("/maps/a.tif")
        found = serve_paths.opening([f"{address}?signature=x,y"])
        assert found.sources == (address,)
        assert found.rasters == (f"{address}?signature=x,y",)
        with pytest.raises(SourceNotFound):
            serve_paths.opening([upstream.url("/maps/none.tif")])
        assert serve_paths.opening([upstream.root]).sources == (upstream.root,)


def test_make_serve_hands_the_rasters_over(folder: Path) -> None:
    """``make -n`` writes what it would run; the shell's words are looked at by a program that only prints them."""
    text = (ROOT / "Makefile").read_text()
    (recipe,) = [part for part in text.split("\n\n") if part.startswith("# RASTERS")]
    lines = recipe.split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("\t@set -f"))
    script = "\n".join(lines[first:]).replace("\t", "").lstrip("@").replace("$$", "$")
    script = script.replace("exec $(RUN) -m app serve", 'printf "%s|"').replace("$(CURDIR)", "/checkout")
    script += '; echo "${TILERY_CATALOG:-}"'
    for value, said in (
        (str(folder), f"{folder}|\n"),
        (f"~/a {folder.parent}", f"~/a|{folder.parent}|\n"),
        ("/data/*.tif", "/data/*.tif|\n"),
        ("", "|/checkout/.demo\n"),
    ):
        found = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            env={"PATH": os.environ["PATH"], "RASTERS": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout == said


def test_a_signal_before_the_server_hears_ends_it(tmp_path: Path) -> None:
    """A shell starts what runs in the background with Ctrl-C ignored, which processes that are started inherit."""
    program = (
        "import os, signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from app.process import launcher\n"
        "begin = subprocess.Popen\n"
        "def interrupted(*arguments, **more):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return begin(*arguments, **more)\n"
        "subprocess.Popen = interrupted\n"
        f"sys.exit(launcher.serve('127.0.0.1', {free_port()}, os.environ, print, launcher.Shown()))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], env=environment(), timeout=60, check=False)
    assert found.returncode == 0

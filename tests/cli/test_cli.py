"""The command line: what it prints, what it returns."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import rasterio
from click.testing import CliRunner, Result

from app.cli import tilery
from app.commands.exits import lines_of, status_of
from app.config import settings
from app.config.environment import WrongVariables
from app.config.provenance import rows
from tests.support import rasters as made
from tests.support.ports import free_port
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.errors import (
    BrokenRaster,
    CatalogError,
    Conflict,
    InvalidParameter,
    LayerNotFound,
    NotARaster,
    StoreFull,
    TileryError,
    UpstreamError,
)
from tilery.publishing.seed import SeedPart, tiles

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> Result:
    settings.get.cache_clear()
    found = CliRunner().invoke(tilery, [str(argument) for argument in arguments])
    if isinstance(found.exception, TileryError):
        raise found.exception
    return found


def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_settings_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TITILER_API_NAME", "Mine")
    monkeypatch.setenv("TILERY_ACCESS_TOKEN", "very-secret")
    monkeypatch.setenv("TILERY_S3_ENDPOINT", "http://user:password@127.0.0.1:9000")
    (tmp_path / ".env").write_text("TILERY_MAX_SIZE=1000\nTITILER_API_NAME=Other\n")
    settings.get.cache_clear()
    found = {row.variable: row for row in rows()}
    assert (found["TILERY_NAME"].value, found["TILERY_NAME"].origin) == ("Mine", "environment TITILER_API_NAME")
    assert (found["TILERY_MAX_SIZE"].value, found["TILERY_MAX_SIZE"].origin) == ("1000", ".env TILERY_MAX_SIZE")
    assert found["TILERY_DEADLINE"].origin == "default"
    assert found["TILERY_SOURCES"].value == "(not set)"
    output = run("settings").output
    for secret in ("very-secret", "password"):
        assert secret not in output
        assert secret not in run("settings", "--json").output
    assert "TILERY_ACCESS_TOKEN = ********" in output


def test_every_setting_is_explained() -> None:
    for row in rows():
        assert row.variable.startswith("TILERY_")
        assert row.explanation.endswith("."), row.variable
    assert len(json.loads(run("settings", "--json").output)) == len(rows())
    assert run("settings", "--changed").output == ""


def test_a_wrong_setting_is_said_with_its_name() -> None:
    found = command("settings", TILERY_MAX_SIZE="many")
    assert found.returncode == 2
    assert "TILERY_MAX_SIZE" in found.stderr
    assert "Traceback" not in found.stderr


def test_zoom(tmp_path: Path) -> None:
    path = made.gradient(tmp_path / "a.tif", size=512)
    assert run("zoom", path).output.strip() == "10"
    assert run("zoom", path, "--rule", "nearest").output.strip() == "9"
    assert run("zoom", path, "--rule", "lambda").output.strip() == "10"


def test_transcode_overviews_vrt(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=1100, overviews=())
    target = tmp_path / "index.tif"
    assert run("transcode", source, target, "--profile", "zstd").exit_code == 0
    assert run("overviews", target).exit_code == 0
    assert run("vrt", target, tmp_path / "index.vrt").exit_code == 0
    with rasterio.open(target) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.block_shapes[0] == (512, 512)
    with rasterio.open(tmp_path / "index.vrt") as dataset:
        assert dataset.width == 256 * 2 ** int(run("zoom", target, "--rule", "lambda").output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "index.tif", "index.tif.ovr", "index.vrt"]


def test_metadata(tmp_path: Path) -> None:
    found = CliRunner().invoke(tilery, ["metadata", str(made.gradient(tmp_path / "My file.tif", size=300))])
    document = json.loads(found.stdout)
    assert document["id"] == "my-file"
    assert document["statistics"]["b1"]["max"] == 299


def test_publish_list_style_show_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.gradient(tmp_path / "My Alps.tif", size=300)
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    assert "/my-alps/{z}/{x}/{y}.png" in run("publish", source, "--render", "rescale=0,300", "--quiet").stdout
    assert run("publish", source, "--to", tmp_path / "catalog" / "other", "--quiet", "--name", "Other").exit_code == 0
    monkeypatch.setenv("TILERY_PUBLIC_URL", "https://tiles.example.com/")
    again = run("publish", source, "--to", tmp_path / "catalog" / "other", "--quiet", "--name", "Other")
    assert "Map: https://tiles.example.com/other/map\n" in again.stderr
    listed = run("layers", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["my-alps", "other"]
    assert json.loads(run("layers", "list", "--json").stdout)[1]["name"] == "Other"
    run("layers", "style", "my-alps", "hot", "colormap_name=hot&bidx=1", "--title", "Hot")
    run("layers", "style", "my-alps", "default", "rescale=1,2")
    document = json.loads(run("layers", "show", "my-alps").stdout)
    assert document["styles"] == {"hot": {"title": "Hot", "render": {"colormap_name": "hot", "bidx": ["1"]}}}
    assert document["render"] == {"rescale": ["1,2"]}
    run("layers", "style", "my-alps", "hot", "--remove")
    assert json.loads(run("layers", "show", "my-alps").stdout)["styles"] == {}
    assert run("layers", "remove", "my-alps", "--yes").exit_code == 0
    with pytest.raises(LayerNotFound):
        run("layers", "show", "my-alps")
    with pytest.raises(InvalidParameter):
        run("layers", "style", "other", "x", "url=/etc/passwd")


def test_a_layer_whose_document_is_broken_can_be_removed(tmp_path: Path) -> None:
    document = tmp_path / "catalog" / "alps" / "index.json"
    document.parent.mkdir(parents=True)
    document.write_text("no JSON")
    assert run("layers", "remove", "alps", "--yes", "--catalog", tmp_path / "catalog").exit_code == 0
    assert not document.parent.exists()
    with pytest.raises(LayerNotFound):
        run("layers", "remove", "alps", "--yes", "--catalog", tmp_path / "catalog")


def test_a_dry_run_says_what_it_would_do(tmp_path: Path) -> None:
    source = made.rgb(tmp_path / "a.tif", size=1000)
    output = run("publish", source, "--to", tmp_path / "catalog" / "alps", "--dry-run").output
    for word in ("imagery", "zooms", "tiles", "warp", "on this machine"):
        assert word in output
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotARaster("x"), 3),
        (LayerNotFound("x"), 3),
        (StoreFull("x"), 4),
        (UpstreamError("x"), 4),
        (Conflict("x"), 5),
        (InvalidParameter("x"), 2),
        (TileryError("x"), 1),
        (OSError(errno.ENOSPC, "x"), 4),
        (MemoryError(), 1),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_exit_status(error: Exception, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("error", "first", "further"),
    [
        (TileryError("It broke.", private=" by itself "), "Error: It broke.", ["  (by itself)"]),
        (TileryError("It broke."), "Error: It broke.", []),
        (WrongVariables({"A": "is wrong"}), "Error: A: is wrong", []),
        (OSError(errno.ENOSPC, "Full", "/a"), "Error: The disk is full.", ["  ([Errno 28] Full: '/a')"]),
        (OSError(errno.EACCES, "Denied", "/a"), "Error: This user may not use '/a'.", ["  ([Errno 13] Denied: '/a')"]),
        (OSError(errno.EACCES, "Denied"), "Error: This user may not use a file or folder.", ["  ([Errno 13] Denied)"]),
        (MemoryError(), "Error: memory ran out.", []),
        (ZeroDivisionError("division by zero"), "Error: division by zero.", []),
    ],
)
def test_failures_are_told_in_a_sentence(error: Exception, first: str, further: list[str]) -> None:
    told, *rest = lines_of(error)
    assert told.startswith(first)
    assert told.endswith((".", "wrong"))
    assert rest == further


def test_failures_end_with_a_sentence_and_a_status(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no raster")
    found = command("publish", tmp_path / "a.tif", "--to", tmp_path / "catalog" / "alps")
    assert found.returncode == 3
    assert found.stderr.startswith("Error: ")
    assert "Traceback" not in found.stderr
    assert command("publish").returncode == 2
    assert command("publish", tmp_path / "a.tif", "--to", tmp_path / "cog").returncode == 2


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=300)
    for step, name in (("transcode", "a.tif"), ("vrt", "a.vrt")):
        with pytest.raises(CatalogError, match="folder"):
            run(step, source, tmp_path / "nowhere" / name)


def test_a_bucket_alone_is_no_layer(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=300)
    for address in ("s3://bucket", "s3://bucket/"):
        found = run("publish", source, "--to", address)
        assert found.exit_code == 2
        assert "--to s3://bucket/ID" in found.output
    assert list(tmp_path.iterdir()) == [source]


def test_a_dry_run_of_a_damaged_raster_says_so(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=1500, overviews=())
    end = source.stat().st_size
    with rasterio.open(source, "r+") as raster:
        raster.build_overviews([4])  # from which the sample is taken
    body = bytearray(source.read_bytes())
    body[end // 10 : end * 9 // 10] = bytes(end * 9 // 10 - end // 10)
    source.write_bytes(body)
    with pytest.raises(BrokenRaster):
        run("publish", source, "--to", tmp_path / "catalog" / "alps", "--dry-run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_the_map_is_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    port = free_port()
    arguments = [sys.executable, "-m", "app", "serve", "--port", str(port), "--catalog", str(tmp_path)]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as server:
        assert server.stderr is not None
        lines = []
        for line in server.stderr:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        address = next(line.split()[-1] for line in lines if "The map:" in line)
        assert address.startswith(f"http://127.0.0.1:{port}/")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        taken = command("serve", "--port", str(port))
        assert taken.returncode == 2
        assert "already" in taken.stderr
        server.send_signal(number)
        rest = server.stderr.read()
        assert server.wait(30) == 0, rest
    for _ in range(50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.1)
    pytest.fail("the port is still taken")


def test_a_server_that_reads_from_s3_ends_without_a_crash(s3: S3, tmp_path: Path) -> None:  # noqa: F811
    """GDAL closes its handles when the process ends, and those of remote files are ours."""
    s3.bucket("serve")
    source = made.gradient(tmp_path / "a.tif", size=300)
    place = {**os.environ, "TILERY_S3_ENDPOINT": s3.endpoint, "TILERY_CATALOG": "s3://serve/layers"}
    done = command("publish", source, "--to", "s3://serve/layers/alps", "--quiet", **place)
    assert done.returncode == 0, done.stderr
    port = free_port()
    arguments = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with subprocess.Popen(
        arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=place, start_new_session=True
    ) as server:
        assert server.stderr is not None
        assert any("Ctrl-C" in line for line in server.stderr)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/layers/alps/info", timeout=20) as answer:
            assert json.load(answer)["count"] == 2
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert server.wait(30) == 0
    assert "SIGSEGV" not in rest


def test_seeding_fills_the_store_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    run("publish", made.rgb(tmp_path / "a.tif", size=900), "--id", "alps", "--quiet")
    assert run("seed", "alps", "--zooms", "7-9", "--formats", "png,@2x.webp").exit_code == 0
    kept = sorted((tmp_path / "tiles").rglob("*.*"))
    assert kept
    assert {path.suffix for path in kept} == {".png", ".webp"}
    assert kept[0].read_bytes()[:4] in (b"\x89PNG", b"RIFF")
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert run("seed", "alps", "--zooms", "7-9", "--formats", "png,@2x.webp").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    run("publish", made.rgb(tmp_path / "a.tif", size=900), "--id", "alps", "--quiet")
    assert run("seed", "alps", "--zooms", "7").exit_code == 0
    assert run("purge", "alps", "--old").exit_code == 0
    left = list((tmp_path / "tiles").rglob("*.*"))
    assert left
    assert not set(left) & set(kept)
    assert run("purge", "alps").exit_code == 0
    assert not (tmp_path / "tiles" / "alps").exists()


def test_parts_share_the_tiles() -> None:
    world = (-180.0, -85.0, 180.0, 85.0)
    everything = list(tiles(world, 0, 6))
    assert len(everything) == len(set(everything)) == sum(4**zoom for zoom in range(7))
    shares = [set(tiles(world, 0, 6, SeedPart(number=number, of=3))) for number in (1, 2, 3)]
    assert set().union(*shares) == set(everything)
    assert sum(map(len, shares)) == len(everything)
    for wrong in ("0/3", "4/3", "a/b", "3", ""):
        with pytest.raises(InvalidParameter):
            SeedPart.parse(wrong)


def test_a_machine_of_an_array_job_knows_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    run("publish", made.rgb(tmp_path / "a.tif", size=900), "--id", "alps", "--quiet")
    seen: list[set[Path]] = []
    for index in range(3):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "3")
        assert run("seed", "alps", "--zooms", "7-11").exit_code == 0
        seen.append(set((tmp_path / "tiles").rglob("*.png")))
    assert len(seen[0]) < len(seen[1]) < len(seen[2])
    monkeypatch.delenv("AWS_BATCH_JOB_ARRAY_INDEX")
    assert run("seed", "alps", "--zooms", "7-11").exit_code == 0
    assert set((tmp_path / "tiles").rglob("*.png")) == seen[2]
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "0")
    monkeypatch.delenv("AWS_BATCH_JOB_ARRAY_SIZE")
    assert run("purge", "alps").exit_code == 2


def test_seeding_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    run("publish", made.rgb(tmp_path / "a.tif", size=300), "--id", "alps", "--quiet")
    for option, value in [("--formats", "gif"), ("--formats", "@9x.png"), ("--zooms", "9-3"), ("--style", "none")]:
        found = run("seed", "alps", option, value)
        assert found.exit_code == 2, found.output
        assert option in found.output
    with pytest.raises(InvalidParameter):
        run("seed", "alps", "--part", "0/2")
    assert not (tmp_path / "tiles").exists()


def test_removing_a_layer_removes_its_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    run("publish", made.rgb(tmp_path / "a.tif", size=300), "--id", "alps", "--quiet")
    assert run("seed", "alps").exit_code == 0
    assert list((tmp_path / "tiles").rglob("*.png"))
    assert run("layers", "remove", "alps", "--yes").exit_code == 0
    assert not list((tmp_path / "tiles").rglob("*.png"))


def test_seeding_tells_tiles_outside_from_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the service answers for them."""
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    monkeypatch.setenv("TILERY_EMPTY_TILE", "transparent")
    run("publish", made.rgb(tmp_path / "a.tif", size=300), "--id", "alps", "--quiet")
    found = run("seed", "alps", "--bounds", "7,45,10,48")
    assert found.exit_code == 0, found.output
    assert " 0 failed" in found.output


def test_nothing_is_begun_for_a_catalog_that_cannot_be_written(s3: S3, tmp_path: Path) -> None:  # noqa: F811
    source = made.rgb(tmp_path / "a.tif", size=300)
    (tmp_path / "file").write_text("in the way")
    for to in ("s3://no-such-bucket/sources/alps", f"{tmp_path}/file/catalog/alps"):
        found = command("publish", source, "--to", to, TILERY_S3_ENDPOINT=s3.endpoint)
        assert found.returncode == 4, found.stderr
        assert "Traceback" not in found.stderr
        assert "warp" not in found.stderr


def test_the_version_and_those_of_the_libraries() -> None:
    lines = run("--version").output.splitlines()
    assert lines[0].startswith("tilery ")
    assert {line.split()[0] for line in lines[1:]} >= {"rasterio", "gdal", "proj", "rio-tiler"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("publish", "a.tif"), "Where to? Give --to CATALOG/ID, or set TILERY_CATALOG."),
        (("publish-incoming", "s3://bucket/incoming/a.tif"), "give --catalog or set TILERY_CATALOG"),
        (("layers", "list"), "give --catalog or set TILERY_CATALOG"),
        (("purge", "alps"), "set TILERY_TILE_STORE"),
        (("publish", "a.tif", "--to", "c/alps", "--nodata", "none"), "'none' is not a number"),
        (("publish", "a.tif", "--to", "c/alps", "--bounds", "1,2,3"), "give left,bottom,right,top"),
        (("publish", "a.tif", "--to", "c/alps", "--bounds", "3,2,1,4"), "left has to be less than right"),
        (("publish", "a.tif", "--to", "c/alps", "--bounds", "1,4,3,2"), "bottom less than top"),
        (("layers", "style", "alps", "hot", "--catalog", "."), "Give either RENDER or --remove."),
        (("layers", "style", "alps", "hot", "bidx=1", "--remove", "--catalog", "."), "Give either RENDER or --remove."),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    made.constant(tmp_path / "a.tif", 1)
    found = run(*arguments)
    assert found.exit_code == 2
    assert words in " ".join(found.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_catalog_and_an_id_beside_it(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=300)
    done = run("publish", source, "--to", tmp_path / "catalog", "--id", "alps", "--quiet")
    assert done.stdout == "/alps/{z}/{x}/{y}.png\n"
    assert (tmp_path / "catalog" / "alps" / "index.json").exists()
    run("publish", source, "--to", "here", "--quiet")
    assert (tmp_path / "here" / "index.json").exists(), "a name alone is one beside us"


def test_a_list_says_what_is_wrong(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    assert run("layers", "list", "--catalog", catalog).output == "There are no layers here.\n"
    (catalog / "alps").mkdir()
    (catalog / "alps" / "index.json").write_text("{")
    assert "alps: The document is not JSON.\n" in run("layers", "list", "--catalog", catalog).output
    indexed = run("layers", "index", "--catalog", catalog)
    assert "alps: The document is not JSON.\n" in indexed.stderr
    assert indexed.stderr.endswith("layers.gpkg lists 0 layers.\n")


def test_a_layer_is_removed_only_by_who_says_yes(tmp_path: Path) -> None:
    run("publish", made.gradient(tmp_path / "a.tif", size=300), "--to", tmp_path / "catalog" / "alps", "--quiet")
    remove = ["layers", "remove", "alps", "--catalog", str(tmp_path / "catalog")]
    refused = CliRunner().invoke(tilery, remove, input="n\n")
    assert refused.exit_code == 1
    assert f"Remove alps and its 2 files from {tmp_path}/catalog/?" in refused.output
    assert (tmp_path / "catalog" / "alps" / "index.json").exists()
    assert CliRunner().invoke(tilery, remove, input="y\n").exit_code == 0
    assert not (tmp_path / "catalog" / "alps").exists()


def test_large_plans_are_said_in_large_units(tmp_path: Path) -> None:
    """A degree of longitude is 2^(z + 8) / 360 pixels wide, and here 1.45 times as high."""
    source = made.rgb(tmp_path / "a.tif", size=300)
    plan = ("publish", source, "--to", tmp_path / "catalog" / "alps", "--dry-run", "--grid", "web", "--zoom")
    for zoom, size in ((16, "GB"), (22, "TB")):
        lines = {line.split()[0]: line.split() for line in run(*plan, str(zoom)).output.splitlines()}
        width, height = int(lines["raster"][1]), int(lines["raster"][3])
        assert width == pytest.approx(2 ** (zoom + 8) / 360, rel=0.02)
        assert lines["raster"][-1] == size
        assert float(lines["raster"][-2]) < 1024
        unit = lines["publishing"][3]
        assert unit in (("min", "h") if zoom == 16 else ("h",))
        assert height > 1.4 * width


def test_overviews_of_one_with_its_mask_inside_go_inside(tmp_path: Path) -> None:
    path = made.half_masked(tmp_path / "a.tif", "mask", size=1100, overviews=())
    assert run("overviews", path).exit_code == 0
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
    with rasterio.open(path, overview_level=0) as overview:
        shares = overview.dataset_mask().mean(axis=0) / 255
    assert (shares[:270] == 0).all()
    assert (shares[280:] == 1).all()

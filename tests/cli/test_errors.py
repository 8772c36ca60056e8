"""What commands say when something is wrong: the right thing, in one sentence, before the work and without a trace."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.cli import main
from app.config import settings
from tests.support import rasters as made
from tests.support.s3 import S3, s3, s3_server  # noqa: F401

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as a terminal does; exit status, standard output and standard error."""

    def ran(*arguments: str | Path) -> tuple[int, str, str]:
        settings.get.cache_clear()
        monkeypatch.setattr(sys, "argv", ["tilery", *map(str, arguments)])
        monkeypatch.setattr(logging, "lastResort", logging.lastResort)
        with monkeypatch.context() as patched:
            patched.setattr(logging.getLogger(), "handlers", [])  # those of pytest: a terminal has none
            with pytest.raises(SystemExit) as ended:
                main()
        found = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, found.out, found.err

    return ran


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return made.gradient(tmp_path / "a.tif", size=128)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (60, 40), (10, 20, 30)).save(path)
    return path


@pytest.fixture
def read_only(raster: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder in which a raster lies and nothing can be written."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a read-only disk cannot be mounted here: it takes root")
    try:
        (folder / "a.tif").write_bytes(raster.read_bytes())
        layer = folder / "layers" / "alps"
        layer.mkdir(parents=True)
        (layer / "index.json").write_text(json.dumps({"minzoom": 3, "source": str(raster)}))
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_outputs_that_cannot_be_written(run: Run, raster: Path, read_only: Path) -> None:
    (raster.parent / "folder").mkdir()
    for step in ("transcode", "vrt"):
        for output, said in (
            ("/proc/x.tif", "The target folder takes no files."),
            (read_only / "x.tif", "The target folder is on a file system that nobody may write to."),
            (raster.parent / "nowhere" / "x.tif", "The target folder is not there."),
            (raster / "x.tif", "The target folder is below a file, and not below a folder."),
            (raster.parent / "folder", "The target is a folder, and not a file."),
            ("/dev/null", "The target is there already, and is not a file."),
        ):
            status, _, err = run(step, raster, output)
            assert (status, err.splitlines()[0]) == (4, f"Error: {said}"), (step, output)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    status, _, err = run("overviews", read_only / "a.tif")
    assert status == 4
    assert "nobody may write to" in err


def test_catalogs_that_cannot_be_written(run: Run, raster: Path, read_only: Path) -> None:
    (file := raster.parent / "file").touch()
    for to, said in (
        ("/proc/layers/alps", "No directory can be made there."),
        ("/proc/alps", "The directory takes no files."),
        (read_only / "layers" / "alps", "The directory is on a file system that nobody may write to."),
        (raster / "alps", "The directory cannot be made: something of that name is there."),
        (file, "The directory is below a file, and not below a folder."),
    ):
        status, _, err = run("publish", raster, "--to", to, "--quiet")
        assert (status, err.splitlines()[0]) == (4, f"Error: {said}")
        assert "--work" not in err
    assert not (raster.parent / ".work").exists(), "it is said before the work"
    for command in (["remove", "alps", "--yes"], ["style", "alps", "hot", "rescale=0,1&bidx=1"]):
        status, _, err = run("layers", *command, "--catalog", read_only / "layers")
        assert status == 4
        assert "nobody may write to" in err


def test_a_folder_to_work_in_that_cannot_be_written(run: Run, raster: Path, read_only: Path) -> None:
    status, _, err = run("publish", raster, "--to", raster.parent / "layers" / "alps", "--work", read_only, "--quiet")
    assert status == 4
    assert "The folder to work in is on a file system that nobody may write to; give another --work." in err
    status, _, err = run("publish", raster, "--to", raster.parent / "layers" / "alps", "--work", "/proc/x", "--quiet")
    assert (status, err.splitlines()[0]) == (4, "Error: No folder to work in can be made there; give another --work.")


def test_an_address_of_a_kind_that_nothing_is_fetched_from(run: Run, raster: Path) -> None:
    status, _, err = run("publish", "ftp://me:secret@host/a.tif", "--to", raster.parent / "layers" / "alps")
    assert status == 2
    assert "'ftp://*@host/a.tif' is no file, s3://bucket/key" in err
    assert run("publish", f"file://{raster}", "--to", raster.parent / "layers" / "alps", "--dry-run")[0] == 0


def test_catalogs_that_are_not_there(run: Run, raster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (raster.parent / "layers").mkdir()
    monkeypatch.setenv("TILERY_TILE_STORE", str(raster.parent / "tiles"))
    for command in (
        ["layers", "list"],
        ["layers", "show", "alps"],
        ["layers", "remove", "alps", "--yes"],
        ["layers", "style", "alps", "hot", "rescale=0,1"],
        ["seed", "alps"],
        ["purge", "alps", "--old"],
    ):
        monkeypatch.setenv("TILERY_CATALOG", str(raster.parent / "layer"))
        status, out, err = run(*command)
        assert (status, out) == (4, ""), command
        assert "There is no catalog: there is no" in err
        assert "Did you mean 'layers'?" in err
        monkeypatch.setenv("TILERY_CATALOG", str(raster))
        status, _, err = run(*command)
        assert status == 4
        assert "is a file, and it has to be a directory" in err
    assert run("layers", "list", "--catalog", raster.parent / "layers")[0] == 0


@pytest.mark.parametrize(
    "command",
    [
        ["layers", "list", "--catalog", "s3://bucket/layers/"],
        ["layers", "show", "alps", "--catalog", "s3://bucket/layers/"],
        ["layers", "remove", "alps", "--yes", "--catalog", "s3://bucket/layers/"],
        ["publish", "s3://bucket/a.tif", "--to", "layers/alps"],
        ["publish", "a.tif", "--to", "s3://bucket/layers/alps"],
        ["publish-incoming", "s3://bucket/incoming/a.tif", "--catalog", "layers"],
        ["serve", "s3://bucket/a.tif"],
    ],
)
def test_no_credentials_are_told_as_such(
    run: Run,
    raster: Path,
    s3: S3,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    status, _, err = run(*command)
    assert status == 4
    said, how = err.splitlines()
    assert said.startswith("Error: ")
    assert said.endswith("There are no AWS credentials to reach this store with.")
    assert "TILERY_S3_ANONYMOUS=1" in how
    for address in ("169.254", "127.0.0.1", "latest/api"):
        assert address not in err


def test_a_bucket_that_is_not_there(run: Run, raster: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    for command in (
        ["layers", "list", "--catalog", "s3://no-such-bucket/layers/"],
        ["publish", str(raster), "--to", "s3://no-such-bucket/layers/alps"],
        ["publish", "s3://no-such-bucket/a.tif", "--to", "layers/alps"],
        ["serve", "s3://no-such-bucket/a.tif"],
    ):
        status, _, err = run(*command)
        assert status in (3, 4)
        assert "There is no such bucket." in err
        assert "<" not in err


def test_a_picture_without_a_place_is_put_nowhere(run: Run, photo: Path) -> None:
    to = photo.parent / "layers" / "photo"
    commands = (
        ["publish", photo, "--to", to],
        ["zoom", photo],
        ["metadata", photo],
        ["transcode", photo, photo.parent / "x.tif"],
        ["vrt", photo, photo.parent / "x.vrt"],
    )
    for command in commands:
        status, _, err = run(*command, "--crs", "EPSG:4326")
        assert status == 3, command
        assert "does not say where it lies. Give --bounds" in err
        assert not to.exists()
    for bounds in ("0,0,60,400", "0,-99,60,40", "0,0,600,40", "400000,5000000,400060,5000040"):
        status, _, err = run("publish", photo, "--crs", "EPSG:4326", "--bounds", bounds, "--to", to)
        assert status == 2
        assert "The bounds are not degrees" in err
    for bounds in ("0,0,nan,40", "-inf,0,60,40"):
        assert "four finite numbers" in run("publish", photo, "--crs", "EPSG:4326", f"--bounds={bounds}", "--to", to)[2]
    assert run("zoom", photo, "--crs", "EPSG:4326", "--bounds=-180,-90,180,90")[0] == 0
    assert run("zoom", photo, "--crs", "EPSG:3857", "--bounds", "0,0,600,400")[0] == 0


def test_a_world_file_is_a_place(run: Run, photo: Path) -> None:
    photo.with_suffix(".jgw").write_text("0.1\n0\n0\n-0.1\n8\n47\n")
    assert run("zoom", photo, "--crs", "EPSG:4326")[0] == 0


WRONG = [
    ("colormap_name=virdis", "perhaps 'viridis'"),
    ("rescale=1", "rescale: Input should be 'minimum,maximum'."),
    ("bidx=9", "The raster has 2 bands and none of number 9."),
    ("expression=b1%2Bb7", "The raster has 2 bands and none of number 7."),
    ("expression=b1%2B", "expression ends where a value should be."),
    ("algorithm=hilshade", "perhaps 'hillshade'"),
    ("bidx=1&bidx=2&colormap_name=viridis", "A colormap needs one band, and there are 2."),
    ("colormap={", "colormap is not JSON."),
    ("recsale=0,1", "Did you mean 'rescale'?"),
    ("url=/etc/passwd", "'url' cannot be set"),
]


@pytest.mark.parametrize(("render", "said"), WRONG)
def test_a_layer_is_not_published_with_parameters_that_make_no_tile(
    run: Run, raster: Path, render: str, said: str
) -> None:
    to = raster.parent / "layers" / "alps"
    for more in ([], ["--dry-run"]):
        status, _, err = run("publish", raster, "--to", to, "--quiet", "--render", render, *more)
        assert status == 2
        assert said in err
        assert not (to / "index.json").exists()


def test_styles_that_make_no_tile_are_not_kept(run: Run, raster: Path) -> None:
    catalog = raster.parent / "layers"
    status, out, err = run("publish", raster, "--to", catalog / "alps", "--quiet", "--render", "rescale=0,128&bidx=1")
    assert (status, out) == (0, "/alps/{z}/{x}/{y}.png\n")
    assert f"Map: http://127.0.0.1:8000/alps/map, while 'tilery serve --catalog {catalog}' runs" in err
    before = (catalog / "alps" / "index.json").read_bytes()
    for render, said in WRONG:
        for name in ("hot", "default"):
            status, _, err = run("layers", "style", "alps", name, render, "--catalog", catalog)
            assert status == 2, render
            assert said in err
    for name in ("Hot/", "", "a b"):
        status, _, err = run("layers", "style", "alps", name, "bidx=1", "--catalog", catalog)
        assert (status, err) == (2, "Error: A style's name has letters, digits, '-', '_' and '.' only.\n")
    assert (catalog / "alps" / "index.json").read_bytes() == before
    for render in (
        "colormap_name=hot",
        "bidx=2&rescale=0,9",
        "expression=b1/b2&colormap_name=magma",
        "algorithm=hillshade",
    ):
        assert run("layers", "style", "alps", "good", render, "--catalog", catalog)[0] == 0, render
    assert "Did you mean 'good'?" in run("layers", "style", "alps", "god", "--remove", "--catalog", catalog)[2]


def test_a_layer_is_not_added_with_parameters_that_make_no_tile(
    run: Run, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (catalog := raster.parent / "layers").mkdir()
    status, _, err = run("layers", "add", "alps", raster, "--catalog", catalog)
    assert status == 3
    assert "TILERY_SOURCES lists those." in err
    monkeypatch.setenv("TILERY_SOURCES", f"{raster.parent}/")
    for render, said in WRONG:
        status, _, err = run("layers", "add", "alps", raster, "--catalog", catalog, "--render", render)
        assert status == 2, render
        assert said in err
        assert not (catalog / "alps").exists()
    assert run("layers", "add", "alps", raster, "--catalog", catalog, "--render", "bidx=2&rescale=0,9")[0] == 0


@pytest.mark.parametrize(
    ("count", "dtype", "said"), [(5, "uint8", "png holds 1, 2, 3 or 4"), (1, "complex64", "complex")]
)
def test_a_layer_of_what_is_no_picture_is_added_with_a_warning(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, dtype: str, said: str
) -> None:
    """Requests choose bands of it, or ask for the data."""
    path = made.constant(tmp_path / "a.tif", 7, count=count, dtype=dtype)
    (catalog := tmp_path / "layers").mkdir()
    monkeypatch.setenv("TILERY_SOURCES", f"{tmp_path}/")
    status, out, err = run("layers", "add", "alps", path, "--catalog", catalog)
    assert (status, out) == (0, "/alps/{z}/{x}/{y}.png\n")
    assert err.startswith("Warning: tiles are no pictures as long as requests say nothing: ")
    assert said in err
    assert (catalog / "alps").exists()


def test_a_layer_that_there_is_not_but_for_a_letter(
    run: Run, raster: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layer = tmp_path / "layers" / "alps"
    layer.mkdir(parents=True)
    (layer / "index.json").write_text(json.dumps({"minzoom": 3, "source": str(raster)}))
    monkeypatch.setenv("TILERY_CATALOG", str(layer.parent))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    for command in (
        ["layers", "show", "alp"],
        ["layers", "remove", "alp", "--yes"],
        ["layers", "style", "alp", "hot", "bidx=1"],
        ["seed", "alp"],
        ["purge", "alp", "--old"],
    ):
        assert run(*command) == (3, "", "Error: There is no layer 'alp'. Did you mean 'alps'?\n")


def test_a_style_that_does_not_fit_the_new_raster_is_told(run: Run, raster: Path) -> None:
    catalog = raster.parent / "layers"
    run("publish", raster, "--to", catalog / "alps", "--quiet")
    assert run("layers", "style", "alps", "second", "bidx=2&rescale=0,9", "--catalog", catalog)[0] == 0
    one = made.constant(raster.parent / "one.tif", 7, "uint16")
    status, _, err = run("publish", one, "--to", catalog / "alps", "--quiet")
    assert status == 0
    assert "Warning: the style 'second' does not fit the raster: The raster has 1 band and none of number 2." in err


def test_a_style_of_a_raster_that_cannot_be_read_from_here(run: Run, raster: Path) -> None:
    layer = raster.parent / "layers" / "far"
    layer.mkdir(parents=True)
    (layer / "index.json").write_text(json.dumps({"minzoom": 3, "source": "https://example.invalid/a.tif"}))
    status, _, err = run("layers", "style", "far", "hot", "bidx=9", "--catalog", layer.parent)
    assert status == 0
    assert "Warning: the style was not checked against the raster" in err
    assert run("layers", "style", "far", "hot", "rescale=1", "--catalog", layer.parent)[0] == 2


def test_a_variable_that_is_no_setting_is_told_by_every_command(
    run: Run, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILERY_CATALOGUE", str(raster.parent))
    status, _, err = run("layers", "list")
    assert status == 2
    assert "Warning: TILERY_CATALOGUE: there is no such setting. Did you mean 'TILERY_CATALOG'?" in err


def test_wrong_sources_are_no_trace(run: Run, raster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("publish", raster, "--to", raster.parent / "layers" / "alps", "--quiet")
    monkeypatch.setenv("TILERY_CATALOG", str(raster.parent / "layers"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(raster.parent / "tiles"))
    monkeypatch.setenv("TILERY_SOURCES", "/nowhere/")
    status, _, err = run("seed", "alps")
    assert status == 2
    assert err.startswith("Error: TILERY_SOURCES: '/nowhere/' is not a directory or file on this machine.")


def test_a_folder_is_no_raster(run: Run, tmp_path: Path) -> None:
    for command in (["zoom", tmp_path], ["publish", tmp_path, "--to", tmp_path / "layers" / "x"]):
        status, _, err = run(*command)
        assert status == 3
        assert "This is a folder and not a raster" in err


def test_whoever_has_read_enough_gets_no_complaint(tmp_path: Path) -> None:
    layers = tmp_path / "layers"
    for number in range(40):
        (layers / f"layer{number}").mkdir(parents=True)
        (layers / f"layer{number}" / "index.json").write_text(json.dumps({"minzoom": 3, "name": "n" * 4000}))
    command = f'"{sys.executable}" -m app layers list --catalog "{layers}" | head -c 10'
    found = subprocess.run(
        command, shell=True, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stderr == ""

"""Publishing as a whole: what comes out, and that nothing but the last step can be seen."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import from_bounds as window_of

from app.config import settings as environment
from app.config.engine_options import store_options
from tests.support import rasters as made
from tests.support.http_server import Handler, HttpServer
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.catalog.catalog import Catalog
from tilery.errors import (
    CatalogError,
    Conflict,
    InvalidParameter,
    NotARaster,
    SourceError,
    SourceNotFound,
    StoreFull,
    TileryError,
    UnsupportedRaster,
)
from tilery.publishing import metadata, rasters, revisions, work_folder
from tilery.publishing import publish as publishing
from tilery.publishing.plan import PublishOptions, dry_run
from tilery.publishing.progress import Silent
from tilery.publishing.publish import publish
from tilery.publishing.rasters import Georeference
from tilery.storage.objects import open_store


def order(source: Path | str, catalog: Path | str, layer_id: str = "alps", **changes: Any) -> PublishOptions:
    return PublishOptions(source=str(source), to=str(catalog), id=layer_id, **changes)


def opened(catalog: Path, layer_id: str = "alps") -> rasterio.DatasetReader:
    layer = Catalog(open_store(str(catalog))).get(layer_id)
    return rasterio.open(layer.source)


def degrees(longitude: float, latitude: float) -> tuple[float, float]:
    """Web Mercator's metres of a position, by the map's own formulas."""
    radius = 6378137.0
    return radius * np.radians(longitude), radius * np.arcsinh(np.tan(np.radians(latitude)))


def test_pixels_are_where_they_were(tmp_path: Path) -> None:
    """Band 1 of the source holds each pixel's longitude and band 2 its latitude, and so does the published raster."""
    source = made.position(tmp_path / "position.tif", size=512)
    done = publish(order(source, tmp_path / "catalog"))
    with opened(tmp_path / "catalog") as dataset:
        assert dataset.crs.to_epsg() == 3857
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(dataset.nodata)
        for longitude, latitude in [(8.05, 46.05), (8.5, 46.5), (8.95, 46.95), (8.2, 46.8)]:
            x, y = degrees(longitude, latitude)
            found = next(dataset.sample([(x, y)]))
            assert found == pytest.approx([longitude, latitude], abs=0.004)
        step = dataset.res[0]
        assert (dataset.transform.c + np.pi * 6378137.0) / step / 512 == pytest.approx(
            round((dataset.transform.c + np.pi * 6378137.0) / step / 512), abs=1e-6
        )
        assert 2 * np.pi * 6378137.0 / 256 / step == pytest.approx(2 ** done.document["maxzoom"])
    assert done.document["bounds"] == pytest.approx([8, 46, 9, 47])
    assert done.document["statistics"]["b1"]["min"] == pytest.approx(8, abs=0.01)
    assert done.document["statistics"]["b2"]["max"] == pytest.approx(47, abs=0.01)


def test_the_layer_is_in_the_catalog(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "gradient.tif", size=700)
    given = {"name": "Alps", "attribution": "us", "styles": {"x": {"render": {"bidx": [1]}}}}
    done = publish(order(source, tmp_path / "catalog", given=given))
    layer = Catalog(open_store(str(tmp_path / "catalog"))).get("alps")
    assert (layer.name, layer.attribution, layer.revision) == ("Alps", "us", done.revision)
    assert layer.source == done.address
    assert layer.style("x") is not None
    assert [name for name, _ in layer.render] == ["bidx", "rescale"]
    assert layer.meta.approximate_zoom == layer.maxzoom
    assert layer.meta.band_count == 2
    document = json.loads((tmp_path / "catalog" / "alps" / "index.json").read_text())
    assert document["tilejson"] == "3.0.0"
    assert document["tiles"] == ["/alps/{z}/{x}/{y}.png"]
    assert sum(document["statistics"]["b1"]["histogram"][0]) == document["statistics"]["b1"]["count"]
    left = [path.name for path in (tmp_path / "catalog").iterdir()]
    assert sorted(left) == [".lock", "alps", "layers.gpkg"], "the layer, the list of layers and who may write that"


@pytest.mark.parametrize("kind", ["mask", "nodata", "alpha", "none"])
def test_what_is_missing_stays_missing(tmp_path: Path, kind: str) -> None:
    """The western half is missing; and outside of the source everything is."""
    path = tmp_path / "source.tif"
    source = made.rgb(path, size=600) if kind == "none" else made.half_masked(path, kind, size=600)
    publish(order(source, tmp_path / "catalog", kind="imagery"))
    with opened(tmp_path / "catalog") as dataset:
        mask = dataset.dataset_mask()
        for longitude, latitude, valid in [
            (8.25, 46.5, kind == "none"),
            (8.75, 46.5, True),
            (8.75, 46.05, True),
            (7.98, 46.5, False),
            (9.02, 46.5, False),
            (8.5, 47.02, False),
        ]:
            row, column = dataset.index(*degrees(longitude, latitude))
            if 0 <= row < dataset.height and 0 <= column < dataset.width:
                assert (mask[row, column] > 0) == valid, (longitude, latitude)
        assert (mask > 0).any()
        assert (mask == 0).any()
        west, north = degrees(8.5 if kind != "none" else 8.0, 47)
        east, south = degrees(9, 46)
        inside = window_of(west, south, east, north, dataset.transform)
        share = (mask > 0).sum() / (inside.width * inside.height)
        assert share == pytest.approx(1, abs=0.02)
    with rasterio.open(Catalog(open_store(str(tmp_path / "catalog"))).get("alps").source, overview_level=0) as dataset:
        assert (dataset.dataset_mask() > 0).mean() == pytest.approx((mask > 0).mean(), abs=0.02)


def test_classes_are_never_mixed(tmp_path: Path) -> None:
    source = made.palette(tmp_path / "classes.tif", size=900)
    with rasterio.open(source) as dataset:
        known, palette = set(np.unique(dataset.read())), dataset.colormap(1)
    source.with_name("classes.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category>Water</Category><Category>Wood</Category>"
        "</CategoryNames></PAMRasterBand></PAMDataset>"
    )
    done = publish(order(source, tmp_path / "catalog"))
    assert done.document["render"] == {"labels": {"0": "Water", "1": "Wood"}}
    with opened(tmp_path / "catalog") as dataset:
        levels = len(dataset.overviews(1))
        assert dataset.colormap(1) == palette
    for level in range(levels):
        with rasterio.open(done.address, overview_level=level) as dataset:
            assert set(np.unique(dataset.read())) <= known | {0}


@pytest.mark.parametrize("profile", ["deflate", "zstd", "lerc", "jpeg", "webp"])
def test_profiles(tmp_path: Path, profile: str) -> None:
    source = made.rgb(tmp_path / "rgb.tif", size=600)
    done = publish(order(source, tmp_path / "catalog", profile=profile, kind="imagery"))
    wanted = {"deflate": "DEFLATE", "zstd": "ZSTD", "lerc": "LERC_ZSTD", "jpeg": "YCbCr JPEG", "webp": "WEBP"}
    with rasterio.open(done.address) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == wanted[profile]
        assert dataset.count == 3


def test_the_native_grid_leaves_pixels_alone(tmp_path: Path) -> None:
    source = made.write(tmp_path / "source.tif", made.columns_and_rows(1300, 1100), nodata=7, tiled=False, overviews=())
    done = publish(order(source, tmp_path / "catalog", grid="native", profile="zstd"))
    with rasterio.open(source) as before, rasterio.open(done.address) as after:
        assert (before.read() == after.read()).all()
        assert (before.crs, before.transform, before.nodata) == (after.crs, after.transform, after.nodata)
        assert after.overviews(1) == [2, 4]


@pytest.mark.parametrize("kind", ["mask", "none"])
def test_the_layout_of_the_lambda_tiler(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source.tif"
    source = made.rgb(path, size=1100) if kind == "none" else made.half_masked(path, kind, size=1100)
    done = publish(order(source, tmp_path / "catalog", layout="legacy"))
    folder = Path(done.address).parent
    assert sorted(path.name for path in folder.iterdir()) == ["index.tif", "index.tif.ovr", "index.vrt"]
    assert done.document["meta"]["source"].endswith("/index.vrt")
    assert done.document["source"].endswith("/index.tif")
    zoom = done.document["meta"]["approximateZoom"]
    with rasterio.open(folder / "index.vrt") as dataset:
        assert dataset.width == dataset.height == 256 * 2**zoom
        window = window_of(*degrees(8.6, 46.2), *degrees(8.9, 46.8), dataset.transform)
        assert (dataset.read(dataset.count, window=window) > 0).all()
    with rasterio.open(folder / "index.tif", overview_level=0) as dataset:
        assert (dataset.dataset_mask() > 0).mean() == pytest.approx(1 if kind == "none" else 0.5, abs=0.01)


def test_a_raster_across_the_antimeridian(tmp_path: Path) -> None:
    source = made.across_antimeridian(tmp_path / "pacific.tif")
    with pytest.raises(UnsupportedRaster, match="native"):
        publish(order(source, tmp_path / "catalog", grid="web"))
    done = publish(order(source, tmp_path / "catalog", grid="native"))
    assert done.note is None
    west, _, east, _ = done.document["bounds"]
    assert west > east


def test_publishing_again_makes_a_new_revision_and_keeps_what_people_set(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    source = made.constant(tmp_path / "a.tif", 1, "uint16", size=600)
    first = publish(order(source, catalog, given={"name": "Mine", "render": {"rescale": ["0,9"]}}))
    made.constant(source, 2, "uint16", size=600)
    second = publish(order(source, catalog))
    assert second.revision != first.revision
    assert (second.document["name"], second.document["render"]) == ("Mine", {"rescale": ["0,9"]})
    assert Path(first.address).exists()
    with opened(catalog) as dataset:
        assert dataset.read().max() == 2
    third = publish(order(source, catalog, given={"name": "Other"}))
    assert third.document["name"] == "Other"
    assert Path(first.address).exists(), "servers that have not looked for seconds still read it"
    document = catalog / "alps" / "index.json"
    document.write_text(document.read_text().replace(third.document["published"], "2026-01-01T00:00:00+00:00"))
    last = publish(order(source, catalog))
    assert not Path(first.address).exists()
    assert not Path(second.address).exists()
    assert Path(third.address).exists()
    assert last.document["history"] == [first.revision, second.revision, third.revision]


def test_an_old_revision_is_removed_by_the_publish_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "_UNREAD", -1)
    catalog = tmp_path / "catalog"
    source = made.constant(tmp_path / "a.tif", 1, "uint16", size=600)
    first, second, third = (publish(order(source, catalog)) for _ in range(3))
    assert not Path(first.address).exists()
    assert Path(second.address).exists()
    assert third.document["history"] == [first.revision, second.revision]


def test_orphans_of_long_ago_are_removed_and_foreign_files_are_not(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    source = made.constant(tmp_path / "a.tif", 1)
    publish(order(source, catalog))
    old, young = catalog / "alps" / "20200101t000000-abcdef", catalog / "alps" / "20200101t000000-123456"
    for folder in (old, young, catalog / "alps" / "notes"):
        folder.mkdir()
        (folder / "index.tif").write_text("x")
    (old / ".part-of-a-killed-upload").write_text("x")
    for path in old.iterdir():
        os.utime(path, (0, 0))
    publish(order(source, catalog))
    assert not old.exists()
    assert young.exists()
    assert (catalog / "alps" / "notes" / "index.tif").exists()


@contextmanager
def failing_at(step: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Iterator[None]:
    """The error comes out of the middle of a step."""
    with monkeypatch.context() as patch:

        class Failing(Silent):
            @contextmanager
            def step(self, title: str, total: int | None, unit: str) -> Iterator[Any]:
                if title == step and title in ("overviews", "write"):
                    raise error  # their amounts come from a thread that only looks

                def failing(amount: int) -> None:
                    if title == step:
                        raise error

                yield failing

        patch.setattr(publishing, "Silent", Failing)
        yield


@pytest.mark.parametrize("step", ["transcode", "warp", "overviews", "write", "check", "upload"])
def test_a_failure_in_any_step_leaves_the_old_layer_and_can_be_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    catalog = tmp_path / "catalog"
    source = made.write(tmp_path / "a.tif", np.full((1, 600, 2100), 1, "uint8"), tiled=False, overviews=())
    first = publish(order(source, catalog))
    before = (catalog / "alps" / "index.json").read_bytes()
    made.write(source, np.full((1, 600, 2100), 2, "uint8"), tiled=False, overviews=())
    with failing_at(step, monkeypatch, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        publish(order(source, catalog))
    assert (catalog / "alps" / "index.json").read_bytes() == before
    with opened(catalog) as dataset:
        assert dataset.read(masked=True).max() == 1
    second = publish(order(source, catalog))
    assert second.document["history"] == [first.revision]
    with opened(catalog) as dataset:
        assert dataset.read(masked=True).max() == 2


def test_done_steps_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.gradient(tmp_path / "a.tif", size=600)
    with failing_at("upload", monkeypatch, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        publish(order(source, tmp_path / "catalog"))
    seen: list[str] = []

    class Noting(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str) -> Iterator[Any]:
            seen.append(title)
            with super().step(title, total, unit) as advance:
                yield advance

    publish(order(source, tmp_path / "catalog"), Noting())
    assert seen == ["upload", "switch"]


def test_other_options_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.rgb(tmp_path / "a.tif", size=600)
    with failing_at("upload", monkeypatch, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        publish(order(source, tmp_path / "catalog", profile="deflate"))
    done = publish(order(source, tmp_path / "catalog", profile="zstd"))
    with rasterio.open(done.address) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "ZSTD"


def test_a_source_that_changes_meanwhile_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.gradient(tmp_path / "a.tif", size=600)

    class Changing(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str) -> Iterator[Any]:
            with super().step(title, total, unit) as advance:
                yield advance
            if title == "warp":
                made.gradient(source, size=600, count=1)

    with pytest.raises(SourceError, match="changed"):
        publish(order(source, tmp_path / "catalog"), Changing())
    assert not (tmp_path / "catalog" / "alps").exists()


def test_the_same_layer_is_published_by_one_at_a_time(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "a.tif", size=600)
    with (
        work_folder.Workplace.opened(tmp_path / "catalog" / ".work" / "alps", "other"),
        pytest.raises(Conflict, match="another process"),
    ):
        publish(order(source, tmp_path / "catalog"))


def test_a_style_set_during_a_publish_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tilery.catalog import editing

    catalog = tmp_path / "catalog"
    source = made.gradient(tmp_path / "a.tif", size=600)
    publish(order(source, catalog))
    real = metadata.document
    calls: list[int] = []

    def document(**facts: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            editing.set_style(open_store(str(catalog)), "alps", "late", {"bidx": [2]})
        return real(**facts)

    monkeypatch.setattr(metadata, "document", document)
    done = publish(order(source, catalog))
    assert len(calls) == 2
    assert done.document["styles"] == {"late": {"render": {"bidx": [2]}}}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.write_text("no raster"), NotARaster),
        (lambda path: path.write_bytes(b""), NotARaster),
        (lambda path: made.write(path, np.zeros((1, 64, 64), "complex64")), UnsupportedRaster),
        (lambda path: made.write(path, np.zeros((1, 64, 64), "uint8"), crs=None), UnsupportedRaster),
        (lambda path: None, SourceNotFound),
    ],
)
def test_what_cannot_be_published_is_refused_before_anything_is_done(tmp_path: Path, make: Any, error: Any) -> None:
    make(tmp_path / "a.tif")
    with pytest.raises(error):
        publish(order(tmp_path / "a.tif", tmp_path / "catalog"))
    assert not (tmp_path / "catalog" / "alps").exists()


def test_a_damaged_raster_is_not_published(tmp_path: Path) -> None:
    random = np.random.default_rng(1).integers(0, 255, (1, 2000, 2000)).astype("uint8")
    source = made.write(tmp_path / "a.tif", random, overviews=())
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200_000] = b"\xff" * 200_000
    source.write_bytes(data)
    with pytest.raises(TileryError):
        publish(order(source, tmp_path / "catalog"))
    assert not (tmp_path / "catalog" / "alps").exists()


@pytest.mark.parametrize("layer_id", ["cog", "UPPER", "../x", "", "a b"])
def test_ids_are_checked_first(tmp_path: Path, layer_id: str) -> None:
    with pytest.raises(InvalidParameter):
        publish(order(tmp_path / "none.tif", tmp_path, layer_id))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    source = made.rgb(tmp_path / "a.tif", size=2000)
    found = dry_run(order(source, tmp_path / "catalog"))
    assert not (tmp_path / "catalog").exists()
    done = publish(order(source, tmp_path / "catalog"))
    assert (found.zoom, found.minzoom) == (done.document["maxzoom"], done.document["minzoom"])
    assert (found.width, found.height) == (done.document["meta"]["width"], done.document["meta"]["height"])
    assert found.tiles > 4
    assert "warp" in found.steps


def test_to_s3_and_from_s3(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    environment.get.cache_clear()
    try:
        bucket = f"publish-{tmp_path.name}".replace("_", "-").lower()[:60].rstrip("-0")
        s3.bucket(bucket)
        s3.put(bucket, "incoming/a.tif", made.gradient(tmp_path / "a.tif", size=600).read_bytes())
        to = f"s3://{bucket}/sources/"
        work = tmp_path / "work"
        first = publish(order(f"s3://{bucket}/incoming/a.tif", to, work=work, stores=store_options(environment.get())))
        s3.put(bucket, "incoming/a.tif", made.gradient(tmp_path / "a.tif", size=600, count=1).read_bytes())
        second = publish(order(f"s3://{bucket}/incoming/a.tif", to, work=work, stores=store_options(environment.get())))
        keys = s3.keys(bucket, "sources")
        assert set(keys) == {
            f"sources/alps/{first.revision}/index.tif",
            f"sources/alps/{second.revision}/index.tif",
            "sources/alps/index.json",
            "sources/layers.gpkg",
        }
        layer = Catalog(open_store(to, store_options(environment.get()))).get("alps")
        assert layer.source == f"s3://{bucket}/sources/alps/{second.revision}/index.tif"
        local = tmp_path / "copy.tif"
        local.write_bytes(s3.get(bucket, f"sources/alps/{second.revision}/index.tif"))
        with rasterio.open(local) as dataset:
            assert dataset.count == 1
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    finally:
        environment.get.cache_clear()


def test_from_http(tmp_path: Path) -> None:
    data = made.gradient(tmp_path / "a.tif", size=600).read_bytes()

    class Ranges(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            body = data[int(first) : int(last or len(data)) + 1]
            place = f"bytes {first}-{int(first) + len(body) - 1}/{len(data)}"
            self.answer(206, body, {"Content-Range": place, "ETag": '"one"'})

    with HttpServer(Ranges) as server:
        address = f"{server.address}/data/a.tif?token=x"
        planned = dry_run(order(address, tmp_path / "catalog"))
        done = publish(order(address, tmp_path / "catalog"))
    assert done.document["meta"]["bandCount"] == planned.bands == 2
    assert planned.steps[0] == "fetch"


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "publish", "--quiet", *arguments],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_kill_9_at_any_moment_leaves_the_old_layer(tmp_path: Path) -> None:
    """And the same command, given again and again, at last gets through."""
    catalog = tmp_path / "catalog"
    source = tmp_path / "a.tif"
    made.write(source, np.full((3, 1500, 1500), 1, "uint8"))
    first = publish(order(source, catalog))
    made.write(source, np.full((3, 1500, 1500), 2, "uint8"))
    random = np.random.default_rng()
    arguments = (str(source), "--to", f"{catalog}/alps")
    for _ in range(4):
        process = start(*arguments, start_new_session=True)
        time.sleep(random.uniform(0.3, 3.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        layer = Catalog(open_store(str(catalog))).get("alps")
        with rasterio.open(layer.source) as dataset:
            assert dataset.read(1, masked=True).max() == (1 if layer.revision == first.revision else 2)
        if layer.revision != first.revision:
            break
    process = start(*arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with opened(catalog) as dataset:
        values = dataset.read(1, masked=True)
        assert values.min() == values.max() == 2


def test_a_full_disk_is_told_and_nothing_is_published(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the same call fails in the same place."""
    source = tmp_path / "a.tif"
    made.write(source, np.random.default_rng(1).integers(0, 255, (3, 1500, 1500)).astype("uint8"))

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = start(str(source), "--to", f"{tmp_path}/catalog/alps", preexec_fn=small_files)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (3, 4), errors
    assert b"Traceback" not in errors
    assert not (tmp_path / "catalog" / "alps").exists()


@pytest.mark.parametrize("megabytes", [3, 6, 9])
def test_a_disk_that_is_really_full(tmp_path: Path, megabytes: int) -> None:
    """Another step meets the end of the disk each time; it is never put down to the source."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: it takes root")
    source = made.write(
        tmp_path / "a.tif", np.random.default_rng(1).integers(0, 255, (3, 900, 900)).astype("uint8"), tiled=False
    )
    try:
        process = start(str(source), "--to", f"{disk}/catalog/alps")
        _, errors = process.communicate(timeout=60)
        published = (disk / "catalog" / "alps" / "index.json").exists()
    finally:
        subprocess.run(["umount", disk], check=True)
    assert process.returncode == 4, errors
    assert b"disk is full" in errors
    assert not published


def test_no_room_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0})())
    with pytest.raises(StoreFull, match="disk is full"), rasters.failures(tmp_path):
        raise OSError("write failed")


def one_number_a_block(path: Path, side: int) -> None:
    """A raster of one band, eight bytes a pixel, ``side`` pixels wide and high, at the resolution of zoom 12; small on
    disk."""
    resolution = 2 * np.pi * 6378137 / 256 / 2**12
    profile = {"width": side, "height": side, "count": 1, "dtype": "float64", "crs": "EPSG:3857", "nodata": 0}
    with rasterio.open(
        path, "w", driver="GTiff", tiled=True, blockxsize=512, blockysize=512, compress="zstd", sparse_ok=True,
        transform=rasterio.transform.from_origin(1_000_000, 6_000_000, resolution, resolution), **profile,
    ) as dataset:  # fmt: skip
        for number, top in enumerate(range(0, side, 512)):
            height = min(512, side - top)
            block = np.full((1, height, side), number % 200 + 1, "float64")
            dataset.write(block, window=rasterio.windows.Window(0, top, side, height))


@pytest.mark.slow
def test_a_raster_larger_than_memory_goes_through(tmp_path: Path) -> None:
    """1 GB of pixels with 288 MB of memory for each process, libraries and all."""
    source = tmp_path / "large.tif"
    memory = 288 << 20
    one_number_a_block(source, 11_776)
    assert 3 * memory <= 11_776**2 * 8

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    # address space that is only set aside counts as well, as NumPy's for linear algebra
    frugal = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    arguments = (str(source), "--to", f"{tmp_path}/catalog/large", "--profile", "zstd", "--kind", "classes")
    process = start(*arguments, preexec_fn=little_memory, env={**os.environ, **frugal})
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    with opened(tmp_path / "catalog", "large") as dataset:
        for x, y in [(1_100_000, 5_900_000), (1_200_000, 5_800_000)]:
            from_top = int((6_000_000 - y) / dataset.res[1])
            assert next(dataset.sample([(x, y)]))[0] == from_top // 512 % 200 + 1


def test_placement_is_taken_for_what_the_raster_does_not_say(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        source = made.write(tmp_path / "a.tif", made.columns_and_rows(300, 300), crs=None, bounds=None)
    place = Georeference(crs="EPSG:4326", bounds=(8, 46, 9, 47))  # type: ignore[arg-type]
    done = publish(order(source, tmp_path / "catalog", placement=place))
    assert done.document["bounds"] == pytest.approx([8, 46, 9, 47])


def test_a_publish_that_ended_after_its_switch_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(order(made.rgb(tmp_path / "a.tif", size=300), tmp_path / "catalog"))
    again = order(made.rgb(tmp_path / "b.tif", size=400), tmp_path / "catalog")

    def fail(*_: Any) -> None:
        raise StoreFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(revisions, "tidy", fail)
        with pytest.raises(StoreFull):
            publish(again)
    assert publish(again).document["history"] == [first.revision]


@pytest.mark.parametrize("history", [None, 5, [None, ["a"]]])
def test_a_history_that_somebody_wrote_wrongly(tmp_path: Path, history: Any) -> None:
    document = tmp_path / "catalog" / "alps" / "index.json"
    document.parent.mkdir(parents=True)
    document.write_text(json.dumps({"revision": "r1", "history": history}))
    done = publish(order(made.rgb(tmp_path / "a.tif", size=300), tmp_path / "catalog"))
    assert done.document["history"] == ["r1"]


def test_a_folder_that_goes_while_its_lock_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = work_folder._lock_file
    with ExitStack() as first:
        place = first.enter_context(work_folder.Workplace.opened(tmp_path / "alps", "key"))

        def opened_late(folder: Path) -> IO[bytes]:
            file = opening(folder)
            place.clear()
            first.close()
            return file

        monkeypatch.setattr(work_folder, "_lock_file", opened_late)
        with pytest.raises(Conflict), work_folder.Workplace.opened(tmp_path / "alps", "key"):
            pass


def test_a_folder_with_other_files_is_not_worked_in(tmp_path: Path) -> None:
    folder = tmp_path / "alps"
    folder.mkdir()
    source = made.rgb(folder / "a.tif", size=300)
    with pytest.raises(CatalogError, match="--work"):
        publish(order(source, tmp_path / "catalog", work=tmp_path))
    assert source.exists()

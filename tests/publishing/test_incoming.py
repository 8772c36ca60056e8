"""What is put under ``incoming/`` becomes a layer, and a report says what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rasterio

from app.config import settings as environment
from app.config.engine_options import store_options
from app.config.settings import Settings
from tests.support import rasters as made
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.catalog.catalog import Catalog
from tilery.errors import InvalidParameter
from tilery.publishing import fetch, incoming
from tilery.publishing.incoming import Arrival, take_in
from tilery.publishing.progress import Silent
from tilery.reading import gdal_facts
from tilery.storage.objects import open_store
from tilery.storage.options import StoreOptions

ROOT = Path(__file__).parents[2]
BUCKET = "uploads"


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:  # noqa: F811
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    environment.get.cache_clear()
    s3.bucket(BUCKET)
    for key in s3.keys(BUCKET):
        s3.delete(BUCKET, key)
    yield s3
    environment.get.cache_clear()


def stores() -> StoreOptions:
    """Return how the environment says that stores are reached."""
    return store_options(Settings())


def report(bucket: S3, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bucket.get(BUCKET, f"reports/{name}.json"))
    return found


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("a.tif", "a"),
        ("Berlin/Ortho 2024.TIF", "berlin-ortho-2024"),
        ("Größe (m).v2.tiff", "gr-e-m-v2"),
        ("..tif/../x.jp2", "tif-x"),
        (f"{'a' * 200}.png", "a" * 64),
    ],
)
def test_the_id_is_made_from_the_name(name: str, layer: str) -> None:
    arrival = Arrival.at(f"s3://bucket/some/incoming/{name}")
    assert arrival.layer_id == layer
    assert arrival.root == "s3://bucket/some/"
    assert arrival.is_raster


@pytest.mark.parametrize("name", ["cog.tif", "Layers.tif", "---.tif", "日本.tif", "map/.tif"])
def test_names_that_no_layer_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidParameter):
        _ = Arrival.at(f"s3://bucket/incoming/{name}").layer_id


@pytest.mark.parametrize("address", ["s3://bucket/other/a.tif", "s3://bucket/incoming/", "s3://bucket/incoming/a/"])
def test_only_what_is_under_incoming(address: str) -> None:
    with pytest.raises(InvalidParameter):
        Arrival.at(address)


def command(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "publish-incoming", f"s3://{BUCKET}/incoming/{name}"],
        cwd=ROOT,
        env={**os.environ, "TILERY_CATALOG": f"s3://{BUCKET}/sources/"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_upload_is_published_by_the_command(bucket: S3, tmp_path: Path) -> None:
    """As AWS runs it: the address as the only argument, the rest in the environment."""
    bucket.put(BUCKET, "incoming/My Alps.tif", made.rgb(tmp_path / "a.tif", size=300).read_bytes())
    done = command("My Alps.tif")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "/my-alps/{z}/{x}/{y}.png"
    layer = Catalog(open_store(f"s3://{BUCKET}/sources/", store_options(Settings()))).get("my-alps")
    told = report(bucket, "My Alps.tif")
    assert (told["status"], told["layer"], told["revision"]) == ("published", "my-alps", layer.revision)
    assert bucket.get(BUCKET, "incoming/My Alps.tif"), "the upload stays"
    again = command("cog.tif")
    assert again.returncode == 2
    assert report(bucket, "cog.tif")["code"] == "invalid_parameter"


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("notes.txt", b"hello", "skipped", None),
        ("alps.tfw", b"1", "skipped", None),
        ("alps.vrt", b"<VRTDataset/>", "skipped", None),
        ("disguised.tif", b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>", "failed", "not_a_raster"),
        ("empty.tif", b"", "failed", "not_a_raster"),
        ("damaged.tif", b"II*\x00\x08\x00\x00\x00", "failed", "not_a_raster"),
        ("missing.tif", None, "failed", "source_not_found"),
    ],
)
def test_what_is_no_raster_is_told_and_publishes_nothing(
    bucket: S3, name: str, body: bytes | None, status: str, code: str | None
) -> None:
    if body is not None:
        bucket.put(BUCKET, f"incoming/{name}", body)
    found, failure = take_in(
        f"s3://{BUCKET}/incoming/{name}", f"s3://{BUCKET}/sources/", stores=store_options(Settings())
    )
    assert (found.status, found.code) == (status, code)
    assert (failure is not None) == (status == "failed")
    told = report(bucket, name)
    assert told["status"] == status
    assert told["detail"]
    assert not bucket.keys(BUCKET, "sources")


@pytest.mark.parametrize("name", ["what?.tif", "a*b.tif", "50%.tif", "a#b.tif", "a+b.tif"])
def test_keys_have_signs_that_addresses_have_not(bucket: S3, tmp_path: Path, name: str) -> None:
    upload = made.rgb(tmp_path / "a.tif", size=300)
    arrival = Arrival.at(f"s3://{BUCKET}/incoming/{name}")
    bucket.put(BUCKET, f"incoming/{name}", upload.read_bytes())
    found, failure = take_in(arrival.address, f"{tmp_path}/sources", stores=stores())
    assert failure is None, failure
    assert found.layer == arrival.layer_id


@pytest.mark.parametrize("address", ["s3://No_Bucket!/incoming/a.tif", "https://h ost/incoming/a.tif"])
def test_what_is_no_address_is_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidParameter):
        fetch.origin(address, StoreOptions())


def test_a_raster_without_a_place_says_what_to_do(bucket: S3, tmp_path: Path) -> None:
    bucket.put(BUCKET, "incoming/a.png", made_png(tmp_path))
    found, _ = take_in(f"s3://{BUCKET}/incoming/a.png", f"s3://{BUCKET}/sources/", stores=stores())
    assert found.code == "unsupported_raster"
    assert found.detail
    assert "does not say where it is" in found.detail


def made_png(folder: Path) -> bytes:
    from PIL import Image

    Image.new("RGB", (64, 64), "red").save(folder / "a.png")
    return (folder / "a.png").read_bytes()


def test_rasters_that_web_mercator_has_no_grid_for_keep_their_own(bucket: S3, tmp_path: Path) -> None:
    bucket.put(BUCKET, "incoming/pacific.tif", made.across_antimeridian(tmp_path / "a.tif").read_bytes())
    found, failure = take_in(
        f"s3://{BUCKET}/incoming/pacific.tif", f"s3://{BUCKET}/sources/", stores=store_options(Settings())
    )
    assert failure is None, failure
    west, _, east, _ = Catalog(open_store(f"s3://{BUCKET}/sources/", store_options(Settings()))).get("pacific").bounds
    assert west > east
    assert found.layer == "pacific"


@pytest.mark.parametrize("then", ["replaced", "removed"])
def test_an_older_upload_never_takes_the_place_of_a_newer_one(bucket: S3, tmp_path: Path, then: str) -> None:
    """The first is still being published when the second arrives, and is published."""
    key = "incoming/alps.tif"
    address, catalog = f"s3://{BUCKET}/{key}", f"s3://{BUCKET}/sources/"
    bucket.put(BUCKET, key, made.constant(tmp_path / "a.tif", 1, size=300).read_bytes())
    second: list[incoming.Report] = []

    class Meanwhile(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str) -> Iterator[Any]:
            with super().step(title, total, unit) as advance:
                yield advance
            if title == "upload" and not second:
                if then == "removed":
                    bucket.delete(BUCKET, key)
                    second.append(incoming.Report(status="skipped", source=""))
                    return
                bucket.put(BUCKET, key, made.constant(tmp_path / "b.tif", 2, size=300).read_bytes())
                second.append(take_in(address, catalog, options={"work": tmp_path / "other"}, stores=stores())[0])

    first, failure = take_in(address, catalog, progress=Meanwhile(), stores=stores())
    assert (first.status, failure) == ("superseded", None)
    if then == "removed":
        assert not bucket.keys(BUCKET, "reports")
        return
    assert second[0].status == "published"
    assert Catalog(open_store(catalog, store_options(Settings()))).get("alps").revision == second[0].revision
    assert report(bucket, "alps.tif")["revision"] == second[0].revision


def test_a_directory_works_as_a_bucket_does(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    made.rgb(tmp_path / "incoming" / "Alps.tif", size=300)
    found, failure = take_in(f"{tmp_path}/incoming/Alps.tif", f"{tmp_path}/sources", stores=stores())
    assert failure is None, failure
    assert found.layer == "alps"
    assert json.loads((tmp_path / "reports" / "Alps.tif.json").read_text())["status"] == "published"


@pytest.mark.parametrize(("name", "wrong"), [("named", "unsupported_raster"), ("disguised", "not_a_raster")])
def test_an_upload_leads_to_no_other_file(
    tmp_path: Path, name: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = tmp_path / "incoming" / "alps.tif"
    upload.parent.mkdir()
    secret = made.constant(tmp_path / "secret.tif", 77, size=150)
    made.rgb(upload, size=300)
    if name == "named":
        with rasterio.open(upload, "r+") as raster:
            raster.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    else:
        monkeypatch.setattr(gdal_facts, "driver_of", lambda head: "PNG")
    found, failure = take_in(str(upload), f"{tmp_path}/sources", stores=stores())
    assert (found.status, found.code) == ("failed", wrong), failure
    assert not Catalog(open_store(f"{tmp_path}/sources")).layers()

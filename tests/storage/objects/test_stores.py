"""Both stores, held to the same promises."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.catalog.catalog import Catalog
from tilery.errors import Conflict, InvalidParameter, NotFound, StoreFull, TileryError, UpstreamError
from tilery.storage.objects import Store, open_store
from tilery.storage.options import StoreOptions


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "directory":
        yield open_store(str(tmp_path / "store"))
        return
    server: S3 = request.getfixturevalue("s3")
    server.bucket("layers")
    yield open_store(f"s3://layers/{tmp_path.name}/sources/", StoreOptions(s3_endpoint=server.endpoint))


def write(store: Store, key: str, body: bytes, expected: str = "any") -> str:
    return store.write(key, body, media_type="application/json", expected=expected)


def test_what_was_written_is_read(store: Store) -> None:
    version = write(store, "a/index.json", b"one")
    found = store.read("a/index.json")
    assert found is not None
    assert (found.body, found.version) == (b"one", version)


def test_an_unchanged_key_is_not_read_again(store: Store) -> None:
    version = write(store, "a/index.json", b"one")
    assert store.read("a/index.json", unless=version) is None
    newer = write(store, "a/index.json", b"two")
    assert newer != version
    found = store.read("a/index.json", unless=version)
    assert found is not None
    assert found.body == b"two"


def test_a_missing_key_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.read("nothing/index.json")
    write(store, "a/index.json", b"one")
    with pytest.raises(NotFound):
        store.read("a/other.json")
    store.remove("a/never-was.json")


def test_new_means_that_nothing_is_there(store: Store) -> None:
    write(store, "a/index.json", b"one", "new")
    with pytest.raises(Conflict):
        write(store, "a/index.json", b"two", "new")
    found = store.read("a/index.json")
    assert found is not None
    assert found.body == b"one"


def test_an_expected_version_guards_the_write(store: Store) -> None:
    first = write(store, "a/index.json", b"one")
    second = write(store, "a/index.json", b"two", first)
    with pytest.raises(Conflict):
        write(store, "a/index.json", b"three", first)
    assert write(store, "a/index.json", b"four", second) != second


def test_of_many_writers_that_expect_nothing_one_wins(store: Store) -> None:
    outcomes: list[str] = []

    def one(number: int) -> None:
        try:
            write(store, "race/index.json", b"%d" % number, "new")
            outcomes.append("won")
        except Conflict:
            outcomes.append("lost")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]


def test_folders_and_entries(store: Store) -> None:
    write(store, "a/index.json", b"one")
    write(store, "a/r1/index.tif", b"123")
    write(store, "b/index.json", b"two")
    assert sorted(store.folders()) == ["a", "b"]
    assert list(store.folders("a/")) == ["r1"]
    assert {entry.key: entry.size for entry in store.entries("a/")} == {"a/index.json": 3, "a/r1/index.tif": 3}
    assert len(list(store.entries())) == 3
    assert list(store.entries("none/")) == []


def test_an_upload_is_whole_and_counts_its_bytes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(20 << 20))
    seen: list[int] = []
    store.upload("a/r1/index.tif", path, media_type="image/tiff", progress=seen.append)
    found = store.read("a/r1/index.tif")
    assert found is not None
    assert found.body == path.read_bytes()
    assert sum(seen) == 20 << 20


def test_what_was_removed_is_gone(store: Store) -> None:
    write(store, "a/r1/index.tif", b"123")
    store.remove("a/r1/index.tif")
    with pytest.raises(NotFound):
        store.read("a/r1/index.tif")
    assert list(store.folders()) == []


def test_a_folder_that_is_emptied_meanwhile(tmp_path: Path) -> None:
    """A server writes tiles into a directory while they are removed and looked through."""
    store, end = open_store(str(tmp_path / "store"), patient=False), time.monotonic() + 1.0
    wrong: list[str] = []
    source = tmp_path / "source"
    source.write_bytes(b"x")

    def again(work: Callable[[], object]) -> None:
        while time.monotonic() < end and not wrong:
            try:
                work()
            except TileryError as error:
                wrong.append(f"{error.detail} {error.private}")

    works: list[Callable[[], object]] = [
        lambda: write(store, "a/b/1.png", b"x"),
        lambda: store.upload("a/b/2.png", source, media_type="image/png", progress=lambda _: None),
        lambda: store.remove("a/b/1.png"),
        lambda: store.remove("a/b/2.png"),
        lambda: list(store.entries("a/")),
    ]
    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(again, works))
    assert wrong == []


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a//b", "a/\x00"])
def test_a_key_cannot_leave_the_directory(tmp_path: Path, key: str) -> None:
    (tmp_path / "outside").write_text("secret")
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(NotFound):
        store.read(key)
    with pytest.raises(NotFound):
        write(store, key, b"mine")
    assert (tmp_path / "outside").read_text() == "secret"


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    write(store, "a/index.json", b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        write(store, "a/index.json", b"new")
    assert (tmp_path / "a" / "index.json").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["index.json"]


def test_a_file_is_whole_though_the_system_takes_a_part_at_a_time_and_may_be_read_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_full = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: in_full(handle, data[:100]))
    before = os.umask(0o077)
    try:
        for patient in (True, False):
            store = open_store(str(tmp_path), patient=patient)
            write(store, "a/1.png", bytes(range(256)) * 3)
            assert (tmp_path / "a" / "1.png").read_bytes() == bytes(range(256)) * 3
            assert (tmp_path / "a" / "1.png").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1.png"]


def test_a_store_that_is_down_says_so(s3: S3) -> None:  # noqa: F811
    nobody = StoreOptions(s3_endpoint="http://127.0.0.1:9", fetch_retries=0, connect_timeout=0.2)
    store = open_store("s3://layers/x/", nobody)
    with pytest.raises(UpstreamError) as caught:
        store.read("a/index.json")
    assert "127.0.0.1" not in caught.value.detail


def test_addresses() -> None:
    assert open_store("s3://bucket/a/b").address == "s3://bucket/a/b/"
    assert open_store("s3://bucket").address == "s3://bucket/"
    assert open_store("/tmp/../tmp/x/").address == "/tmp/x/"
    for wrong in ("gs://bucket/", "http://host/x", "s3:///x"):
        with pytest.raises(InvalidParameter):
            open_store(wrong)


def test_a_bucket_that_vanishes_leaves_the_last_good_layers(s3: S3) -> None:  # noqa: F811
    s3.bucket("short-lived")
    for layer_id in ("a", "b"):
        s3.put("short-lived", f"sources/{layer_id}/index.json", b'{"minzoom": 3}')
    catalog = Catalog(open_store("s3://short-lived/sources/", StoreOptions(s3_endpoint=s3.endpoint)), revalidate=0)
    assert [layer.id for layer in catalog.layers()] == ["a", "b"]
    s3.delete("short-lived", "sources/b/index.json")
    assert [catalog.get(layer.id).id for layer in catalog.layers()] == ["a"]
    s3.delete("short-lived", "sources/a/index.json")
    s3.drop("short-lived")
    assert catalog.get("a").minzoom == 3
    assert [layer.id for layer in catalog.layers()] == ["a"]

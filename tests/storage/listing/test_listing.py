"""Folders of this machine and of buckets: the same promises of both, and nothing of what may not be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.s3 import KEYS, S3, s3, s3_server  # noqa: F401
from tilery.errors import DeadlineExceeded, InvalidParameter, SourceDenied, SourceNotFound, SourceRefused
from tilery.limits import deadline
from tilery.storage.listing import Bounds, FolderPage, listed, roots
from tilery.storage.listing import buckets as buckets_
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

FILES = (
    "a.tif",
    "b.txt",
    "c d#1.tif",
    ".hidden.tif",
    ".git/e.tif",
    "sub/f.tif",
    "sub/deep/G.TIF",
    "subway.tif",
    "ü.tif",
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with these files, and another beside it."""

    root: str
    policy: Policy
    stores: Stores

    def page(self, url: str = "", **asked: object) -> FolderPage:
        limit, words, after = asked.get("limit", 100), asked.get("words", ()), asked.get("after")
        return listed(
            f"{self.root}{url}",
            self.policy,
            self.stores,
            wanted=lambda name: name.lower().endswith(".tif"),
            bounds=Bounds(limit=limit),  # type: ignore[arg-type]
            after=after,  # type: ignore[arg-type]
            words=words,  # type: ignore[arg-type]
        )

    def all_pages(self, limit: int) -> list[list[str]]:
        found, after = [], None
        for _ in range(50):
            page = self.page(limit=limit, after=after)
            found.append(names(page))
            after = page.after
            if after is None:
                return found
        raise AssertionError("there is no end of pages")


def names(page: FolderPage) -> list[str]:
    return [child.name for child in page.children]


@pytest.fixture(params=["directory", "bucket", "large bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "directory":
        for name in (*(f"in/{name}" for name in FILES), "out/secret.tif"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"1234")
        policy = Policy.from_sources([f"{tmp_path}/in/"])
        yield Place(root=f"{tmp_path.resolve()}/in/", policy=policy, stores=Stores())
        return
    server: S3 = request.getfixturevalue("s3")
    bucket = "listed"
    server.bucket(bucket)
    for name in (*(f"in/{name}" for name in FILES), "out/secret.tif", "in2/secret.tif"):
        server.put(bucket, f"{tmp_path.name}/{name}", b"1234")
    root = f"s3://{bucket}/{tmp_path.name}/in/"
    policy = Policy.from_sources([root])
    if request.param == "large bucket":  # one that is too large to be listed whole
        monkeypatch.setattr(buckets_, "_WHOLE", 0.0)
        monkeypatch.setattr(buckets_, "_CHUNK", 2)
    stores = Stores(StoreOptions(s3_endpoint=server.endpoint, aws=KEYS), policy.locate)
    yield Place(root=root, policy=policy, stores=stores)
    stores.close()


SHOWN = ["a.tif", "c d#1.tif", "sub/", "subway.tif", "ü.tif"]


def test_what_is_in_a_folder(place: Place) -> None:
    page = place.page()
    assert names(page) == SHOWN
    assert (page.after, page.complete) == (None, True)
    first = page.children[0]
    assert first.size == 4
    assert first.modified is not None
    assert first.modified > 1.6e9
    assert page.children[2].is_folder
    assert names(place.page("sub/")) == ["deep/", "f.tif"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_pages_hold_everything_once(place: Place, limit: int) -> None:
    pages = place.all_pages(limit)
    assert [name for page in pages for name in page] == SHOWN
    assert all(len(page) <= limit for page in pages)


def test_words_are_searched_for_below_a_folder(place: Place) -> None:
    assert names(place.page(words=("sub",))) == ["sub/deep/G.TIF", "sub/f.tif", "subway.tif"]
    assert names(place.page(words=("sub", "g.tif"))) == ["sub/deep/G.TIF"]
    assert names(place.page(words=("hidden",))) == []
    assert names(place.page(words=("git",))) == []
    cut = place.page(words=("tif",), limit=2)
    assert len(cut.children) == 2
    assert not cut.complete


@pytest.mark.parametrize("other", ["../out/", "../", "%2e%2e/out/", "sub/../../out/", ".git/", "sub/../.git/"])
def test_other_folders_are_not_listed(place: Place, other: str) -> None:
    with pytest.raises((SourceRefused, SourceNotFound)):
        place.page(other)


@pytest.mark.parametrize("other", ["./", "/", "sub/../"])
def test_other_spellings_lead_nowhere_else(place: Place, other: str) -> None:
    """A file system knows them, a bucket does not."""
    try:
        found = names(place.page(other))
    except (SourceRefused, InvalidParameter):
        return
    assert found == SHOWN


def test_a_folder_that_is_not_there(place: Place) -> None:
    if buckets_._WHOLE:  # in the order of its keys nothing tells a folder without files from none
        with pytest.raises(SourceNotFound):
            place.page("nothing/")


def test_the_time_of_the_request_ends_a_listing(place: Place) -> None:
    with pytest.raises(DeadlineExceeded), deadline.limit(-1):
        place.page()


def test_links_are_listed_only_where_they_lead_to_what_may_be_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "a.tif").write_bytes(b"1")
    (outside / "secret.tif").write_bytes(b"1")
    (inside / "good.tif").symlink_to(inside / "a.tif")
    (inside / "bad.tif").symlink_to(outside / "secret.tif")
    (inside / "gone.tif").symlink_to(inside / "nothing.tif")
    (inside / "round").symlink_to(inside)
    (inside / "away").symlink_to(outside)
    os.mkfifo(inside / "pipe.tif")
    (inside / "new\nline.tif").write_bytes(b"1")
    (inside / os.fsdecode(b"latin\xe9.tif")).write_bytes(b"1")
    place = Place(root=f"{inside}/", policy=Policy.from_sources([str(inside)]), stores=Stores())
    assert names(place.page()) == ["a.tif", "good.tif"]
    assert names(place.page(words=("tif",))) == ["a.tif", "good.tif"]
    with pytest.raises(SourceRefused):
        place.page("away/")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    place = Place(root=f"{tmp_path}/", policy=Policy.from_sources([str(tmp_path)]), stores=Stores())
    with pytest.raises(SourceDenied):
        place.page("closed/")


def test_a_folder_of_more_names_than_are_looked_at(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}.tif").touch()
    policy, wanted = Policy.from_sources([str(tmp_path)]), lambda name: name.endswith(".tif")
    asked: Callable[..., FolderPage] = lambda **more: listed(  # noqa: E731  said once
        f"{tmp_path}/", policy, Stores(), wanted=wanted, bounds=Bounds(limit=5, names=128), **more
    )
    page = asked()
    assert len(page.children) == 5
    assert not page.complete
    assert not asked(words=("9",)).complete


def test_a_large_bucket_costs_a_bounded_number_of_requests(
    s3: S3,  # noqa: F811  the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Past the inside of a folder leads one request, whatever is in it; a page that would need more ends early."""
    s3.bucket("crowded")
    for folder in range(6):
        for number in range(5):
            s3.put("crowded", f"{folder}/{number}.tif", b"1")
    monkeypatch.setattr(buckets_, "_WHOLE", 0.0)
    monkeypatch.setattr(buckets_, "_CHUNK", 2)
    policy = Policy.from_sources(["s3://crowded/"])
    stores = Stores(StoreOptions(s3_endpoint=s3.endpoint, aws=KEYS), policy.locate)
    sent: list[object] = []
    begun = buckets_._begun

    def counted(chunks: Iterable[Any]) -> Iterator[Any]:
        for chunk in begun(chunks):
            sent.append(chunk)
            yield chunk

    monkeypatch.setattr(buckets_, "_begun", counted)
    found, after = [], None
    for _ in range(20):
        sent.clear()
        page = listed(
            "s3://crowded/", policy, stores, wanted=lambda _: True, bounds=Bounds(limit=100, requests=2), after=after
        )
        assert len(sent) <= 2
        found += names(page)
        after = page.after
        if after is None:
            break
    assert found == [f"{folder}/" for folder in range(6)]
    stores.close()


def test_where_one_may_begin(tmp_path: Path) -> None:
    (tmp_path / "one.tif").touch()
    policy = Policy.from_sources(
        [
            str(tmp_path),
            f"{tmp_path}/one.tif",
            "s3://whole",
            "gs://bucket/part/",
            "az://container/folder",
            "s3://bucket/one.tif",
            "https://example.com/data/",
            "https://example.com/catalog.json",
            "https://*",
        ]
    )
    assert [(root.url, root.kind) for root in roots(policy)] == [
        (f"{tmp_path.resolve()}/", "folder"),
        (f"{tmp_path.resolve()}/one.tif", "file"),
        ("s3://whole/", "folder"),
        ("gs://bucket/part/", "folder"),
        ("az://container/folder/", "folder"),
        ("s3://bucket/one.tif", "file"),
        ("https://example.com/data/", "server"),
        ("https://example.com/catalog.json", "file"),
    ]

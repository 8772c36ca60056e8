"""The catalog as the service uses it: fresh, cheap, and never broken by a document."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tilery.catalog import catalog as catalog_
from tilery.catalog import index
from tilery.catalog.catalog import Catalog
from tilery.catalog.listing import Query
from tilery.errors import LayerNotFound, UpstreamError
from tilery.storage.objects import Blob, Entry
from tilery.storage.objects.directory import DirectoryStore


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting(DirectoryStore):
    """A directory that counts what is asked of it, and can be down."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads = self.listings = 0
        self.down = False

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        self.reads += key != index.NAME
        if self.down:
            raise UpstreamError("down")
        return super().read(key, unless=unless)

    def folders(self, prefix: str = "") -> Iterator[str]:
        self.listings += 1
        if self.down:
            raise UpstreamError("down")
        return super().folders(prefix)

    def named(self, name: str, within: Callable[[str], bool]) -> Iterator[Entry]:
        if self.down:
            raise UpstreamError("down")
        return super().named(name, within)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


@pytest.fixture
def catalog(store: Counting, clock: Clock) -> Catalog:
    return Catalog(store, revalidate=5.0, clock=clock)


def part(offset: int, limit: int, **more: Any) -> Query:
    return Query(offset=offset, limit=limit, **more)


def put(store: Counting, layer_id: str, **changes: Any) -> None:
    body = json.dumps({"name": layer_id, "revision": "r1"} | changes).encode()
    store.write(f"{layer_id}/index.json", body, media_type="application/json")


def test_layers_are_listed_by_id(catalog: Catalog, store: Counting) -> None:
    for layer_id in ("b", "a", "c"):
        put(store, layer_id)
    (store.root / "not-a-layer").mkdir()
    (store.root / ".work").mkdir()
    (store.root / "UPPER").mkdir()
    assert [layer.id for layer in catalog.layers()] == ["a", "b", "c"]


def test_an_empty_or_missing_directory_has_no_layers(tmp_path: Path) -> None:
    assert Catalog(DirectoryStore(tmp_path / "none")).layers() == ()


def test_a_layer_is_read_once_in_a_while(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a")
    catalog.get("a")
    before = store.reads, store.listings
    for _ in range(100):
        catalog.get("a")
    assert (store.reads, store.listings) == before
    assert catalog.fresh("a") is not None
    clock.now = 6.0
    assert catalog.fresh("a") is None
    catalog.get("a")
    assert store.reads == before[0] + 1
    assert store.listings == before[1]


def test_a_new_revision_is_seen_without_a_restart(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a")
    assert catalog.get("a").revision == "r1"
    put(store, "a", revision="r2")
    assert catalog.get("a").revision == "r1"
    clock.now = 5.0
    assert catalog.get("a").revision == "r2"


def test_new_and_removed_layers_are_seen(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a")
    assert len(catalog.layers()) == 1
    put(store, "b")
    clock.now = 5.0
    assert catalog.get("b").id == "b"
    store.remove("a/index.json")
    clock.now = 10.0
    with pytest.raises(LayerNotFound):
        catalog.get("a")
    assert [layer.id for layer in catalog.layers()] == ["b"]


def test_an_unknown_id_costs_one_look_in_a_while(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a")
    for _ in range(3):
        for number in range(50):
            with pytest.raises(LayerNotFound):
                catalog.get(f"guess-{number}")
    assert (store.reads, store.listings) == (50, 0)
    clock.now = 5.0
    for number in range(50):
        with pytest.raises(LayerNotFound):
            catalog.get(f"guess-{number}")
    assert (store.reads, store.listings) == (100, 0)
    put(store, "guess-7")
    clock.now = 10.0
    assert catalog.get("guess-7").id == "guess-7"


def test_a_flood_of_unknown_ids_takes_bounded_memory(
    catalog: Catalog, store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_, "_ABSENT", 100)
    put(store, "a")
    for number in range(1000):
        with pytest.raises(LayerNotFound):
            catalog.get(f"guess-{number}")
    assert catalog.get("a").id == "a"
    assert len(catalog._absent) == 100
    reads = store.reads
    for number in range(999, 899, -1):
        with pytest.raises(LayerNotFound):
            catalog.get(f"guess-{number}")
    assert store.reads == reads


def test_layers_in_memory_are_bounded(
    catalog: Catalog, store: Counting, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_, "_HELD", 100_000)
    for number in range(60):
        put(store, f"layer-{number}")
    for number in range(60):
        catalog.get(f"layer-{number}")
        clock.now += 0.01
    assert 10 < len(catalog._cache) < 30
    assert catalog._held == sum(found.weight for found in catalog._cache.values()) <= 100_000
    reads = store.reads
    assert catalog.get("layer-59").id == "layer-59"
    assert store.reads == reads
    assert catalog.get("layer-1").id == "layer-1"
    assert store.reads == reads + 1


def test_what_cannot_be_an_id_never_reaches_the_store(catalog: Catalog, store: Counting) -> None:
    for text in ("../etc", "a/info", "a/7/66/45", "", "cog", "x" * 100, "a\x00"):
        with pytest.raises(LayerNotFound):
            catalog.get(text)
    assert (store.reads, store.listings) == (0, 0)


def test_the_last_good_document_is_kept(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a", name="good")
    put(store, "b")
    assert catalog.get("a").name == "good"
    store.write("a/index.json", b'{"name": "half a docu', media_type="application/json")
    clock.now = 5.0
    assert catalog.get("a").name == "good"
    assert [layer.id for layer in catalog.layers()] == ["a", "b"]
    assert list(catalog.problems()) == ["a"]
    put(store, "a", name="repaired")
    clock.now = 10.0
    assert catalog.get("a").name == "repaired"
    assert not catalog.problems()


def test_a_document_that_never_was_good_is_left_out(catalog: Catalog, store: Counting) -> None:
    put(store, "good")
    put(store, "future", format=99)
    assert [layer.id for layer in catalog.layers()] == ["good"]
    with pytest.raises(LayerNotFound):
        catalog.get("future")
    assert "format" in catalog.problems()["future"]


def test_a_store_that_is_down_changes_nothing(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "a")
    assert catalog.get("a").id == catalog.layers()[0].id
    store.down = True
    clock.now = 100.0
    assert catalog.get("a").id == "a"
    assert [layer.id for layer in catalog.layers()] == ["a"]
    store.down = False
    clock.now = 200.0
    assert catalog.get("a").id == "a"
    assert not catalog.problems()


def test_a_store_that_was_never_up_is_an_upstream_failure(catalog: Catalog, store: Counting) -> None:
    store.down = True
    with pytest.raises(UpstreamError):
        catalog.layers()
    with pytest.raises(UpstreamError):
        catalog.get("a")


def test_many_layers_are_read_once_and_then_only_looked_at(catalog: Catalog, store: Counting, clock: Clock) -> None:
    for number in range(300):
        put(store, f"layer-{number}")
    assert len(catalog.layers()) == 300
    assert store.reads == 300
    assert len(catalog.layers()) == 300
    assert store.reads == 300


def test_from_many_threads(catalog: Catalog, store: Counting, clock: Clock) -> None:
    for number in range(20):
        put(store, f"layer-{number}")
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                clock.now += 1.0
                assert catalog.get("layer-7").id == "layer-7"
                assert len(catalog.layers()) == 20
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(60):
        put(store, "layer-7", revision=f"r{number}")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_one_document_that_cannot_be_read_hides_no_other(catalog: Catalog, store: Counting, clock: Clock) -> None:
    put(store, "alps")
    put(store, "dem")
    document = store.root / "dem" / "index.json"
    document.unlink()
    document.symlink_to("index.json")
    assert catalog.get("alps").id == "alps"
    assert [layer.id for layer in catalog.layers()] == ["alps"]
    assert list(catalog.problems()) == ["dem"]
    with pytest.raises(UpstreamError):
        catalog.get("dem")
    document.unlink()
    put(store, "dem")
    clock.now += 5
    assert catalog.get("dem").id == "dem"


def test_a_page_reads_its_own_documents_only(catalog: Catalog, store: Counting, clock: Clock) -> None:
    for number in range(30):
        put(store, f"layer-{number:02}")
    page = catalog.page(part(10, 5))
    assert [layer.id for layer in page.layers] == [f"layer-{number}" for number in range(10, 15)]
    assert page.total == 30
    assert (store.reads, store.listings) == (5, 1)
    assert catalog.fresh_page(part(10, 5)) is page
    assert catalog.page(part(10, 5)) is page
    assert [layer.id for layer in catalog.page(part(28, 5)).layers] == ["layer-28", "layer-29"]
    assert catalog.page(part(30, 5)).layers == ()
    assert store.listings == 1


def test_a_page_is_known_by_what_is_on_it(catalog: Catalog, store: Counting, clock: Clock) -> None:
    for layer_id in ("a", "b", "c"):
        put(store, layer_id)
    first, second = catalog.page(part(0, 2)), catalog.page(part(2, 2))
    clock.now = 5.0
    assert catalog.fresh_page(part(0, 2)) is None
    assert catalog.page(part(0, 2)).state == first.state
    put(store, "b", name="other")
    clock.now = 10.0
    assert catalog.page(part(0, 2)).state != first.state
    assert catalog.page(part(2, 2)).state == second.state
    store.remove("c/index.json")
    clock.now = 15.0
    assert catalog.page(part(2, 2)).layers == ()
    assert catalog.page(part(2, 2)).state != second.state
    again = Catalog(DirectoryStore(store.root), clock=clock)
    assert again.page(part(0, 2)).state == catalog.page(part(0, 2)).state  # in every process


def test_one_layer_of_many_is_read_alone(catalog: Catalog, store: Counting) -> None:
    for number in range(30):
        put(store, f"layer-{number:02}")
    assert catalog.get("layer-07").id == "layer-07"
    assert (store.reads, store.listings) == (1, 0)


@pytest.mark.parametrize("field", ["statistics", "render", "styles", "unknown", "name"])
def test_a_deep_document_is_broken_and_spoils_no_list(catalog: Catalog, store: Counting, field: str) -> None:
    put(store, "good")
    for depth, layer_id in ((200, "deep"), (900, "deeper"), (100_000, "deepest")):
        body = f'{{"{field}": {{"b1": {{"x": {"[" * depth}{"]" * depth}}}}}}}'
        store.write(f"{layer_id}/index.json", body.encode(), media_type="application/json")
    assert [layer.id for layer in catalog.layers()] == ["good"]
    assert set(catalog.problems()) == {"deep", "deeper", "deepest"}
    with pytest.raises(LayerNotFound):
        catalog.get("deep")


def test_statistics_and_colours_are_not_too_deep(catalog: Catalog, store: Counting) -> None:
    statistics = {"b1": {"histogram": [[1, 2], [0, 1, 2]]}}
    colours = [[[0, 10], [255, 0, 0, 255]]]
    put(store, "a", statistics=statistics, styles={"s": {"render": {"colormap": colours}}}, more={"a": {"b": [[[1]]]}})
    assert catalog.get("a").statistics == statistics


@pytest.mark.parametrize("left", ["nothing", "a mount point"])
def test_a_directory_that_vanishes_leaves_the_last_good_layers(
    tmp_path: Path, clock: Clock, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Counting(tmp_path / "layers")
    catalog = Catalog(store, revalidate=5.0, clock=clock)
    put(store, "a")
    put(store, "b")
    assert [catalog.get(layer.id).id for layer in catalog.layers()] == ["a", "b"]
    store.root.rename(tmp_path / "elsewhere")
    if left == "a mount point":
        store.root.mkdir()
        monkeypatch.setattr(store, "_device", -1)  # that of the file system which was mounted there
    for now in (10.0, 20.0):
        clock.now = now
        assert catalog.get("a").id == "a"
        assert [layer.id for layer in catalog.layers()] == ["a", "b"]
        assert len(catalog.page(part(0, 10)).layers) == 2
        assert catalog.get("b").id == "b"
        with pytest.raises(LayerNotFound):
            catalog.get("c")
    assert set(catalog.problems()) == {"a", "b"}
    if left == "a mount point":
        store.root.rmdir()
    (tmp_path / "elsewhere").rename(store.root)
    store.remove("b/index.json")
    clock.now = 30.0
    assert [layer.id for layer in catalog.layers()] == ["a"]
    assert not catalog.problems()
    store.remove("a/index.json")  # the last layer may go, as long as the directory is there
    store.root.mkdir(exist_ok=True)
    clock.now = 40.0
    assert catalog.layers() == ()


@pytest.mark.parametrize("step", ["read", "named"])
def test_a_list_that_was_begun_before_a_change_is_not_told_after_it(tmp_path: Path, clock: Clock, step: str) -> None:
    class Changing(Counting):
        """A directory in which a layer changes just after it was looked at."""

        changes = False

        def read(self, key: str, *, unless: str | None = None) -> Blob | None:
            found = super().read(key, unless=unless)
            if step == "read" and key != index.NAME:
                self.change()
            return found

        def named(self, name: str, within: Callable[[str], bool]) -> Iterator[Entry]:
            yield from list(super().named(name, within))
            if step == "named":
                self.change()

        def change(self) -> None:
            if self.changes:
                self.changes = False
                put(self, "a", name="other")
                listed.changed("a")

    store = Changing(tmp_path)
    listed = Catalog(store, revalidate=5.0, clock=clock)
    put(store, "a")
    store.changes = True
    listed.page(part(0, 10))
    assert not store.changes
    assert [layer.name for layer in listed.page(part(0, 10)).layers] == ["other"]


def test_a_change_that_is_told_is_seen_at_once(catalog: Catalog, store: Counting) -> None:
    put(store, "a")
    assert [layer.name for layer in catalog.page(part(0, 10)).layers] == [catalog.get("a").name] == ["a"]
    with pytest.raises(LayerNotFound):
        catalog.get("b")
    put(store, "a", name="other")
    put(store, "b")
    catalog.changed("a")
    catalog.changed("b")
    assert (catalog.get("a").name, catalog.get("b").name) == ("other", "b")
    assert [layer.name for layer in catalog.page(part(0, 10)).layers] == ["other", "b"]

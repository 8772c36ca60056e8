"""The index beside the layers: what it costs, and that no layer is wrong or missing whoever wrote what and when."""

from __future__ import annotations

import json
import logging
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.catalog import editing, index, listing
from tilery.catalog.catalog import Catalog
from tilery.catalog.geopackage import BrokenIndex, LayerTable
from tilery.catalog.listing import Query
from tilery.errors import Conflict, LayerNotFound, UpstreamError
from tilery.storage.objects import Store, open_store
from tilery.storage.objects.directory import DirectoryStore
from tilery.storage.options import StoreOptions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty catalog of either kind."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "catalog")
    server: S3 = request.getfixturevalue("s3")
    server.bucket("catalogs")
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return open_store(f"s3://catalogs/{name}/sources/", StoreOptions(s3_endpoint=server.endpoint))


def document(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "revision": "r1", "bounds": [8, 46, 9, 47], "minzoom": 2, "maxzoom": 9} | more


def put_by_hand(store: Store, layer_id: str, name: str, **more: Any) -> None:
    """As an older version does, which knows of no index."""
    body = json.dumps(document(name, **more)).encode()
    store.write(f"{layer_id}/index.json", body, media_type="application/json")


def names(catalog: Catalog, **more: Any) -> list[tuple[str, str]]:
    return [(layer.id, layer.name) for layer in catalog.page(Query(offset=0, limit=100, **more)).layers]


def indexed(store: Store) -> list[tuple[str, str]]:
    table, _ = index.load(store) or (None, "")
    assert table is not None
    return [(layer_id, layer.name) for layer_id, _, layer in table.page(0, 1000) if layer is not None]


def test_writing_layers_keeps_the_index(store: Store) -> None:
    editing.add(store, "b", document("B"))
    editing.add(store, "a/2024/x", document("X"))
    assert indexed(store) == [("a/2024/x", "X"), ("b", "B")]
    editing.add(store, "b", document("New"), replace=True)
    editing.set_style(store, "b", "gray", {"bidx": 1}, "Gray")
    assert indexed(store) == [("a/2024/x", "X"), ("b", "New")]
    table, _ = index.load(store) or (None, "")
    assert table is not None
    ((_, version, layer),) = table.page(1, 1)
    assert layer is not None
    full = Catalog(store).get("b")
    assert (layer.version, version) == (full.version, full.version)
    for field in ("id", "name", "kind", "bounds", "minzoom", "maxzoom", "revision", "description", "published"):
        assert getattr(layer, field) == getattr(full, field)
    assert [(style.name, style.title) for style in layer.styles] == [("gray", "Gray")]
    assert editing.remove(store, "b") >= 1
    assert indexed(store) == [("a/2024/x", "X")]


def test_the_versions_of_a_listing_are_those_of_reading(store: Store) -> None:
    put_by_hand(store, "a", "A")
    version = store.write("b/c/index.json", b"{}", media_type="application/json")
    blob = store.read("a/index.json")
    assert blob is not None
    found = {entry.key: entry.version for entry in store.named("index.json", lambda _: True)}
    assert found == {"a/index.json": blob.version, "b/c/index.json": version}


def test_documents_put_by_hand_are_listed_and_removed_ones_not(store: Store, clock: Clock) -> None:
    catalog = Catalog(store, revalidate=5, clock=clock)
    put_by_hand(store, "old", "Old")
    assert names(catalog) == [("old", "Old")]  # there is no index
    editing.add(store, "new", document("New"))
    assert indexed(store) == [("new", "New"), ("old", "Old")]  # the first one has what was there before
    put_by_hand(store, "hand", "By hand")
    put_by_hand(store, "old", "Changed")
    store.remove("new/index.json")
    wanted = [("hand", "By hand"), ("old", "Changed")]
    clock.now += 5
    assert names(catalog) == wanted
    assert names(Catalog(store)) == wanted
    editing.add(store, "more", document("More"))  # which says nothing of the others
    clock.now += 5
    wanted.insert(1, ("more", "More"))
    assert names(catalog) == names(Catalog(store)) == wanted
    assert indexed(store) != wanted
    assert index.rebuild(store)[0] == 3
    assert indexed(store) == wanted
    clock.now += 5
    assert names(catalog) == names(Catalog(store)) == wanted


def test_a_broken_document_hides_no_other_and_is_in_no_index(store: Store) -> None:
    put_by_hand(store, "a", "A")
    put_by_hand(store, "b", "B", format=99)
    count, found = index.rebuild(store)
    assert count == 1
    assert list(found.broken) == ["b"]
    assert indexed(store) == [("a", "A")]
    catalog = Catalog(store)
    assert names(catalog) == [("a", "A")]
    assert list(catalog.problems()) == ["b"]
    put_by_hand(store, "b", "Mended")
    assert names(Catalog(store)) == [("a", "A"), ("b", "Mended")]


@pytest.mark.parametrize(
    "body", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 5000, "another", "other version"]
)
def test_a_broken_index_is_left_alone_and_replaced(tmp_path: Path, body: bytes | str) -> None:
    store = DirectoryStore(tmp_path)
    editing.add(store, "a", document("A"))
    put_by_hand(store, "b", "B")
    if isinstance(body, str):
        (tmp_path / index.NAME).unlink()
        db = sqlite3.connect(tmp_path / index.NAME)
        db.execute("CREATE TABLE gpkg_contents (table_name, description)")
        if body == "other version":
            db.execute("INSERT INTO gpkg_contents VALUES ('layers', 'table version 99')")
        db.commit()
        db.close()
    else:
        (tmp_path / index.NAME).write_bytes(body)
    assert names(Catalog(store)) == [("a", "A"), ("b", "B")]
    editing.add(store, "c", document("C"))
    assert indexed(store) == [("a", "A"), ("b", "B"), ("c", "C")]


def test_half_an_index_is_none() -> None:
    table = LayerTable()
    for number in range(300):
        table.put(_summary(number))
    body = table.encoded()
    assert LayerTable(body).count() == 300
    with pytest.raises(BrokenIndex):
        LayerTable(body[: len(body) // 2])


def _summary(number: int) -> Any:
    from tilery.catalog.layer import LayerSummary

    return LayerSummary(
        id=f"layer-{number:05}",
        name=f"Layer {number}",
        revision="r1",
        version=f"v{number}",
        bounds=(8.0, 46.0, 9.0, 47.0),
        minzoom=0,
        maxzoom=9,
    )


def test_publishers_at_once_lose_nothing(store: Store) -> None:
    """Whoever writes the index last has read what the others wrote."""
    editing.add(store, "shared", document("0"))
    failures: list[BaseException] = []

    def publish(number: int) -> None:
        try:
            for turn in range(3):
                editing.add(store, f"layer-{number}", document(f"{number}.{turn}"), replace=True)
            editing.set_style(store, "shared", f"style-{number}", {"bidx": 1})
            if number % 2:
                editing.remove(store, f"layer-{number}")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [failure for failure in failures if not isinstance(failure, Conflict)]
    table, _ = index.load(store) or (None, "")
    assert table is not None
    found = {layer_id: version for layer_id, version, _ in table.page(0, 100)}
    assert sorted(found) == ["layer-0", "layer-2", "shared"]
    assert found == {name: Catalog(store).get(name).version for name in found}


def test_a_store_that_takes_no_index_fails_no_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(DirectoryStore):
        def write(self, key: str, body: bytes, **more: Any) -> str:
            if key == index.NAME:
                raise UpstreamError("refused", private="by the bucket's policy")
            return super().write(key, body, **more)

    store = Refusing(tmp_path)
    with caplog.at_level(logging.WARNING, "tilery.catalog"):
        editing.add(store, "a", document("A"))
    assert "by the bucket's policy" in caplog.text
    assert names(Catalog(store)) == [("a", "A")]


def test_an_index_that_may_not_be_read_hides_nothing(tmp_path: Path) -> None:
    class Refusing(DirectoryStore):
        def read(self, key: str, *, unless: str | None = None) -> Any:
            if key == index.NAME:
                raise UpstreamError("refused")
            return super().read(key, unless=unless)

    editing.add(DirectoryStore(tmp_path), "a", document("A"))
    assert names(Catalog(Refusing(tmp_path))) == [("a", "A")]


def test_it_is_a_geopackage(tmp_path: Path) -> None:
    """As OGC 12-128r18 has it, and as GDAL and any SQLite read it."""
    store = DirectoryStore(tmp_path)
    editing.add(store, "a/b", document("Grün", description="Ein See"))
    editing.add(store, "across", document("Fiji", bounds=[177, -20, -178, -15]))
    db = sqlite3.connect(tmp_path / index.NAME)
    assert db.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = db.execute("SELECT id, name, minzoom, west, geom FROM layers ORDER BY id").fetchall()
    assert rows[0][:4] == ("a/b", "Grün", 2, 8.0)
    geometry = rows[1][4]
    assert geometry[:4] == b"GP\x00\x01"
    assert struct.unpack_from("<i", geometry, 4) == (4326,)
    assert struct.unpack_from("<BII", geometry, 8) == (1, 6, 2)  # two parts
    assert struct.unpack_from("<BIII4d", geometry, 17) == (1, 3, 1, 5, 177.0, -20.0, 180.0, -20.0)
    db.execute("PRAGMA journal_mode = WAL")  # as QGIS leaves it
    db.close()
    assert names(Catalog(store)) == [("a/b", "Grün"), ("across", "Fiji")]
    assert names(Catalog(store), words=("grün",)) == names(Catalog(store), words=("see",)) == [("a/b", "Grün")]


# What it costs


@pytest.fixture
def many(s3: S3) -> Iterator[Store]:  # noqa: F811
    """A bucket of 40 layers, whose index has all of them."""
    s3.bucket("many")
    store = open_store("s3://many/sources/", StoreOptions(s3_endpoint=s3.endpoint))
    for number in range(40):
        put_by_hand(store, f"layer-{number:02}", f"Layer {number}")
    index.rebuild(store)
    yield store
    for key in s3.keys("many"):
        s3.delete("many", key)


def test_a_layer_costs_one_request_and_an_unknown_one_too(many: Store, s3: S3, clock: Clock) -> None:  # noqa: F811
    catalog = Catalog(many, clock=clock)
    with s3.counted() as asked:
        assert catalog.get("layer-07").id == "layer-07"
        catalog.get("layer-07")
    assert asked == ["GET /many/sources/layer-07/index.json 200"]
    with s3.counted() as asked:
        for _ in range(5):
            with pytest.raises(LayerNotFound):
                catalog.get("nothing/here")
    assert asked == ["GET /many/sources/nothing/here/index.json 404"]


def test_a_list_costs_the_index_and_a_listing_and_no_document(many: Store, s3: S3, clock: Clock) -> None:  # noqa: F811
    catalog = Catalog(many, clock=clock)
    with s3.counted() as asked:
        assert len(names(catalog)) == 40
        assert len(names(catalog, words=("layer",))) == 40
        assert names(catalog, words=("39",)) == [("layer-39", "Layer 39")]
    assert asked[0] == "GET /many/sources/layers.gpkg 200"
    assert len(asked) == 2
    assert "list-type=2" in asked[1]
    clock.now += 5
    with s3.counted() as asked:
        names(catalog)
    assert asked[0] == "GET /many/sources/layers.gpkg 304"
    assert len(asked) == 2
    put_by_hand(many, "hand", "By hand")
    clock.now += 5
    with s3.counted() as asked:
        assert len(names(catalog)) == 41
    assert [line for line in asked if "index.json" in line] == ["GET /many/sources/hand/index.json 200"]


def test_a_slow_listing_is_waited_for_by_nobody(
    many: Store,
    s3: S3,  # noqa: F811
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The index answers at once; what it lacks comes to be known behind the answer."""
    monkeypatch.setattr(listing, "_SMALL", 10)
    put_by_hand(many, "hand", "By hand")
    catalog = Catalog(many, clock=clock)
    begun, go_on = threading.Event(), threading.Event()
    original = type(many).named

    def slow(self: Any, *arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(20)
        return original(self, *arguments)

    monkeypatch.setattr(type(many), "named", slow)
    assert len(names(catalog)) == 40
    assert begun.wait(20)
    go_on.set()
    with catalog._listing._behind:
        clock.now += 5
        assert len(names(catalog)) == 41


def test_writing_a_layer_costs_four_requests_more(many: Store, s3: S3) -> None:  # noqa: F811
    with s3.counted() as asked:
        editing.add(many, "new", document("New"))
    assert asked == [
        "PUT /many/sources/new/index.json 200",
        "GET /many/sources/layers.gpkg 200",
        "GET /many/sources/new/index.json 200",
        "PUT /many/sources/layers.gpkg 200",
    ]

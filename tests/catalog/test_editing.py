"""Changes to documents."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tilery.catalog import editing
from tilery.errors import BrokenDocument, InvalidParameter, LayerNotFound
from tilery.storage.objects import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = open_store(str(tmp_path))
    document = {"name": "Alps", "revision": "r1", "mine": {"kept": True}}
    found.write("alps/index.json", json.dumps(document).encode(), media_type="application/json")
    return found


def document(store: Store) -> dict[str, Any]:
    return editing.read(store, "alps")[0]


def test_styles_are_set_replaced_and_taken_away(store: Store) -> None:
    editing.set_style(store, "alps", "hot", {"colormap_name": "hot"}, "Hot")
    editing.set_style(store, "alps", "cold", {"rescale": ["0,1"]})
    editing.set_style(store, "alps", "hot", {"colormap_name": "inferno"})
    assert document(store)["styles"] == {
        "hot": {"render": {"colormap_name": "inferno"}},
        "cold": {"render": {"rescale": ["0,1"]}},
    }
    editing.drop_style(store, "alps", "hot")
    assert list(document(store)["styles"]) == ["cold"]
    with pytest.raises(InvalidParameter):
        editing.drop_style(store, "alps", "hot")


@pytest.mark.parametrize(("styles", "fits"), [(None, True), ([], True), (["a"], False), ("a", False)])
def test_styles_that_somebody_wrote_wrongly(store: Store, styles: Any, fits: bool) -> None:
    store.write("alps/index.json", json.dumps({"styles": styles}).encode(), media_type="application/json")
    if fits:
        assert list(editing.set_style(store, "alps", "hot", {})["styles"]) == ["hot"]
        return
    with pytest.raises(BrokenDocument):
        editing.set_style(store, "alps", "hot", {})
    with pytest.raises(BrokenDocument):
        editing.drop_style(store, "alps", "hot")


def test_what_we_do_not_know_is_kept(store: Store) -> None:
    editing.set_render(store, "alps", {"rescale": ["0,10"]})
    assert document(store)["mine"] == {"kept": True}
    assert document(store)["render"] == {"rescale": ["0,10"]}


def test_a_change_that_breaks_the_document_is_not_written(store: Store) -> None:
    with pytest.raises(BrokenDocument):
        editing.set_style(store, "alps", "x", {"url": "/etc/passwd"})
    assert "styles" not in document(store)


def test_simultaneous_changes_are_all_there(store: Store) -> None:
    def one(number: int) -> None:
        editing.set_style(store, "alps", f"style-{number}", {"bidx": [number]})

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(document(store)["styles"]) == 4


def test_removing_takes_all_files(store: Store, tmp_path: Path) -> None:
    store.write("alps/r1/index.tif", b"x", media_type="image/tiff")
    assert editing.remove(store, "alps") == 2
    assert not (tmp_path / "alps").exists()
    with pytest.raises(LayerNotFound):
        editing.remove(store, "alps")
    with pytest.raises(LayerNotFound):
        editing.read(store, "alps")


def test_render_parameters_from_a_query_string() -> None:
    assert editing.render_of("rescale=0,3000&rescale=0,1&colormap_name=viridis&bidx=1") == {
        "rescale": ["0,3000", "0,1"],
        "colormap_name": "viridis",
        "bidx": ["1"],
    }
    assert editing.render_of("") == {}
    for wrong in ("url=/etc/passwd", "no-equals-sign", "tilesize=512"):
        with pytest.raises(InvalidParameter):
            editing.render_of(wrong)

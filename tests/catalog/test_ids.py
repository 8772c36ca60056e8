"""What a layer may be called, with and without folders, and that an address always tells where the id ends."""

from __future__ import annotations

import re

import pytest

from app.api import collections, layer_editing, routes
from app.api.app import create_app
from app.api.families import layers
from app.config.settings import Settings
from tilery.catalog import ids
from tilery.errors import InvalidParameter, LayerNotFound

GOOD = ["a", "dem", "2024", "a-b_c", "alps/ortho", "alps/2024/ortho", "1/2/3/x", "/".join("abcdefgh"), "dem/map-1"]
BAD = [
    "",
    "/",
    "A",
    "a//b",
    "/a",
    "a/",
    "a/B",
    "../a",
    "a/../b",
    "a/.b",
    "a.b",
    "cog",
    "cog/a",
    "layers/a",
    "a/tiles",
    "a/map/b",
    "a/2024",
    "a/7/66/45",
    "a/20240101t000000-0a1b2c",
    "a/20240101t000000-0a1b2c/b",
    "/".join("abcdefghi"),
    "a" * 65,
    "/".join(["a" * 60] * 4),
    "a/b\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_ids(text: str) -> None:
    assert ids.is_id(text)
    assert ids.check(text) == ids.requested(text) == text


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_id(text: str) -> None:
    assert not ids.is_id(text)
    with pytest.raises(InvalidParameter):
        ids.check(text)
    with pytest.raises(LayerNotFound):
        ids.requested(text)


def test_folders() -> None:
    assert ids.is_folder("alps")
    assert ids.is_folder("alps/2024")
    assert not ids.is_folder("cog")
    assert not ids.is_folder("alps/")
    assert not ids.is_folder("")


def test_no_word_behind_a_layer_in_a_path_is_a_part_of_an_id() -> None:
    operations = (*layers.OPERATIONS, *layers.SHORT, *collections.OPERATIONS, *layer_editing.OPERATIONS)
    behind = {
        word
        for operation in operations
        for path in operation.paths
        if "{layer}/" in path
        for word in path.partition("{layer}/")[2].split("/")
        if "{" not in word
    }
    assert {"info", "tiles", "map", "wmts"} <= behind
    assert not [word for word in behind if ids.is_id(f"a/{word}") or ids.is_id(f"a/{word}/b")]


def test_no_first_word_of_a_path_begins_an_id() -> None:
    app = routes.build(create_app(Settings(_env_file=None)).context)
    first = {getattr(route, "path", "/").split("/")[1] for route in app.router.routes}
    assert {"cog", "layers", "wmts", "map"} <= first
    words = [word for word in first if re.fullmatch(ids.PART, word)]
    assert not [word for word in words if ids.is_id(word) or ids.is_id(f"{word}/a")]

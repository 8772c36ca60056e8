"""MosaicJSON documents of all versions, packed or not, and what is none."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.support import mosaics
from tilery.errors import NotARaster, OverLimit
from tilery.geo.tms import get as matrix_set_of
from tilery.reading.mosaic import document, index, scanner
from tilery.reading.mosaic.document import Mosaic, parse, unpacked


def parsed(**more: Any) -> Mosaic:
    return parse(mosaics.encoded("a.tif", "b.tif", **more))


def test_what_a_document_says() -> None:
    found = parsed(name="Alps", asset_prefix="s3://bucket/", mosaicjson="0.0.3", overview="low.tif")
    assert (found.version, found.name, found.minzoom, found.maxzoom, found.quadkey_zoom) == ("0.0.3", "Alps", 7, 12, 8)
    assert found.bounds == (8.0, 46.0, 9.0, 47.0)
    assert [found.asset(number) for number in range(2)] == ["s3://bucket/a.tif", "s3://bucket/b.tif"]
    assert found.overview == "low.tif"
    assert found.center == (8.5, 46.5, 7)
    assert dict(found.quadkeys()) == dict.fromkeys(mosaics.tiles((8, 46, 9, 47), 8, []), ("a.tif", "b.tif"))


def test_what_is_not_said_is_implied() -> None:
    found = parse(b'{"tiles": {"": ["a.tif"]}, "mosaicjson": "0.0.1"}')
    assert (found.minzoom, found.maxzoom, found.quadkey_zoom, found.bounds) == (0, 30, 0, (-180, -90, 180, 90))
    assert found.matrix_set.id == "WebMercatorQuad"
    assert list(found.index.of_tile(0, 0)) == [0]
    assert found.head() == {
        "mosaicjson": "0.0.1",
        "version": "1.0.0",
        "minzoom": 0,
        "maxzoom": 30,
        "bounds": [-180, -90, 180, 90],
        "center": [0, 0, 0],
    }
    assert parse(b'{"mosaicjson": "0.0.2", "minzoom": 3, "tiles": {}}').quadkey_zoom == 3


def test_a_document_may_be_packed() -> None:
    plain = mosaics.encoded("a.tif")
    assert unpacked(gzip.compress(plain)) == plain
    assert unpacked(plain) == plain
    for damaged in (gzip.compress(plain)[:-9], b"\x1f\x8bnothing", b"\x1f\x8b"):
        with pytest.raises(NotARaster):
            unpacked(damaged)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused() -> None:
    with pytest.raises(NotARaster, match="more than") as refused:
        unpacked(gzip.compress(b" " * (document.MOST_BYTES + 1)))
    assert refused.value.limit == document.MOST_BYTES
    with pytest.raises(NotARaster, match="more than"):
        parse(b" " * (document.MOST_BYTES + 1))


def test_a_document_may_bring_its_tile_matrix_set() -> None:
    own = matrix_set_of("WorldMercatorWGS84Quad")
    found = parsed(tilematrixset=own.document)
    assert (found.matrix_set.id, found.matrix_set.crs) == ("WorldMercatorWGS84Quad", "EPSG:3395")


@pytest.mark.parametrize(
    ("content", "words", "field"),
    [
        (b"", "no JSON object", None),
        (b"\xff\xfe", "not JSON", None),
        (b"[]", "no JSON object", None),
        (b'{"tiles": {}', "not JSON", None),
        (b'{"tiles": {}} x', "not JSON", None),
        (b'{"tiles": {"0" ["a"]}}', "not JSON", None),
        (b'{"tiles": {"0": ["a" "b"]}}', "not JSON", None),
        (b'{"tiles": {"0": ["a", ]}}', "no text", None),
        (b'{"tiles": {"0": [1]}}', "no text", None),
        (b'{"tiles": {"0": "a"}}', "no list", "tiles"),
        (b'{"tiles": []}', "no JSON object", "tiles"),
        (b'{"mosaicjson": "0.0.2"}', "no tiles", "tiles"),
        (b'{"tiles": {}}', "no version", "mosaicjson"),
        (b'{"mosaicjson": 2, "tiles": {}}', "no version", "mosaicjson"),
        (b'{"a": ' + b"[" * 100_000, "not JSON", None),
        (mosaics.encoded("a", minzoom=31), "from 0 to 30", "minzoom"),
        (mosaics.encoded("a", maxzoom="8"), "no whole number", "maxzoom"),
        (mosaics.encoded("a", maxzoom=10**400), "not from 0", "maxzoom"),
        (mosaics.encoded("a", quadkey_zoom=2.5), "no whole number", "quadkey_zoom"),
        (mosaics.encoded("a", quadkey_zoom=True), "no whole number", "quadkey_zoom"),
        (mosaics.encoded("a").replace(b'"bounds": [8.0', b'"bounds": ["x"'), "four numbers", "bounds"),
        (mosaics.encoded("a", asset_prefix=1), "no text", "asset_prefix"),
        (mosaics.encoded("a", overview=1), "no address", "overview"),
        (mosaics.encoded("a", tilematrixset=1), "no JSON object", "tilematrixset"),
        (mosaics.encoded("a", tilematrixset={"id": "x"}), "none that can be read", "tilematrixset"),
        (
            mosaics.encoded("a", tilematrixset=matrix_set_of("CDB1GlobalGrid").document),
            "no quadkeys",
            "tilematrixset",
        ),
        (mosaics.encoded("a" * 9000), "characters", "tiles"),
    ],
)
def test_what_is_no_mosaic_is_said_to_be_none(content: bytes, words: str, field: str | None) -> None:
    with pytest.raises(document.NotAMosaic, match=words) as refused:
        parse(content)
    assert refused.value.field == field


def test_numbers_of_tiles_and_of_entries_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "MOST_TILES", 3)
    monkeypatch.setattr(scanner, "MOST_ENTRIES", 3)
    tiles = {str(number): ["a.tif"] for number in range(4)}
    with pytest.raises(OverLimit) as refused:
        parse(json.dumps({"mosaicjson": "0.0.2", "tiles": tiles}).encode())
    assert refused.value.limit == 3
    with pytest.raises(OverLimit):
        parse(json.dumps({"mosaicjson": "0.0.2", "tiles": {"0": ["a", "b", "c", "d"]}}).encode())


def test_quadkeys_that_are_none_are_never_asked_for() -> None:
    tiles = {"1": ["a"], "4": ["b"], "x": ["c"], "10": ["d"], "²": ["e"], "+1": ["f"], "_": ["g"]}
    found = parse(json.dumps({"mosaicjson": "0.0.2", "quadkey_zoom": 1, "tiles": tiles}).encode())
    assert list(found.quadkeys()) == [("1", ("a",))]
    assert index.number_of("0123") == 27

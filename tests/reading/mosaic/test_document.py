"""MosaicJSON documents of all versions, packed or not, and what is none."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest

from tests.support import mosaics
from tilery.errors import DeadlineExceeded, NotARaster, OverLimit, TooMuchWork
from tilery.geo.tms import get as matrix_set_of
from tilery.limits import deadline
from tilery.limits.memory import Memory
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


def plain(*members: str) -> bytes:
    """Return a document whose fields are these, as text."""
    return ("{" + ",".join(('"mosaicjson":"0.0.3"', *members)) + "}").encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (plain('"tiles":{}', *['"a":1'] * 2), "more than once"),
        (plain('"tiles":{}', '"tiles":{}'), "more than once"),
        (plain('"tiles":{}', *(f'"{number}":1' for number in range(255))), "more than 256 fields"),
        (plain('"tiles":{}', '"a":' + "[" * 33 + "]" * 33), "more than 32 deep"),
        (plain('"tiles":{}', '"a":' + '{"b":' * 900 + "NaN" + "}" * 900), "more than 32 deep|not JSON"),
        (plain('"tiles":{}', f'"a":"{"x" * (1 << 20)}"'), "more than 1048576 characters"),
        (plain('"tiles":{}', *(f'"{name}":"{"x" * 600_000}"' for name in "ab")), "more than 1048576 characters"),
        (plain('"tiles":{}', f'"asset_prefix":"{"p" * 4097}"'), "more than 4096 characters"),
    ],
)
def test_fields_have_limits_of_their_number_length_and_depth(content: bytes, words: str) -> None:
    with pytest.raises(document.NotAMosaic, match=words):
        parse(content)


@pytest.mark.parametrize("length", [1, 4000, 4094, 4095, 4096, 4097, 65_536, 700_000])
def test_a_field_is_read_whole_however_long_it_is(length: int) -> None:
    values = ["x" * length, [1] * (length // 4), "\U0001f600" * (length // 40), 1.5]
    assert parse(mosaics.encoded("a", a=values[0])).fields["a"] == values[0]
    found = parse(mosaics.encoded("a", b=values[1], c=values[2], d=values[3]))
    assert [found.fields[name] for name in "bcd"] == values[1:]


@pytest.mark.parametrize("digits", range(4085, 4100))
@pytest.mark.parametrize("end", ["", ".5", "e-4000", "e+1"])
def test_a_number_is_never_cut(digits: int, end: str) -> None:
    number = "1" + "0" * (digits - 1) + end
    said = json.loads(number)
    found = parse(plain('"tiles":{}', f'"a":{number}', '"b":2')).fields
    assert (found["a"], found["b"]) == (said, 2)


def test_the_time_is_looked_at_with_each_field_and_inside_of_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = plain('"tiles":{}', *(f'"{number}":1' for number in range(200)))
    names = plain('"tiles":{"0":[' + ",".join(f'"{number}"' for number in range(100_000)) + "]}")
    for content, most in ((fields, 100), (names, 100)):
        looks: list[int] = []

        def look(looks: list[int] = looks, most: int = most) -> None:
            looks.append(1)
            if len(looks) > most:
                raise deadline.exceeded()

        monkeypatch.setattr(deadline, "check", look)
        with pytest.raises(DeadlineExceeded):
            parse(content)


def test_the_entries_of_one_tile_are_counted_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "MOST_ENTRIES", 1000)
    many = ",".join(f'"{number}"' for number in range(200_000))
    content = plain('"tiles":{"0":[' + many + ", 1]}}")
    with pytest.raises(OverLimit):  # and never comes to its end, which is wrong
        parse(content)


NAMES = [f"{number:x}" for number in range(150_000)]
SHAPES: dict[str, Any] = {
    "one tile of many": {"0": NAMES[:60_000]},
    "many tiles of some": {f"{number:b}".zfill(12): NAMES[number * 9 : number * 9 + 9] for number in range(1 << 12)},
    "many tiles of the same": {f"{number:b}".zfill(14): NAMES[:2] for number in range(1 << 14)},
    "long names": {"0": [name + "x" * 400 for name in NAMES[:5_000]]},
    "wide names": {"0": [name + "\U0001f600" for name in NAMES[:30_000]]},
    "no tiles": {},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_memory_of_a_document_is_asked_for_before_it_is_taken(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = SHAPES[shape]
    lists: dict[str, Any] = {} if tiles else {"lists": [[]] * 200_000}
    if tiles:  # nothing else is asked for that could make up for what is missing
        monkeypatch.setattr(document, "LONGEST_FIELDS", 100)
        monkeypatch.setattr(scanner, "_STEP", 1 << 16)
        monkeypatch.setattr(document, "_STEP", 1 << 16)
    zoom = len(next(iter(tiles), ""))
    said = {"mosaicjson": "0.0.3", "quadkey_zoom": zoom, "tiles": tiles, **lists}
    content = json.dumps(said, ensure_ascii=False)
    packed = gzip.compress(content.encode())
    del content
    asked: list[int] = []
    budget = Memory(1 << 30)
    take = budget.take
    budget.take = lambda grant, size: (asked.append(size), take(grant, size))[1]  # type: ignore[method-assign,func-returns-value]
    tracemalloc.start()
    try:
        with budget.work():
            found = parse(unpacked(packed), beside=len(packed))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= max(asked)
    assert max(asked) < 3 * peak + (1 << 20), "nor is far more asked for than it takes"
    assert held <= (found.index.size + found.fields_size) * 1.2 + (1 << 20)


def test_a_document_that_there_is_no_memory_for_is_refused() -> None:
    content = json.dumps({"mosaicjson": "0.0.3", "tiles": {"0": NAMES}}).encode()
    with Memory(32 << 20).work(), pytest.raises(TooMuchWork):
        parse(content)
    with Memory(32 << 20).work(), pytest.raises(TooMuchWork):
        unpacked(gzip.compress(b" " * (30 << 20)))

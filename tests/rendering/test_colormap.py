"""Colormaps: names, JSON, look-ups of every kind of value, bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tilery.errors import InvalidColormap, InvalidParameter, OverLimit, RequestError
from tilery.rendering import colormap
from tilery.rendering.colormap import Colormap, Colormaps, apply, colors_of, parse
from tilery.rendering.encoding.palette import expanded


def looked_up(mapping: Colormap, values: Any) -> list[Any]:
    indexes, palette = apply(mapping, np.asarray(values))
    return colors_of(indexes, palette).tolist()  # type: ignore[no-any-return]


def test_names() -> None:
    names = colormap.names()
    assert len(names) == 211
    assert names == tuple(sorted(names))
    assert {"viridis", "terrain_r", "rdylgn", "cfastie", "rplumbo"} <= set(names)


def test_known_colors() -> None:
    viridis = colormap.get("viridis")
    assert viridis.kind == "linear"
    assert viridis.rgba.shape == (256, 4)
    assert viridis.rgba[0].tolist() == [68, 1, 84, 255]
    assert viridis.rgba[255].tolist() == [253, 231, 36, 255]
    assert np.array_equal(colormap.get("viridis_r").rgba, viridis.rgba[::-1])


@pytest.mark.parametrize("name", ["", "Viridis", "../viridis", "no_such"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        colormap.get(name)
    assert caught.value.parameter == "colormap_name"


def test_a_folder_adds_colormaps(tmp_path: Path) -> None:
    folder = tmp_path
    table = np.tile(np.arange(256, dtype=np.uint8)[:, np.newaxis], (1, 4))
    np.save(folder / "mine.npy", table)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "classes.json").write_text('{"1": "#f00", "2": [0, 255, 0]}')
    (folder / "readme.txt").write_text("no colormap")
    ours = Colormaps(str(folder))
    assert len(ours.names()) == 213
    assert np.array_equal(ours.get("mine").rgba, table)
    assert looked_up(ours.get("classes"), [[1, 2]]) == [[[255, 0, 0, 255], [0, 255, 0, 255]]]


@pytest.mark.parametrize("kind", ["npy", "json"])
def test_a_broken_file_is_told_without_its_path(tmp_path: Path, kind: str) -> None:
    folder = tmp_path
    np.save(folder / "broken.npy", np.zeros((3, 4), dtype=np.uint8))
    if kind == "json":
        (folder / "broken.npy").unlink()
        (folder / "broken.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidColormap) as caught:
        Colormaps(str(folder)).get("broken")
    assert str(folder) not in caught.value.detail
    assert str(folder) in (caught.value.private or "")


@pytest.mark.parametrize(
    ("written", "color"),
    [
        ('"#f80"', [255, 136, 0, 255]),
        ('"#F804"', [255, 136, 0, 68]),
        ('"#0a141e"', [10, 20, 30, 255]),
        ('"#0A141E28"', [10, 20, 30, 40]),
        ("[1, 2, 3]", [1, 2, 3, 255]),
        ("[1, 2, 3, 4]", [1, 2, 3, 4]),
        ("[1.0, 2, 3]", [1, 2, 3, 255]),
    ],
)
def test_ways_to_write_a_color(written: str, color: list[int]) -> None:
    assert looked_up(parse(f'{{"7": {written}}}'), [[7]]) == [[color]]
    assert looked_up(parse(f"[[[7, 8], {written}]]"), [[7]]) == [[color]]


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"])
def test_discrete_values_and_nothing_else(kind: str) -> None:
    mapping = parse('{"3": "#010203", "1": "#040506", "100": "#07080909"}')
    values = np.array([[0, 1, 2], [3, 99, 100]], dtype=kind)
    assert looked_up(mapping, values) == [
        [[0, 0, 0, 0], [4, 5, 6, 255], [0, 0, 0, 0]],
        [[1, 2, 3, 255], [0, 0, 0, 0], [7, 8, 9, 9]],
    ]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "float32"])
def test_negative_values(kind: str) -> None:
    mapping = parse('{"-5": "#010203", "5": "#040506"}')
    assert looked_up(mapping, np.array([[-5, 0, 5]], dtype=kind)) == [[[1, 2, 3, 255], [0, 0, 0, 0], [4, 5, 6, 255]]]


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_intervals_hold_their_lower_bound_and_not_their_upper(kind: str) -> None:
    mapping = parse('[[[1, 10], "#010203"], [[10, 20], "#040506"]]')
    found = looked_up(mapping, np.array([[0, 1, 9, 10, 19, 20]], dtype=kind))[0]
    assert [color[0] for color in found] == [0, 1, 1, 4, 4, 0]
    assert [color[3] for color in found] == [0, 255, 255, 255, 255, 0]


def test_of_overlapping_intervals_the_last_wins() -> None:
    mapping = parse('[[[0, 100], "#010101"], [[20, 40], "#020202"], [[30, 60], "#030303"], [[50, 50], "#040404"]]')
    found = looked_up(mapping, np.array([[10, 20, 30, 50, 59, 60, 99, 100]], dtype=np.float32))[0]
    assert [color[0] for color in found] == [1, 2, 3, 3, 3, 1, 1, 0]


def test_open_intervals_and_nan() -> None:
    mapping = parse('[[[-Infinity, 0], "#010101"], [[0, Infinity], "#020202"]]')
    found = looked_up(mapping, np.array([[-1e30, 0, 1e30, np.nan]], dtype=np.float32))[0]
    assert [color[3] and color[0] for color in found] == [1, 2, 2, 0]
    assert looked_up(parse('{"0": "#fff"}'), np.array([[np.nan]])) == [[[0, 0, 0, 0]]]


def test_fractions_are_found_in_the_type_of_the_values() -> None:
    mapping = parse('{"0.1": "#010203"}')
    assert looked_up(mapping, np.array([[0.1]], dtype=np.float32)) == [[[1, 2, 3, 255]]]
    assert looked_up(mapping, np.array([[0.1]], dtype=np.float64)) == [[[1, 2, 3, 255]]]
    bounds = parse('[[[0.1, 0.3], "#010203"]]')
    assert looked_up(bounds, np.array([[0.1, 0.3]], dtype=np.float32)) == [[[1, 2, 3, 255], [0, 0, 0, 0]]]


def test_true_and_false_count_as_one_and_nothing() -> None:
    mapping = parse('{"0": "#010101", "1": "#020202"}')
    assert [color[0] for color in looked_up(mapping, np.array([[True, False]]))[0]] == [2, 1]


def test_bytes_are_their_own_indexes() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for mapping in (colormap.get("viridis"), parse('{"3": "#010203"}'), parse('[[[1, 5], "#010203"]]')):
        indexes, palette = apply(mapping, values)
        assert np.shares_memory(indexes, values)
        assert palette.shape == (256, 4)


def test_other_types_on_a_linear_colormap_wrap_around() -> None:
    ramp = parse(json.dumps({str(value): [value, 0, 0] for value in range(256)}))
    assert ramp.kind == "linear"
    assert [color[0] for color in looked_up(ramp, np.array([[0, 255, 256, 511, -1]], dtype=np.int16))[0]] == [
        0, 255, 0, 255, 255,
    ]  # fmt: skip
    assert [color[0] for color in looked_up(ramp, np.array([[0.9, 255.5, 256.0]], dtype=np.float32))[0]] == [0, 255, 0]


def test_more_than_256_entries() -> None:
    mapping = parse(json.dumps({str(value * 10): [value % 256, value // 256, 0] for value in range(1000)}))
    indexes, palette = apply(mapping, np.array([[0, 10, 9990, 5]], dtype=np.int32))
    assert indexes.dtype == np.uint16
    assert colors_of(indexes, palette).tolist() == [[[0, 0, 0, 255], [1, 0, 0, 255], [231, 3, 0, 255], [0, 0, 0, 0]]]


@pytest.mark.parametrize(
    "text",
    [
        "", "viridis", "{", "null", "3", '"#fff"', "[]", "{}", "[1]", "[[1]]", '{"a": "#fff"}', '{"nan": "#fff"}',
        '{"inf": "#fff"}', '{"1": "fff"}', '{"1": "#ff"}', '{"1": "#fffff"}', '{"1": "#gggggg"}', '{"1": [1, 2]}',
        '{"1": [1, 2, 3, 4, 5]}', '{"1": [256, 0, 0]}', '{"1": [-1, 0, 0]}', '{"1": [1.5, 0, 0]}', '{"1": ["1", 0, 0]}',
        '{"1": [true, 0, 0]}', '{"1": null}', '{"1": {"r": 1}}', '{"1": "#fff", "1": "#000"}',
        '{"1": "#fff", "01": "#000"}',
        '[[[1], "#fff"]]', '[[[1, 2, 3], "#fff"]]', '[[1, 2]]', '[[["1", "2"], "#fff"]]', '[[[1, 2], "#fff", 3]]',
        '[[[NaN, 2], "#fff"]]', '[[[true, 2], "#fff"]]', '[[[null, 2], "#fff"]]', "[[[1, 2], null]]", '[{"1": "#fff"}]',
        '[[[1, 1' + "0" * 400 + '], "#fff"]]', "[" * 100_000, '{"1":' * 50_000, '{"\\ud800": "#fff"}',
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_what_is_no_colormap(text: str) -> None:
    with pytest.raises(InvalidColormap) as caught:
        parse(text)
    assert (caught.value.status, caught.value.parameter) == (400, "colormap")


def test_limits() -> None:
    with pytest.raises(OverLimit):
        parse(json.dumps({str(value): "#fff" for value in range(4097)}))
    with pytest.raises(OverLimit):
        parse(json.dumps([[[value, value + 1], "#fff"] for value in range(4097)]))
    with pytest.raises(OverLimit):
        parse(" " * 300_000)
    assert len(parse(json.dumps([[[value, value + 1], "#fff"] for value in range(4096)])).keys) == 4096


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["#fff", "#01020304"]),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.integers().map(str) | st.text(max_size=4), children)
    ),
    max_leaves=12,
)


@given(st.text(max_size=80) | json_values.map(json.dumps))
@hypothesis_settings(max_examples=80)
def test_any_text_is_a_colormap_or_refused(text: str) -> None:
    try:
        mapping = parse(text)
    except RequestError:
        return
    indexes, palette = apply(mapping, np.array([[0, 1, 200]], dtype=np.int16))
    assert colors_of(indexes, palette).shape == (1, 3, 4)


def test_documents() -> None:
    assert colormap.to_json(colormap.get("viridis"))["0"] == [68, 1, 84, 255]  # type: ignore[call-overload]
    assert list(colormap.to_json(colormap.get("viridis"))) == [str(value) for value in range(256)]
    assert colormap.to_json(parse('{"5": "#fff", "1.5": "#0000"}')) == {"5": [255] * 4, "1.5": [0, 0, 0, 0]}
    assert colormap.to_json(parse('[[[1, 2.5], "#fff"]]')) == [[[1, 2.5], [255] * 4]]


def test_a_document_parses_to_itself() -> None:
    for text in ('{"5": "#fff", "1.5": "#0000"}', '[[[1, 2.5], "#fff"]]'):
        assert parse(json.dumps(colormap.to_json(parse(text)))) == parse(text)


def test_equal_colormaps_are_one_key() -> None:
    assert (
        len({parse('{"1": "#ffffff"}'), parse('{"1": [255, 255, 255]}'), colormap.from_palette({1: (255,) * 4})}) == 1
    )
    assert parse('{"1": "#fff"}') != parse('{"2": "#fff"}')


@pytest.mark.parametrize(("orientation", "shape"), [("horizontal", (20, 256)), ("vertical", (256, 20))])
def test_bars(orientation: Any, shape: tuple[int, int]) -> None:
    picture = expanded(colormap.bar(colormap.get("viridis"), orientation=orientation))
    assert picture.data.shape == (*shape, 3)
    line = picture.data[0] if orientation == "horizontal" else picture.data[:, 0]
    assert np.array_equal(line, colormap.get("viridis").rgba[:, :3])


def test_bars_of_other_sizes() -> None:
    discrete = parse('{"1": "#010101", "9": "#020202", "5": "#030303"}')
    picture = expanded(colormap.bar(discrete, width=6, height=2))
    assert picture.data[..., 0].tolist() == [[1, 1, 2, 2, 3, 3]] * 2
    tall = expanded(colormap.bar(discrete, orientation="vertical", height=3, width=1))
    assert tall.data[..., 0].tolist() == [[1], [2], [3]]
    many = parse(json.dumps({str(value): [value % 256, value // 256, 0] for value in range(300)}))
    assert colormap.bar(many, width=10).data.shape == (20, 300, 3)


@pytest.mark.parametrize(("size", "error"), [({"width": 0}, InvalidParameter), ({"height": 10**6}, OverLimit)])
def test_sizes_of_bars_are_bounded(size: dict[str, Any], error: type[RequestError]) -> None:
    with pytest.raises(error):
        colormap.bar(colormap.get("viridis"), **size)


def test_a_palette_of_all_values_of_16_bits() -> None:
    whole = {value: (value % 256, value // 256, 0, 255) for value in range(1 << 16)}
    values = np.array([[0, 1, 256, 65535]], dtype=np.uint16)
    indexes, palette = apply(colormap.from_palette(whole), values)
    assert colors_of(indexes, palette).tolist() == [[list(whole[value]) for value in values[0].tolist()]]

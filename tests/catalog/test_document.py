"""Documents to layers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilery.catalog import ids
from tilery.catalog.document import encode, parse, query
from tilery.errors import BrokenDocument, InvalidParameter, LayerNotFound


def layer(folder: str = "/layers/alps/", **changes: Any) -> Any:
    return parse("alps", json.dumps(changes).encode(), version="v1", folder=folder)


def test_a_document_of_the_lambda_tiler_is_a_layer() -> None:
    found = layer(
        folder="s3://bucket/sources/alps/",
        tilejson="2.1.0",
        name="alps.tif",
        bounds=[8, 46, 9, 47],
        center=[8.5, 46.5, 9],
        minzoom=4,
        maxzoom=18,
        meta={
            "approximateZoom": 18,
            "bandCount": 3,
            "width": 100,
            "height": 200,
            "source": "s3://bucket/sources/alps/index.vrt",
        },
    )
    assert found.source == "s3://bucket/sources/alps/index.tif"
    assert (found.minzoom, found.maxzoom, found.bounds) == (4, 18, (8, 46, 9, 47))
    assert (found.meta.approximate_zoom, found.meta.band_count) == (18, 3)
    assert found.revision == "v1"


@pytest.mark.parametrize(
    ("folder", "written", "source"),
    [
        ("/layers/alps/", "r1/index.tif", "/layers/alps/r1/index.tif"),
        ("s3://b/sources/alps/", "r1/index.tif", "s3://b/sources/alps/r1/index.tif"),
        ("/layers/alps/", "/data/alps.tif", "/data/alps.tif"),
        ("/layers/alps/", "https://host/a.tif?x=1", "https://host/a.tif?x=1"),
        ("/layers/alps/", None, "/layers/alps/index.tif"),
    ],
)
def test_where_the_raster_is(folder: str, written: str | None, source: str) -> None:
    assert layer(folder, source=written).source == source


@pytest.mark.parametrize("source", ["../other/index.tif", "a/../../x.tif", "a\x00.tif"])
def test_a_relative_source_stays_in_its_folder(source: str) -> None:
    with pytest.raises(BrokenDocument):
        layer(source=source)


def test_render_parameters_are_pairs_of_a_query() -> None:
    render = {"rescale": [[0, 3000], [0, 1.5]], "bidx": [4, 3], "colormap": {"1": "#ff0000"}, "return_mask": False}
    assert query(render) == (
        ("bidx", "4"),
        ("bidx", "3"),
        ("colormap", '{"1":"#ff0000"}'),
        ("rescale", "0,3000"),
        ("rescale", "0,1.5"),
        ("return_mask", "false"),
    )
    assert query({"rescale": [0, 10]}) == (("rescale", "0,10"),)
    assert query({"rescale": "0,10"}) == (("rescale", "0,10"),)
    assert query({"rescale": ["0,10", "5,6"]}) == (("rescale", "0,10"), ("rescale", "5,6"))
    assert query({"expression": "b1/b2", "nodata": None}) == (("expression", "b1/b2"),)


def test_styles_keep_their_names_and_titles() -> None:
    found = layer(styles={"hot": {"title": "Hot", "render": {"colormap_name": "hot"}}, "plain": {}})
    assert found.style("hot").render == (("colormap_name", "hot"),)
    assert found.style("hot").title == "Hot"
    assert found.style("plain").render == ()
    assert found.style("none") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"bounds": [0, 0, 0]},
        {"bounds": [0, 0, 400, 1]},
        {"bounds": [0, 10, 1, 5]},
        {"minzoom": 9, "maxzoom": 3},
        {"maxzoom": 99},
        {"revision": "a/b"},
        {"render": {"url": "/etc/passwd"}},
        {"render": {"tilesize": 40000}},
        {"styles": {"a b": {}}},
        {"styles": {"x": {"render": {"url": "x"}}}},
        {"statistics": []},
    ],
)
def test_what_is_not_a_layer_is_broken(changes: dict[str, Any]) -> None:
    with pytest.raises(BrokenDocument):
        layer(**changes)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_layer_or_broken(body: bytes) -> None:
    try:
        parse("x", body, version="v", folder="/x/")
    except BrokenDocument:
        return


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["bounds", "meta", "render", "styles", "statistics", "source", "minzoom", "name"]),
)
def test_any_value_anywhere_is_a_layer_or_broken(value: Any, name: str) -> None:
    try:
        parse("x", json.dumps({name: value}).encode(), version="v", folder="/x/")
    except BrokenDocument:
        return


def test_deep_json_is_broken() -> None:
    with pytest.raises(BrokenDocument):
        parse("x", b"[" * 200_000, version="v", folder="/x/")


def test_the_center_of_a_layer_across_the_antimeridian() -> None:
    assert layer(bounds=[170, -10, -170, 10]).center == (180.0, 0.0, 0)
    assert layer(bounds=[175, -10, -165, 10]).center == (-175.0, 0.0, 0)


def test_a_document_is_json_that_everybody_reads() -> None:
    assert json.loads(encode({"name": "Höhe", "x": [1.5]})) == {"name": "Höhe", "x": [1.5]}
    with pytest.raises(ValueError, match="JSON"):
        encode({"x": float("nan")})


@pytest.mark.parametrize("text", ["a", "0", "blue-marble", "a_b-c", "x" * 64])
def test_ids(text: str) -> None:
    assert ids.check(text) == text
    assert ids.requested(text) == text


@pytest.mark.parametrize("text", ["", "A", "-a", "_a", "a.b", "a/", "..", "a b", "ä", "x" * 65, "a\n", "cog", "layers"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(InvalidParameter):
        ids.check(text)
    with pytest.raises(LayerNotFound):
        ids.requested(text)

"""Parameters: what a query means, and what is said when it means nothing."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.params import groups, options, table
from app.api.params.parameter import Parameter, known_to
from app.api.params.parse import LONGEST_QUERY, ParameterParser, Values
from app.config.settings import Settings
from tests.support import service
from tilery.errors import InvalidParameter, OverLimit, TileryError
from tilery.geo.tms import TileMatrixSets
from tilery.reading.options import RESAMPLING, ReadLimits
from tilery.rendering.colormap import Colormaps

TILE = (*table.DATASET, table.TILESIZE, *table.TILE_EDGES, *table.LAYER, *table.PICTURE, table.FORMAT)
URL = "url=s3%3A%2F%2Fbucket%2Fkey.tif"


KNOWN = SimpleNamespace(tile_matrix_sets=TileMatrixSets(), colormaps=Colormaps())


def parse(query: str, *more: Parameter, lower_case: bool = False) -> Values:
    return ParameterParser(known_to(KNOWN, (*TILE, *more)), lower_case=lower_case).query(query)


def errors(query: str) -> list[tuple[str, list[object], str]]:
    with pytest.raises(InvalidParameter) as caught:
        parse(query)
    return [(error["type"], error["loc"], error["msg"]) for error in caught.value.errors]


def test_typed_values() -> None:
    values = parse(
        f"{URL}&bidx=3&bidx=1&rescale=0,100&rescale=-1.5,2e3&nodata=nan&unscale=true&resampling=cubic&tilesize=512"
        "&buffer=0.5&padding=2&return_mask=0&format=webp"
    )
    assert values["url"] == "s3://bucket/key.tif"
    assert values["bidx"] == (3, 1)
    assert values["rescale"] == ((0.0, 100.0), (-1.5, 2000.0))
    assert values["nodata"] != values["nodata"]
    assert values["unscale"] is True
    assert values["return_mask"] is False
    assert (values["tilesize"], values["buffer"], values["padding"]) == (512, 0.5, 2)
    assert values["expression"] is None


def test_groups_of_parameters_are_made_once() -> None:
    values = parse(f"{URL}&tilesize=512&buffer=0.5")
    size = values.to(groups.TileSize)
    assert size == groups.TileSize(tilesize=512, buffer=0.5, padding=None)
    assert values.to(groups.TileSize) is size
    assert parse(URL).to(groups.TileSize) == groups.NO_SIZE


def test_what_the_table_implies_counts_where_nothing_is_given_or_the_route_has_no_such_parameter() -> None:
    crss = (parse(URL), parse(URL, table.COORD_CRS), parse(f"{URL}&coord_crs=EPSG:3857", table.COORD_CRS))
    assert [values.to(groups.Crss).coord_crs for values in crss] == ["EPSG:4326", "EPSG:4326", "EPSG:3857"]
    given = (parse(URL, table.CRS), parse(f"{URL}&crs=EPSG:4326", table.CRS))
    assert [values.to(groups.BoundsCrs).is_given for values in given] == [False, True]
    assert parse(URL).canonical == parse(URL, table.COORD_CRS, table.CRS).canonical


@pytest.mark.parametrize(
    ("zooms", "expected"),
    [("", (3, 9)), ("&minzoom=0", (0, 9)), ("&maxzoom=12", (3, 12)), ("&minzoom=5&maxzoom=6", (5, 6))],
)
def test_zooms_take_the_place_of_the_rasters_own(zooms: str, expected: tuple[int, int]) -> None:
    assert parse(f"{URL}{zooms}", *table.ZOOMS).to(groups.Zooms).over((3, 9)) == expected


@pytest.mark.parametrize(
    ("query", "kind", "place", "message"),
    [
        ("", "missing", ["query", "url"], "Field required"),
        ("url=", "missing", ["query", "url"], "Field required"),
        (
            f"{URL}&tilesize=a",
            "int_parsing",
            ["query", "tilesize"],
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        (f"{URL}&tilesize=0", "greater_than", ["query", "tilesize"], "Input should be greater than 0"),
        (
            f"{URL}&buffer=x",
            "float_parsing",
            ["query", "buffer"],
            "Input should be a valid number, unable to parse string as a number",
        ),
        (f"{URL}&buffer=0.3", "multiple_of", ["query", "buffer"], "Input should be a multiple of 0.5"),
        (f"{URL}&buffer=inf", "finite_number", ["query", "buffer"], "Input should be a finite number"),
        (
            f"{URL}&unscale=maybe",
            "bool_parsing",
            ["query", "unscale"],
            "Input should be a valid boolean, unable to interpret input",
        ),
        (
            f"{URL}&bidx=1&bidx=x",
            "int_parsing",
            ["query", "bidx", 1],
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            f"{URL}&resampling=foo",
            "literal_error",
            ["query", "resampling"],
            "Input should be " + ", ".join(f"'{name}'" for name in RESAMPLING[:-1]) + " or 'rms'",
        ),
        (f"{URL}&rescale=1", "value_error", ["query", "rescale", 0], "Value error, invalid rescale format"),
        (f"{URL}&rescale=nan,nan", "value_error", ["query", "rescale", 0], "Value error, invalid rescale format"),
        (f"{URL}%00", "value_error", ["query", "url"], "Value error, a NUL character is not allowed"),
    ],
)
def test_messages_are_those_of_validation(query: str, kind: str, place: list[object], message: str) -> None:
    assert errors(query) == [(kind, place, message)]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = errors("tilesize=-1&bidx=a&resampling=b&nodata=c")
    assert [place[1] for _, place, _ in found] == ["url", "tilesize", "bidx", "nodata", "resampling"]


def test_path_and_query_are_said_together() -> None:
    parser = ParameterParser(known_to(KNOWN, (*table.TILE, *TILE)))
    with pytest.raises(InvalidParameter) as caught:
        parser.parse("tilesize=x", {"z": "1", "x": "b", "y": "2"})
    assert [error["loc"] for error in caught.value.errors] == [["query", "url"], ["query", "tilesize"], ["path", "x"]]
    assert caught.value.parameter == "url"
    assert "x: Input should be a valid integer" in caught.value.detail


def test_a_long_list_of_names_is_not_repeated_in_the_sentence() -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(f"{URL}&colormap_name=Viridis")
    assert (
        caught.value.detail
        == "colormap_name: Input should be one of the names listed at /colorMaps, perhaps 'viridis'."
    )
    assert "'viridis'" in caught.value.errors[0]["msg"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bidx=1,2,3", "bidx=1&bidx=2&bidx=3"),
        ("rescale=0,1,0,2", "rescale=0,1&rescale=0,2"),
        ("rescale=[0,1]", "rescale=0,1"),
        ("resampling_method=cubic", "resampling=cubic"),
        ("return_mask=False", "return_mask=no"),
        ("rescale=0,255", "rescale=0.0,2.55e2"),
        ("tilesize=256&tilesize=512", "tilesize=512"),
        ("expression=&rescale=", ""),
        ("tilesize=512&bidx=1", "bidx=1&tilesize=512"),
    ],
)
def test_spellings_of_the_same_request_are_one_request(old: str, new: str) -> None:
    assert parse(f"{URL}&{old}").canonical == parse(f"{URL}&{new}").canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bidx=1&bidx=2", "bidx=2&bidx=1"),
        ("bidx=1", "bidx=1&bidx=1"),
        ("nodata=0", ""),
        ("rescale=0,1", "rescale=0,1&rescale=0,1"),
        ("expression=b1", "color_formula=b1"),
        ("return_mask=true", "return_mask=false"),
    ],
)
def test_different_requests_are_told_apart(one: str, other: str) -> None:
    assert parse(f"{URL}&{one}").canonical != parse(f"{URL}&{other}").canonical


def test_unknown_names_are_listed_but_change_nothing() -> None:
    values = parse(f"{URL}&rescal=1&_=1234&access_token=secret")
    assert values.ignored == ("rescal", "_")
    assert values.canonical == parse(URL).canonical


def test_names_in_any_case_by_setting() -> None:
    assert parse(f"{URL}&BIDX=2", lower_case=True)["bidx"] == (2,)
    assert parse(f"{URL}&BIDX=2")["bidx"] is None


def test_commas_between_blocks_of_an_expression() -> None:
    assert options.expression_text(parse(f"{URL}&expression=b1/b2,b2%2Bb3")) == "b1/b2;b2+b3"
    assert options.expression_text(parse(f"{URL}&expression=where(b1>0,b1,0),b2")) == "where(b1>0,b1,0);b2"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("tilesize=40000", "tilesize"), ("tilesize=4096&buffer=100", "buffer"), ("tilesize=1000&padding=2000", "padding")],
)
def test_tiles_have_limits(query: str, parameter: str) -> None:
    values = parse(f"{URL}&{query}")
    with pytest.raises(OverLimit) as caught:
        options.check_tile(
            Settings(_env_file=None), tilesize=values["tilesize"], buffer=values["buffer"], padding=values["padding"]
        )
    assert caught.value.parameter == parameter
    assert caught.value.limit == 4096


def test_bands_have_a_limit() -> None:
    values = parse(URL + "&bidx=1" * 65)
    with pytest.raises(OverLimit, match="64 bands"):
        options.read_options(values, ReadLimits())


def test_queries_have_a_limit() -> None:
    with pytest.raises(OverLimit):
        parse(f"{URL}&colormap={'a' * LONGEST_QUERY}")
    with pytest.raises(OverLimit):
        parse(URL + "&a=1" * 3000)
    assert errors(URL + "&rescale=0,1" * 1100)[0][0] == "too_long"


@pytest.mark.parametrize(
    "query",
    ["p=101", "p=-1", "histogram_bins=0", "histogram_bins=5,1", "histogram_range=2,1", "histogram_bins=1.5"],
)
def test_histograms_and_percentiles_that_mean_nothing(query: str) -> None:
    values = parse(f"{URL}&{query}", *table.STATISTICS, *table.HISTOGRAM)
    with pytest.raises(InvalidParameter) as caught:
        options.statistics_options(values)
    assert caught.value.parameter == query.partition("=")[0]


def test_too_many_bins() -> None:
    values = parse(f"{URL}&histogram_bins=50000000", *table.HISTOGRAM, *table.STATISTICS)
    with pytest.raises(OverLimit):
        options.statistics_options(values)


_NAMES = [name for parameter in TILE for name in (parameter.name, *parameter.old)]


@given(st.lists(st.tuples(st.sampled_from(_NAMES), st.text(max_size=20)), max_size=12))
def test_no_query_surprises_the_parser(pairs: list[tuple[str, str]]) -> None:
    try:
        values = parse(urlencode(pairs))
        options.read_options(values, ReadLimits())
        options.render_options(values, KNOWN.colormaps)
    except TileryError as error:
        status, detail = error.status, error.detail
    else:
        return
    assert status in (400, 422)
    assert detail


@given(
    st.lists(st.tuples(st.sampled_from(["bidx", "tilesize", "expression"]), st.integers(1, 9)), max_size=8), st.data()
)
def test_the_order_of_different_parameters_does_not_count(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    names = data.draw(st.permutations(sorted({name for name, _ in pairs})))
    grouped = [pair for name in names for pair in pairs if pair[0] == name]
    assert parse(f"{URL}&{urlencode(pairs)}").canonical == parse(f"{URL}&{urlencode(grouped)}").canonical


def test_of_many_unknown_names_only_the_first_are_kept() -> None:
    values = parse(f"{URL}&" + "&".join(f"x{number}" for number in range(500)))
    assert values.ignored == tuple(f"x{number}" for number in range(16))


@pytest.mark.parametrize(("path", "plans"), [("/cog/tiles/WebMercatorQuad/0/0/0.png", 1), ("/cog/preview.png", 2)])
def test_only_the_queries_of_tiles_are_kept(monkeypatch: pytest.MonkeyPatch, path: str, plans: int) -> None:
    made: list[str | bytes] = []
    whole = ParameterParser.query

    def counted(self: ParameterParser, query: str | bytes) -> Values:
        made.append(query)
        return whole(self, query)

    monkeypatch.setattr(ParameterParser, "query", counted)
    with service.client() as client:
        for _ in range(2):
            assert client.get(path, params={"url": "/nowhere.tif"}).status_code == 403
    assert len(made) == plans

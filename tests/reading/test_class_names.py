"""Names of values in the descriptions that GDAL keeps beside rasters, as GDAL writes them."""

from __future__ import annotations

import pytest

from tilery.reading import class_names

CATEGORIES = "<CategoryNames><Category>Nothing</Category><Category>Forest &amp; wood</Category><Category />"
CATEGORIES += "<Category>\n Water </Category></CategoryNames>"


def band(*content: str, number: str = "1") -> bytes:
    text = "".join(content)
    return f'<PAMDataset><PAMRasterBand band="{number}">{text}</PAMRasterBand></PAMDataset>'.encode()


def table(columns: list[tuple[str, int, int]], rows: list[list[str]], attributes: str = "") -> str:
    """Return a raster attribute table: columns of name, type and use."""
    fields = "".join(
        f'<FieldDefn index="{number}"><Name>{name}</Name><Type>{kind}</Type><Usage>{use}</Usage></FieldDefn>'
        for number, (name, kind, use) in enumerate(columns)
    )
    written = "".join(
        f'<Row index="{number}">{"".join(f"<F>{cell}</F>" for cell in row)}</Row>' for number, row in enumerate(rows)
    )
    return f'<GDALRasterAttributeTable tableType="thematic"{attributes}>{fields}{written}</GDALRasterAttributeTable>'


def test_names_by_position() -> None:
    assert class_names.parsed(band(CATEGORIES)) == {1: {0: "Nothing", 1: "Forest & wood", 3: "Water"}}
    assert class_names.parsed(b"\xef\xbb\xbf" + band(CATEGORIES, number="3")).keys() == {3}


@pytest.mark.parametrize(
    ("columns", "attributes", "expected"),
    [
        ([("OBJECTID", 0, 0), ("Value", 0, 5), ("Count", 1, 1), ("Klasse", 2, 2)], "", {11: "Water", 42.5: "Wood"}),
        ([("OBJECTID", 0, 0), ("VALUE", 0, 0), ("Count", 1, 0), ("Class_Name", 2, 0)], "", {11: "Water", 42.5: "Wood"}),
        ([("Id", 0, 0), ("From", 0, 3), ("To", 0, 4), ("Name", 2, 2)], "", {11: "Water", 42.5: "Wood"}),
        ([("a", 0, 0), ("b", 0, 0), ("c", 0, 0), ("Name", 2, 2)], ' Row0Min="5" BinSize="2"', {5: "Water", 7: "Wood"}),
        ([("a", 0, 0), ("b", 0, 0), ("c", 0, 0), ("Name", 2, 2)], "", {}),
        ([("a", 0, 0), ("Value", 0, 5), ("c", 0, 0), ("Remark", 2, 0)], "", {}),
    ],
)
def test_names_of_a_table(columns: list[tuple[str, int, int]], attributes: str, expected: dict[float, str]) -> None:
    rows = [["1", "11", "70", "Water"], ["2", "42.5", "9", "Wood"]]
    assert class_names.parsed(band(table(columns, rows, attributes))) == ({1: expected} if expected else {})


def test_a_table_says_more_than_positions() -> None:
    beside = table(
        [("Value", 0, 5), ("Name", 2, 2)], [["1", "Spruce"], ["nan", "None"], ["9"], ["x", "Odd"], ["8", ""]]
    )
    found = class_names.parsed(band(CATEGORIES, beside))
    assert found == {1: {0: "Nothing", 1: "Spruce", 3: "Water"}}
    assert class_names.written(found[1]) == {"0": "Nothing", "1": "Spruce", "3": "Water"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<PAMDataset>",
        b"\xff\xfe<",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + band("<CategoryNames><Category>&b;</Category></CategoryNames>"),
        band(CATEGORIES, number="one"),
        band(CATEGORIES).decode().encode("utf-16"),
        band(CATEGORIES) + b" " * class_names.MOST_BYTES,
        b"<a>" * 140_000 + b"</a>" * 140_000,
    ],
    ids=["empty", "cut off", "no text", "entities", "no band", "utf-16", "long", "deep"],
)
def test_what_is_no_description_names_nothing(document: bytes) -> None:
    assert class_names.parsed(document) == {}


def test_names_are_short_and_few() -> None:
    many = "".join(f"<Category>{'x' * 300}{number}</Category>" for number in range(3000))
    (names,) = class_names.parsed(band(f"<CategoryNames>{many}</CategoryNames>")).values()
    assert len(names) == 3000
    assert {len(name) for name in names.values()} == {200}

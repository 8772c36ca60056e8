"""Items of all versions, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import items
from tilery.errors import InvalidBand, NotARaster
from tilery.reading.stac import choice, item
from tilery.reading.stac.choice import AssetChoice
from tilery.reading.stac.item import Asset, AssetNotFound
from tilery.storage.locations import FileLocation, HttpLocation, S3Location

WEB = HttpLocation(scheme="https", host="a.example", port=443, path="/x/y/item.json", query="sig=1", listed=False)
BUCKET = S3Location(bucket="data", key="x/y/item.json")
FILE = FileLocation(path="/data/x/item.json")


@pytest.mark.parametrize(
    ("base", "href", "address"),
    [
        (WEB, "./B1.tif", "https://a.example/x/y/B1.tif"),
        (WEB, "../B1.tif", "https://a.example/x/B1.tif"),
        (WEB, "/B1.tif", "https://a.example/B1.tif"),
        (WEB, "s3://other/B1.tif", "s3://other/B1.tif"),
        (WEB, "https://b.example/B1.tif?sig=2", "https://b.example/B1.tif?sig=2"),
        (WEB, "//b.example/B1.tif", "https://b.example/B1.tif"),
        (BUCKET, "./B1.tif", "s3://data/x/y/B1.tif"),
        (BUCKET, "../../B1.tif", "s3://data/B1.tif"),
        (BUCKET, "/vsis3/data/B1.tif", "/vsis3/data/B1.tif"),
        (FILE, "B1.tif", "/data/x/B1.tif"),
        (FILE, "../B1.tif", "/data/B1.tif"),
        (FILE, "file:///data/B1.tif", "file:///data/B1.tif"),
    ],
)
def test_an_address_may_be_relative_to_the_item(base: object, href: str, address: str) -> None:
    assert item.resolved(base, href) == address  # type: ignore[arg-type]


def test_the_preferred_alternate_is_taken_where_there_is_one() -> None:
    asset = Asset(
        name="a", fields={"href": "https://a.example/a.tif", "alternate": {"s3": {"href": "s3://data/a.tif"}}}
    )
    assert asset.address(WEB) == "https://a.example/a.tif"
    assert asset.address(WEB, "s3") == "s3://data/a.tif"
    assert asset.address(WEB, "other") == "https://a.example/a.tif"


@pytest.mark.parametrize(
    "fields",
    [
        {"bands": [{"name": "B4", "eo:common_name": "red"}, {"name": "B8", "eo:common_name": "nir"}]},
        {"eo:bands": [{"name": "B4", "common_name": "red"}, {"name": "B8", "common_name": "nir"}]},
        {"eo:bands": [3, 7]},
    ],
    ids=["1.1", "1.0", "0.8"],
)
def test_bands_are_named_in_each_version(fields: dict[str, object]) -> None:
    common = [{"name": f"B{number}"} for number in range(8)]
    common[3], common[7] = {"common_name": "red"}, {"common_name": "nir"}
    properties: dict[str, Any] = {"eo:bands": common}
    document = items.item(assets={"a": {"href": "a.tif", **fields}}, **properties)
    asset = item.parse(json.dumps(document).encode()).asset("a")
    assert asset.numbers_of(("nir", "red")) == (2, 1)
    with pytest.raises(InvalidBand, match="It has: red, nir"):
        asset.numbers_of(("blue",))


def test_statistics_are_told_of_all_bands_or_of_none() -> None:
    known = {"statistics": {"minimum": 1, "maximum": 9.5}}
    assert Asset(name="a", fields={"raster:bands": [known]}).statistics() == ((1.0, 9.5),)
    assert Asset(name="a", fields={"bands": [known, known]}).statistics() == ((1.0, 9.5), (1.0, 9.5))
    for wrong in ([known, {}], [{"statistics": {"minimum": "x", "maximum": 1}}], "text", [None]):
        assert Asset(name="a", fields={"raster:bands": wrong}).statistics() is None


def test_assets_are_those_that_can_be_rasters() -> None:
    others = {
        "jpeg": {"href": "a.jpg", "type": "image/jpeg"},
        "unsaid": {"href": "a.tif"},
        "nothing": None,
    }
    found = item.parse(items.encoded("a", assets=others))
    assert list(found.assets) == ["a", "unsaid"]
    with pytest.raises(AssetNotFound, match="It has: a, unsaid"):
        found.asset("jpeg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b"[]", "not a STAC Item"),
        (b'{"type": "Feature"}', "not a STAC Item"),
        (b'{"type": "Collection", "assets": {}}', "but a Collection"),
        (items.encoded(assets={"a": {"href": "a.json", "type": "application/json"}}), "no asset"),
    ],
)
def test_what_is_no_item_is_said_to_be_none(content: bytes, words: str) -> None:
    with pytest.raises(NotARaster, match=words):
        item.parse(content)


def test_an_asset_is_chosen_with_options() -> None:
    assert choice.parse("B4") == AssetChoice(name="B4")
    assert choice.parse("B4|bidx=2,1") == AssetChoice(name="B4", indexes=(2, 1))
    assert choice.parse("B4|bands=red,nir|more=1") == AssetChoice(name="B4", bands=("red", "nir"))
    found = choice.parse("B4|expression=b1*2;b1 + 1|bidx=1")
    assert found == AssetChoice(name="B4", expression="b1*2;b1 + 1", indexes=(1,))
    assert found.label == "B4|indexes=[1]&expression=b1*2;b1+1"
    for wrong in ("|bidx=1", "B4|bidx=x", "B4|bidx", "B4|bidx="):
        with pytest.raises(ValueError, match=r".+"):
            choice.parse(wrong)

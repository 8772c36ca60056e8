"""Properties of every parser: whatever a caller writes means something or is refused in words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.params import table
from app.api.params.kinds import Kind, NameOf, Wrong
from app.api.params.parameter import Parameter
from app.config.environment import WrongVariables
from app.config.settings import Settings
from tests.fuzz import judge
from tests.fuzz.queries import CRSS, HEADERS, NUMBERS, TEXTS
from tests.fuzz.service import FuzzRequest, Service
from tests.fuzz.world import World
from tilery.catalog import ids
from tilery.errors import InvalidParameter, TileryError
from tilery.geo import crs, tms
from tilery.limits import untrusted_json
from tilery.reading import precheck
from tilery.reading.mosaic import document as mosaics
from tilery.reading.tiff import header
from tilery.rendering import color_formula, colormap
from tilery.rendering.expression import parse as parse_expression
from tilery.storage.bytes.file_object import SourceFile
from tilery.storage.policy import Policy, WrongSourcesError

SPARSE = settings(max_examples=60)
NUMBER_LIKE = st.text(alphabet="0123456789+-.,eEinfatNx_ []:", max_size=40) | st.sampled_from(NUMBERS)
ANY = st.text(max_size=60) | NUMBER_LIKE | st.sampled_from(TEXTS)


def kinds() -> dict[str, Kind]:
    """Return the kind of each parameter, by its name."""
    groups = [one if isinstance(one, tuple) else (one,) for one in vars(table).values()]
    found = [one for group in groups for one in group if isinstance(one, Parameter)]
    return {one.name: one.kind for one in found if not isinstance(one.kind, NameOf)}


KINDS = kinds()


def test_all_kinds_are_there() -> None:
    assert {"rescale", "bidx", "bbox", "nodata", "crs", "colormap", "expression", "tilesize", "z"} <= KINDS.keys()


@given(st.sampled_from(sorted(KINDS)), ANY)
@settings(max_examples=400)
def test_any_text_for_any_parameter(name: str, text: str) -> None:
    with suppress(Wrong):
        KINDS[name].read(text)


@pytest.mark.filterwarnings("ignore::FutureWarning:pyproj")  # of a spelling
@given(ANY | st.sampled_from(CRSS) | st.text(alphabet='EPSG:4326+proj=longla "[]{}_\\', max_size=60))
@SPARSE
def test_any_text_for_a_crs(text: str) -> None:
    with suppress(InvalidParameter):
        found = crs.parse(text)
        assert crs.parse(found) == found, "the canonical form is its own"


@given(ANY)
@SPARSE
def test_any_text_for_a_name(text: str) -> None:
    with suppress(InvalidParameter):
        tms.get(text)
    assert not ids.is_id(text) or "/" not in text


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=150)
def test_any_document_for_a_colormap_or_a_mosaic(found: Any) -> None:
    text = json.dumps(found)
    with suppress(TileryError):
        colormap.parse(text)
    for content in (text, json.dumps({"mosaicjson": "0.0.3", "minzoom": 1, "tiles": found})):
        with suppress(TileryError):
            mosaics.parse(content.encode())


@given(st.binary(max_size=200) | ANY.map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=150)
def test_any_bytes_for_a_document(content: bytes) -> None:
    with suppress(ValueError):
        json.dumps(untrusted_json.parse(content, deepest=8), ensure_ascii=False).encode()
    with suppress(TileryError):
        mosaics.unpacked(b"\x1f\x8b" + content)


@given(st.text(alphabet="gama RGBsiodl15.0-,e9nf", max_size=50) | ANY)
@SPARSE
def test_any_text_for_a_formula(text: str) -> None:
    with suppress(TileryError):
        color_formula._stages(text, 3)
    with suppress(TileryError):
        parse_expression(text)


@given(st.lists(ANY | st.text(alphabet="https3://*.a-z0[]@:%?#", max_size=40), max_size=4))
@settings(max_examples=150)
def test_any_entries_of_the_sources(entries: list[str]) -> None:
    try:
        policy = Policy.from_sources(entries)
    except WrongSourcesError:
        return
    for url in ("/etc/passwd", "http://169.254.169.254/", "s3://bucket/../key"):
        with suppress(TileryError):
            policy.locate(url)


@given(st.sampled_from(sorted(Settings.model_fields)), ANY)
@settings(max_examples=150)
def test_any_text_for_a_setting(name: str, text: str) -> None:
    if "\0" not in text:  # no variable holds one
        with suppress(WrongVariables):
            given_: dict[str, Any] = {name: text}
            Settings(_env_file=None, **given_)


class Bytes:
    """Bytes that were never a file."""

    identity, local_path, open_path = "", "", None

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]

    def read_many(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        return [self.read(*one) for one in ranges]


@given(
    st.sampled_from(
        (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
    ),
    st.binary(max_size=400) | st.lists(st.integers(0, 40), max_size=200).map(bytes),
)
@settings(max_examples=300)
def test_any_bytes_for_a_header(magic: bytes, rest: bytes) -> None:
    source: Any = Bytes(magic + rest)
    with suppress(TileryError):
        header.parse(source)
    driver = "PNG" if magic[0] == 0x89 else "JPEG" if magic[0] == 0xFF else "GTiff"
    with suppress(TileryError):
        precheck.check(SourceFile(source), driver)


@given(
    st.sampled_from(sorted(HEADERS)),
    st.binary(max_size=60) | st.text(alphabet='"W/*,;=q01.- bytes', max_size=60).map(str.encode),
)
@settings(max_examples=100)
def test_any_bytes_in_a_header(world: World, fuzzed: Service, name: bytes, value: bytes) -> None:
    value = value.translate(None, b"\0\r\n")  # which the server lets nobody send
    for path in ("/cog/tiles/WebMercatorQuad/8/134/90", "/layers", "/healthz", "/static/tilery.css"):
        ask = FuzzRequest(path=path, query=f"url={world.folder}/rgb.tif".encode(), headers=[(name, value)])
        assert not judge.faults(ask, fuzzed.ask(ask))

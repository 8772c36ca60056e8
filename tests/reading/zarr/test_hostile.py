"""Stores that lie, are damaged or mean harm: an error that says so, and no more memory than was agreed to."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

from tests.reading.zarr.conftest import Read
from tests.support import zarrs
from tilery.engine import Engine
from tilery.errors import (
    BrokenRaster,
    InvalidParameter,
    NotARaster,
    NotFound,
    SourceNotFound,
    SourceRefused,
    TileryError,
    TooMuchWork,
    UnsupportedRaster,
)
from tilery.geo.crs import WGS84
from tilery.reading.options import ReadOptions
from tilery.reading.source import Source

ZEROS = bytes(64 << 20)
"""What small chunks claim not to hold."""


def changed(path: Path, change: Callable[[dict[str, Any]], None], name: str = "v") -> Path:
    """Return the store with the metadata of one of its arrays changed; what is consolidated is left out."""
    root = json.loads((path / "zarr.json").read_text())
    root.pop("consolidated_metadata", None)
    (path / "zarr.json").write_text(json.dumps(root))
    file = path / name / "zarr.json"
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))
    return path


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        for key in keys[:-1]:
            said = said[key]
        said[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (put("shape", value=[4, -90, 180]), BrokenRaster),
        (put("shape", value=[4, 90]), BrokenRaster),
        (put("shape", value=[4, 90, 1 << 70]), BrokenRaster),
        (put("shape", value=[1] * 1000), BrokenRaster),
        (put("shape", value="4"), BrokenRaster),
        (put("shape", value=[4, 90.5, 180]), BrokenRaster),
        (put("shape", value=[4, True, 180]), BrokenRaster),
        (put("shape", value=[4, 0, 180]), UnsupportedRaster),
        (put("shape", value=[4, 90, 1 << 40]), UnsupportedRaster),
        (put("shape", value=[1 << 30, 90, 180]), InvalidParameter),
        (put("shape", value=[100_000, 90, 180]), InvalidParameter),
        (put("chunk_grid", "configuration", "chunk_shape", value=[1, -1, 10]), BrokenRaster),
        (put("chunk_grid", "configuration", "chunk_shape", value=[1, 0, 10]), BrokenRaster),
        (put("chunk_grid", "configuration", "chunk_shape", value=[1, 10]), BrokenRaster),
        (put("chunk_grid", value={"name": "spiral", "configuration": {}}), UnsupportedRaster),
        (put("chunk_grid", value=None), BrokenRaster),
        (put("data_type", value="object"), UnsupportedRaster),
        (put("data_type", value="V999999999"), UnsupportedRaster),
        (put("data_type", value="(3,)f4"), UnsupportedRaster),
        (
            put("data_type", value={"name": "fixed_length_utf32", "configuration": {"length_bytes": "x"}}),
            UnsupportedRaster,
        ),
        (put("data_type", value="string"), UnsupportedRaster),
        (put("codecs", value=[]), BrokenRaster),
        (put("codecs", value=[{"name": "bytes"}] * 1000), BrokenRaster),
        (put("codecs", value=[{"name": "numcodecs.pickle"}]), UnsupportedRaster),
        (put("codecs", value=[{"name": "bytes"}, {"name": "../../evil"}]), UnsupportedRaster),
        (
            put("codecs", value=[{"name": "transpose", "configuration": {"order": [0, 0, 9]}}, {"name": "bytes"}]),
            BrokenRaster,
        ),
        (put("codecs", value=[{"name": "zstd"}, {"name": "bytes"}]), BrokenRaster),
        (put("codecs", value="bytes"), BrokenRaster),
        (put("chunk_key_encoding", value={"name": "default", "configuration": {"separator": "/../"}}), BrokenRaster),
        (put("fill_value", value={"a": 1}), BrokenRaster),
        (put("fill_value", value=1 << 80), BrokenRaster),
        (put("storage_transformers", value=[{"name": "x"}]), UnsupportedRaster),
        (put("surprise", value={"must_understand": True}), UnsupportedRaster),
        (put("attributes", value=[]), BrokenRaster),
        (put("dimension_names", value=["time", "lat", "../lat"]), UnsupportedRaster),
        (put("node_type", value="group"), NotFound),
    ],
)
def test_metadata_that_make_no_sense(
    folder: Path, read: Read, change: Callable[[dict[str, Any]], None], error: type[Exception]
) -> None:
    path = changed(zarrs.world(folder / "w.zarr"), change)
    with pytest.raises(error):
        read(path, "v")


def test_metadata_that_are_none(folder: Path, read: Read) -> None:
    path = zarrs.world(folder / "w.zarr")
    for content in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000):
        (path / "zarr.json").write_bytes(content)
        with pytest.raises(BrokenRaster):
            read(path, "v")


@pytest.mark.parametrize("size", [1 << 15, 1 << 20, 1 << 40])
def test_a_chunk_that_is_declared_huge_is_refused_before_it_is_read(
    folder: Path, engine: Engine, source: Callable[..., Source], size: int
) -> None:
    path = changed(
        zarrs.world(folder / "w.zarr"), put("chunk_grid", "configuration", "chunk_shape", value=[1, size, size])
    )
    with engine.open(source(path, "v", "time=2020-01-01")) as reader, pytest.raises(TooMuchWork):
        reader.point(0, 0, coord_crs=WGS84, options=ReadOptions())


def test_coordinates_that_are_declared_huge(folder: Path, read: Read) -> None:
    for number, name in enumerate(("chunk_grid", "shape")):
        path = zarrs.world(folder / f"{number}.zarr")
        if name == "shape":
            changed(path, put("shape", value=[4, 90, 10_000_000]))
            changed(path, put("shape", value=[10_000_000]), "lon")
        else:
            changed(path, put("chunk_grid", "configuration", "chunk_shape", value=[1 << 40]), "lon")
        with pytest.raises(TooMuchWork):
            read(path, "v")


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ({"name": "gzip"}, gzip.compress(ZEROS, mtime=0)),
        ({"name": "zstd"}, bytes(numcodecs.Zstd().encode(ZEROS))),
        ({"name": "numcodecs.zlib"}, zlib.compress(ZEROS)),
        ({"name": "numcodecs.bz2"}, bz2.compress(ZEROS)),
        ({"name": "numcodecs.lzma"}, lzma.compress(ZEROS)),
        ({"name": "numcodecs.lzma", "configuration": {"format": 3}}, lzma.compress(ZEROS)),
        ({"name": "numcodecs.lz4"}, bytes(numcodecs.LZ4().encode(ZEROS))),
        ({"name": "blosc"}, bytes(numcodecs.Blosc().encode(ZEROS))),
        ({"name": "blosc"}, b"short"),
        ({"name": "gzip"}, b"no gzip"),
        ({"name": "zstd"}, b"no zstd"),
        ({"name": "crc32c"}, bytes(1 * 32 * 40 * 4 + 4)[:-1] + b"x"),
        ({"name": "gzip"}, gzip.compress(b"too short", mtime=0)),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else str(len(value)),
)
def test_chunks_that_are_larger_than_declared_or_damaged(
    folder: Path, read: Read, codec: dict[str, Any], data: bytes
) -> None:
    path = changed(zarrs.world(folder / "w.zarr"), put("codecs", value=[{"name": "bytes"}, codec]))
    for file in (path / "v" / "c").rglob("*"):
        if file.is_file():
            file.write_bytes(data)
    with pytest.raises(BrokenRaster):
        read(path, "v")


def test_a_chunk_of_more_bytes_than_any_is_not_read(folder: Path, read: Read) -> None:
    path = zarrs.world(folder / "w.zarr")
    (path / "v" / "c" / "0" / "0" / "0").write_bytes(bytes(200_000))
    with pytest.raises(BrokenRaster):
        read(path, "v")


@pytest.mark.parametrize(
    "index",
    [
        np.full((2, 2, 2, 2), (1 << 64) - 2, "u8"),
        np.full((2, 2, 2, 2), 1 << 40, "u8"),
        np.array([[[[0, 1 << 30]] * 2] * 2] * 2, "u8"),
    ],
)
def test_shards_whose_index_lies(folder: Path, read: Read, index: Any) -> None:
    import google_crc32c

    said = index.tobytes()
    lying = said + int(google_crc32c.value(said)).to_bytes(4, "little")
    changes: tuple[Callable[[bytes], bytes], ...] = (
        lambda data: data[: -len(lying)] + lying,
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:20],
    )
    for number, change in enumerate(changes):
        path = zarrs.world(folder / f"{number}.zarr", shards=(2, 64, 80))
        file = path / "v" / "c" / "0" / "0" / "0"
        file.write_bytes(change(file.read_bytes()))
        with pytest.raises(BrokenRaster):
            read(path, "v", "time=2020-01-01")


@pytest.mark.parametrize(
    "name", ["..", "../w.zarr/v", "a/../../x", "v/..", "a//b", ".", "v\\..", "v%2e", "v?x", "v#x", "\0", "v" * 600]
)
def test_paths_that_lead_out_of_the_store(folder: Path, read: Read, name: str) -> None:
    path = zarrs.world(folder / "w.zarr")
    with pytest.raises((InvalidParameter, NotFound)):
        read(path, name)
    with pytest.raises((InvalidParameter, NotFound)):
        read(path, "v", group=name)


def test_what_is_no_store(folder: Path, read: Read) -> None:
    (folder / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (folder / "b.nc").write_bytes(b"CDF\x02" + bytes(100))
    (folder / "c.json").write_text('{"version": 1, "refs": {}}')
    for name in ("a.nc", "b.nc"):
        with pytest.raises(UnsupportedRaster, match="NetCDF"):
            read(folder / name, "v")
    with pytest.raises(NotARaster, match="Kerchunk"):
        read(folder / "c.json", "v")
    with pytest.raises(SourceNotFound):
        read(folder / "gone.zarr", "v")
    (folder / "empty").mkdir()
    with pytest.raises(SourceNotFound):
        read(folder / "empty", "v")
    path = zarrs.world(folder / "w.zarr")
    with pytest.raises(NotARaster, match="array"):
        read(path / "v", "v")
    with pytest.raises(NotFound, match="group"):
        read(path, "v", group="gone")


def test_links_out_of_what_may_be_read_are_not_followed(tmp_path: Path, folder: Path, read: Read) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    zarrs.world(outside / "w.zarr")
    path = zarrs.world(folder / "w.zarr")
    chunk = path / "v" / "c" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(outside / "w.zarr" / "v" / "c" / "0" / "0" / "0")
    with pytest.raises(SourceRefused):
        read(path, "v", "time=2020-01-01")
    (folder / "link.zarr").symlink_to(outside / "w.zarr")
    with pytest.raises(SourceRefused):
        read(folder / "link.zarr", "v")


def test_nothing_but_our_errors_for_metadata_at_random(folder: Path, read: Read) -> None:
    path = zarrs.world(folder / "w.zarr", consolidated=False)
    file = path / "v" / "zarr.json"
    text, rng = file.read_text(), np.random.default_rng(3)
    for _ in range(150):
        broken = bytearray(text.encode())
        for at in rng.integers(0, len(broken), 3):
            broken[at] = int(rng.choice(list(b'019-"[]{},:x')))
        file.write_bytes(bytes(broken))
        status = 200
        try:
            read(path, "v", "time=2020-01-01")
        except TileryError as error:
            status = error.status
        assert status < 500, broken


def test_large_metadata_stay_open_in_small_numbers(folder: Path, engine: Engine, source: Callable[..., Source]) -> None:
    for number in range(24):
        path = zarrs.world(folder / f"{number}.zarr")
        root = json.loads((path / "zarr.json").read_text())
        root["attributes"] = {"text": "x" * (1 << 20)}
        (path / "zarr.json").write_text(json.dumps(root))
        with engine.open(source(path, "v")) as reader:
            assert reader.profile.count == 4
    assert len(engine.datasets) <= 12

"""Every way in which an array may be stored gives the values that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import pytest
import zarr.codecs
import zarr.codecs.numcodecs

from tests.reading.zarr.conftest import Read
from tests.support import zarrs
from tests.support.zarrs import Variable, axis

V2: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None},
    "blosc": {"compressors": numcodecs.Blosc(cname="lz4", shuffle=2)},
    "blosc-zstd": {"compressors": numcodecs.Blosc(cname="zstd")},
    "zlib": {"compressors": numcodecs.Zlib()},
    "gzip": {"compressors": numcodecs.GZip()},
    "zstd": {"compressors": numcodecs.Zstd()},
    "lz4": {"compressors": numcodecs.LZ4()},
    "bz2": {"compressors": numcodecs.BZ2()},
    "lzma": {"compressors": numcodecs.LZMA()},
    "fortran": {"order": "F"},
    "delta": {"filters": [numcodecs.Delta("i4")], "compressors": numcodecs.Zstd()},
    "shuffled": {"filters": [numcodecs.Shuffle(4)], "compressors": numcodecs.Zlib()},
    "slashes": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "thick": {"chunks": (3, 32, 40)},
    "one chunk": {"chunks": (4, 90, 180)},
}
V3: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None},
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="zstd")},
    "gzip": {"compressors": zarr.codecs.GzipCodec()},
    "zstd": {"compressors": zarr.codecs.ZstdCodec()},
    "checked": {"compressors": [zarr.codecs.ZstdCodec(checksum=True), zarr.codecs.Crc32cCodec()]},
    "big": {"serializer": zarr.codecs.BytesCodec(endian="big")},
    "turned": {"filters": zarr.codecs.TransposeCodec(order=(2, 0, 1))},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "old keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "sharded": {"shards": (2, 64, 80)},
    "index first": {
        "chunks": (2, 64, 80),
        "compressors": None,
        "serializer": zarr.codecs.ShardingCodec(chunk_shape=(1, 32, 40), index_location="start"),
    },
    "thick": {"chunks": (3, 32, 40)},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("version", "options"),
    [*((2, options) for options in V2.values()), *((3, options) for options in V3.values())],
    ids=[*(f"v2 {name}" for name in V2), *(f"v3 {name}" for name in V3)],
)
def test_every_layout(folder: Path, read: Read, version: Literal[2, 3], options: dict[str, Any]) -> None:
    path = zarrs.world(folder / "w.zarr", version=version, **options)
    expected = zarrs.positions()[:, ::-1]
    assert np.array_equal(read(path, "v"), expected)
    assert np.array_equal(read(path, "v", "time=2020-01-03", "time=2020-01-02"), expected[[2, 1]])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", ">i2", ">f4", "?"])
def test_every_type(folder: Path, read: Read, version: Literal[2, 3], dtype: str) -> None:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 100, (4, 90, 180)).astype(dtype)
    path = zarrs.world(folder / "w.zarr", data=data, version=version)
    assert np.array_equal(read(path, "v", "time=2020-01-02")[0], data[1, ::-1].astype("f8"))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_chunks_that_are_not_stored_are_the_fill_value(
    folder: Path, read: Read, version: Literal[2, 3], consolidated: bool
) -> None:
    data = zarrs.positions().copy()
    data[:, :32, :40] = 7
    path = zarrs.world(
        folder / "w.zarr", data=data, version=version, consolidated=consolidated, fill_value=7, attrs={"_FillValue": -1}
    )
    assert len(list(path.joinpath("v").rglob("*"))) > 10
    found = read(path, "v")[:, ::-1]
    if version == 2:  # whose fill value stands for what is missing too
        assert np.isnan(found[:, :32, :40]).all()
    else:
        assert (found[:, :32, :40] == 7).all()
    assert np.array_equal(found[:, 32:], data[:, 32:])


def test_dimensions_in_any_order(folder: Path, read: Read) -> None:
    data = zarrs.positions()
    for number, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)]):
        names = ("time", "lat", "lon")
        path = zarrs.write(
            folder / f"{number}.zarr",
            {
                "v": Variable(
                    data=data.transpose(order),
                    dims=[names[axis] for axis in order],
                    options={"chunks": tuple((2, 32, 40)[axis] for axis in order)},
                ),
                "time": axis(np.arange(4), "time", units=zarrs.UNITS),
                "lat": axis(zarrs.LATITUDES, "lat"),
                "lon": axis(zarrs.LONGITUDES, "lon"),
            },
        )
        assert np.array_equal(read(path, "v"), data[:, ::-1]), order


def test_four_dimensions(folder: Path, read: Read) -> None:
    data = np.arange(2 * 3 * 20 * 30, dtype="f4").reshape(2, 3, 20, 30)
    path = zarrs.write(
        folder / "w.zarr",
        {
            "v": Variable(data=data, dims=("time", "level", "y", "x"), options={"chunks": (1, 2, 7, 11)}),
            "time": axis(np.arange(2), "time", units="hours since 2020-01-01T06:00"),
            "level": axis(np.array([1000.0, 850.0, 500.0], "f4"), "level"),
            "y": axis(np.arange(20.0)[::-1], "y"),
            "x": axis(np.arange(30.0), "x"),
        },
    )
    assert np.array_equal(read(path, "v", "time=2020-01-01T07"), data[1])
    assert np.array_equal(read(path, "v", "level=850"), data[:, 1])
    assert np.array_equal(read(path, "v", "level=nearest::700", "time=2020-01-01T06:00"), data[:1, 1])
    assert np.array_equal(read(path, "v", "level=500", "level=1000", "time=pad::2021-01-01"), data[1, [2, 0]])


def test_a_group_of_the_store(folder: Path, read: Read) -> None:
    data = zarrs.positions()[:1]
    deep = {"time": axis([0], "time"), "lat": axis(zarrs.LATITUDES, "lat"), "lon": axis(zarrs.LONGITUDES, "lon")}
    variables = {f"a/b/{name}": one for name, one in deep.items()}
    variables["a/b/v"] = Variable(data=data, dims=("time", "lat", "lon"))
    for version in (2, 3):
        path = zarrs.write(folder / f"{version}.zarr", variables, version=version)
        assert np.array_equal(read(path, "v", group="a/b"), data[:, ::-1])
        assert np.array_equal(read(path, "v", group="/a/b/"), data[:, ::-1])

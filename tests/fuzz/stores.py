"""Zarr stores to change, and how they are changed: their metadata, and the bytes of their chunks and shards."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr.codecs
from numcodecs import Blosc, Delta, FixedScaleOffset, Zlib

from tests.fuzz import mutate
from tests.support import zarrs
from tests.support.zarrs import Variable, axis

Store = Mapping[str, bytes]
"""What is stored, by key."""

_DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
_WORDS = (
    "bytes", "transpose", "blosc", "zstd", "gzip", "crc32c", "sharding_indexed", "vlen-utf8", "numcodecs.delta",
    "delta", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits", "shuffle", "fletcher32", "lzma", "bz2",
    "lz4", "zlib", "pickle", "json2", "adler32", "crc32", "array", "group", "regular", "default", "v2", "bool", "int8",
    "float16", "complex128", "string", "<M8[ns]", ">f8", "|S3", "|O", "<U4", "r64", "numpy.datetime64",
    "fixed_length_utf32", "lat", "lon", "time", "v", "days since 2020-01-01", "months since 0001-01-01",
    "hours since x", "noleap", "360_day", "latitude_longitude", "mercator", "EPSG:2056", "NaN", "Infinity", "0x7fc0",
)  # fmt: skip
"""What such documents are made of."""
_SIZES = (0, 1, 2, 3, 7, 64, 65537, 1 << 20, 1 << 31, 1 << 40, 1 << 61)


def seeds(folder: Path) -> dict[str, Store]:
    """Return small stores of each kind that is read in its own way, made below a folder."""
    latitudes, longitudes = np.arange(-85.0, 90.0, 10.0), np.arange(-175.0, 180.0, 10.0)
    common: dict[str, Any] = {"latitudes": latitudes, "longitudes": longitudes}
    values = zarrs.positions(latitudes, longitudes, 2)
    packed = {"scale_factor": 0.5, "add_offset": 2.0, "_FillValue": -1, "grid_mapping": "crs", "valid_range": [0, 9]}
    size: dict[str, Any] = {"chunks": (1, 9, 12)}
    small = (values % 30_000).astype("i2")
    zarrs.world(folder / "v3", data=values, consolidated=False, **size, **common)
    zarrs.world(folder / "v3-consolidated", data=small, attrs=packed, **size, **common)
    zarrs.world(
        folder / "v3-gzip", data=values.astype(">f4"), compressors=[zarr.codecs.GzipCodec()],
        serializer=zarr.codecs.BytesCodec(endian="big"), filters=[zarr.codecs.TransposeCodec(order=(2, 0, 1))],
        **size, **common,
    )  # fmt: skip
    zarrs.world(folder / "sharded", data=values, consolidated=False, shards=(1, 18, 36), **size, **common)
    zarrs.world(folder / "v2", data=values, version=2, consolidated=False, **size, **common)
    zarrs.world(
        folder / "v2-filters", data=values.astype("f8"), version=2, compressors=[Zlib(1)], order="F",
        filters=[FixedScaleOffset(0, 1, "<f8", "<i4"), Delta("<i4")], **size, **common,
    )  # fmt: skip
    zarrs.world(folder / "v2-blosc", data=small, version=2, attrs=packed, compressors=[Blosc("lz4")], **size, **common)
    zarrs.write(folder / "others", _others(values), attributes={"title": "t", "coordinates": "height name"})
    return {path.name: _stored(path) for path in sorted(folder.iterdir())}


def _others(values: Any) -> dict[str, Variable]:
    """Return variables with what most have not: four dimensions, a projection, times of a calendar, texts."""
    mapping = {
        "grid_mapping_name": "transverse_mercator", "scale_factor_at_central_meridian": 0.9996,
        "longitude_of_central_meridian": 9.0, "latitude_of_projection_origin": 0.0, "false_easting": 500000.0,
        "false_northing": 0.0, "GeoTransform": [400000.0, 1000.0, 0.0, 5200000.0, 0.0, -1000.0],
    }  # fmt: skip
    return {
        "v": Variable(
            data=np.stack([values[:1], values[1:]]).astype("f4"),
            dims=("time", "height", "y", "x"),
            attrs={"grid_mapping": "crs", "missing_value": 7.0, "dtype": "f4"},
            options={"chunks": (1, 1, 9, 12)},
        ),
        "time": axis(np.array([0.5, 31.25]), "time", units="days since 1999-12-31", calendar="360_day"),
        "height": axis(np.array([1000]), "height", positive="down", units="hPa"),
        "name": Variable(data=np.array(["a", "bé"], "<U2"), dims=("time",)),
        "y": axis(5200000.0 - 1000 * np.arange(18.0), "y", standard_name="projection_y_coordinate"),
        "x": axis(400000.0 + 1000 * np.arange(36.0), "x", axis="X"),
        "crs": Variable(data=np.array(0, "i4"), dims=(), attrs=mapping),
    }


def _stored(folder: Path) -> Store:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(store: Store, chance: random.Random) -> Store:
    """Return a store with something changed in its documents or its chunks; now and then an object is missing, or
    another's.
    """
    found = dict(store)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not found:
            break
        documents = [key for key in found if key.rpartition("/")[2] in _DOCUMENTS]
        kind = chance.random()
        if kind < 0.05:
            del found[chance.choice(sorted(found))]
        elif kind < 0.1:
            found[chance.choice(sorted(found))] = found[chance.choice(sorted(found))]
        elif kind < 0.7 and documents:
            key = chance.choice(sorted(documents))
            found[key] = _document(found[key], chance)
        else:
            key = chance.choice(sorted(found))
            found[key] = _chunk(found[key], chance)
    return found


def _chunk(data: bytes, chance: random.Random) -> bytes:
    """Return a chunk or shard with something changed, as often as not at its ends: headers and indexes lie there."""
    if not data or chance.random() < 0.5:
        return mutate.content(data, chance)
    found = bytearray(data)
    near = min(len(found), chance.choice((8, 32, 256)))
    at = chance.randrange(near) if chance.random() < 0.5 else len(found) - 1 - chance.randrange(near)
    length = chance.choice((1, 4, 8))
    found[at : at + length] = (chance.choice(mutate.NUMBERS) & ((1 << 8 * length) - 1)).to_bytes(length, "little")
    return bytes(found)


def _document(data: bytes, chance: random.Random) -> bytes:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return mutate.content(data, chance)
    if not isinstance(said, dict) or not said or chance.random() < 0.5:
        return mutate.document(said, chance) if said else mutate.content(data, chance)
    places = list(mutate.places(said))
    words = [(holder, key) for holder, key in places if isinstance(holder[key], str)]
    sizes = [(holder, key) for holder, key in places if isinstance(holder[key], int) and holder[key] is not True]
    holder, key = chance.choice(chance.choice([some for some in (words, sizes, places) if some]))
    holder[key] = chance.choice(chance.choice((_WORDS, _SIZES)))
    return json.dumps(said).encode()

"""What the metadata of an array say, in Zarr 2 and 3: its shape, its chunks, how these are stored, its attributes.

https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html, …/v2/v2.0.html
"""

from __future__ import annotations

import base64
import binascii
import math
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.reading.zarr.stored import Json

MOST_DIMENSIONS = 32
_MOST_LENGTH = 1 << 62
_MOST_CODECS = 16
_LONGEST_FILL = 256
"""Characters of a text that stands for each one that is not stored."""
_KINDS = "biufcMmSUO"
_TEXT = "O"
_V3 = {
    "bool": "?",
    **{
        f"{kind}{bits}": f"{letter}{bits // 8}"
        for kind, letter in (("int", "i"), ("uint", "u"))
        for bits in (8, 16, 32, 64)
    },
    **{f"float{bits}": f"f{bits // 8}" for bits in (16, 32, 64)},
    **{f"complex{bits}": f"c{bits // 8}" for bits in (64, 128)},
    "string": _TEXT,
}
"""Data types of Zarr 3 as NumPy writes them."""
_INFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One step of how a chunk is stored."""

    name: str
    """numcodecs' and Zarr's own; of Zarr 3 without the prefix ``numcodecs.``."""
    options: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """Chunks of which several lie in one object, behind an index."""

    shape: tuple[int, ...]
    """Of a shard, in elements."""
    index_codecs: tuple[Codec, ...]
    index_at_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayMetadata:
    """An array, as its metadata describe it."""

    path: str
    """Within the store."""
    version: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    """Shape of a chunk; of a sharded array that of the chunks within the shards."""
    dtype: np.dtype[Any]
    """Of the elements as they are stored."""
    fill: Any
    """Value of chunks that are not stored. None: any."""
    dimensions: tuple[str, ...]
    """Names; those that have none are called ``dim_0``…"""
    attributes: Json
    codecs: tuple[Codec, ...]
    """From the array to the bytes: whoever decodes begins at the end."""
    order: str
    """``C`` or ``F``: how Zarr 2 lays out a chunk."""
    key_prefix: str
    separator: str
    sharding: Sharding | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def grid(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk, as elements are stored."""
        return math.prod(self.chunks) * self.dtype.itemsize

    def key(self, position: Sequence[int]) -> str:
        """Return the key of the object that holds a chunk, or of a sharded array that of a shard."""
        numbers = self.separator.join(map(str, position))
        if self.version == 2:
            return f"{self.path}/{numbers or '0'}"
        if not numbers:
            return f"{self.path}/{self.key_prefix or '0'}"
        return f"{self.path}/{self.key_prefix}{self.separator if self.key_prefix else ''}{numbers}"


def of_v2(path: str, array: Json, attributes: Json) -> ArrayMetadata:
    """Return an array of Zarr 2.

    Raises:
        BrokenRaster: what it says makes no sense.
        UnsupportedRaster: it is of a kind that is not read.
    """
    if array.get("zarr_format") != 2:
        raise _broken(path, "zarr_format")
    dtype = _dtype(path, array.get("dtype"))
    shape = _lengths(path, "shape", array.get("shape"), least=0)
    chunks = _lengths(path, "chunks", array.get("chunks"), least=1)
    if len(shape) != len(chunks):
        raise _broken(path, "chunks")
    filters = array.get("filters") or []
    if not isinstance(filters, list) or len(filters) >= _MOST_CODECS:
        raise _broken(path, "filters")
    steps = [*filters, *([array["compressor"]] if array.get("compressor") else [])]
    order, separator = array.get("order", "C"), array.get("dimension_separator", ".")
    if order not in ("C", "F") or separator not in (".", "/"):
        raise _broken(path, "order")
    names = attributes.get("_ARRAY_DIMENSIONS")
    return ArrayMetadata(
        path=path,
        version=2,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill=_fill(path, dtype, array.get("fill_value")),
        dimensions=_names(names, len(shape)),
        attributes={name: value for name, value in attributes.items() if name != "_ARRAY_DIMENSIONS"},
        codecs=tuple(_codec_of_v2(path, step) for step in steps),
        order=order,
        key_prefix="",
        separator=separator,
    )


def of_v3(path: str, array: Json) -> ArrayMetadata:
    """Return an array of Zarr 3; see `of_v2`."""
    if array.get("zarr_format") != 3 or array.get("node_type") != "array":
        raise _broken(path, "zarr_format")
    unknown = [
        name
        for name, value in array.items()
        if name not in _KNOWN and not (isinstance(value, dict) and value.get("must_understand") is False)
    ]
    if unknown or array.get("storage_transformers"):
        raise UnsupportedRaster(f"The array {path[:64]!r} has extensions that are not read.", parameter="variable")
    dtype = _dtype(path, array.get("data_type"))
    shape = _lengths(path, "shape", array.get("shape"), least=0)
    named = _named(path, "chunk_grid", array.get("chunk_grid"))
    if named.name != "regular":
        raise UnsupportedRaster(f"The chunks of the array {path[:64]!r} are not of one size.", parameter="variable")
    chunks = _lengths(path, "chunk_grid", named.options.get("chunk_shape"), least=1)
    if len(shape) != len(chunks):
        raise _broken(path, "chunk_grid")
    codecs = _codecs(path, array.get("codecs"))
    sharding = None
    found = [place for place, codec in enumerate(codecs) if codec.name == "sharding_indexed"]
    if found:
        chunks, codecs, sharding = _sharded(path, chunks, codecs, found[0])
    keys = _named(path, "chunk_key_encoding", array.get("chunk_key_encoding"))
    separator = keys.options.get("separator", "/" if keys.name == "default" else ".")
    if keys.name not in ("default", "v2") or separator not in (".", "/"):
        raise _broken(path, "chunk_key_encoding")
    attributes = array.get("attributes", {})
    if not isinstance(attributes, dict):
        raise _broken(path, "attributes")
    return ArrayMetadata(
        path=path,
        version=3,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill=_fill(path, dtype, array.get("fill_value")),
        dimensions=_names(array.get("dimension_names"), len(shape)),
        attributes=attributes,
        codecs=codecs,
        order="C",
        key_prefix="c" if keys.name == "default" else "",
        separator=separator,
        sharding=sharding,
    )


_KNOWN = frozenset(
    (
        *("zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "codecs"),
        *("fill_value", "attributes", "dimension_names", "storage_transformers", "consolidated_metadata"),
    )
)


def _sharded(
    path: str, shard: tuple[int, ...], codecs: tuple[Codec, ...], place: int
) -> tuple[tuple[int, ...], tuple[Codec, ...], Sharding]:
    """Return the shape of the chunks within shards, how they are stored, and the shards."""
    if len(codecs) != 1 or place:
        raise UnsupportedRaster(f"The shards of the array {path[:64]!r} are packed once more.", parameter="variable")
    options = codecs[0].options
    inner = _lengths(path, "sharding", options.get("chunk_shape"), least=1)
    if len(inner) != len(shard) or any(outer % part for outer, part in zip(shard, inner, strict=True)):
        raise _broken(path, "sharding")
    within = _codecs(path, options.get("codecs"))
    if any(codec.name == "sharding_indexed" for codec in within):
        raise UnsupportedRaster(f"The array {path[:64]!r} has shards within shards.", parameter="variable")
    location = options.get("index_location", "end")
    if location not in ("start", "end"):
        raise _broken(path, "sharding")
    index = _codecs(path, options.get("index_codecs"))
    return inner, within, Sharding(shape=shard, index_codecs=index, index_at_end=location == "end")


def _codecs(path: str, found: Any) -> tuple[Codec, ...]:
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_CODECS:
        raise _broken(path, "codecs")
    return tuple(_named(path, "codecs", one) for one in found)


def _named(path: str, field: str, found: Any) -> Codec:
    """Return what Zarr 3 writes as a name with a configuration."""
    if isinstance(found, str):
        found = {"name": found}
    options = found.get("configuration", {}) if isinstance(found, dict) else None
    if not isinstance(options, dict) or not isinstance(found.get("name"), str):
        raise _broken(path, field)
    return Codec(name=found["name"].removeprefix("numcodecs."), options=options)


def _codec_of_v2(path: str, found: Any) -> Codec:
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise _broken(path, "compressor")
    return Codec(name=found["id"], options={name: value for name, value in found.items() if name != "id"})


def _lengths(path: str, field: str, found: Any, *, least: int) -> tuple[int, ...]:
    if not isinstance(found, list) or len(found) > MOST_DIMENSIONS:
        raise _broken(path, field)
    for one in found:
        if not isinstance(one, int) or isinstance(one, bool) or not least <= one < _MOST_LENGTH:
            raise _broken(path, field)
    return tuple(found)


def _names(found: Any, count: int) -> tuple[str, ...]:
    names = found if isinstance(found, list) and len(found) == count else [None] * count
    return tuple(name if isinstance(name, str) and name else f"dim_{place}" for place, name in enumerate(names))


def _dtype(path: str, found: Any) -> np.dtype[Any]:
    """Return the data type that a name means."""
    made: np.dtype[Any] | None = None
    try:
        if isinstance(found, dict):
            made = _configured(found)
        elif isinstance(found, str):
            made = np.dtype(_V3.get(found, found)) if len(found) <= 32 else None
    except (TypeError, ValueError, OverflowError, SyntaxError):  # NumPy reads texts of several as Python
        made = None
    if made is None or made.kind not in _KINDS or made.subdtype is not None or not 0 < made.itemsize <= 1 << 16:
        raise UnsupportedRaster(f"The data type of the array {path[:64]!r} is not read.", parameter="variable")
    return made


def _configured(found: Mapping[str, Any]) -> np.dtype[Any] | None:
    """Return a data type of Zarr 3 that has a configuration."""
    options = found.get("configuration")
    options = options if isinstance(options, dict) else {}
    match found.get("name"):
        case "numpy.datetime64" | "numpy.timedelta64" as name:
            letter = "M" if name == "numpy.datetime64" else "m"
            unit, scale = options.get("unit"), options.get("scale_factor", 1)
            if unit in ("generic", None) or not isinstance(scale, int):
                return None
            return np.dtype(f"{letter}8[{scale}{unit}]")
        case "fixed_length_utf32":
            return np.dtype(f"U{int(options.get('length_bytes', 0)) // 4}")
        case "null_terminated_bytes":
            return np.dtype(f"S{int(options.get('length_bytes', 0))}")
        case str() as name if not options and name in _V3:
            return np.dtype(_V3[name])
    return None


def _fill(path: str, dtype: np.dtype[Any], found: Any) -> Any:
    """Return a fill value as the array holds it. None: nothing is said."""
    if found is None:
        return None
    try:
        if dtype.kind == _TEXT:
            return found[:_LONGEST_FILL] if isinstance(found, str) else None
        if dtype.kind in "SU":
            return _text_fill(dtype, found)
        if dtype.kind in "Mm":
            units = np.iinfo(np.int64).min if found == "NaT" else operator.index(found)
            return np.array(units, "i8").view(dtype.newbyteorder("="))[()]
        if dtype.kind == "c":
            real, imaginary = found if isinstance(found, list) else (found, 0)
            return dtype.type(complex(_number(np.dtype("f8"), real), _number(np.dtype("f8"), imaginary)))
        return dtype.newbyteorder("=").type(_number(dtype, found))
    except (ValueError, TypeError, OverflowError, struct.error, binascii.Error):
        raise _broken(path, "fill_value") from None


def _text_fill(dtype: np.dtype[Any], found: Any) -> Any:
    if not isinstance(found, str):
        return None
    return base64.b64decode(found) if dtype.kind == "S" else found


def _number(dtype: np.dtype[Any], found: Any) -> Any:
    """Return a number that is written as one, as a word, or as hexadecimal digits of its bits."""
    if isinstance(found, bool | int | float):
        return found
    if isinstance(found, str) and dtype.kind == "f":
        if found in _INFINITE:
            return _INFINITE[found]
        if found.startswith("0x"):
            bits = int(found, 16).to_bytes(dtype.itemsize, "big")
            return np.frombuffer(bits, dtype.newbyteorder(">"))[0]
    raise ValueError(found)


def packed_fill(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the ``_FillValue`` of an attribute, which xarray writes for Zarr 3 in base64.

    Raises:
        ValueError: it is none of that type.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and dtype.kind == "f":
        if value in _INFINITE:
            return _INFINITE[value]
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return struct.unpack("<d", base64.standard_b64decode(value))[0]
        except (struct.error, binascii.Error):
            raise ValueError(value) from None
    if isinstance(value, bool | int | float):
        return value
    raise ValueError(value)


def _broken(path: str, field: str) -> BrokenRaster:
    return BrokenRaster(f"The metadata of the array {path[:64]!r} make no sense: {field}.", parameter="variable")

"""Chunks, from the bytes that are stored to arrays: decompressed within bounds, and nothing is run that a store names.

The codecs are numcodecs', those of Zarr's reference implementation; zstd and gzip are done by what TIFFs are done by.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.geo.raster import Array
from tilery.reading.zarr.metadata import ArrayMetadata, Codec

_FILTERS = frozenset(
    ("delta", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits", "shuffle", "vlen-utf8", "fletcher32")
)
"""Those that numcodecs undoes. Any other is not asked for: there are some that run what they are given."""
_GZIP = 31
_ROOM = 64
"""Bytes that a codec may add to what it is given: checksums."""
_WIDEST = 8
"""Bytes of an element that a filter may make of one."""

Bounded = Callable[[bytes, Codec, int], bytes]


def need_packages() -> None:
    """Check that what Zarr is read with is installed.

    Raises:
        UnsupportedRaster: it is not.
    """
    if not _are_installed():
        raise UnsupportedRaster(
            "This server is installed without what Zarr is read with. Its operator adds it with: "
            "pip install 'tilery[zarr]'.",
            parameter="url",
        )


@lru_cache(maxsize=1)
def _are_installed() -> bool:
    return all(find_spec(name) is not None for name in ("numcodecs", "cftime", "google_crc32c"))


def check(array: ArrayMetadata) -> None:
    """Check that all codecs of an array are known.

    Raises:
        UnsupportedRaster: one is not.
        BrokenRaster: they do not follow each other.
    """
    chains = [array.codecs] if array.sharding is None else [array.codecs, array.sharding.index_codecs]
    for codec in (codec for chain in chains for codec in chain):
        if codec.name not in _FILTERS and codec.name not in _PACKED and codec.name not in ("bytes", "transpose"):
            raise UnsupportedRaster(
                f"The codec {codec.name[:64]!r} of the array {array.path[:64]!r} is not read.", parameter="variable"
            )
    if array.version == 3:
        for codec in array.codecs:
            if codec.name == "transpose":
                _axes(codec, len(array.chunks))


def chunk(data: bytes, array: ArrayMetadata) -> Array:
    """Return the elements of a stored chunk, in the machine's byte order, shape ``array.chunks``.

    Raises:
        BrokenRaster: the bytes are no chunk of the array.
    """
    if array.version == 2:
        return _guarded(lambda: _of_v2(data, array))
    return _guarded(lambda: _of_v3(data, array.codecs, array.chunks, array.dtype))


def _guarded(decode: Callable[[], Array]) -> Array:
    try:
        return decode()
    except BrokenRaster:
        raise
    except Exception as error:  # noqa: BLE001 - codecs have no error in common: whatever fails does not decode
        raise BrokenRaster(
            "A chunk of the raster does not decode.", parameter="url", private=repr(error)[:512]
        ) from None


def filled(array: ArrayMetadata) -> Array:
    """Return a chunk that is not stored, shape ``array.chunks``: the fill value, 0 or no text where there is none."""
    if array.dtype.kind == "O":
        texts = np.empty(array.chunks, object)
        texts.fill(array.fill or "")  # the same text in each place, where `np.full` makes a new one for each
        return texts
    dtype = array.dtype.newbyteorder("=")
    return np.zeros(array.chunks, dtype) if array.fill is None else np.full(array.chunks, array.fill, dtype)


def index(data: bytes, codecs: Sequence[Codec], chunks: tuple[int, ...]) -> Array:
    """Return the index of a shard: start and length of each of its chunks, shape (*chunks, 2), uint64.

    Raises:
        BrokenRaster: it is damaged.
    """
    return _guarded(lambda: _of_v3(data, codecs, (*chunks, 2), np.dtype("u8")))


def index_bytes(codecs: Sequence[Codec], chunks: int) -> int:
    """Return the bytes of the index of a shard of so many chunks.

    Raises:
        UnsupportedRaster: it is compressed, so that nothing says where it begins.
    """
    if any(codec.name not in ("bytes", "crc32c") for codec in codecs):
        raise UnsupportedRaster("The index of the shards is compressed.", parameter="variable")
    return 16 * chunks + 4 * sum(codec.name == "crc32c" for codec in codecs)


def _of_v2(data: bytes, array: ArrayMetadata) -> Array:
    expected = array.chunk_bytes
    most = expected + _ROOM if len(array.codecs) < 2 and array.dtype.kind != "O" else _WIDEST * expected + (1 << 16)
    found: Any = data
    for codec in reversed(array.codecs):
        found = _undone(found, codec, array, most)
    if array.dtype.kind == "O":
        return np.asarray(found, object).reshape(array.chunks, order=array.order)  # type: ignore[call-overload, no-any-return]
    raw = np.ascontiguousarray(np.frombuffer(found, np.uint8) if isinstance(found, bytes) else found)
    if raw.nbytes != expected:
        raise BrokenRaster("A chunk of the raster has another size than its metadata say.", parameter="url")
    made = raw.reshape(-1).view(np.uint8).view(array.dtype).reshape(array.chunks, order=array.order)  # type: ignore[call-overload]
    return _native(made)


def _of_v3(data: bytes, codecs: Sequence[Codec], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of the bytes that a chain of codecs made of it."""
    transposes, packing = [], []
    at = 0
    while at < len(codecs) and codecs[at].name == "transpose":
        transposes.append(_axes(codecs[at], len(shape)))
        at += 1
    if at == len(codecs) or codecs[at].name not in ("bytes", "vlen-utf8"):
        raise BrokenRaster("The codecs of the array do not follow each other.", parameter="variable")
    serializer, packing = codecs[at], list(codecs[at + 1 :])
    stored = shape
    for axes in transposes:
        stored = tuple(stored[axis] for axis in axes)
    count = int(np.prod(shape, dtype=object))
    text = serializer.name == "vlen-utf8"
    expected = count * dtype.itemsize
    found = data
    for codec in reversed(packing):
        if codec.name not in _PACKED and codec.name not in ("shuffle", "fletcher32"):
            raise BrokenRaster("The codecs of the array do not follow each other.", parameter="variable")
        found = _undone_v3(found, codec, _WIDEST * expected + (1 << 20) if text else expected + _ROOM)
    if text:
        made = _texts(found, count).reshape(stored)
    else:
        if len(found) != expected:
            raise BrokenRaster("A chunk of the raster has another size than its metadata say.", parameter="url")
        endian: Literal["<", ">"] = ">" if serializer.options.get("endian") == "big" else "<"
        made = _native(np.frombuffer(found, dtype.newbyteorder(endian)).reshape(stored))
    for axes in reversed(transposes):
        made = made.transpose(np.argsort(axes))
    return made


def _axes(codec: Codec, count: int) -> tuple[int, ...]:
    order = codec.options.get("order")
    if order == "C":
        return tuple(range(count))
    if order == "F":
        return tuple(reversed(range(count)))
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(map(str, range(count))):
        raise BrokenRaster("The array is transposed into no order.", parameter="variable")
    return tuple(order)


def _native(found: Array) -> Array:
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def _undone(found: Any, codec: Codec, array: ArrayMetadata, most: int) -> Any:
    """Return what a codec of Zarr 2 was given."""
    if codec.name in _PACKED:
        return _PACKED[codec.name](_as_bytes(found), codec, most)
    if codec.name == "vlen-utf8":
        return _texts(_as_bytes(found), int(np.prod(array.chunks, dtype=object)))
    made = _filter(codec.name, tuple(sorted(codec.options.items()))).decode(found)
    if np.asarray(made).nbytes > most:
        raise BrokenRaster("A chunk of the raster is larger than its metadata say.", parameter="url")
    return np.asarray(made)


def _undone_v3(found: bytes, codec: Codec, most: int) -> bytes:
    if codec.name in _PACKED:
        return _PACKED[codec.name](found, codec, most)
    return _as_bytes(_filter(codec.name, tuple(sorted(codec.options.items()))).decode(found))


def _as_bytes(found: Any) -> bytes:
    return found if isinstance(found, bytes) else bytes(np.ascontiguousarray(found).reshape(-1).view(np.uint8))


@lru_cache(maxsize=256)
def _filter(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    import numcodecs

    return numcodecs.get_codec({"id": name, **dict(options)})


def _texts(data: bytes, count: int) -> Array:
    """Return texts, each with its length before it (numcodecs' ``vlen-utf8``)."""
    if len(data) < 4 or int.from_bytes(data[:4], "little") != count or len(data) < 4 + 4 * count:
        raise BrokenRaster("A chunk of texts has another size than its metadata say.", parameter="url")
    made, at = np.empty(count, object), 4
    for place in range(count):
        length = int.from_bytes(data[at : at + 4], "little")
        made[place] = data[at + 4 : at + 4 + length].decode("utf-8", "replace")
        at += 4 + length
    return made


def _zstd(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    import imagecodecs

    return bytes(imagecodecs.zstd_decode(data, out=most))


def _gzip(data: bytes, codec: Codec, most: int) -> bytes:
    return _inflated(zlib.decompressobj(_GZIP if codec.name == "gzip" else zlib.MAX_WBITS), data, most)


def _bz2(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    return bz2.BZ2Decompressor().decompress(data, most)


def _lzma(data: bytes, codec: Codec, most: int) -> bytes:
    if codec.options.get("format", lzma.FORMAT_XZ) == lzma.FORMAT_RAW:
        raise BrokenRaster("Raw LZMA is not read: nothing bounds what it takes.", parameter="variable")
    return lzma.LZMADecompressor(memlimit=most + (128 << 20)).decompress(data, most)


def _inflated(unpacker: Any, data: bytes, most: int) -> bytes:
    found: bytes = unpacker.decompress(data, most)
    return found


def _blosc(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    if (
        len(data) < 16
        or int.from_bytes(data[4:8], "little") > most
        or int.from_bytes(data[12:16], "little") != len(data)
    ):
        raise BrokenRaster("A chunk of the raster is no Blosc frame of its size.", parameter="url")
    return bytes(_blosc_module().decompress(data))


@lru_cache(maxsize=1)
def _blosc_module() -> Any:
    from numcodecs import blosc

    blosc.use_threads = False  # threads are ours: blocks are decoded side by side
    return blosc


def _lz4(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    from numcodecs import lz4

    if len(data) < 4 or int.from_bytes(data[:4], "little") > most:
        raise BrokenRaster("A chunk of the raster is larger than its metadata say.", parameter="url")
    return bytes(lz4.decompress(data))


def _crc32c(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    import google_crc32c

    if len(data) < 4 or google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise BrokenRaster("A part of the raster is damaged: its checksum is another.", parameter="url")
    return data[:-4]


def _checksum_before(data: bytes, codec: Codec, most: int) -> bytes:  # noqa: ARG001 - one of several
    sum_of = zlib.crc32 if codec.name == "crc32" else zlib.adler32
    at_end = codec.options.get("location") == "end"
    said, rest = (data[-4:], data[:-4]) if at_end else (data[:4], data[4:])
    if int.from_bytes(said, "little") != sum_of(rest):
        raise BrokenRaster("A part of the raster is damaged: its checksum is another.", parameter="url")
    return rest


_PACKED: dict[str, Bounded] = {
    "zstd": _zstd,
    "gzip": _gzip,
    "zlib": _gzip,
    "bz2": _bz2,
    "lzma": _lzma,
    "blosc": _blosc,
    "lz4": _lz4,
    "crc32c": _crc32c,
    "crc32": _checksum_before,
    "adler32": _checksum_before,
}
"""What turns bytes into bytes, none of which makes more than it may."""

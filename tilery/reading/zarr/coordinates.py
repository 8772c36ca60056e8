"""The values of coordinates: arrays of one dimension, read whole, with times as CF writes them."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.errors import BrokenRaster, TooMuchWork
from tilery.geo.raster import Array
from tilery.limits import deadline, memory
from tilery.reading.zarr import codecs
from tilery.reading.zarr.metadata import ArrayMetadata
from tilery.reading.zarr.packing import packing_of

if TYPE_CHECKING:
    from tilery.reading.zarr.chunks import Shards
    from tilery.reading.zarr.stored import StoredObjects

MOST = 1 << 22
"""Values of a coordinate."""
_MOST_CHUNKS = 1 << 14
"""Chunks that they may lie in."""
MOST_SHOWN = 1 << 20
"""Values of a coordinate that an answer has: a hundred years by the hour."""
_MOST_TEXT = 16 << 20
"""Characters of all of them, where they are texts."""
_AT_ONCE = 1024
"""Values that are turned in one go."""
_MOMENT, _SHOWN = 256, 128
"""Bytes that a moment of cftime's or a text takes, and a value with its text in JSON."""
_TIME = re.compile(r"\s*([A-Za-z]+)\s+since\s+(.+)")
_LONGEST = 256
_DAY = 86_400 * 10**9
_UNITS = {
    **dict.fromkeys(("day", "days", "d"), _DAY),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), _DAY // 24),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), _DAY // 1440),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 10**9),
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "msecs", "ms", "millisec", "millisecs"), 10**6),
    **dict.fromkeys(("microsecond", "microseconds", "microsec", "microsecs", "us"), 10**3),
    **dict.fromkeys(("nanosecond", "nanoseconds", "nsec", "nsecs", "ns"), 1),
}
"""Nanoseconds of the units that are of one length."""
_OURS = ("standard", "gregorian", "proleptic_gregorian")
"""Those that are one from 1582-10-15 on, which is before all that NumPy's moments hold."""
_LIMIT = 9.2e18
"""Nanoseconds from 1970 that a moment of NumPy's may be."""


def read(objects: StoredObjects, shards: Shards, array: ArrayMetadata) -> Array:
    """Return all elements of a small array, as they are stored but in the machine's byte order, shape ``array.shape``.

    Raises:
        TooMuchWork: it is not small.
        BrokenRaster: a chunk does not decode.
    """
    from tilery.reading.zarr.chunks import read_chunks

    chunks = math.prod(array.grid)
    if math.prod(array.shape) > MOST or chunks > _MOST_CHUNKS or array.chunk_bytes > 8 * MOST:
        raise TooMuchWork(
            f"The coordinate {array.name[:64]!r} has more values, or chunks, than are read.",
            parameter="variable",
            limit=MOST,
        )
    codecs.check(array)
    memory.need(3 * array.chunk_bytes + math.prod(array.shape) * array.dtype.itemsize)
    object_ = array.dtype.kind == "O"
    found = np.empty(array.shape, object if object_ else array.dtype.newbyteorder("="))
    positions = list(itertools.product(*map(range, array.grid)))
    batch = max(1, (8 << 20) // max(1, array.chunk_bytes))
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        for position, data in zip(part, read_chunks(objects, shards, array, part), strict=True):
            elements = codecs.chunk(data, array) if data else codecs.filled(array)
            target = tuple(slice(at * size, (at + 1) * size) for at, size in zip(position, array.chunks, strict=True))
            room = found[target]
            room[...] = elements[tuple(map(slice, room.shape))]
        deadline.check()
    return found


def decoded(array: ArrayMetadata, elements: Array, *, times: bool) -> Array:
    """Return the values of a coordinate's elements: numbers unpacked, moments where its attributes say so.

    Args:
        array: what describes it.
        elements: as they are stored.
        times: whether moments are made of numbers.

    Raises:
        BrokenRaster: the attributes make no sense.
    """
    if elements.dtype.kind == "M":
        return elements.astype("M8[ns]")
    if elements.dtype.kind in "SU":
        texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in elements.ravel()]
        return np.array(texts, object).reshape(elements.shape)
    if elements.dtype.kind not in "iuf":
        return elements
    units = array.attributes.get("units")
    units = units if isinstance(units, str) and len(units) <= _LONGEST else ""
    match = _TIME.fullmatch(units)
    packing = packing_of(array)
    if match is None or not times:
        return packing.unpacked(elements)
    calendar = array.attributes.get("calendar", "standard")
    numbers = packing.unpacked(elements) if packing.scale is not None or packing.offset is not None else elements
    missing = np.zeros(elements.shape, bool)
    for one in packing.missing:
        missing |= (elements == one) | (elements != elements)  # noqa: PLR0124 - NaN is not itself
    try:
        return _moments(numbers, missing, units, match, str(calendar).lower())
    except (ValueError, OverflowError, TypeError):
        raise BrokenRaster(
            f"The times of {array.name[:64]!r} cannot be made out: decode_times=false leaves them numbers.",
            parameter="decode_times",
        ) from None


def is_time(array: ArrayMetadata) -> bool:
    """Return whether the attributes of an array make moments of its numbers."""
    units = array.attributes.get("units")
    return array.dtype.kind in "iuf" and isinstance(units, str) and _TIME.fullmatch(units[:256]) is not None


def _moments(numbers: Array, missing: Array, units: str, match: re.Match[str], calendar: str) -> Array:
    """Return moments: NumPy's where its range and calendar hold them, else cftime's."""
    import cftime

    unit = _UNITS.get(match[1].lower())
    valid = numbers[~missing & (numbers == numbers)]  # noqa: PLR0124 - NaN is not itself
    if calendar in _OURS and unit is not None and valid.size:
        # counted from the first moment: the unit's own begins before the calendar was reformed, at times
        first = math.floor(valid.min())
        try:
            moment = np.datetime64(cftime.num2date(first, units, calendar).isoformat(), "us")
            start = int(moment.astype(np.int64)) * 1000
        except ValueError:
            start = None
        last = (float(valid.max()) - first) * unit
        if start is not None and start > -_LIMIT and start + last < _LIMIT:
            return _added(start, numbers - numbers.dtype.type(first), unit, missing)
    if missing.any():
        raise ValueError("missing moments")
    memory.need(_MOMENT * numbers.size)
    flat, found = numbers.ravel(), np.empty(numbers.size, object)
    for start in deadline.paced(range(0, flat.size, _AT_ONCE), 1):  # cftime lets nothing else run meanwhile
        part = slice(start, start + _AT_ONCE)
        found[part] = cftime.num2date(flat[part], units, calendar, only_use_cftime_datetimes=True)
    return found.reshape(numbers.shape)


def _added(start: int, numbers: Array, unit: int, missing: Array) -> Array:
    """Return moments so many units after a start in nanoseconds."""
    missing = missing | (numbers != numbers)  # noqa: PLR0124 - NaN is not itself
    if numbers.dtype.kind == "f":
        whole = np.where(missing, 0, np.floor(numbers))
        part = np.where(missing, 0, numbers) - whole
        # rounded to microseconds, which floating point can hold of the times that there are
        fraction = np.rint(part.astype(np.float64) * (unit / 1000)).astype(np.int64) * 1000 if unit >= 1000 else 0
        made = start + whole.astype(np.int64) * unit + fraction
    else:
        made = start + np.where(missing, 0, numbers).astype(np.int64) * unit
    moments = made.view("M8[ns]")
    moments[missing] = np.datetime64("NaT", "ns")
    return moments


def bytes_of(values: Array) -> int:
    """Return how many bytes of memory values take, with the objects that they may be."""
    return values.nbytes + (_MOMENT * values.size if values.dtype.kind == "O" else 0)


def as_json(values: Array) -> Any:
    """Return values as JSON has them: moments as texts.

    Raises:
        TooMuchWork: they are more than an answer may have.
    """
    if values.size > MOST_SHOWN:
        raise TooMuchWork(
            f"The coordinate has {values.size} values, of which an answer has {MOST_SHOWN} at most.",
            parameter="name",
            limit=MOST_SHOWN,
        )
    memory.need(_SHOWN * values.size)
    if values.dtype.kind == "M":
        flat, texts = values.ravel().astype("M8[us]"), []
        for start in deadline.paced(range(0, flat.size, _AT_ONCE), 1):
            texts += [_shortened(str(text)) for text in np.datetime_as_string(flat[start : start + _AT_ONCE])]
        return texts if values.ndim else texts[0]
    if values.dtype.kind == "O":
        return _as_texts(values)
    return values.tolist()


def _as_texts(values: Array) -> list[str]:
    texts, length = [], 0
    for one in deadline.paced(values.ravel().tolist(), _AT_ONCE):
        texts.append(str(one))
        length += len(texts[-1])
        if length > _MOST_TEXT:
            raise TooMuchWork(
                "The texts of the coordinate are longer than an answer may be.", parameter="name", limit=_MOST_TEXT
            )
    return texts


def _shortened(text: str) -> str | None:
    """Return a moment without a fraction of nothing, as Python writes it; None for none."""
    return None if text == "NaT" else text.removesuffix(".000000")

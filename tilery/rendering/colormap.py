"""Colormaps: the named ones, the caller's own, the source's palette; values to colours.

A colormap maps values to RGBA. There are three kinds, told apart as rio-tiler tells them apart:

* *linear*: 256 colours for the values 0 to 255;
* *discrete*: a colour for each listed value;
* *interval*: a colour for each ``lower <= value < upper``; of overlapping intervals the last one wins.

Values that a discrete or interval colormap does not list are transparent. A value that is not uint8 and meets a linear
colormap is cut to an integer and taken modulo 256, which is what numpy's cast does for rio-tiler.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidColormap, InvalidParameter, OverLimit
from tilery.geo.raster import Array, Picture

MAX_ENTRIES = 4096
"""Colours of one colormap at most."""
MAX_TEXT = 262_144
"""Characters of a ``colormap=`` parameter at most; checked before it is parsed."""

Rgba = tuple[int, int, int, int]
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Colormap:
    """A value to be passed around and compared: it is part of cache keys."""

    kind: Literal["linear", "discrete", "interval"]
    """How values are looked up. ``linear``: 256 colours for the values 0 to 255. ``discrete``: a colour for each value
    of ``keys``. ``interval``: a colour for each ``keys <= value < upper``, the last one of those that overlap. What is
    in none is transparent."""
    colors: bytes
    """RGBA, four bytes an entry."""
    keys: tuple[float, ...] = ()
    """Listed values (discrete) or lower bounds (interval), an entry each; empty for a linear colormap."""
    upper: tuple[float, ...] = ()
    """Upper bounds (interval), not included."""

    @property
    def rgba(self) -> NDArray[np.uint8]:
        """The colours, shape (entries, 4)."""
        return np.frombuffer(self.colors, dtype=np.uint8).reshape(-1, 4)


class Colormaps:
    """Colormaps by name: rio-tiler's 211, and those of a folder. Safe under threads."""

    def __init__(self, folder: str | None = None) -> None:
        """Add the colormaps (``.npy`` or ``.json``) in a folder to those that are known. Nothing is read yet."""
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """Return every name that `get` knows, sorted."""
        return self._names

    def get(self, name: str) -> Colormap:
        """Return the colormap of that name.

        Raises:
            InvalidParameter: there is none.
        """
        path = self._files.get(name)
        if path is None:
            raise InvalidParameter("colormap_name is not the name of a colormap.", parameter="colormap_name")
        return _load(path)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    @cached_property
    def _files(self) -> dict[str, Path]:
        """File of each name. rio-tiler's folder is looked up, not imported: importing rio-tiler takes a second."""
        found: dict[str, Path] = {}
        spec = find_spec("rio_tiler")
        if spec is not None and spec.submodule_search_locations:
            folder = Path(next(iter(spec.submodule_search_locations))) / "cmap_data"
            found |= {path.stem: path for path in sorted(folder.glob("*.npy"))}
        if self._folder:
            paths = sorted(Path(self._folder).rglob("*"))
            found |= {path.stem: path for path in paths if path.suffix in {".npy", ".json"}}
        return found


_KNOWN = Colormaps()


def names() -> tuple[str, ...]:
    """Return the names of rio-tiler's colormaps, sorted."""
    return _KNOWN.names()


def get(name: str) -> Colormap:
    """Return one of rio-tiler's colormaps; see `Colormaps.get`."""
    return _KNOWN.get(name)


def parse(text: str) -> Colormap:
    """Return the colormap that a caller wrote as JSON, InvalidColormap or OverLimit when it is none.

    Either an object ``{"value": colour}`` or a list ``[[[lower, upper], colour], …]``; a colour is ``"#rgb"``,
    ``"#rgba"``, ``"#rrggbb"``, ``"#rrggbbaa"``, ``[r, g, b]`` or ``[r, g, b, a]``.
    """
    if len(text) > MAX_TEXT:
        raise OverLimit("colormap is too long.", parameter="colormap", limit=MAX_TEXT)
    try:
        document = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise _wrong("colormap is not JSON.") from error
    return _from_document(document)


def from_palette(palette: Mapping[int, tuple[int, int, int, int]]) -> Colormap:
    """Return the colormap of a source's own palette."""
    return _from_items(palette.items())


def to_json(colormap: Colormap) -> dict[str, list[int]] | list[list[list[float] | list[int]]]:
    """Return the document at ``/colorMaps/{id}``: ``{"value": [r, g, b, a]}`` or ``[[[lower, upper], [r, g, b, a]],
    …]``.
    """
    colors: list[list[int]] = colormap.rgba.tolist()
    if colormap.kind == "interval":
        return [
            [[lower, upper], color] for lower, upper, color in zip(colormap.keys, colormap.upper, colors, strict=True)
        ]
    keys = colormap.keys if colormap.kind == "discrete" else range(len(colors))
    return {str(key): color for key, color in zip(keys, colors, strict=True)}


def apply(colormap: Colormap, values: Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return (indexes, palette): what to look up for each of ``values``, and the RGBA entries to look it up in.

    Indexes have the shape of ``values`` (one band: rows, columns) and are uint8 whenever at most 256 entries are
    needed, so that a picture can be written with a palette; uint8 values are their own indexes and are not copied.
    Else they are of the smallest type that counts all entries.
    """
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    if colormap.kind == "linear":
        if values.dtype == np.uint8:
            return values, colormap.rgba
        with np.errstate(invalid="ignore", over="ignore"):
            return values.astype(np.int64).astype(np.uint8), colormap.rgba
    if values.dtype == np.uint8:
        return values, _palette_of_bytes(colormap)
    palette = _palette(colormap)
    if values.dtype in (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.uint16)):
        unsigned = values.view(f"u{values.dtype.itemsize}")
        return _table(colormap, values.dtype.str).take(unsigned), palette
    return _locate(colormap, values), palette


def colors_of(indexes: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the RGBA of each index, shape (rows, columns, 4)."""
    whole = np.ascontiguousarray(palette).view(np.uint32)[:, 0]
    if len(whole) < 256 and indexes.dtype == np.uint8:
        whole = np.concatenate([whole, np.zeros(256 - len(whole), dtype=np.uint32)])
    return whole.take(indexes).view(np.uint8).reshape(*indexes.shape, 4)


def bar(
    colormap: Colormap,
    *,
    orientation: Literal["horizontal", "vertical"] = "horizontal",
    width: int | None = None,
    height: int | None = None,
    most: int = 4096,
) -> Picture:
    """Return a picture of the colormap's colours in their order, 256 by 20 pixels or 20 by 256 if no size is given.

    OverLimit beyond ``most`` pixels a side; InvalidParameter for a size below one.
    """
    for name, size in (("width", width), ("height", height)):
        if size is not None and size < 1:
            raise InvalidParameter(f"{name} must be at least 1.", parameter=name)
        if size is not None and size > most:
            raise OverLimit(f"{name} must be at most {most}.", parameter=name, limit=most)
    entries = colormap.rgba
    count = len(entries)
    along, across = (height, width) if orientation == "vertical" else (width, height)
    # TiTiler shows every entry of a long list, whatever length is asked for
    length = (along or 256) if count <= 256 else count
    steps = (np.arange(length) * 2 + 1) * count // (2 * length)
    line = np.broadcast_to(steps, (across or 20, length))
    indexes = line.T if orientation == "vertical" else line
    if count <= 256:
        return Picture(data=indexes.astype(np.uint8)[..., np.newaxis], palette=entries)
    rgba = colors_of(indexes, entries)
    return Picture(data=rgba[..., :3], mask=rgba[..., 3])


# Lookup


def _palette(colormap: Colormap) -> NDArray[np.uint8]:
    """Return the entries and, as the last one, the transparent colour of all values that are not listed."""
    return np.concatenate([colormap.rgba, np.zeros((1, 4), dtype=np.uint8)])


@lru_cache(maxsize=256)
def _palette_of_bytes(colormap: Colormap) -> NDArray[np.uint8]:
    palette: NDArray[np.uint8] = _palette(colormap)[_locate(colormap, np.arange(256, dtype=np.uint8))]
    palette.setflags(write=False)
    return palette


@lru_cache(maxsize=32)
def _table(colormap: Colormap, dtype: str) -> NDArray[Any]:
    """Return the index of each value of an 8 or 16 bit type, in the order of the same bits taken as unsigned."""
    size = np.dtype(dtype).itemsize
    every = np.arange(256**size, dtype=f"u{size}").view(dtype)
    table = _locate(colormap, every)
    table.setflags(write=False)
    return table


def _locate(colormap: Colormap, values: Array) -> NDArray[Any]:
    """Return the index of the entry of each value; the number of entries where none fits."""
    edges, entries = _edges(colormap, values.dtype.str)
    if colormap.kind == "interval":
        position = np.searchsorted(edges, values, side="right")
        return entries[position]
    position = np.searchsorted(edges, values, side="right")
    position -= 1
    np.maximum(position, 0, out=position)
    missing = entries.dtype.type(len(colormap.colors) // 4)
    found: NDArray[Any] = np.where(edges[position] == values, entries[position], missing)
    return found


@lru_cache(maxsize=256)
def _edges(colormap: Colormap, dtype: str) -> tuple[Array, NDArray[Any]]:
    """(sorted edges, entry of each): for intervals entry ``i`` serves the values from edge ``i - 1`` up to edge ``i``.

    Floats are compared in the type of the values, as numpy compares an array with a Python number: 0.1 in a float32
    raster is found by the key 0.1.
    """
    kind = np.dtype(dtype)
    compared = kind if kind.kind == "f" else np.dtype(np.float64)
    missing = len(colormap.colors) // 4
    small = np.min_scalar_type(missing)
    with np.errstate(over="ignore"):
        lower = np.array(colormap.keys, dtype=np.float64).astype(compared)
        upper = np.array(colormap.upper, dtype=np.float64).astype(compared)
    if colormap.kind == "discrete":
        order = np.argsort(lower, kind="stable")
        return lower[order], order.astype(small)
    edges = np.unique(np.concatenate([lower, upper]))
    entries = np.full(len(edges) + 1, missing, dtype=small)
    first = np.searchsorted(edges, lower) + 1
    last = np.searchsorted(edges, upper) + 1
    for entry, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        entries[start:stop] = entry
    return edges, entries


# Files


@lru_cache(maxsize=512)
def _load(path: Path) -> Colormap:
    try:
        if path.suffix == ".json":
            return parse(path.read_text(encoding="utf-8"))
        colors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidColormap("This colormap cannot be read.", private=f"{path}: {error}") from error
    if colors.shape != (256, 4) or colors.dtype != np.uint8:
        raise InvalidColormap("This colormap cannot be read.", private=f"{path}: not 256 by 4 bytes")
    return Colormap(kind="linear", colors=colors.tobytes())


# JSON


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: repeated keys are seen."""


def _wrong(detail: str) -> InvalidColormap:
    return InvalidColormap(detail, parameter="colormap")


def _from_document(document: object) -> Colormap:
    if not isinstance(document, list):
        raise _wrong('colormap must be {"value": colour} or [[[lower, upper], colour], …].')
    if not document:
        raise _wrong("colormap has no entries.")
    if len(document) > MAX_ENTRIES:
        raise OverLimit(f"colormap may have {MAX_ENTRIES} entries at most.", parameter="colormap", limit=MAX_ENTRIES)
    if isinstance(document, _Pairs):
        return _from_items((_value(key), _color(color)) for key, color in document)
    intervals = [_interval(entry) for entry in document]
    return Colormap(
        kind="interval",
        colors=bytes(component for _, _, color in intervals for component in color),
        keys=tuple(lower for lower, _, _ in intervals),
        upper=tuple(upper for _, upper, _ in intervals),
    )


def _from_items(items: Iterable[tuple[float, Rgba]]) -> Colormap:
    colors: dict[float, Rgba] = {}
    for value, color in items:
        if value in colors:
            raise _wrong(f"colormap lists the value {value} twice.")
        colors[value] = color
    if len(colors) == 256 and all(isinstance(value, int) and 0 <= value <= 255 for value in colors):
        return Colormap(kind="linear", colors=bytes(component for value in range(256) for component in colors[value]))
    return Colormap(
        kind="discrete",
        colors=bytes(component for color in colors.values() for component in color),
        keys=tuple(colors),
    )


def _value(text: str) -> float:
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError as error:
        raise _wrong("colormap: the key of an entry must be a number.") from error
    if not math.isfinite(number):
        raise _wrong("colormap: the key of an entry must be finite.")
    return number


def _interval(entry: object) -> tuple[float, float, Rgba]:
    if isinstance(entry, list) and not isinstance(entry, _Pairs) and len(entry) == 2:
        bounds, color = entry
        if isinstance(bounds, list) and len(bounds) == 2 and all(_is_number(bound) for bound in bounds):
            return bounds[0], bounds[1], _color(color)
    raise _wrong("colormap: an interval must be [[lower, upper], colour].")


def _is_number(value: object) -> bool:
    """True for numbers that can be compared as float64; infinite bounds leave an interval open."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value) if isinstance(value, float) else abs(value) < 2**63


def _color(color: object) -> Rgba:
    if isinstance(color, str):
        if not _HEX.fullmatch(color):
            raise _wrong("colormap: a colour must be #rgb, #rgba, #rrggbb, #rrggbbaa or a list of 3 or 4 numbers.")
        digits = color[1:]
        if len(digits) < 6:
            digits = "".join(digit * 2 for digit in digits)
        components = [int(digits[start : start + 2], 16) for start in range(0, len(digits), 2)]
    elif isinstance(color, list) and not isinstance(color, _Pairs) and len(color) in (3, 4):
        components = []
        for component in color:
            if isinstance(component, bool) or not isinstance(component, int | float) or component not in range(256):
                raise _wrong("colormap: the components of a colour must be whole numbers from 0 to 255.")
            components.append(int(component))
    else:
        raise _wrong("colormap: a colour must be #rgb, #rgba, #rrggbb, #rrggbbaa or a list of 3 or 4 numbers.")
    red, green, blue, alpha = (*components, 255)[:4]
    return red, green, blue, alpha

"""A MosaicJSON document, versions 0.0.1 to 0.0.3 (https://github.com/developmentseed/mosaicjson-spec).

Documents of tens of megabytes are usual. So they are read piece by piece: a decoder that made all of one in a single
call would hold the interpreter's lock, and with it the event loop, for a third of a second.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed does not know it
from typing import Any

from tilery.errors import NotARaster, OverLimit, TileryError
from tilery.geo import tms as tms_
from tilery.geo.raster import Bounds
from tilery.geo.tms import TileMatrixSet
from tilery.limits import deadline
from tilery.reading.mosaic.index import Index, IndexMaker

MOST_BYTES = 32 << 20
"""Bytes of a document, unpacked."""
MOST_TILES = 1 << 18
"""Quadkeys of a document."""
MOST_ENTRIES = 1 << 20
"""Entries of all of its quadkeys together."""
MOST_FIELDS = 256
_LONGEST_FIELD = 1 << 20
"""Characters of any field that is not ``tiles``."""
_DEEPEST = 30
"""The deepest zoom that a document may name."""
_LONGEST_NAME = 8192
_BLANK = re.compile(r"[ \t\n\r]*")
_PIECE = 1 << 18
_LONGEST_ENTRY = 1 << 14
"""Characters of an entry that is read by one expression, which nothing can interrupt."""
_PLAIN = r'"[^"\\\x00-\x1f]*"'
_TEXT = re.compile(r'"([^"]*)"')
_ENTRY = re.compile(
    rf'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*'
    rf"((?:{_PLAIN}(?:[ \t\n\r]*,[ \t\n\r]*{_PLAIN})*)?)[ \t\n\r]*\][ \t\n\r]*([,}}])"
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """What a document says."""

    version: str
    """Of MosaicJSON: ``0.0.3``."""
    minzoom: int
    maxzoom: int
    quadkey_zoom: int
    bounds: Bounds
    """West, south, east, north in degrees of the globe of its tile matrix set."""
    matrix_set: TileMatrixSet
    """WebMercatorQuad, where it says nothing."""
    index: Index
    prefix: str = ""
    """What all addresses of assets begin with."""
    overview: str | None = None
    """Address of a raster of the whole mosaic, coarser than its shallowest zoom: a field of ours."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """All but ``tiles``, as written."""

    @property
    def name(self) -> str | None:
        """What it is called."""
        found = self.fields.get("name")
        return found if isinstance(found, str) and found else None

    def asset(self, number: int) -> str:
        """Return the address of an asset as the document has it, prefix included."""
        return self.prefix + self.index.names[number]

    def quadkeys(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return the quadkeys, each with its assets as the document has them, without the prefix."""
        return self.index.quadkeys(self.quadkey_zoom - self.matrix_set.minzoom)

    @property
    def center(self) -> tuple[float, float, int]:
        """Longitude, latitude and zoom that a map may open at."""
        said = _numbers(self.fields.get("center"))
        if said is not None and len(said) == 3:
            return (said[0], said[1], int(said[2]))
        west, south, east, north = self.bounds
        return ((west + east) / 2, (south + north) / 2, self.minzoom)

    def head(self) -> Json:
        """Return the document without its tiles, with what counts where it says nothing."""
        said = {name: value for name, value in self.fields.items() if value is not None}
        known = ("mosaicjson", "name", "description", "version", "attribution")
        return {
            **{name: said[name] for name in known if name in said},
            "version": said.get("version", "1.0.0"),
            "minzoom": self.minzoom,
            "maxzoom": self.maxzoom,
            **({"quadkey_zoom": said["quadkey_zoom"]} if "quadkey_zoom" in said else {}),
            "bounds": list(self.bounds),
            "center": list(self.center),
            **{name: value for name, value in said.items() if name not in (*known, *_OURS)},
        }


_OURS = ("minzoom", "maxzoom", "quadkey_zoom", "bounds", "center")


def unpacked(content: bytes) -> bytes:
    """Return a document that may be packed with gzip.

    Raises:
        NotARaster: it is longer than one may be, or damaged.
    """
    if content[:2] != b"\x1f\x8b":
        return content
    pieces, size = [], 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        while content and not unpacker.eof:
            piece = unpacker.decompress(content, _PIECE)
            content = unpacker.unconsumed_tail
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise too_long()
        if not unpacker.eof:
            raise _wrong("it is cut short")
    except zlib.error:
        raise _wrong("it is not packed with gzip as its first bytes say") from None
    return b"".join(pieces)


def too_long() -> NotARaster:
    """Return the error that says that a document is longer than one may be."""
    return NotARaster(f"The MosaicJSON document has more than {MOST_BYTES} bytes.", parameter="url", limit=MOST_BYTES)


def parse(content: bytes) -> Mosaic:
    """Return what a document says.

    Raises:
        NotARaster: it is no MosaicJSON document, or longer than one may be.
        OverLimit: it has more tiles or entries than one may have.
        DeadlineExceeded: the time was up first.
    """
    if len(content) > MOST_BYTES:
        raise too_long()
    try:
        scanner = _Scanner(content.decode())
        fields = scanner.fields()
        if scanner.tiles is None:
            raise _wrong("it has no tiles", "tiles")
        return _mosaic(fields, scanner.tiles)
    except (ValueError, RecursionError, IndexError):
        raise _wrong("it is not JSON that can be read") from None


class NotAMosaic(NotARaster):
    """A document that is none of a mosaic."""

    field: str | None = None
    """What is wrong in it, where it is one of its fields."""


def _wrong(reason: str, field_: str | None = None) -> NotAMosaic:
    error = NotAMosaic(f"This is not a MosaicJSON document: {reason}.", parameter="url")
    error.field = field_
    return error


class _Scanner:
    """Reads a document from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.tiles: IndexMaker | None = None
        """Those of the document, once they were met."""

    def fields(self) -> Json:
        """Return all fields but the tiles, by name."""
        decoder = json.JSONDecoder()
        found: Json = {}
        if not self._begins("{"):
            raise _wrong("it is no JSON object")
        for name in self._names("}"):
            if len(found) > MOST_FIELDS:
                raise _wrong(f"it has more than {MOST_FIELDS} fields")
            if name == "tiles":
                self._read_tiles()
                continue
            value, length = decoder.raw_decode(self._text[self._at : self._at + _LONGEST_FIELD])
            found[name] = value
            self._at += length
        if self._peek():
            raise ValueError
        return found

    def _read_tiles(self) -> None:
        tiles = self.tiles = IndexMaker()
        if not self._begins("{"):
            raise _wrong("its tiles are no JSON object", "tiles")
        for number, (quadkey, names) in enumerate(deadline.paced(self._entries(), every=64)):
            if number >= MOST_TILES:
                raise OverLimit(f"A mosaic has at most {MOST_TILES} tiles.", parameter="url", limit=MOST_TILES)
            tiles.add(quadkey, names)
            if tiles.entries > MOST_ENTRIES:
                raise OverLimit(
                    f"The tiles of a mosaic have at most {MOST_ENTRIES} assets together.",
                    parameter="url",
                    limit=MOST_ENTRIES,
                )

    def _entries(self) -> Iterator[tuple[str, list[str]]]:
        """Quadkeys with their assets: by one expression where an entry is as plain as nearly all are."""
        if self._begins("}"):
            return
        while True:
            plain = _ENTRY.match(self._text, self._at, self._at + _LONGEST_ENTRY)
            if plain is not None:
                self._at = plain.end()
                yield plain[1], _TEXT.findall(plain[2])
                end = plain[3]
            else:
                quadkey = self._one_text()
                if not self._begins(":"):
                    raise ValueError
                if not self._begins("["):
                    raise _wrong("a tile is no list of assets", "tiles")
                yield quadkey, list(self._texts("]"))
                end = self._peek()
                self._at += 1
            if end == "}":
                return
            if end != ",":
                raise ValueError

    def _names(self, end: str) -> Iterator[str]:
        """Names of an object's members, with the place on the value of each."""
        for name in self._texts(end):
            if not self._begins(":"):
                raise ValueError
            self._peek()
            yield name

    def _texts(self, end: str) -> Iterator[str]:
        """Texts divided by commas, up to what ends them."""
        if self._begins(end):
            return
        while True:
            yield self._one_text()
            if self._begins(end):
                return
            if not self._begins(","):
                raise ValueError

    def _one_text(self) -> str:
        if not self._begins('"'):
            raise _wrong("a name or an address in it is no text")
        text: str
        text, self._at = scanstring(self._text, self._at, True)
        return text

    def _peek(self) -> str:
        """The next sign; empty at the end."""
        self._at = self._after_blanks()
        return self._text[self._at : self._at + 1]

    def _begins(self, sign: str) -> bool:
        """Step over a sign where it is the next."""
        if self._text[self._at : self._at + 1] != sign and self._peek() != sign:
            return False
        self._at += 1
        return True

    def _after_blanks(self) -> int:
        found = _BLANK.match(self._text, self._at)
        return self._at if found is None else found.end()


def _mosaic(fields: Json, tiles: IndexMaker) -> Mosaic:
    version = fields.get("mosaicjson")
    if not isinstance(version, str):
        raise _wrong("it says no version of MosaicJSON", "mosaicjson")
    minzoom, maxzoom = _zoom(fields, "minzoom", 0), _zoom(fields, "maxzoom", _DEEPEST)
    quadkey_zoom = _zoom(fields, "quadkey_zoom", 0) or minzoom
    said = fields.get("bounds")
    bounds = (-180.0, -90.0, 180.0, 90.0) if said is None else _bounds(_numbers(said))
    matrix_set = _matrix_set(fields.get("tilematrixset"))
    prefix, overview = fields.get("asset_prefix") or "", fields.get("overview")
    if not isinstance(prefix, str) or len(prefix) > _LONGEST_NAME:
        raise _wrong("its asset_prefix is no text", "asset_prefix")
    if any(len(name) > _LONGEST_NAME for name in tiles.names):
        raise _wrong(f"an address in it has more than {_LONGEST_NAME} characters", "tiles")
    if overview is not None and not isinstance(overview, str):
        raise _wrong("its overview is no address", "overview")
    return Mosaic(
        version=version,
        minzoom=minzoom,
        maxzoom=maxzoom,
        quadkey_zoom=quadkey_zoom,
        bounds=bounds,
        matrix_set=matrix_set,
        index=tiles.made(quadkey_zoom, matrix_set.minzoom),
        prefix=prefix,
        overview=overview or None,
        fields=fields,
    )


def _zoom(fields: Json, name: str, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise _wrong(f"its {name} is no whole number", name)
    if not 0 <= value <= _DEEPEST:
        raise _wrong(f"its {name} is not from 0 to {_DEEPEST}", name)
    return int(value)


def _numbers(values: Any) -> list[float] | None:
    """A list of finite numbers as floats; None where it is anything else."""
    if not isinstance(values, list) or not all(isinstance(one, int | float) for one in values):
        return None
    try:
        found = [float(one) for one in values]
    except OverflowError:
        return None
    return found if all(map(math.isfinite, found)) else None


def _bounds(edges: list[float] | None) -> Bounds:
    if edges is None or len(edges) != 4:
        raise _wrong("its bounds are no four numbers", "bounds")
    west, south, east, north = edges
    if not (-540 <= west <= 540 and -540 <= east <= 540 and -90 <= south < north <= 90 and west != east):
        raise _wrong("its bounds are no part of a globe", "bounds")
    return (west, south, east, north)


def _matrix_set(document: Any) -> TileMatrixSet:
    if document is None:
        return tms_.get(tms_.DEFAULT)
    if not isinstance(document, dict):
        raise _wrong("its tilematrixset is no JSON object", "tilematrixset")
    try:
        found = tms_.parse(document)
    except (TileryError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        raise _wrong("its tilematrixset is none that can be read", "tilematrixset") from None
    if not found.is_quadtree:
        raise _wrong(
            "its tilematrixset has no quadkeys: each zoom has to have twice the tiles of the one before",
            "tilematrixset",
        )
    return found

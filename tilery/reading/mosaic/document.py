"""A MosaicJSON document, versions 0.0.1 to 0.0.3 (https://github.com/developmentseed/mosaicjson-spec)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tilery.errors import NotARaster, TileryError
from tilery.geo import tms as tms_
from tilery.geo.raster import Bounds
from tilery.geo.tms import TileMatrixSet
from tilery.limits import deadline, memory, untrusted_json
from tilery.reading.mosaic.index import Index, IndexMaker
from tilery.reading.mosaic.scanner import BYTES_A_CHARACTER, LONGEST_FIELDS, NotAMosaic, Scanner, wrong

__all__ = ["MOST_BYTES", "Mosaic", "NotAMosaic", "parse", "too_long", "unpacked"]

MOST_BYTES = 32 << 20
"""Bytes of a document, unpacked."""
_DEEPEST = 30
"""The deepest zoom that a document may name."""
_LONGEST_NAME = 8192
_LONGEST_PREFIX = 4096
_PIECE = 1 << 18
_STEP = 4 << 20
"""Bytes by which more memory is asked for."""

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
    size: int = 0
    """Bytes of the document, unpacked."""
    fields_size: int = 0
    """Bytes that its fields take at most."""

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
        said = untrusted_json.numbers(self.fields.get("center"))
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
        TooMuchWork, Busy: there is no memory for it.
        DeadlineExceeded: the time was up first.
    """
    if content[:2] != b"\x1f\x8b":
        return content
    pieces, size, packed = [], 0, len(content)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        while content and not unpacker.eof:
            piece = unpacker.decompress(content, _PIECE)
            content = unpacker.unconsumed_tail
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise too_long()
            memory.need(packed + 2 * -(-size // _STEP) * _STEP)  # the pieces, and all of them together
            deadline.check()
        if not unpacker.eof:
            raise wrong("it is cut short")
    except zlib.error:
        raise wrong("it is not packed with gzip as its first bytes say") from None
    return b"".join(pieces)


def too_long() -> NotARaster:
    """Return the error that says that a document is longer than one may be."""
    return NotARaster(f"The MosaicJSON document has more than {MOST_BYTES} bytes.", parameter="url", limit=MOST_BYTES)


def parse(content: bytes, *, beside: int = 0) -> Mosaic:
    """Return what a document says.

    Args:
        content: the document.
        beside: bytes that are held meanwhile: of the packed document.

    Raises:
        NotARaster: it is no MosaicJSON document, or longer than one may be.
        OverLimit: it has more tiles or entries than one may have.
        TooMuchWork, Busy: there is no memory for it.
        DeadlineExceeded: the time was up first.
    """
    if len(content) > MOST_BYTES:
        raise too_long()
    # the text, and the names in it once more: a single rare character makes all of a text four times as wide
    beside += len(content) * (3 if content.isascii() else 9) + BYTES_A_CHARACTER * min(len(content), LONGEST_FIELDS)
    memory.need(beside)
    try:
        scanner = Scanner(content.decode(), beside=beside)
        fields = scanner.fields()
        if scanner.tiles is None:
            raise wrong("it has no tiles", "tiles")
        return _mosaic(fields, scanner.tiles, size=len(content), fields_size=BYTES_A_CHARACTER * scanner.length)
    except (ValueError, RecursionError, IndexError):
        raise wrong("it is not JSON that can be read") from None


def _mosaic(fields: Json, tiles: IndexMaker, *, size: int, fields_size: int) -> Mosaic:
    version = fields.get("mosaicjson")
    if not isinstance(version, str):
        raise wrong("it says no version of MosaicJSON", "mosaicjson")
    minzoom, maxzoom = _zoom(fields, "minzoom", 0), _zoom(fields, "maxzoom", _DEEPEST)
    quadkey_zoom = _zoom(fields, "quadkey_zoom", 0) or minzoom
    said = fields.get("bounds")
    bounds = (-180.0, -90.0, 180.0, 90.0) if said is None else _bounds(untrusted_json.numbers(said))
    matrix_set = _matrix_set(fields.get("tilematrixset"))
    prefix, overview = fields.get("asset_prefix") or "", fields.get("overview")
    if not isinstance(prefix, str):
        raise wrong("its asset_prefix is no text", "asset_prefix")
    if len(prefix) > _LONGEST_PREFIX:
        raise wrong(f"its asset_prefix has more than {_LONGEST_PREFIX} characters", "asset_prefix")
    if any(len(name) > _LONGEST_NAME for name in tiles.names):
        raise wrong(f"an address in it has more than {_LONGEST_NAME} characters", "tiles")
    if overview is not None and not isinstance(overview, str):
        raise wrong("its overview is no address", "overview")
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
        size=size,
        fields_size=fields_size,
    )


def _zoom(fields: Json, name: str, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise wrong(f"its {name} is no whole number", name)
    if not 0 <= value <= _DEEPEST:
        raise wrong(f"its {name} is not from 0 to {_DEEPEST}", name)
    return int(value)


def _bounds(edges: list[float] | None) -> Bounds:
    if edges is None or len(edges) != 4:
        raise wrong("its bounds are no four numbers", "bounds")
    west, south, east, north = edges
    if not (-540 <= west <= 540 and -540 <= east <= 540 and -90 <= south < north <= 90 and west != east):
        raise wrong("its bounds are no part of a globe", "bounds")
    return (west, south, east, north)


def _matrix_set(document: Any) -> TileMatrixSet:
    if document is None:
        return tms_.get(tms_.DEFAULT)
    if not isinstance(document, dict):
        raise wrong("its tilematrixset is no JSON object", "tilematrixset")
    try:
        found = tms_.parse(document)
    except (TileryError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        raise wrong("its tilematrixset is none that can be read", "tilematrixset") from None
    if not found.is_quadtree:
        raise wrong(
            "its tilematrixset has no quadkeys: each zoom has to have twice the tiles of the one before",
            "tilematrixset",
        )
    return found

"""The JSON of a MosaicJSON document, read piece by piece.

Documents of tens of megabytes are usual: a decoder that made all of one in a single call would hold the interpreter's
lock, and with it the event loop, for a third of a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed does not know it
from typing import Any

from tilery.errors import NotARaster, OverLimit
from tilery.limits import deadline
from tilery.reading.mosaic.index import IndexMaker

MOST_TILES = 1 << 18
"""Quadkeys of a document."""
MOST_ENTRIES = 1 << 20
"""Entries of all of its quadkeys together."""
MOST_FIELDS = 256
_LONGEST_FIELD = 1 << 20
"""Characters of any field that is not ``tiles``."""
_BLANK = re.compile(r"[ \t\n\r]*")
_LONGEST_ENTRY = 1 << 14
"""Characters of an entry that is read by one expression, which nothing can interrupt."""
_PLAIN = r'"[^"\\\x00-\x1f]*"'
_TEXT = re.compile(r'"([^"]*)"')
_ENTRY = re.compile(
    rf'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*'
    rf"((?:{_PLAIN}(?:[ \t\n\r]*,[ \t\n\r]*{_PLAIN})*)?)[ \t\n\r]*\][ \t\n\r]*([,}}])"
)

Json = dict[str, Any]


class NotAMosaic(NotARaster):
    """A document that is none of a mosaic."""

    field: str | None = None
    """What is wrong in it, where it is one of its fields."""


def wrong(reason: str, field_: str | None = None) -> NotAMosaic:
    """Return the error that says why a document is none of a mosaic."""
    error = NotAMosaic(f"This is not a MosaicJSON document: {reason}.", parameter="url")
    error.field = field_
    return error


class Scanner:
    """Reads a document from its beginning to its end."""

    def __init__(self, text: str) -> None:
        """Begin at the beginning."""
        self._text = text
        self._at = 0
        self.tiles: IndexMaker | None = None
        """Those of the document, once they were met."""

    def fields(self) -> Json:
        """Return all fields but the tiles, by name."""
        decoder = json.JSONDecoder()
        found: Json = {}
        if not self._begins("{"):
            raise wrong("it is no JSON object")
        for name in self._names("}"):
            if len(found) > MOST_FIELDS:
                raise wrong(f"it has more than {MOST_FIELDS} fields")
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
            raise wrong("its tiles are no JSON object", "tiles")
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
                    raise wrong("a tile is no list of assets", "tiles")
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
            raise wrong("a name or an address in it is no text")
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

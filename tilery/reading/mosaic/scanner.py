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
from tilery.limits import deadline, memory, nesting, untrusted_json
from tilery.reading.mosaic.index import BYTES_AN_ENTRY, IndexMaker

MOST_TILES = 1 << 18
"""Quadkeys of a document."""
MOST_ENTRIES = 1 << 20
"""Entries of all of its quadkeys together."""
MOST_FIELDS = 256
LONGEST_FIELDS = 1 << 20
"""Characters of the values of all fields that are not ``tiles``, together."""
BYTES_A_CHARACTER = 24
"""What such a field takes at most once it is read: an empty list of two characters, and its place in another."""
_SHORT = 1 << 12
"""Characters of nearly all fields."""
_CUT = 2
"""Characters at the end of a piece that may be the beginning of a number's exponent: ``e+``."""
_DEEPEST = 32
"""Levels of lists and objects inside of a field."""
_DECODER = json.JSONDecoder()
_AT_ONCE = 256
"""Entries between two looks at their number and at the time."""
_STEP = 4 << 20
"""Bytes by which more memory is asked for."""
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

    def __init__(self, text: str, *, beside: int = 0) -> None:
        """Begin at the beginning.

        Args:
            text: the document.
            beside: bytes that it takes by itself, and whatever is held beside it.
        """
        self._text = text
        self._at = 0
        self._beside = beside
        self._granted = 0
        self.length = 0
        """Characters of the values of all fields but the tiles."""
        self.tiles: IndexMaker | None = None
        """Those of the document, once they were met."""

    def fields(self) -> Json:
        """Return all fields but the tiles, by name."""
        found: Json = {}
        if not self._begins("{"):
            raise wrong("it is no JSON object")
        for number, name in enumerate(self._names("}")):
            deadline.check()
            if number >= MOST_FIELDS:
                raise wrong(f"it has more than {MOST_FIELDS} fields")
            if name in found or (name == "tiles" and self.tiles is not None):
                raise wrong("one of its fields comes more than once")
            if name == "tiles":
                self._read_tiles()
            else:
                found[name] = self._value()
        if self._peek():
            raise ValueError
        return found

    def _value(self) -> Any:
        """Return the value of a field that is not the tiles: of ever larger pieces of the text, as few need a large
        one.
        """
        text, at = self._text, self._at
        left = LONGEST_FIELDS - self.length
        piece = _SHORT
        while True:
            piece = min(piece, left)
            is_all = at + piece >= len(text)
            try:
                value, length = _DECODER.raw_decode(text[at : at + piece])
                if is_all or length + _CUT < piece:
                    break
            except ValueError:
                if is_all:
                    raise
            if piece == left:
                raise wrong(f"its fields beside the tiles have more than {LONGEST_FIELDS} characters")
            piece *= 16
            deadline.check()
        if nesting.is_deeper(value, _DEEPEST):
            raise wrong(f"one of its fields is nested more than {_DEEPEST} deep")
        if untrusted_json.has_escapes(text[at : at + length]):
            value = untrusted_json.whole(value)
        self._at += length
        self.length += length
        return value

    def _read_tiles(self) -> None:
        tiles = self.tiles = IndexMaker()
        if not self._begins("{"):
            raise wrong("its tiles are no JSON object", "tiles")
        unchecked = 0
        for number, (quadkey, names) in enumerate(deadline.paced(self._entries(), every=64)):
            if number >= MOST_TILES:
                raise OverLimit(f"A mosaic has at most {MOST_TILES} tiles.", parameter="url", limit=MOST_TILES)
            unchecked += len(names) + 1
            if unchecked > _AT_ONCE:
                self._check_entries(len(names))
                unchecked = 0
            tiles.add(quadkey, names)
        self._check_entries(0)

    def _check_entries(self, more: int) -> None:
        """Check that the tiles may have so many entries more, and have the memory for them.

        Raises:
            OverLimit: they may not.
        """
        if self.tiles is None:
            return
        if self.tiles.entries + more > MOST_ENTRIES:
            raise OverLimit(
                f"The tiles of a mosaic have at most {MOST_ENTRIES} assets together.",
                parameter="url",
                limit=MOST_ENTRIES,
            )
        taken = self.tiles.taken + more * BYTES_AN_ENTRY
        if taken > self._granted:
            self._granted = taken + _STEP
            memory.need(self._beside + self._granted)

    def _entries(self) -> Iterator[tuple[str, list[str]]]:
        """Yield quadkeys with their assets: by one expression where an entry is as plain as nearly all are."""
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
                yield quadkey, self._assets()
                end = self._peek()
                self._at += 1
            if end == "}":
                return
            if end != ",":
                raise ValueError

    def _assets(self) -> list[str]:
        """Return the texts of a list, which may be as long as all of the document."""
        found: list[str] = []
        for name in deadline.paced(self._texts("]"), every=_AT_ONCE):
            found.append(name)
            if len(found) % _AT_ONCE == 0:
                self._check_entries(len(found))
        return found

    def _names(self, end: str) -> Iterator[str]:
        """Yield names of an object's members, with the place on the value of each."""
        for name in self._texts(end):
            if not self._begins(":"):
                raise ValueError
            self._peek()
            yield name

    def _texts(self, end: str) -> Iterator[str]:
        """Yield texts divided by commas, up to what ends them."""
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
        return text if text.isascii() else text.encode(errors="replace").decode()

    def _peek(self) -> str:
        """Return the next sign; empty at the end."""
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

"""The kinds of values that a parameter may have: text in, value out, and the JSON schema that says so.

Messages are those of FastAPI's validation, because clients and their tests know them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tilery.did_you_mean import nearest
from tilery.errors import InvalidParameter
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs
from tilery.reading.stac import choice
from tilery.reading.stac.choice import AssetChoice

Schema = dict[str, Any]

MOST_PARTS = 1024
"""Values that one text may have."""

LONGEST_ASSET = 4096
"""Characters of one asset with its options."""

TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
_WHOLE = re.compile(r"[+-]?\d+(?:\.0+)?")


class Wrong(Exception):
    """A text that is not of its kind: never leaves this package, `app.api.params.parse` collects them."""

    def __init__(
        self, kind: str, message: str, context: dict[str, Any] | None = None, brief: str | None = None
    ) -> None:
        """``brief`` takes the message's place where a reader is better served by fewer words."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.context = context
        self.brief = brief or message


class Kind(Protocol):
    """What one text has to be."""

    def read(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            Wrong: it is not of this kind.
        """
        ...

    def schema(self) -> Schema:
        """Return the JSON schema of one value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Any text without NUL; empty text counts as not given."""

    pattern: str | None = None
    longest: int = 65_536

    def read(self, text: str) -> str | None:
        """Return the text itself, or None when it is empty."""
        if not text and self.pattern is None:
            return None
        if "\0" in text:
            raise Wrong("value_error", "Value error, a NUL character is not allowed")
        if len(text) > self.longest:
            raise Wrong(
                "string_too_long",
                f"String should have at most {self.longest} characters",
                {"max_length": self.longest},
            )
        if self.pattern is not None and not re.search(self.pattern, text):
            raise Wrong(
                "string_pattern_mismatch", f"String should match pattern '{self.pattern}'", {"pattern": self.pattern}
            )
        return text

    def schema(self) -> Schema:
        """Return a string, with its pattern."""
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number within bounds."""

    above: int | None = None
    least: int | None = None
    most: int | None = None

    def read(self, text: str) -> int:
        """Return the number."""
        if text.isascii() and text.isdigit() and len(text) <= 32:  # as in nearly every tile's path
            value = int(text)
        else:
            text = text.strip()
            if not _WHOLE.fullmatch(text) or len(text) > 32:
                raise Wrong("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
            value = int(text.partition(".")[0])
        _within(value, self.above, self.least, self.most)
        return value

    def schema(self) -> Schema:
        """Return an integer with its bounds."""
        return {"type": "integer"} | _bounds(self.above, self.least, self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A finite number within bounds."""

    above: float | None = None
    step: float | None = None
    """The number must be a multiple of it. Not in the schema, as in TiTiler's."""

    def read(self, text: str) -> float:
        """Return the number as float."""
        value = number(text)
        if not math.isfinite(value):
            raise Wrong("finite_number", "Input should be a finite number")
        _within(value, self.above, None, None)
        if self.step is not None and value % self.step:
            raise Wrong("multiple_of", f"Input should be a multiple of {self.step}", {"multiple_of": self.step})
        return value

    def schema(self) -> Schema:
        """Return a number with its lower bound."""
        return {"type": "number"} | _bounds(self.above, None, None)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no, in any of the spellings that FastAPI takes."""

    def read(self, text: str) -> bool:
        """True or False."""
        lower = text.strip().lower()
        if lower in TRUE:
            return True
        if lower in _FALSE:
            return False
        raise Wrong("bool_parsing", "Input should be a valid boolean, unable to interpret input")

    def schema(self) -> Schema:
        """Return a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a list of names."""

    names: Callable[[], Sequence[str]]
    """Called when needed: some lists have to be read from disk."""
    error: str = "literal_error"
    listed_at: str | None = None
    """Path where the names can be read, for lists too long to repeat in a sentence."""
    reference: str | None = None
    """Component of the OpenAPI document that holds the list."""

    def read(self, text: str) -> str:
        """Return the name itself."""
        names = self.names()
        if text in names:
            return text
        expected = one_of(names)
        brief = None
        if self.listed_at:
            meant = nearest(text, names)
            brief = f"Input should be one of the names listed at {self.listed_at}"
            brief += f", perhaps '{meant}'" if meant else ""
        raise Wrong(self.error, f"Input should be {expected}", {"expected": expected}, brief)

    def schema(self) -> Schema:
        """Return an enumeration, or a reference to one."""
        if self.reference:
            return {"$ref": f"#/components/schemas/{self.reference}"}
        return {"type": "string", "enum": list(self.names())}


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOf:
    """One of the names that an application knows: of its tile matrix sets, its colormaps. `bound` makes it a choice."""

    known: Literal["tile_matrix_sets", "colormaps"]
    listed_at: str | None = None

    def bound(self, names: Callable[[], Sequence[str]]) -> Choice:
        """Return the choice among these names."""
        return Choice(names=names, listed_at=self.listed_at)

    def read(self, text: str) -> str:  # noqa: ARG002 - a kind's method
        """Fail: names are known to an application only."""
        raise RuntimeError(f"{self.known} are not bound to an application")

    def schema(self) -> Schema:
        """Return a string of any kind."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Nodata:
    """A number, NaN and infinities included."""

    def read(self, text: str) -> float:
        """Return the number as float."""
        try:
            return float(text)
        except ValueError:
            raise Wrong("float_parsing", "Input should be a number, 'nan', 'inf' or '-inf'") from None

    def schema(self) -> Schema:
        """TiTiler's union."""
        return {
            "anyOf": [{"type": "string", "enum": ["nan", "inf", "-inf"]}, {"type": "integer"}, {"type": "number"}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CrsText:
    """A coordinate reference system."""

    name: str

    def read(self, text: str) -> Crs | None:
        """Return the CRS in its canonical form, None for empty text."""
        if not text:
            return None
        try:
            return crs_.parse(text, self.name)
        except InvalidParameter as error:
            raise Wrong("value_error", "Value error, invalid CRS format", brief=error.detail) from None

    def schema(self) -> Schema:
        """Return a string."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Some numbers divided by commas, brackets around them tolerated."""

    message: str
    counts: tuple[int, ...] = ()
    """How many there may be. Empty: any."""
    pattern: str | None = None
    """Only for the schema and the message: what TiTiler's document says of it."""

    def read(self, text: str) -> tuple[float, ...]:
        """Return the numbers."""
        parts = _parts(text.replace("[", "").replace("]", ""))
        if self.counts and len(parts) not in self.counts:
            raise self._wrong()
        try:
            values = tuple(float(part) for part in parts)
        except ValueError:
            raise self._wrong() from None
        if not all(map(math.isfinite, values)):
            raise self._wrong()
        return values

    def _wrong(self) -> Wrong:
        if self.pattern is not None:
            message = f"String should match pattern '{self.pattern}'"
            return Wrong(
                "string_pattern_mismatch", message, {"pattern": self.pattern}, f"Input should be {self.message}"
            )
        return Wrong("value_error", f"Value error, {self.message}")

    def schema(self) -> Schema:
        """Return a string, with its pattern."""
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class Ranges:
    """Minimum and maximum; several of them in one text as TiTiler 0.2 took them: ``0,1,0,1``."""

    def read(self, text: str) -> tuple[tuple[float, float], ...]:
        """Return pairs of (minimum, maximum); none for empty text."""
        if not text:
            return ()
        parts = _parts(text.replace("[", "").replace("]", ""))
        try:
            values = [float(part) for part in parts]
        except ValueError:
            values = []
        if not values or len(values) % 2 or not all(map(math.isfinite, values)):
            raise Wrong("value_error", "Value error, invalid rescale format", brief="Input should be 'minimum,maximum'")
        return tuple(zip(values[::2], values[1::2], strict=True))

    def schema(self) -> Schema:
        """Return a string."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Indexes:
    """A band number; several of them in one text as TiTiler 0.3 took them: ``1,2,3``."""

    def read(self, text: str) -> tuple[int, ...]:
        """Return band numbers."""
        whole = Integer()
        return tuple(whole.read(part) for part in _parts(text))

    def schema(self) -> Schema:
        """Return an integer."""
        return {"type": "integer"}


def _parts(text: str) -> list[str]:
    """Return what commas divide, up to `MOST_PARTS`."""
    parts = text.split(",", MOST_PARTS)
    if len(parts) > MOST_PARTS:
        raise Wrong("too_long", f"List should have at most {MOST_PARTS} items", {"max_length": MOST_PARTS})
    return parts


def number(text: str) -> float:
    """Return a float of a text.

    Raises:
        Wrong: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise Wrong("float_parsing", "Input should be a valid number, unable to parse string as a number") from None


def one_of(names: Sequence[str]) -> str:
    """Return the names as a sentence has them: ``'a', 'b' or 'c'``."""
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _within(value: float, above: float | None, least: float | None, most: float | None) -> None:
    if above is not None and not value > above:
        raise Wrong("greater_than", f"Input should be greater than {above}", {"gt": above})
    if least is not None and value < least:
        raise Wrong("greater_than_equal", f"Input should be greater than or equal to {least}", {"ge": least})
    if most is not None and value > most:
        raise Wrong("less_than_equal", f"Input should be less than or equal to {most}", {"le": most})


def _bounds(above: float | None, least: float | None, most: float | None) -> Schema:
    bounds = {"exclusiveMinimum": above, "minimum": least, "maximum": most}
    return {name: value for name, value in bounds.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetText:
    """A STAC asset, with options behind bars."""

    def read(self, text: str) -> AssetChoice | None:
        """Return the choice that a text means, or None when it is empty."""
        if not text:
            return None
        if len(text) > LONGEST_ASSET or "\0" in text:
            raise Wrong("value_error", f"Value error, an asset has at most {LONGEST_ASSET} characters and no NUL")
        try:
            return choice.parse(text)
        except ValueError as error:
            raise Wrong("value_error", f"Value error, {error}") from None

    def schema(self) -> Schema:
        """Return a string."""
        return {"type": "string"}

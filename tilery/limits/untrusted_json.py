"""JSON that others wrote, read so that whatever walks through it or writes it again comes to an end."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tilery.limits import nesting

_PERHAPS_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Where half a character may stand: JSON can say one by itself, as ``\\ud800``, and UTF-8 cannot."""

_HALF = re.compile("[\ud800-\udfff]")

_MOST_DIGITS = 300
_PERHAPS_LARGE = re.compile(rf"[0-9]{{{_MOST_DIGITS}}}")
"""Where a whole number may stand that floating point cannot hold: what works with it takes it for one of those."""


class TooDeep(ValueError):
    """A document that is nested deeper than it may be."""


def parse(content: bytes, *, deepest: int) -> Any:
    """Return what a document says, with U+FFFD for half a character and infinity for endless numbers.

    Args:
        content: the document, in UTF-8, or in UTF-16 or UTF-32 with their marks.
        deepest: levels of lists and objects that it may have.

    Raises:
        TooDeep: it has more.
        ValueError: it is not JSON that can be read.
    """
    text = content.decode(json.detect_encoding(content))
    try:
        found = json.loads(text, parse_int=_number if _PERHAPS_LARGE.search(text) else None)
    except RecursionError:
        raise ValueError("nested too deep to be read") from None
    if nesting.is_deeper(found, deepest):
        raise TooDeep(f"nested more than {deepest} deep")
    return whole(found) if has_escapes(text) else found


def _number(text: str) -> float:
    return int(text) if len(text) < _MOST_DIGITS else float(text)


def numbers(values: Any) -> list[float] | None:
    """Return a list of finite numbers as floats; None where it is anything else."""
    if not isinstance(values, list) or not all(isinstance(one, int | float) for one in values):
        return None
    try:
        found = [float(one) for one in values]
    except OverflowError:
        return None
    return found if all(map(math.isfinite, found)) else None


def has_escapes(text: str) -> bool:
    """Return whether there may be half a character in a text of JSON."""
    return _PERHAPS_HALF.search(text) is not None


def whole(found: Any) -> Any:
    """Return what was read with U+FFFD for each half of a character. It is not deep."""
    return json.loads(_HALF.sub("\ufffd", json.dumps(found, ensure_ascii=False)))

"""JSON documents as bytes: compact, and with null where a number is not finite, as TiTiler's are."""

from __future__ import annotations

import json
import math
from typing import Any


def encode(document: Any) -> bytes:
    """The document as UTF-8, with a question mark for half a character, which UTF-8 cannot say."""
    try:
        text = _text(document)
    except ValueError:
        text = _text(finite(document))
    return text.encode(errors="replace")


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_other)


def _other(value: object) -> str:
    """A complex number as TiTiler's documents have it, ``2+3j``."""
    if isinstance(value, complex):
        return str(value).strip("()")
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def finite(value: Any) -> Any:
    """The document with None where a number is not finite, however deep it is."""
    top: list[Any] = [value]
    left: list[Any] = [top]
    while left:
        one = left.pop()
        for place, item in one.items() if isinstance(one, dict) else enumerate(one):
            if isinstance(item, float):
                one[place] = item if math.isfinite(item) else None
            elif isinstance(item, dict):
                one[place] = dict(item)
                left.append(one[place])
            elif isinstance(item, (list, tuple)):
                one[place] = list(item)
                left.append(one[place])
    return top[0]

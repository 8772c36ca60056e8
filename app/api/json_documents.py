"""JSON documents as bytes: compact, and with null where a number is not finite, as TiTiler's are."""

from __future__ import annotations

import json
import math
from typing import Any

from tilery.limits import deadline

_LONG = 4096
"""Elements of a list that are written in about a millisecond."""


def encode(document: Any) -> bytes:
    """Return the document as UTF-8, with a question mark for half a character, which UTF-8 cannot say."""
    written = _paced_text if _is_long(document) else _text
    try:
        text = written(document)
    except ValueError:
        text = written(finite(document))
    return text.encode(errors="replace")


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_other)


def _paced_text(document: Any) -> str:
    """Return the same, made so that the event loop goes on meanwhile, and until the deadline: ``json`` alone would let
    nothing else run until a document of megabytes is whole.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_other)
    return "".join(deadline.paced(encoder.iterencode(document), 1024))


def _is_long(document: Any) -> bool:
    """Return whether a document has a long list, in itself or in what it holds."""
    if not isinstance(document, dict):
        return isinstance(document, list) and len(document) > _LONG
    return any(
        len(value) > _LONG
        or (isinstance(value, dict) and any(isinstance(one, list) and len(one) > _LONG for one in value.values()))
        for value in document.values()
        if isinstance(value, (list, dict))
    )


def _other(value: object) -> str:
    """Return a complex number as TiTiler's documents have it, ``2+3j``."""
    if isinstance(value, complex):
        return str(value).strip("()")
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def finite(value: Any) -> Any:
    """Return the document with None where a number is not finite, however deep it is."""
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

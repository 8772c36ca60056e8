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
    """The document with None where a number is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value

"""JSON documents as bytes: compact, and with null where a number is not finite, as TiTiler's are."""

from __future__ import annotations

import json
import math
from typing import Any


def encode(document: Any) -> bytes:
    """The document as UTF-8, with a question mark for half a character, which UTF-8 cannot say."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(finite(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="replace")


def finite(value: Any) -> Any:
    """The document with None where a number is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value

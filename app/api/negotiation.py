"""Which of several kinds of answer a caller prefers, as its Accept header says it (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=256)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the media type of ``offered`` that the header likes best; the first one where it likes several alike.

    None when the header refuses all of them; then the caller may still get the default.
    """
    if not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")[:64]]
    best, liked = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > liked:
            best, liked = media_type, quality
    return best


def encoding(accept_encoding: str, offered: Sequence[str]) -> str | None:
    """Return the content coding of ``offered`` that an Accept-Encoding header likes best, or None for no coding: where
    none is welcome, or less so than ``identity``.
    """
    if not accept_encoding:
        return None
    wishes = {}
    for part in accept_encoding.split(",")[:32]:
        name, quality = _range(part)
        wishes[name] = quality
    best, liked, uncoded = None, 0.0, wishes.get("identity", 0.0)
    for name in offered:
        quality = wishes.get(name, wishes.get("*", 0.0))
        if quality > liked and quality >= uncoded:
            best, liked = name, quality
    return best


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return how much a media type is liked: the most specific range counts."""
    plain = media_type.split(";", maxsplit=1)[0].strip()
    for pattern in (plain, f"{plain.split('/', maxsplit=1)[0]}/*", "*/*"):
        for name, quality in ranges:
            if name == pattern:
                return quality
    return 0.0


def _range(part: str) -> tuple[str, float]:
    name, *parameters = part.split(";")
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return name.strip().lower(), quality

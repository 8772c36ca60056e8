"""Signed addresses: whoever has one may ask for one layer, or for one source, until it expires.

    access_signature={key id}.{expires}.{signature}

``expires`` is in seconds since 1970. The signature is an HMAC-SHA256 (RFC 2104), in URL-safe base64 without padding, of
four lines: ``tilery-1``, key id, expires, and what may be asked for, ``layer:{id}`` or ``source:{address}``. An address
is exactly what ``url`` has, decoded.

It is good for every route of that layer or source, whatever the other parameters: tiles, documents and pages. A path is
taken as it is. No route of ours knows ``..`` or empty parts, so a path that has them is nobody's.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from app.api.params.parse import pairs
from app.config.access import SigningKey
from tilery.catalog import ids

_VERSION = "tilery-1"
_SIGNATURE = re.compile(r"([A-Za-z0-9_-]{1,32})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_UNDER = frozenset(("layers", "unstored", "collections"))
"""What stands before a layer's id."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was looked at."""

    state: Literal["good", "expired", "wrong"]
    key: str
    """Id of the key; empty where there is no such key."""
    expires: int


def of_layer(layer_id: str) -> str:
    """Return the text that a signature of a layer is made of."""
    return f"layer:{layer_id}"


def of_source(address: str) -> str:
    """Return the text that a signature of a source is made of."""
    return f"source:{address}"


def sign(key: SigningKey, subject: str, expires: int) -> str:
    """Return the value of the parameter that lets its holder ask for a subject until a moment."""
    return f"{key.id}.{expires}.{_digest(key, subject, str(expires))}"


def verify(signature: str, subject: str, keys: Iterable[SigningKey], now: float) -> Signed:
    """Return whether a signature is one of this subject, by one of these keys, and has not expired."""
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        return Signed("wrong", "", 0)
    key_id, expires, digest = match.groups()
    key = next((key for key in keys if key.id == key_id), None)
    if key is None or not hmac.compare_digest(_digest(key, subject, expires), digest):
        return Signed("wrong", "", 0)
    return Signed("good" if now < int(expires) else "expired", key_id, int(expires))


def subject_of(path: str, query: bytes, families: Collection[str], matrix_sets: Collection[str] = ()) -> str | None:
    """Return what a request asks for, as signatures say it; None for what no signature is for.

    Args:
        path: decoded, without prefixes.
        query: as it was written.
        families: first parts of the paths below which ``url`` names the source.
        matrix_sets: names of tile matrix sets, which may stand behind a layer's id.

    Raises:
        OverLimit: the query is longer than any real one.
    """
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]):
        return None
    first = parts[1]
    if first in families:
        # One way to name it and no more: what is signed must be what is read, however its name is looked up.
        urls = [value for name, value in pairs(query) if name.lower() == "url"]
        return of_source(urls[0]) if len(urls) == 1 and urls[0] else None
    behind = parts[2:] if first in _UNDER else parts[1:]
    layer = ids.of_parts(behind, tiles=first not in ("layers", "collections"), also=matrix_sets)
    return None if layer is None else of_layer(layer)


def _digest(key: SigningKey, subject: str, expires: str) -> str:
    text = f"{_VERSION}\n{key.id}\n{expires}\n{subject}"
    digest = hmac.digest(key.secret, text.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

"""What a request carries along to say who sends it, and how links and pages hand it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

Scope = Mapping[str, Any]

TOKEN = "access_token"  # noqa: S105  a name
SIGNATURE = "access_signature"
NAMES = frozenset((TOKEN, SIGNATURE))
"""Parameters of the query that say who asks and not for what."""


def bearer(authorization: bytes | None) -> bytes | None:
    """Return the token of an Authorization header; None where there is none."""
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return None


def given_token(scope: Scope, authorization: bytes | None) -> bytes:
    """Return the token that a request carries, empty where it carries none."""
    found = bearer(authorization)
    return found if found is not None else _last(scope["query_string"], TOKEN).encode()


def given_signature(scope: Scope) -> str:
    """Return the signature that a request's address has, empty where it has none."""
    return _last(scope["query_string"], SIGNATURE)


def carried(query: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a query that its links repeat."""
    if b"access" not in query and b"%" not in query:
        return []
    found = dict(parse_qsl(query.decode("latin-1")))
    return [(name, found[name]) for name in (TOKEN, SIGNATURE) if name in found]


def without(query: bytes) -> bytes:
    """Return a query without what says who asks: the rest decides the answer."""
    if b"access_" not in query:
        return query
    return b"&".join(pair for pair in query.split(b"&") if _name(pair) not in NAMES)


def _name(pair: bytes) -> str:
    name = pair.partition(b"=")[0]
    return (unquote_to_bytes(name) if b"%" in name else name).decode("latin-1")


def _last(query: bytes, name: str) -> str:
    if b"access" not in query and b"%" not in query:
        return ""
    return dict(parse_qsl(query.decode("latin-1"))).get(name, "")

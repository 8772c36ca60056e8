"""Signatures of queries that run out, from a service that hands out new ones: SAS tokens of Planetary Computer.

They are looked up in the background, so that a tile waits for the first at most.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from tilery.errors import UpstreamError
from tilery.storage.refreshing import Refreshing
from tilery.storage.s3 import credential_request
from tilery.storage.source_options import QUERY

_SECONDS = 5.0


class NotSigned(Exception):
    """No signature was found; the text has no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a query ends with, and until when."""

    query: str = field(repr=False)
    expires_at: datetime | None


class Signer:
    """Signs for one source. Safe under threads."""

    def __init__(self, address: str) -> None:
        """Have signatures from a service; the first look-up begins at once."""
        self._held: Refreshing[Signature] = Refreshing(
            partial(look_up, address), expires=lambda found: found.expires_at, what="A signature"
        )

    def query(self) -> str:
        """Return what a query ends with now.

        Raises:
            UpstreamError: there is no signature that is good, and none can be had.
        """
        try:
            return self._held.held().query
        except NotSigned as error:
            raise UpstreamError("No signature for this source can be had.", private=str(error)) from None


def look_up(address: str) -> Signature:
    """Return a signature from a service that answers JSON with it as ``token``, as Planetary Computer's does.

    Args:
        address: of the service, of http or https.

    Raises:
        NotSigned: it has none.
    """
    try:
        found = credential_request.answer("GET", address, headers={"Accept": "application/json"}, seconds=_SECONDS)
    except credential_request.Unanswered as error:
        raise NotSigned(str(error)) from None
    if found.status != 200:
        raise NotSigned(f"{found.host} answered {found.status}")
    try:
        document: dict[str, Any] = json.loads(found.body)
        query = document["token"].removeprefix("?")
        if QUERY.fullmatch(query) is None:
            raise NotSigned(f"{found.host} answered with characters that a query cannot have")
        # A shared access signature says itself when it ends: "se".
        said = document.get("msft:expiry") or (parse_qs(query).get("se") or [None])[0]
        return Signature(query=query, expires_at=None if said is None else _moment(said))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotSigned(f"{found.host} answered something else than a signature") from None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

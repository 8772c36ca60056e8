"""The access token: who has it, and what happens to those who guess.

A wrong token is written to the log and answered late, the later the more of them an address sent lately. A right one
never waits: behind a proxy that is not trusted all callers have one address, and nobody may lock the others out. What
is remembered and who waits is bounded, and whoever waits holds neither a thread nor a compute slot.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.api.links import Links
from app.config import settings as settings_
from app.config.settings import Settings
from tilery.errors import TooManyGuesses, Unauthorized

logger = logging.getLogger("tilery.request")

Scope = Mapping[str, Any]

TOKENS = "tokens"
"""In the state of a request: what knows the tokens."""
FIRST = 0.1
"""Seconds that the first wrong token waits for its answer; each further one waits twice as long."""
LONGEST = 2.0
"""Seconds that any waits at most."""
MOST_WAITING = 256
"""Wrong tokens whose answers wait at a time; further ones are told so at once."""
_REMEMBERED = 1024
"""Addresses whose wrong tokens are counted."""
_FORGOTTEN = 300.0
"""Seconds without a wrong token after which an address begins anew."""
_RIGHT_AFTER = 64
"""Bits of an address of IPv6 that tell callers apart: who has one has all below it."""


class Tokens:
    """Lets through who carries the access token."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Let through who has the settings' token; without one, everybody."""
        self._token = settings.access_token.encode() if settings.access_token else None
        self._admin = settings.admin_token.encode() if settings.admin_token else None
        self._links = Links(settings)
        # a function of AWS Lambda that waits is paid for, and answers nobody else
        self._longest = 0.0 if settings_.environment("AWS_LAMBDA_FUNCTION_NAME") else LONGEST
        self._clock = clock
        self._sleep = sleep
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    @property
    def needed(self) -> bool:
        """True when there is a token to carry."""
        return self._token is not None

    def admits(self, scope: Scope, authorization: bytes | None) -> bool:
        """True when the request carries the token."""
        if self._token is None or hmac.compare_digest(_given(scope, authorization), self._token):
            return True
        return self.admits_admin(authorization)

    def admits_admin(self, authorization: bytes | None) -> bool:
        """True when the request carries the admin token in its header; addresses are written down in many places."""
        given = _bearer(authorization)
        return self._admin is not None and given is not None and hmac.compare_digest(given, self._admin)

    async def refuse(
        self, scope: Scope, authorization: bytes | None, detail: str = "The access token is missing or wrong."
    ) -> None:
        """Refuse a request that does not carry the token, in a while if it carries another one.

        Raises:
            Unauthorized: always, unless too many others wait already.
            TooManyGuesses: they do.
        """
        if _given(scope, authorization):
            address = self._links.client(scope)
            count = self._count(address)
            if count & (count - 1) == 0:  # 1, 2, 4, 8…: guesses fill no disk
                logger.warning(
                    "%s wrong access token from %s for %r (%d lately)",
                    scope["state"]["request_id"],
                    address,
                    scope["path"][:256],
                    count,
                )
            if self._waiting >= MOST_WAITING:
                raise TooManyGuesses("The access token is wrong, and so were too many others.", retry_after=1)
            self._waiting += 1
            try:
                await self._sleep(min(FIRST * 2 ** min(count - 1, 16), self._longest))
            finally:
                self._waiting -= 1
        raise Unauthorized(detail)

    def _count(self, address: str) -> int:
        """How many wrong tokens an address sent lately, this one among them."""
        key, now = _network(address), self._clock()
        count, last = self._wrong.pop(key, (0, now))
        count = 1 if now - last > _FORGOTTEN else count + 1
        self._wrong[key] = (count, now)
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
        return count


def _given(scope: Scope, authorization: bytes | None) -> bytes:
    """The token that a request carries, empty where it carries none."""
    bearer = _bearer(authorization)
    if bearer is not None:
        return bearer
    query: bytes = scope["query_string"]
    if b"access_token=" in query:
        return dict(parse_qsl(query.decode("latin-1"))).get("access_token", "").encode()
    return b""


def _bearer(authorization: bytes | None) -> bytes | None:
    """The token of an Authorization header."""
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return None


def _network(address: str) -> str:
    """What is counted together."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> _RIGHT_AFTER << _RIGHT_AFTER, _RIGHT_AFTER)))
    return address

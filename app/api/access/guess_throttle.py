"""What happens to those who guess tokens and signatures.

A wrong one is written to the log and answered late, the later the more of them an address sent lately. A right one
never waits: behind a proxy that is not trusted all callers have one address, and nobody may lock the others out. What
is remembered and who waits is bounded, and whoever waits holds neither a thread nor a compute slot.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from app.api.links import Links
from app.config import settings as settings_
from tilery.errors import TooManyGuesses

logger = logging.getLogger("tilery.request")

Scope = Mapping[str, Any]

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


class GuessThrottle:
    """Makes those wait who send what nobody gave them."""

    def __init__(
        self,
        links: Links,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Know callers by what ``links`` says of their addresses."""
        self._links = links
        # a function of AWS Lambda that waits is paid for, and answers nobody else
        self._longest = 0.0 if settings_.environment("AWS_LAMBDA_FUNCTION_NAME") else LONGEST
        self._clock = clock
        self._sleep = sleep
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def wait(self, scope: Scope, what: str) -> None:
        """Note that a request carries something wrong, and return in a while.

        Args:
            scope: of the request.
            what: what is wrong, for the log, as ``access token``.

        Raises:
            TooManyGuesses: too many others wait already.
        """
        address = self._links.client(scope)
        count = self._count(address)
        if count & (count - 1) == 0:  # 1, 2, 4, 8…: guesses fill no disk
            logger.warning(
                "%s wrong %s from %s for %r (%d lately)",
                scope["state"]["request_id"],
                what,
                address,
                scope["path"][:256],
                count,
            )
        if self._waiting >= MOST_WAITING:
            raise TooManyGuesses(f"The {what} is wrong, and so were too many others.", retry_after=1)
        self._waiting += 1
        try:
            await self._sleep(min(FIRST * 2 ** min(count - 1, 16), self._longest))
        finally:
            self._waiting -= 1

    def _count(self, address: str) -> int:
        """Return how many wrong ones an address sent lately, this one among them."""
        key, now = network(address), self._clock()
        count, last = self._wrong.pop(key, (0, now))
        count = 1 if now - last > _FORGOTTEN else count + 1
        self._wrong[key] = (count, now)
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
        return count


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Return what of an address is counted together: all of IPv4, the network of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found) >> _RIGHT_AFTER << _RIGHT_AFTER, _RIGHT_AFTER)))
    return address

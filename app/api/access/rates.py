"""How fast requests may come, by token and by address, and what their answers say of it.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit-Policy`` says what there is, ``RateLimit``
what is left of it and in how many seconds all of it is there again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.config.access import AccessRules, Rate, TokenEntry
from app.process import rate_table
from app.process.rate_table import RateTable, Taken
from tilery.errors import TooManyRequests

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Bucket:
    policy: str
    """What the headers call it."""
    name: str | int
    rate: Rate


class Rates:
    """Lets requests through that do not come too fast."""

    def __init__(self, rules: AccessRules, clock: Callable[[], float]) -> None:
        """Count in the memory that the workers share, where they do; else for this process alone.

        Args:
            rules: what the settings say.
            clock: seconds that never go back, the same in all workers.
        """
        self._client = rules.client_rate
        self._places = {entry.name: place for place, entry in enumerate(rules.tokens)}
        self._clock = clock
        shared = rate_table.shared
        self.table = shared if shared is not None else RateTable(len(rules.tokens))

    def take(self, address: str, token: TokenEntry | None) -> Headers:
        """Count a request; return the headers of its answer.

        Args:
            address: what of the caller's address is counted together.
            token: that the request carries.

        Raises:
            Limited: it came too fast.
        """
        headers: Headers = []
        now = self._clock()
        taken = []
        for bucket in self._buckets(address, token):
            found = self.table.take(bucket.name, bucket.rate.a_second, bucket.rate.burst, now)
            taken.append((bucket, found))
            if not found.allowed:
                break
        if taken:
            headers = _headers(taken)
            last = taken[-1][1]
            if not last.allowed:
                raise Limited(headers, last.wait)
        return headers

    def _buckets(self, address: str, token: TokenEntry | None) -> Iterable[_Bucket]:
        """Yield those that a request counts in: its address's before its token's, of which others need what is left."""
        client, policy = self._client, "client"
        if token is not None and (token.rate or token.client_rate):
            client, policy = token.client_rate, f"client {self._places[token.name]}"
        if client is not None:
            yield _Bucket("client", f"{policy} {address}", client)
        if token is not None and token.rate is not None:
            yield _Bucket("token", self._places[token.name], token.rate)


class Limited(TooManyRequests):
    """A request came too fast; with the headers of its answer."""

    def __init__(self, headers: Headers, wait: float) -> None:
        """Say when the next one may come."""
        super().__init__("Requests come too fast.", retry_after=max(1, math.ceil(wait)))
        self.headers = headers


def _headers(taken: Iterable[tuple[_Bucket, Taken]]) -> Headers:
    policies, states = [], []
    for bucket, found in taken:
        window = max(1, round(bucket.rate.burst / bucket.rate.a_second))
        policies.append(f'"{bucket.policy}";q={bucket.rate.burst};w={window}')
        states.append(f'"{bucket.policy}";r={found.left};t={math.ceil(found.full)}')
    return [
        (b"ratelimit-policy", ", ".join(policies).encode("ascii")),
        (b"ratelimit", ", ".join(states).encode("ascii")),
    ]

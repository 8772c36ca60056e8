"""Who may ask for what: decided before anything else looks at a request, caches included.

A request carries a token (opaque, or a JSON Web Token of the issuer that the settings name) or a signature in its
address. Health checks and the files of pages need neither; the API's description is as open as the settings say.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from app.api.access import credentials, signatures
from app.api.access.guess_throttle import GuessThrottle, network
from app.api.access.rates import Headers, Rates
from app.api.links import Links
from app.config.access import ADMIN, READ, AccessRules, TokenEntry
from app.config.settings import Settings
from app.observing import request as request_
from tilery.errors import Forbidden, OverLimit, Unauthorized

GUARD = "guard"
"""In the state of a request: what decides who may ask; None where everybody may."""
HEALTH = re.compile(r"/(?:healthz|ping|readyz)")
"""What needs nothing and is not counted: a load balancer has no token."""
_FILES = re.compile(r"/static/.*")
"""A page's scripts, which cannot carry a token along."""
DOCS = re.compile(r"/(?:api|api\.html|openapi\.json|docs|redoc)")
_LISTS = re.compile(r"/(?:colorMaps|algorithms|tileMatrixSets)(?:/.*)?")
"""What there is to choose from, which says nothing of the data: pages that were opened with a signature need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request, as far as that is known."""

    name: str
    """For the log."""
    scopes: frozenset[str]
    by_header: bool = False
    """What lets him in is in no address: those are written down in many places."""
    token: TokenEntry | None = None
    expires: float | None = None
    """When what he carries runs out, in seconds since 1970, where nobody may keep the answer for longer."""


NOBODY = Caller(name="", scopes=frozenset())


class TokenVerifier(Protocol):
    """Looks at JSON Web Tokens."""

    async def scopes(self, token: bytes) -> frozenset[str] | None:
        """Return what the holder of a token may do; None where it is none of the issuer's.

        Raises:
            Unauthorized: it has expired, or is for somebody else.
        """
        ...


class Guard:
    """Lets requests through, or refuses them."""

    def __init__(
        self,
        settings: Settings,
        rules: AccessRules,
        families: Collection[str] = ("cog",),
        *,
        matrix_sets: Collection[str] = (),
        verifier: TokenVerifier | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Go by the rules.

        Args:
            settings: of the service.
            rules: what they say of access.
            families: first parts of the paths below which ``url`` names the source.
            matrix_sets: names of the tile matrix sets.
            verifier: of JSON Web Tokens.
            clock: seconds that never go back.
            now: seconds since 1970.
            sleep: waits so many seconds.
        """
        self.guarded = rules.guarded
        """True when requests must say who sends them."""
        self._rules = rules
        self._families = frozenset(families)
        self._matrix_sets = frozenset(matrix_sets)
        self._docs_open = settings.api_docs != "admin"
        self._links = Links(settings)
        self._verifier = verifier
        self._now = now
        self._rates = Rates(rules, clock) if rules.limited else None
        self.guesses = GuessThrottle(self._links, clock=clock, sleep=sleep)

    async def admit(self, scope: Any, authorization: bytes | None) -> tuple[Caller, Headers]:
        """Return who sent a request, and what its answer says of rates.

        Raises:
            Unauthorized: it says nothing of who sends it, or something wrong.
            Forbidden: who sends it may not ask for this.
            Limited: requests come too fast.
            TooManyGuesses: wrong ones do.
        """
        path: str = scope["path"]
        if HEALTH.fullmatch(path):
            return NOBODY, []
        caller, problem = NOBODY, None
        needed = self._needed(path)
        if needed is not None:
            try:
                caller = await self._caller(scope, authorization)
            except (Unauthorized, _Wrong) as error:
                problem = error
        headers: Headers = []
        if self._rates is not None:
            headers = self._rates.take(network(self._links.client(scope)), caller.token)
        if needed is None:
            return caller, headers
        if isinstance(problem, _Wrong):
            await self.guesses.wait(scope, problem.what)
            raise Unauthorized(problem.detail)
        if problem is not None:
            raise problem
        if not caller.scopes & {needed, ADMIN}:
            raise Forbidden(f"This needs a token with the scope {needed!r}.")
        _note(caller)
        return caller, headers

    async def need_admin(self, scope: Any, authorization: bytes | None) -> None:
        """Check that a request that was let in may change things; who guesses waits for the answer.

        Raises:
            Unauthorized: it carries nothing, or something wrong.
            Forbidden: what it carries is for looking.
            TooManyGuesses: too many others guess.
        """
        try:
            caller = await self._caller(scope, authorization)
        except _Wrong as error:
            await self.guesses.wait(scope, error.what)
            raise Unauthorized("The admin token is missing or wrong.") from None
        except Unauthorized:
            raise Unauthorized("The admin token is missing or wrong.") from None
        if ADMIN not in caller.scopes or not caller.by_header:
            raise Forbidden("Only an admin may do this, with the token in the header Authorization.")
        _note(caller)

    def _needed(self, path: str) -> str | None:
        """Return the scope that a path needs; None where everybody may ask for it."""
        if DOCS.fullmatch(path):
            return None if self._docs_open else ADMIN
        if not self.guarded or _FILES.fullmatch(path) or (self._rules.keys and _LISTS.fullmatch(path)):
            return None
        return READ

    async def _caller(self, scope: Any, authorization: bytes | None) -> Caller:
        """Return who sent a request.

        Raises:
            Unauthorized: nobody who is known; what he carries may have been right once.
            _Wrong: it never was.
        """
        by_header = credentials.bearer(authorization) is not None
        token = credentials.given_token(scope, authorization)
        signature = credentials.given_signature(scope)
        problem: Exception = Unauthorized("The access token is missing or wrong.")
        if token:
            try:
                return await self._holder(token, by_header=by_header)
            except (Unauthorized, _Wrong) as error:
                problem = error
        if signature:
            return self._signed(scope, signature)
        raise problem

    async def _holder(self, token: bytes, *, by_header: bool) -> Caller:
        digest = hashlib.sha256(token).digest()
        found = None
        for entry in self._rules.tokens:  # all of them: how long it takes tells nothing
            if hmac.compare_digest(entry.digest, digest) and (by_header or not entry.by_header):
                found = entry
        if found is not None:
            return Caller(name=found.name, scopes=found.scopes, by_header=by_header, token=found)
        if self._verifier is not None:
            scopes = await self._verifier.scopes(token)
            if scopes is not None:
                return Caller(name="oidc", scopes=scopes, by_header=by_header)
        raise _Wrong("access token", "The access token is missing or wrong.")

    def _signed(self, scope: Any, signature: str) -> Caller:
        try:
            subject = signatures.subject_of(scope["path"], scope["query_string"], self._families, self._matrix_sets)
        except OverLimit:
            subject = None
        if subject is None:
            raise Unauthorized("A signed address is for one layer or one source, and this path is neither's.")
        found = signatures.verify(signature, subject, self._rules.keys, self._now())
        if found.state == "wrong":
            raise _Wrong("signature", "The signature of this address is wrong, or is that of another one.")
        if found.state == "expired":
            raise Unauthorized("The signature of this address has expired.")
        return Caller(name=f"key {found.key}", scopes=frozenset((READ,)), expires=found.expires)


def _note(caller: Caller) -> None:
    """Note with the request at hand what let it in."""
    record = request_.current()
    if record is not None:
        record.access = caller.name


class _Wrong(Exception):
    """Something that nobody gave to the caller."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what = what
        self.detail = detail

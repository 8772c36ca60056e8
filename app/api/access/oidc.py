"""JSON Web Tokens (RFC 7519) of the issuer that the settings name, verified with joserfc.

A token is taken only with an algorithm that the settings list, none of which works with a secret or without a key; with
a key that the issuer publishes, never one that the token brings along; for our audience, from that issuer, and before
it expires. Loaded only where there is an issuer.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError

from app.api.access.issuer_keys import IssuerKeys, Key
from app.config.access import ADMIN, READ, Issuer
from tilery.errors import Unauthorized

SKEW = 30
"""Seconds that the issuer's clock may be ahead of ours."""
_LONGEST = 16 << 10
_KEPT = 1024
"""Tokens that were good, so that a map's tiles verify theirs once."""
_KEPT_SECONDS = 60.0


class _Claims(jwt.JWTClaimsRegistry):
    """Expiry to the second; what was issued a moment ago by a clock that is ahead is taken."""

    def validate_exp(self, value: Any) -> None:
        """Raise where the token has expired, or never does."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidClaimError("exp")
        super().validate_exp(value)

    def validate_nbf(self, value: Any) -> None:
        """Raise where the token is not good yet."""
        if not isinstance(value, int | float) or not value <= self.now + SKEW:
            raise InvalidClaimError("nbf")

    def validate_iat(self, value: Any) -> None:
        """Raise where the token is from the future."""
        if not isinstance(value, int | float) or not value <= self.now + SKEW:
            raise InvalidClaimError("iat")


class Verifier:
    """Looks at tokens. Used from one event loop at a time."""

    def __init__(self, issuer: Issuer, *, keys: IssuerKeys | None = None, now: Callable[[], float] = time.time) -> None:
        """Take the tokens of one issuer.

        Args:
            issuer: whose.
            keys: of the issuer.
            now: seconds since 1970.
        """
        self._issuer = issuer
        self._keys = keys or IssuerKeys(issuer)
        self._now = now
        self._good: OrderedDict[bytes, tuple[frozenset[str], float]] = OrderedDict()

    async def scopes(self, token: bytes) -> frozenset[str] | None:
        """Return what the holder of a token may do; None where it is none of the issuer's.

        Raises:
            Unauthorized: it has expired, or is for somebody else.
            Busy: the issuer's keys cannot be had.
        """
        if len(token) > _LONGEST or token.count(b".") != 2:
            return None
        digest = hashlib.sha256(token).digest()
        known = self._good.get(digest)
        if known is not None and self._now() < known[1]:
            return known[0]
        header = _header(token)
        key_id = header.get("kid")
        if header.get("alg") not in self._issuer.algorithms or not (key_id is None or isinstance(key_id, str)):
            return None
        key = await self._keys.key(key_id)
        claims = None if key is None else self._claims(token, key)
        if claims is None:
            return None
        self._check(claims)
        scopes = self._scopes_of(claims)
        self._good[digest] = scopes, min(float(claims["exp"]), self._now() + _KEPT_SECONDS)
        if len(self._good) > _KEPT:
            self._good.popitem(last=False)
        return scopes

    def _claims(self, token: bytes, key: Key) -> dict[str, Any] | None:
        try:
            return jwt.decode(token, key, algorithms=self._issuer.algorithms).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            return None

    def _check(self, claims: dict[str, Any]) -> None:
        registry = _Claims(
            now=lambda: int(self._now()),
            iss={"essential": True, "value": self._issuer.issuer},
            aud={"essential": True, "value": self._issuer.audience},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
        except ExpiredTokenError:
            raise Unauthorized("The access token has expired.") from None
        except JoseError:
            raise Unauthorized("The access token is not for this service, or not good yet.") from None

    def _scopes_of(self, claims: Mapping[str, Any]) -> frozenset[str]:
        held: set[str] = set()
        for name in ("scope", "scp", "roles"):
            value = claims.get(name)
            if isinstance(value, str):
                held.update(value.split())
            elif isinstance(value, list):
                held.update(each for each in value if isinstance(each, str))
        found = set()
        if self._issuer.read is None or self._issuer.read in held:
            found.add(READ)
        if self._issuer.admin is not None and self._issuer.admin in held:
            found |= {READ, ADMIN}
        return frozenset(found)


def _header(token: bytes) -> Mapping[str, Any]:
    """Return the header of a token; empty where it is none."""
    part = token.partition(b".")[0]
    try:
        found = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

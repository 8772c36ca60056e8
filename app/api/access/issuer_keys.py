"""The public keys of an issuer of JSON Web Tokens: fetched within bounds, and kept.

The client is that of the rasters: addresses are checked, certificates too, every wait ends with a deadline, and no more
is read than a document of keys may have.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwk
from joserfc.errors import JoseError

from app.config.access import Issuer
from tilery.errors import Busy, TileryError
from tilery.limits import deadline
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

logger = logging.getLogger("tilery.request")

Key = jwk.RSAKey | jwk.ECKey | jwk.OKPKey

KEPT = 600.0
"""Seconds after which the keys are fetched again."""
KEPT_WITHOUT = 24 * 3600.0
"""Seconds for which they are good where the issuer cannot be reached."""
PAUSE = 30.0
"""Seconds between two fetches at least, whatever tokens say: unknown keys and failures let nobody ask more often."""
_SECONDS = 5.0
_LONGEST = 256 << 10
_MOST_KEYS = 64
_LEAST_RSA = 2048


class IssuerKeys:
    """Keys by their ids. Used from one event loop at a time."""

    def __init__(self, issuer: Issuer, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold what an issuer is known by; its keys are fetched when a token needs them."""
        self._issuer = issuer
        self._clock = clock
        parts = urlsplit(issuer.jwks or issuer.issuer)
        # What the issuer's own document names may lie anywhere in public, as Google's does.
        policy = Policy.from_sources([f"{parts.scheme}://{parts.netloc}/", "https://*"], variable="TILERY_ACCESS")
        self._locate = policy.locate
        self._options = StoreOptions(connect_timeout=2.0, read_timeout=3.0, request_timeout=_SECONDS, fetch_retries=1)
        self._keys: dict[str | None, Key] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fetching: asyncio.Future[dict[str | None, Key]] | None = None

    async def key(self, key_id: str | None) -> Key | None:
        """Return the key of this id; None where the issuer has none.

        Raises:
            Busy: the issuer cannot be reached.
        """
        now = self._clock()
        age = None if self._fetched is None else now - self._fetched
        if age is None or age > KEPT or self._of(key_id) is None:
            if self._tried is None or now - self._tried > PAUSE or self._fetching is not None:
                await self._fetch()
            if self._fetched is None or self._clock() - self._fetched > KEPT_WITHOUT:
                raise Busy("The issuer of access tokens cannot be reached.", retry_after=int(PAUSE))
        return self._of(key_id)

    def _of(self, key_id: str | None) -> Key | None:
        """Return the key of an id. A token that names none is by the only key that there is."""
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Fetch the keys, once for all who wait."""
        if self._fetching is None:
            self._tried = self._clock()
            self._fetching = asyncio.ensure_future(asyncio.to_thread(self._all))
            self._fetching.add_done_callback(self._done)
        try:
            await asyncio.shield(self._fetching)
        except (TileryError, SourceChanged, ValueError):
            return  # `_done` has told of it

    def _done(self, fetching: asyncio.Future[dict[str | None, Key]]) -> None:
        self._fetching = None
        if fetching.cancelled():
            return
        error = fetching.exception()
        if error is None:
            self._keys, self._fetched = fetching.result(), self._clock()
        else:
            logger.warning("the keys of %s cannot be had: %s", self._issuer.issuer, error)

    def _all(self) -> dict[str | None, Key]:
        """Return the keys as they are now.

        Raises:
            TileryError, ValueError: they cannot be had.
        """
        stores = Stores(self._options, permit=self._locate)
        try:
            with deadline.limit(_SECONDS):
                address = self._issuer.jwks
                if address is None:
                    base = self._issuer.issuer.rstrip("/")
                    found = _document(stores, self._locate, f"{base}/.well-known/openid-configuration")
                    if found.get("issuer") != self._issuer.issuer:
                        raise ValueError("the discovery document is another issuer's")
                    address = found.get("jwks_uri")
                return _keys(_document(stores, self._locate, str(address)))
        finally:
            stores.close()


def _document(stores: Stores, locate: Callable[[str], Any], address: str) -> Mapping[str, Any]:
    """Return a document of JSON."""
    source = stores.open(locate(address))
    try:
        if source.size > _LONGEST:
            raise ValueError("a document is too long")
        found = json.loads(source.read(0, source.size))
    except RecursionError:
        raise ValueError("a document is too deep") from None
    finally:
        source.close()
    if not isinstance(found, dict):
        raise ValueError("a document is no JSON object")  # noqa: TRY004  what all that is wrong with it raises
    return found


def _keys(document: Mapping[str, Any]) -> dict[str | None, Key]:
    """Return the keys that sign, by their ids. What is none, or is a secret, is left out."""
    entries = document.get("keys")
    found: dict[str | None, Key] = {}
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use") == "enc":
            continue
        key_id = entry.get("kid")
        try:
            key = jwk.import_key(entry)
            if isinstance(key, jwk.RSAKey) and key.public_key.key_size < _LEAST_RSA:
                continue
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, jwk.OctKey) or not (key_id is None or isinstance(key_id, str)):
            continue
        found[key_id] = key
    return found

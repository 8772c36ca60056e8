"""Where addresses lead that do not answer themselves: to another server, which the policy permits as well.

Releases of GitHub, records of Zenodo and Dataverse, and whoever signs links answer with a redirect, mostly to an
address with a signature that is good for some minutes and another one each time. What is asked for, and what caches
know it by, stays the first address. The last one is remembered for a while, so that not each range is a detour.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from urllib.parse import urljoin

from tilery.errors import InvalidParameter, SourceRefused, UpstreamError
from tilery.storage.bytes.connection import Answer
from tilery.storage.locations import HttpLocation, Location

MOST = 5
"""Redirects from an address to its bytes at most."""
REMEMBERED = 60.0
"""Seconds for which an address is taken to lead where it led. Signatures are good for longer; one that is not is found
out by the answer."""
STATUSES = frozenset({301, 302, 303, 307, 308})
RUN_OUT = frozenset({400, 401, 403, 404, 410}) | STATUSES
"""Answers of a remembered address that mean that the first one leads elsewhere by now: a signature that has run out is
403 from S3 and Azure, 400 from Google."""
_ADDRESSES = 1024
_SETTING = "TILERY_SOURCES"

Permit = Callable[[str], Location]
"""Returns where an address is, as `tilery.storage.policy.Policy.locate`, or raises that it may not be read."""


class Redirects:
    """Where addresses of late led. Safe under threads."""

    def __init__(self, permit: Permit | None) -> None:
        """Follow redirects to what is permitted; to nowhere where nothing permits it."""
        self._permit = permit
        self._known: OrderedDict[HttpLocation, tuple[float, HttpLocation]] = OrderedDict()
        self._lock = Lock()

    def find(self, asked: HttpLocation, *, for_long: bool = False) -> HttpLocation | None:
        """Return where an address leads, if that is known.

        Args:
            asked: the address.
            for_long: whether it has to be known for some time to come, too.
        """
        found = self._known.get(asked) if self._known else None
        if found is None or found[0] - time.monotonic() <= (REMEMBERED / 2 if for_long else 0.0):
            return None
        return found[1]

    def note(self, asked: HttpLocation, target: HttpLocation) -> None:
        """Remember where an address leads."""
        with self._lock:
            self._known.pop(asked, None)
            self._known[asked] = (time.monotonic() + REMEMBERED, target)
            if len(self._known) > _ADDRESSES:
                self._known.popitem(last=False)

    def follow(self, place: HttpLocation, answer: Answer) -> HttpLocation:
        """Return where an answer leads, when that may be read.

        Raises:
            SourceRefused: that may not be read.
            UpstreamError: it leads nowhere.
        """
        text = answer.headers.get("location", "").encode("latin-1").decode("utf-8", "replace").partition("#")[0]
        if not text:
            raise UpstreamError(
                "The server of this source redirects to nowhere.", private=f"{place.private_name}: {answer.status}"
            )
        try:
            target = urljoin(place.url, text)
        except ValueError as error:
            raise _leads_nowhere(place, str(error)) from None
        if self._permit is None:
            raise _refused(place, "to another address", "nothing may be read through redirects")
        try:
            found = self._permit(target)
        except SourceRefused as error:
            where = "from https to http" if _is_downgrade(place, target) else "to another address"
            raise _refused(place, where, error.private) from None
        except InvalidParameter as error:
            raise _leads_nowhere(place, error.detail) from None
        if not isinstance(found, HttpLocation):
            raise _refused(place, "to another address", "it is none of HTTP")
        return found


def too_many(place: HttpLocation) -> UpstreamError:
    """Return the error of an address that leads from one to the next."""
    return UpstreamError(
        f"The server of this source redirects more than {MOST} times.", limit=MOST, private=place.private_name
    )


def _is_downgrade(place: HttpLocation, target: str) -> bool:
    return place.scheme == "https" and target[:5].lower() == "http:"


def _refused(place: HttpLocation, where: str, private: str | None) -> SourceRefused:
    return SourceRefused(
        f"This source redirects {where}, which is not among those that may be read. "
        f"Who runs this server can list it in {_SETTING}.",
        parameter="url",
        private=f"{place.private_name} redirects: {private}",
    )


def _leads_nowhere(place: HttpLocation, why: str) -> UpstreamError:
    return UpstreamError(
        "The server of this source redirects to something that is no address.",
        private=f"{place.private_name}: {why}",
    )

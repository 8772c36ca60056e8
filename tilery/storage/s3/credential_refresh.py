"""Keys that are looked up again before they run out, in the background: no request waits for them, but the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tilery.storage import refreshing
from tilery.storage.s3.environment import Credential

KEPT = timedelta(seconds=330)
"""For how long obstore is told that keys are good, so that it asks again: it does so 300 seconds before the end."""


class Refreshing(refreshing.Refreshing[Credential]):
    """What gives obstore the keys at hand. Safe under threads."""

    def __init__(self, look_up: Callable[[], Credential]) -> None:
        """Give the keys that a look-up finds. The first look-up begins at once, in a thread that ends with this."""
        super().__init__(look_up, expires=_expires, what="Keys of AWS")

    def __call__(self) -> Credential:
        """Return keys that are good, as obstore takes them: those at hand, unless there are none.

        Raises:
            Exception: what the look-up raised, where there are none.
        """
        held = self.held()
        soon = datetime.now(UTC) + KEPT
        expires = held["expires_at"]
        return {**held, "expires_at": soon if expires is None else min(soon, expires)}


def _expires(keys: Credential) -> datetime | None:
    return keys["expires_at"]

"""When a request to a store is made again.

A store that is busy is busy for moments, and for everybody at once: each try waits about twice as long as the one
before, and no two callers wait equally long. What a store says of when to come back is kept to.
"""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

PAUSE = 0.1
"""Seconds before the second try at most, and half of that at least; each further pause may be twice as long."""
LONGEST = 2.0
"""Seconds of a pause at most, where the store does not ask for more."""
_FAR = 3600
"""Seconds that a store may ask for at most, for what callers are told."""


def pause(failures: int, asked: int | None) -> float:
    """Return the seconds to wait before the next try.

    Args:
        failures: tries so far.
        asked: the seconds that the store asked for, where it did.
    """
    longest = min(PAUSE * 2 ** min(failures - 1, 16), LONGEST)
    spread = random.uniform(longest / 2, longest)  # noqa: S311  spreads the tries, keeps no secret
    return spread if asked is None else asked + spread / 2


def seconds_of(text: str | None) -> int | None:
    """Return the seconds that a ``Retry-After`` asks for (RFC 9110, 10.2.3). None: it asks for nothing."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), _FAR)
    try:
        left = parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0, round(left)), _FAR)

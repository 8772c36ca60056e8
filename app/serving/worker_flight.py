"""One render that other workers wait for, as `single_flight` has it for those who ask the same worker.

The first to have a slot for it claims the answer in the memory that the workers share. Whoever finds it claimed looks
again until the answer is there, holding neither a slot nor a place in the queue. What another worker was refused or
failed at says nothing about anybody else, so only answers are shared: who has waited in vain makes his own, without
waiting again. He also does when half of his time is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from app.serving.answer_cache import AnswerCache
from app.serving.encoded import Encoded
from app.serving.outcome import Outcome
from tilery.claims import Claim, Claims

T = TypeVar("T")

_LONGEST = 60.0
"""Seconds that count as time left where nothing limits it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
"""Seconds after which to look again, which takes some microseconds. An event loop counts in milliseconds."""
_SHARE = 8
"""What is waited for is found late by no more than a part of so many of the time that it took."""


class WorkerFlight(Generic[T]):
    """What stands before some work in its slot: that no other worker is at it. See `admission.Turn`."""

    __slots__ = ("_cache", "_claim", "_claims", "_ends", "_has_asked", "_make", "_since", "_tag")

    def __init__(self, cache: AnswerCache, claims: Claims, tag: str, left: float, make: Callable[[Encoded], T]) -> None:
        """Find out about an answer.

        Args:
            cache: where answers are found.
            claims: of the workers that share it.
            tag: of the answer.
            left: seconds until the deadline of who asks for it.
            make: makes the result of the work out of an answer that was found.
        """
        self._cache = cache
        self._claims = claims
        self._tag = tag
        self._make = make
        self._ends = time.monotonic() + min(left, _LONGEST)
        self._since = 0.0
        self._has_asked = False
        self._claim: Claim | None = None

    def begin(self) -> Outcome[T] | float | None:
        """Return the result if it is there, seconds after which to ask again, or None: then the work is to be done."""
        if not self._has_asked:
            self._has_asked = True
            found = self._cache.get_or_claim(self._tag, self._ends)
            if isinstance(found, Encoded):
                return Outcome(result=self._make(found))
            self._claim = found
            if found is None or found.is_mine:
                return None
            self._since = time.monotonic()
            return _FIRST_PAUSE
        now = time.monotonic()
        if self._claim is not None and now < (self._since + self._ends) / 2 and self._claims.is_held(self._claim):
            return min(max(_FIRST_PAUSE, (now - self._since) / _SHARE), _LONGEST_PAUSE)
        self._claim = None
        answer = self._cache.get(self._tag)
        return None if answer is None else Outcome(result=self._make(answer))

    def end(self) -> None:
        """Tell others that the work is over, once what came of it is where they look."""
        if self._claim is not None and self._claim.is_mine:
            self._claims.give_back(self._claim)

"""Who of the workers is at work on what: claims by key, in memory that they share.

A claim keeps others from doing the same work at the same time, and nothing else hangs on it. It ends when its holder
gives it back, when the holder has died (`Claims.wipe`), and in any case at the moment that it names. Whoever waited for
it then looks whether the work is done, and else does it himself: the worst that can become of a claim is work done
twice.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass

_PLACES = 1 << 12
"""More than there is work under way at a time. Where two keys have the same place, one does without a claim."""
_LONGEST = 60.0
"""Seconds after which a claim has ended whatever its holder does."""
_ROW = 16
"""Bits of a mark that tell the worker; the others are microseconds of the clock that all processes share."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it was found or made."""

    place: int
    mark: int
    is_mine: bool
    """True: whoever asked holds it now. False: another does."""


class Claims:
    """The claims of all workers."""

    def __init__(self) -> None:
        """Make room; for the process that forks the workers."""
        memory = memoryview(mmap.mmap(-1, 8 * 3 * _PLACES))  # shared with forks
        self._marks = memory[: 8 * _PLACES].cast("Q")
        self._keys = memory[8 * _PLACES :].cast("Q")
        self.row = 0
        """Which of the workers this process is."""

    def take(self, key: tuple[int, int], ends: float) -> Claim | None:
        """Return the claim on a key: made now, or another's; None where there is no place for one.

        Only under a lock that all workers have in common, which is that of where the work's result is looked for: so
        nobody finds neither the result nor the claim.

        Args:
            key: of the work, 128 bits of a digest.
            ends: moment of `time.monotonic` until which the holder has time.
        """
        now = time.monotonic()
        high, low = key
        place = low % _PLACES
        mark = self._marks[place]
        if mark and mark >> _ROW > now * 1e6:
            if self._keys[2 * place] == high and self._keys[2 * place + 1] == low:
                return Claim(place, mark, False)
            return None
        self._marks[place] = 0  # a worker may die between any two of these lines
        self._keys[2 * place], self._keys[2 * place + 1] = high, low
        mark = int(min(ends, now + _LONGEST) * 1e6) << _ROW | self.row + 1
        self._marks[place] = mark
        return Claim(place, mark, True)

    def is_held(self, claim: Claim) -> bool:
        """Return whether the holder of a claim may still be at it. Takes no lock."""
        return self._marks[claim.place] == claim.mark and claim.mark >> _ROW > time.monotonic() * 1e6

    def give_back(self, claim: Claim) -> None:
        """End a claim of one's own, if it has not ended before. Takes no lock."""
        if self._marks[claim.place] == claim.mark:
            self._marks[claim.place] = 0

    def wipe(self, row: int) -> None:
        """End the claims of a worker that has died. For the process that forks them."""
        for place, mark in enumerate(self._marks):
            if mark & (1 << _ROW) - 1 == row + 1 and self._marks[place] == mark:
                self._marks[place] = 0

"""Finished answers in memory: the most recently used, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict

from app.serving.encoded import Encoded

OVERHEAD = 600
"""Bytes of an entry beside its body: key, objects, place in the table."""


class TileCache:
    """Answers by entity tag. Used from the event loop only, so it needs no lock.

    A tag names the state of the source, the code and everything asked for, so an entry is never out of date: it only
    falls out when room is needed.
    """

    def __init__(self, capacity: int) -> None:
        """Hold up to ``capacity`` bytes; 0 holds nothing."""
        self.capacity = capacity
        self.size = 0
        self._entries: OrderedDict[str, Encoded] = OrderedDict()

    def get(self, tag: str) -> Encoded | None:
        """The answer of that tag, if it is here."""
        found = self._entries.get(tag)
        if found is not None:
            self._entries.move_to_end(tag)
        return found

    def put(self, tag: str, encoded: Encoded) -> None:
        """Keep an answer, unless it would push out an eighth of all others."""
        size = len(encoded.body) + OVERHEAD
        if size > self.capacity // 8:
            return
        old = self._entries.pop(tag, None)
        if old is not None:
            self.size -= len(old.body) + OVERHEAD
        self._entries[tag] = encoded
        self.size += size
        while self.size > self.capacity:
            _, oldest = self._entries.popitem(last=False)
            self.size -= len(oldest.body) + OVERHEAD

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._entries)

"""What was worked out before, up to a weight in bytes and not to a number: of some things one is as large as a thousand
others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WeightedCache(Generic[K, V]):
    """Values by key, those dropped first that were not used lately. Safe under threads."""

    def __init__(self, capacity: int, most: int = 1024) -> None:
        """Keep values of ``capacity`` bytes together, ``most`` of them at most."""
        self._capacity = capacity
        self._most = most
        self._held = 0
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes held at present."""
        return self._held

    def get(self, key: K) -> V | None:
        """Return the value of a key, None when it is not here."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep a value that takes so many bytes, unless it would push out half of all others."""
        if weight > self._capacity // 2:
            return
        with self._lock:
            before = self._values.pop(key, None)
            self._held += weight - (before[1] if before else 0)
            self._values[key] = (value, weight)
            while self._held > self._capacity or len(self._values) > self._most:
                self._held -= self._values.popitem(last=False)[1][1]

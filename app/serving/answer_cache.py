"""Finished answers in memory, pictures and documents: those used lately; of one process or of all workers.

How many bytes it may hold is said by ``TILERY_TILE_CACHE_BYTES``.
"""

from __future__ import annotations

import marshal
import struct

from app.serving.encoded import Encoded
from tilery.arena import Arena, Key
from tilery.claims import Claim, Claims

_LENGTH = struct.Struct("<I")


class AnswerCache:
    """Answers by entity tag. Used from one thread, the event loop's.

    A tag names the state of the source, the code and everything asked for, so an entry is never out of date: it only
    falls out when room is needed. An entry is what stands beside the body, after its length, and the body.
    `marshal` writes it: those who share the memory are forks of one process, and JSON takes ten times as long to read.
    """

    def __init__(self, arena: Arena, claims: Claims | None = None) -> None:
        """Hold what fits into an arena, which other processes may share; then ``claims`` tell what they are at."""
        self._arena = arena
        self.claims = claims

    @property
    def size(self) -> int:
        """Bytes held at present."""
        return self._arena.held

    @property
    def capacity(self) -> int:
        """Bytes that may be held."""
        return self._arena.capacity

    def get(self, tag: str) -> Encoded | None:
        """Return the answer of that tag, if it is here."""
        found = self._find(tag, None, 0)
        return found if isinstance(found, Encoded) else None

    def get_or_claim(self, tag: str, ends: float) -> Encoded | Claim | None:
        """Return the answer of that tag; else the claim of who makes it, which is the caller's where nobody was at it.

        Args:
            tag: of the answer.
            ends: moment of `time.monotonic` until which the caller has time to make it.

        Returns:
            None: it is not here, and there is no claim to be had. What is too large to be kept is not shared either.
        """
        return self._find(tag, self.claims, ends)

    def _find(self, tag: str, claims: Claims | None, ends: float) -> Encoded | Claim | None:
        arena = self._arena
        if not arena.lock():
            return None
        try:
            key = _key(tag)
            page = arena.find(key)
            if page is None or not arena.is_ready(page):
                return claims.take(key, ends) if claims is not None else None
            arena.use(page)
            size = arena.pin(page)
        finally:
            arena.unlock()
        start = page * arena.page
        data: bytes = arena.memory[start : start + size]
        arena.unpin(page)
        body = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        media_type, bounds, crs = marshal.loads(data[_LENGTH.size : body])  # noqa: S302 - our own memory
        return Encoded(body=data[body:], media_type=media_type, bounds=bounds, crs=crs)

    def put(self, tag: str, encoded: Encoded) -> None:
        """Keep an answer, unless it would push out an eighth of all others."""
        arena = self._arena
        bounds = encoded.bounds and tuple(map(float, encoded.bounds))
        beside = marshal.dumps((encoded.media_type, bounds, encoded.crs))
        body = _LENGTH.size + len(beside)
        size = body + len(encoded.body)
        if size > arena.capacity // 8 or not arena.lock():
            return
        try:
            key = _key(tag)
            page = arena.make(key, size) if arena.find(key) is None else None
        finally:
            arena.unlock()
        if page is None:
            return
        start = page * arena.page
        arena.memory[start : start + body] = _LENGTH.pack(len(beside)) + beside
        arena.memory[start + body : start + size] = encoded.body
        if arena.lock():
            try:
                arena.finish(page)
            finally:
                arena.unlock()
        arena.unpin(page)


def _key(tag: str) -> Key:
    """Return what the arena knows an entity tag by, which is 32 hexadecimal digits in quotes."""
    return int(tag[1:17], 16), int(tag[17:33], 16)

"""Answers in memory: bounded in bytes, the least recently used go first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.serving.encoded import Encoded
from app.serving.tile_cache import OVERHEAD, TileCache


def encoded(size: int) -> Encoded:
    return Encoded(body=b"x" * size, media_type="image/png")


def test_the_least_recently_used_go_first() -> None:
    cache = TileCache(8 * (1000 + OVERHEAD))
    for number in range(8):
        cache.put(str(number), encoded(1000))
    assert cache.get("0") is not None
    cache.put("8", encoded(1000))
    assert cache.get("1") is None
    assert cache.get("0") is not None
    assert len(cache) == 8


def test_one_large_answer_does_not_push_out_all_others() -> None:
    cache = TileCache(80_000)
    cache.put("small", encoded(100))
    cache.put("large", encoded(20_000))
    assert cache.get("large") is None
    assert cache.get("small") is not None


def test_no_capacity_keeps_nothing() -> None:
    cache = TileCache(0)
    cache.put("a", encoded(0))
    assert len(cache) == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3000)), max_size=200))
def test_the_size_is_what_is_there_and_never_more_than_allowed(puts: list[tuple[int, int]]) -> None:
    cache = TileCache(30_000)
    for key, size in puts:
        cache.put(str(key), encoded(size))
        kept = [found for number in range(21) if (found := cache.get(str(number))) is not None]
        assert cache.size == sum(len(entry.body) + OVERHEAD for entry in kept) <= 30_000

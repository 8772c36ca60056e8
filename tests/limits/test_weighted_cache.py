"""A cache bounded by weight."""

from __future__ import annotations

from tilery.limits.weighted_cache import WeightedCache


def test_what_was_not_used_lately_goes_first() -> None:
    cache: WeightedCache[str, int] = WeightedCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    assert cache.get("a") == 1
    cache.put("c", 3, 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    assert cache.held == 8


def test_weights_are_right_when_a_value_takes_the_place_of_another() -> None:
    cache: WeightedCache[str, int] = WeightedCache(10)
    cache.put("a", 1, 5)
    cache.put("a", 2, 2)
    assert (cache.get("a"), cache.held) == (2, 2)


def test_what_is_too_heavy_is_not_kept_and_pushes_nothing_out() -> None:
    cache: WeightedCache[str, int] = WeightedCache(10, most=2)
    cache.put("a", 1, 1)
    cache.put("b", 2, 6)
    assert (cache.get("a"), cache.get("b")) == (1, None)
    cache.put("c", 3, 1)
    cache.put("d", 4, 1)
    assert (cache.get("a"), cache.get("c"), cache.get("d")) == (None, 3, 4)

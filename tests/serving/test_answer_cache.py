"""Answers in memory: bounded in bytes, those not used lately go first, and one memory for all workers."""

from __future__ import annotations

import multiprocessing
import os

from hypothesis import given
from hypothesis import strategies as st

from app.serving import etag
from app.serving.answer_cache import AnswerCache
from app.serving.encoded import Encoded
from tilery.arena import TILE_PAGE, Arena, Shared
from tilery.geo.raster import Crs


def encoded(size: int, byte: bytes = b"x") -> Encoded:
    return Encoded(body=byte * size, media_type="image/png")


def tag(number: int) -> str:
    return etag.make("source", str(number))


def cache_of(capacity: int) -> AnswerCache:
    return AnswerCache(Arena(capacity, page=TILE_PAGE))


def test_an_answer_comes_back_as_it_was() -> None:
    cache = cache_of(1 << 20)
    whole = Encoded(
        body=bytes(range(256)) * 3, media_type="image/webp", bounds=(-0.1, 1e-300, 2 / 3, 4.0), crs=Crs("EPSG:3857")
    )
    for number, answer in enumerate((whole, encoded(0), encoded(1))):
        cache.put(tag(number), answer)
        assert cache.get(tag(number)) == answer
    assert cache.get(tag(9)) is None


def test_what_was_not_used_lately_goes_first() -> None:
    cache = cache_of(16 * TILE_PAGE)
    for number in range(16):
        cache.put(tag(number), encoded(1000))
        assert cache.get(tag(0)) is not None
    cache.put(tag(16), encoded(1000))
    assert cache.get(tag(1)) is None
    assert cache.get(tag(0)) is not None
    assert cache.get(tag(16)) is not None


def test_one_large_answer_does_not_push_out_all_others() -> None:
    cache = cache_of(20 * TILE_PAGE)
    cache.put(tag(0), encoded(100))
    cache.put(tag(1), encoded(3 * TILE_PAGE))
    assert cache.get(tag(1)) is None
    assert cache.get(tag(0)) is not None


def test_no_capacity_keeps_nothing() -> None:
    cache = cache_of(0)
    cache.put(tag(0), encoded(0))
    assert cache.get(tag(0)) is None
    assert cache.size == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3 * TILE_PAGE)), max_size=200))
def test_never_more_than_allowed_and_never_another_answer(puts: list[tuple[int, int]]) -> None:
    cache = cache_of(30 * TILE_PAGE)
    for key, size in puts:
        cache.put(tag(key), encoded(size, bytes([key])))
        assert cache.size <= 30 * TILE_PAGE
        for number in range(21):
            found = cache.get(tag(number))
            assert found is None or set(found.body) <= {number}


def test_what_one_worker_has_made_another_finds() -> None:
    shared = Shared(blocks=0, tiles=1 << 20, workers=3)
    first, second = shared.enlist(), shared.enlist()
    assert first is not None
    assert second is not None

    def make() -> None:
        shared.join(second)
        AnswerCache(shared.tiles).put(tag(1), encoded(50_000))
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=make)
    process.start()
    process.join(10)
    shared.dismiss(second)
    shared.join(first)
    assert AnswerCache(shared.tiles).get(tag(1)) == encoded(50_000)


def test_numbers_of_workers_are_given_again() -> None:
    shared = Shared(blocks=0, tiles=0, workers=2)
    first, second = shared.enlist(), shared.enlist()
    assert {first, second} == {0, 1}
    assert shared.enlist() is None
    assert first is not None
    shared.dismiss(first)
    assert shared.enlist() == first

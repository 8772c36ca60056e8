"""The cache of blocks: bounded, shared, and right whatever happens at the same time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.reading.conftest import FileBytes, engine_of, noise, open_engine, profile_of, web_grid_at, write
from tilery.arena import BLOCK_PAGE
from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.reading.grid.blocks import SPARSE, BlockCache
from tilery.reading.grid.workers import Workers

PIECE = 1000
"""Bytes of a block here; each takes a page of the arena."""


def sized(keys: list[int]) -> dict[int, int]:
    return dict.fromkeys(keys, PIECE)


def filler(calls: list[list[int]]) -> Callable[[Mapping[int, Array]], Iterator[int]]:
    """Fills each block with its key."""

    def fill(buffers: Mapping[int, Array]) -> Iterator[int]:
        calls.append(list(buffers))
        for key, buffer in buffers.items():
            buffer[:] = key % 256
            yield key

    return fill


def never(_: object) -> Iterator[int]:
    pytest.fail("filled again")


def test_kept_blocks_are_not_filled_again() -> None:
    cache = BlockCache(1 << 20)
    calls: list[list[int]] = []
    first = cache.obtain([1, 2, 2], sized, filler(calls))
    second = cache.obtain([2, 3], sized, filler(calls))
    assert calls == [[1, 2], [3]]
    assert np.shares_memory(first[2], second[2])
    assert (second[2] == 2).all()
    assert (second[3] == 3).all()
    assert second[3].size == PIECE
    assert cache.held == 3 * BLOCK_PAGE


def test_blocks_cannot_be_written_to() -> None:
    cache = BlockCache(1 << 20)
    for block in (cache.obtain([1], sized, filler([]))[1], cache.obtain([1], sized, never)[1]):
        with pytest.raises(ValueError, match="read-only"):
            block[0] = 1


def test_it_is_bounded_and_drops_what_was_not_used() -> None:
    cache = BlockCache(10 * BLOCK_PAGE)
    calls: list[list[int]] = []
    for key in range(100):
        cache.obtain([key], sized, filler(calls))
        cache.obtain([0], sized, filler(calls))
        assert cache.held <= 10 * BLOCK_PAGE
    assert calls.count([0]) == 1
    cache.obtain([99, 1], sized, filler(calls))
    assert calls[-1] == [1]


def test_blocks_of_many_sizes() -> None:
    """Whatever the order of sizes, blocks stay inside of the memory and never overlap."""
    chance, cache = random.Random(4), BlockCache(40 * BLOCK_PAGE)
    for _ in range(3000):
        key = chance.randrange(200)
        size = 1 + key * 7919 % (6 * BLOCK_PAGE)

        def measure(keys: Iterable[int], size: int = size) -> dict[int, int]:
            return dict.fromkeys(keys, size)

        block = cache.obtain([key], measure, filler([]))[key]
        assert block.size == size
        assert (block == key).all()
        assert cache.held <= 40 * BLOCK_PAGE
    assert cache.held > 25 * BLOCK_PAGE


def test_an_array_keeps_its_block() -> None:
    """What is in use is not overwritten, be it a view of a view; and it can be dropped once nobody uses it."""
    cache = BlockCache(4 * BLOCK_PAGE)
    held = cache.obtain([1], sized, filler([]))[1].reshape(10, 100)[2:4].T
    cache.obtain(list(range(2, 40)), sized, filler([]))
    for key in range(40, 80):
        cache.obtain([key], sized, filler([]))
    assert (held == 1).all()
    calls: list[list[int]] = []
    cache.obtain([1], sized, filler(calls))
    assert calls == []
    del held
    for key in range(40, 80):
        cache.obtain([key], sized, filler([]))
    cache.obtain([1], sized, filler(calls))
    assert calls == [[1]]


def test_when_all_is_in_use_blocks_are_given_but_not_kept() -> None:
    cache = BlockCache(3 * BLOCK_PAGE)
    held = cache.obtain([1, 2, 3, 4, 5], sized, filler([]))
    assert all((block == key).all() for key, block in held.items())
    assert cache.held == 3 * BLOCK_PAGE
    assert (cache.obtain([9], sized, filler([]))[9] == 9).all()
    assert all((block == key).all() for key, block in held.items())


def test_what_is_larger_than_the_cache_is_given_but_not_kept() -> None:
    cache = BlockCache(2 * BLOCK_PAGE)
    assert cache.obtain([1], lambda keys: {1: 3 * BLOCK_PAGE}, filler([]))[1].size == 3 * BLOCK_PAGE
    assert cache.held == 0


def test_a_small_cache_and_one_that_keeps_nothing() -> None:
    cache = BlockCache(10 * BLOCK_PAGE)
    calls: list[list[int]] = []
    cache.obtain(list(range(50)), sized, filler(calls))
    assert 0 < cache.held <= 10 * BLOCK_PAGE
    cache.clear()
    assert cache.held == 0
    cache = BlockCache(0)
    assert (cache.obtain([1], sized, filler(calls))[1] == 1).all()
    assert cache.held == 0


def test_sparse_blocks_are_kept() -> None:
    cache = BlockCache(1 << 20)
    assert cache.obtain([1], lambda keys: {}, never)[1] is SPARSE
    assert cache.obtain([1], lambda keys: pytest.fail("asked again"), never)[1] is SPARSE


def test_one_flight_a_block() -> None:
    cache = BlockCache(1 << 20)
    calls: list[list[int]] = []
    started, go = threading.Event(), threading.Event()

    def slow(buffers: Mapping[int, Array]) -> Iterator[int]:
        started.set()
        go.wait(10)
        return filler(calls)(buffers)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.obtain, [1, 2], sized, slow)
        started.wait(10)
        others = [pool.submit(cache.obtain, [2, 1, 3 + n], sized, filler(calls)) for n in range(3)]
        while len(calls) < 3:
            time.sleep(0.001)
        go.set()
        results = [first.result(10), *(other.result(10) for other in others)]
    assert sorted(key for call in calls for key in call) == [1, 2, 3, 4, 5]
    assert all((result[1] == 1).all() for result in results)


def test_whoever_waited_for_a_failure_tries_for_himself() -> None:
    cache = BlockCache(1 << 20)
    calls: list[list[int]] = []
    started, go = threading.Event(), threading.Event()

    def failing(buffers: Mapping[int, Array]) -> Iterator[int]:
        started.set()
        go.wait(10)
        buffers[1][:] = 1
        yield 1
        raise BrokenRaster("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.obtain, [1, 2], sized, failing)
        started.wait(10)
        second = pool.submit(cache.obtain, [1, 2], sized, filler(calls))
        time.sleep(0.02)
        go.set()
        with pytest.raises(BrokenRaster):
            first.result(10)
        assert (second.result(10)[2] == 2).all()
    assert calls == [[2]]
    # Nothing of the failure stays behind.
    assert (cache.obtain([2], sized, never)[2] == 2).all()


def test_a_filler_that_forgets_a_block_does_not_hang_others() -> None:
    cache = BlockCache(1 << 20)
    with pytest.raises(BrokenRaster):
        cache.obtain([1], sized, lambda buffers: iter([]))
    assert cache.held == 0
    calls: list[list[int]] = []
    assert (cache.obtain([1], sized, filler(calls))[1] == 1).all()


def test_results_of_parallel_work_are_in_order() -> None:
    def work(number: int, pause: float) -> int:
        time.sleep(pause)
        return number

    jobs = [(number, 0.002 * (number % 3)) for number in range(30)]
    assert list(Workers().in_parallel(work, jobs)) == list(range(30))


def test_errors_of_parallel_work_are_raised() -> None:
    def work(number: int) -> int:
        if number == 7:
            raise BrokenRaster("seven")
        return number

    with pytest.raises(BrokenRaster, match="seven"):
        list(Workers().in_parallel(work, [(number,) for number in range(30)]))
    assert list(Workers().in_parallel(work, [(1,), (2,)])) == [1, 2]


@pytest.mark.parametrize(("files", "capacity"), [(1, 1 << 20), (6, 300_000), (3, 0), (6, 64 << 20)])
def test_many_threads(path: Callable[[], Path], files: int, capacity: int) -> None:
    """Sixteen threads over few and many files with caches too small for them: no crash, no wrong pixel."""
    cache = BlockCache(capacity)
    engines, grids, expected = [], [], []
    for number in range(files):
        mask = None
        if number % 2:
            mask = np.full((600, 600), 255, "uint8")
            mask[100:200] = 0
        file = write(
            path(), noise(1 + number % 4, 600, 600, seed=number), overviews=(2, 4), mask=mask,
            compress="deflate", predictor=2, interleave="band" if number == 4 else "pixel",
        )  # fmt: skip
        profile = profile_of(file)
        engine = open_engine(FileBytes(file), profile, cache)
        alone = engine_of(file)
        assert engine is not None
        for z, across, method in (
            (13, 0.5, "nearest"),
            (15, 0.3, "nearest"),
            (15, 0.8, "bilinear"),
            (12, 0.5, "cubic"),
        ):
            grid = web_grid_at(profile, z, across=across)
            engines.append((engine, profile.data_bands, method))
            grids.append(grid)
            expected.append(alone.read(grid, bands=profile.data_bands, nodata=None, method=method))
    deadline = time.monotonic() + 1.0

    def run(seed: int) -> int:
        chance, done = random.Random(seed), 0
        while time.monotonic() < deadline:
            index = chance.randrange(len(grids))
            engine, bands, method = engines[index]
            engine.estimate(grids[index], bands=bands)
            pixels = engine.read(grids[index], bands=bands, nodata=None, method=method)
            np.testing.assert_array_equal(pixels.data, expected[index].data)
            if expected[index].mask is None:
                assert pixels.mask is None
            else:
                np.testing.assert_array_equal(pixels.mask, expected[index].mask)
            done += 1
        return done

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(run, range(16))) > 16
    assert cache.held <= capacity
    assert not cache._flights


def test_all_missing_blocks_come_in_one_request(path: Callable[[], Path]) -> None:
    mask = np.full((600, 600), 255, "uint8")
    mask[:300] = 0
    file = write(path(), noise(3, 600, 600), mask=mask)
    profile, engine = profile_of(file), engine_of(file)
    source = engine._reader._source
    assert isinstance(source, FileBytes)
    grid = web_grid_at(profile, 14)
    before = len(source.requests)
    engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
    assert len(source.requests) == before + 1
    assert len(source.requests[-1]) > 10
    engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
    assert len(source.requests) == before + 1

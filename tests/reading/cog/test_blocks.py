"""The cache of blocks: bounded, shared, and right whatever happens at the same time."""

from __future__ import annotations

import faulthandler
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.errors import BrokenRaster
from app.raster import Array
from app.reading.cog.blocks import SPARSE, BlockCache
from app.reading.cog.engine import open_engine
from app.reading.cog.workers import in_parallel
from tests.reading.cog.conftest import FileBytes, engine_of, noise, profile_of, web_grid_at, write

faulthandler.enable()


def block(value: int, size: int = 1000) -> Array:
    return np.full(size, value, "uint8")


def loader(calls: list[list[int]], size: int = 1000) -> Callable[[list[int]], Iterator[tuple[int, Array]]]:
    def load(keys: list[int]) -> Iterator[tuple[int, Array]]:
        calls.append(list(keys))
        for key in keys:
            yield key, block(key, size)

    return load


def test_kept_blocks_are_not_loaded_again() -> None:
    cache, calls = BlockCache(1 << 20), []
    first = cache.obtain([1, 2, 2], loader(calls))
    second = cache.obtain([2, 3], loader(calls))
    assert calls == [[1, 2], [3]]
    assert second[2] is first[2]
    assert (second[3] == 3).all()


def test_it_is_bounded_and_drops_what_was_not_used() -> None:
    cache, calls = BlockCache(10_000), []
    for key in range(100):
        cache.obtain([key], loader(calls))
        cache.obtain([0], loader(calls))
        assert cache.held <= 10_000
    assert calls.count([0]) == 1
    cache.obtain([99, 1], loader(calls))
    assert calls[-1] == [1]


def test_what_is_larger_than_the_cache_is_given_but_not_kept() -> None:
    cache, calls = BlockCache(10_000), []
    assert cache.obtain([1], loader(calls, 20_000))[1].size == 20_000
    assert cache.held == 0


def test_resize_and_clear() -> None:
    cache, calls = BlockCache(1 << 20), []
    cache.obtain(list(range(50)), loader(calls))
    cache.resize(10_000)
    assert 0 < cache.held <= 10_000
    cache.clear()
    assert cache.held == 0
    cache.resize(0)
    assert (cache.obtain([1], loader(calls))[1] == 1).all()
    assert cache.held == 0


def test_sparse_blocks_are_kept() -> None:
    cache = BlockCache(1 << 20)
    cache.obtain([1], lambda keys: [(key, SPARSE) for key in keys])
    assert cache.obtain([1], lambda keys: pytest.fail("loaded again"))[1] is SPARSE


def test_one_flight_a_block() -> None:
    cache, calls = BlockCache(1 << 20), []
    started, go = threading.Event(), threading.Event()

    def slow(keys: list[int]) -> Iterator[tuple[int, Array]]:
        started.set()
        go.wait(10)
        return loader(calls)(keys)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.obtain, [1, 2], slow)
        started.wait(10)
        others = [pool.submit(cache.obtain, [2, 1, 3 + n], loader(calls)) for n in range(3)]
        while len(calls) < 3:
            time.sleep(0.001)
        go.set()
        results = [first.result(10), *(other.result(10) for other in others)]
    assert sorted(key for call in calls for key in call) == [1, 2, 3, 4, 5]
    assert all(result[1] is results[0][1] for result in results)


def test_whoever_waited_for_a_failure_tries_for_himself() -> None:
    cache, calls = BlockCache(1 << 20), []
    started, go = threading.Event(), threading.Event()

    def failing(keys: list[int]) -> Iterator[tuple[int, Array]]:
        started.set()
        go.wait(10)
        yield keys[0], block(keys[0])
        raise BrokenRaster("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.obtain, [1, 2], failing)
        started.wait(10)
        second = pool.submit(cache.obtain, [1, 2], loader(calls))
        time.sleep(0.02)
        go.set()
        with pytest.raises(BrokenRaster):
            first.result(10)
        assert (second.result(10)[2] == 2).all()
    assert calls == [[2]]
    # Nothing of the failure stays behind.
    assert (cache.obtain([2], loader(calls))[2] == 2).all()


def test_a_loader_that_forgets_a_block_does_not_hang_others() -> None:
    cache = BlockCache(1 << 20)
    with pytest.raises(BrokenRaster):
        cache.obtain([1], lambda keys: iter([]))
    calls: list[list[int]] = []
    assert (cache.obtain([1], loader(calls))[1] == 1).all()


def test_results_of_parallel_work_are_in_order() -> None:
    def work(number: int, pause: float) -> int:
        time.sleep(pause)
        return number

    jobs = [(number, 0.002 * (number % 3)) for number in range(30)]
    assert list(in_parallel(work, jobs)) == list(range(30))


def test_errors_of_parallel_work_are_raised() -> None:
    def work(number: int) -> int:
        if number == 7:
            raise BrokenRaster("seven")
        return number

    with pytest.raises(BrokenRaster, match="seven"):
        list(in_parallel(work, [(number,) for number in range(30)]))
    assert list(in_parallel(work, [(1,), (2,)])) == [1, 2]


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
    grid = web_grid_at(profile, 14)
    before = len(source.requests)
    engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
    assert len(source.requests) == before + 1
    assert len(source.requests[-1]) > 10
    engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
    assert len(source.requests) == before + 1

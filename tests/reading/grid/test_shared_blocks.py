"""Blocks that processes share: made once for all, and whole whoever is killed at whatever moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.context import ForkProcess
from typing import Any

import numpy as np
import pytest

from tilery import arena as arena_
from tilery.arena import BLOCK_PAGE, Arena
from tilery.errors import DeadlineExceeded
from tilery.geo.raster import Array
from tilery.limits import deadline
from tilery.reading.grid.blocks import BlockCache

CONTEXT = multiprocessing.get_context("fork")
SIZE = 3 * BLOCK_PAGE - 100


def sized(keys: list[int]) -> dict[int, int]:
    return dict.fromkeys(keys, SIZE)


def fill(buffers: Mapping[int, Array]) -> Iterator[int]:
    for key, buffer in buffers.items():
        buffer[:] = key % 251
        yield key


def holds(blocks: Mapping[int, Array]) -> bool:
    return all((block == key % 251).all() for key, block in blocks.items())


class Workers:
    """Processes that share an arena, as gunicorn's arbiter has them."""

    def __init__(self, arena: Arena, rows: int) -> None:
        self.arena = arena
        self.rows = list(range(rows))
        self.running: dict[ForkProcess, int] = {}

    def start(self, work: Callable[[BlockCache], Any]) -> ForkProcess:
        row = self.rows.pop()

        def run() -> None:
            self.arena.row = row
            cache = BlockCache(0, self.arena)
            work(cache)

        process = CONTEXT.Process(target=run)
        process.start()
        self.running[process] = row
        return process

    def end(self, process: ForkProcess, expected: int = 0) -> None:
        process.join(20)
        assert process.exitcode == expected
        row = self.running.pop(process)
        self.arena.wipe(row)
        self.rows.append(row)

    def kill(self, process: ForkProcess) -> None:
        os.kill(process.pid or 0, signal.SIGKILL)
        self.end(process, -signal.SIGKILL)


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(Arena(60 * BLOCK_PAGE, page=BLOCK_PAGE, workers=8), 8)
    yield found
    for process in list(found.running):
        found.kill(process)


def joined(workers: Workers) -> BlockCache:
    """Return a cache of this process on the shared arena."""
    workers.arena.row = workers.rows.pop()
    return BlockCache(0, workers.arena)


def test_a_block_is_made_once_for_all(workers: Workers) -> None:
    made = CONTEXT.Value("i", 0)
    begin = CONTEXT.Event()

    def slow(buffers: Mapping[int, Array]) -> Iterator[int]:
        for key in fill(buffers):
            time.sleep(0.01)
            with made.get_lock():
                made.value += 1
            yield key

    def work(cache: BlockCache) -> None:
        begin.wait(10)
        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(lambda _: cache.obtain(list(range(10)), sized, slow), range(3)))
        os._exit(0 if all(map(holds, results)) else 1)

    processes = [workers.start(work) for _ in range(3)]
    begin.set()
    for process in processes:
        workers.end(process)
    assert made.value == 10


def test_one_that_is_killed_while_it_fills_a_block(workers: Workers) -> None:
    at_it = CONTEXT.Event()

    def hang(buffers: Mapping[int, Array]) -> Iterator[int]:
        buffers[1][: SIZE // 2] = 77
        at_it.set()
        time.sleep(60)
        yield 1

    process = workers.start(lambda cache: cache.obtain([1], sized, hang))
    at_it.wait(10)
    cache = joined(workers)
    with deadline.limit(0.1), pytest.raises(DeadlineExceeded):
        cache.obtain([1], sized, fill)  # somebody is at it, and not done in time
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.obtain, [1, 2], sized, fill)
        time.sleep(0.05)
        assert not waiting.done()
        workers.kill(process)
        assert holds(waiting.result(10))


def test_one_that_is_killed_while_it_changes_the_tables(workers: Workers) -> None:
    inside = CONTEXT.Event()

    def die(cache: BlockCache) -> None:
        cache.obtain([1, 2, 3], sized, fill)
        assert workers.arena.lock()
        for page in range(6, 15, 3):  # half of a change to all that nobody uses
            workers.arena._lengths[page] = 100
        for bucket in range(len(workers.arena._first)):
            workers.arena._first[bucket] = 7
        inside.set()
        time.sleep(60)

    cache = joined(workers)
    held = cache.obtain([11, 12], sized, fill)
    process = workers.start(die)
    inside.wait(10)
    workers.kill(process)
    assert holds(cache.obtain([1, 2, 3], sized, fill))
    for key in range(100, 200):
        assert holds(cache.obtain([key, key + 1], sized, fill))
    assert holds(held)  # what was in use is still where it was
    assert 0 < workers.arena.held <= 60 * BLOCK_PAGE


def test_a_lock_that_is_never_given_back(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then blocks are made without being kept: slower, and right."""
    monkeypatch.setattr(arena_, "PATIENCE", 0.05)
    cache = joined(workers)
    held = cache.obtain([1], sized, fill)
    workers.arena._lock.acquire()
    assert holds(cache.obtain([1, 2], sized, fill))
    assert holds(held)
    begun = time.monotonic()
    for _ in range(100):
        cache.obtain([3], sized, fill)
    assert time.monotonic() - begun < 0.05 * 100  # it waits once, not each time


def test_one_that_is_killed_before_it_says_that_it_has_the_lock(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena_, "PATIENCE", 0.05)
    inside = CONTEXT.Event()

    def die(cache: BlockCache) -> None:
        workers.arena._lock.acquire()
        inside.set()
        time.sleep(60)

    cache = joined(workers)
    cache.obtain([1], sized, fill)
    process = workers.start(die)
    inside.wait(10)
    assert holds(cache.obtain([2], sized, fill))  # without the arena
    workers.kill(process)
    cache.obtain([3], sized, fill)
    assert holds(cache.obtain([3], sized, lambda buffers: pytest.fail("filled again")))


def test_a_child_of_a_worker_has_a_cache_of_its_own(workers: Workers) -> None:
    cache = joined(workers)
    cache.obtain([1], sized, fill)
    made: list[int] = []

    def child() -> None:
        cache.use_own_memory()

        def noted(buffers: Mapping[int, Array]) -> Iterable[int]:
            made.append(1)
            return fill(buffers)

        blocks = cache.obtain([1], sized, noted)
        os._exit(0 if holds(blocks) and made and not workers.arena._words[1] else 1)

    process = CONTEXT.Process(target=child)
    process.start()
    process.join(10)
    assert process.exitcode == 0


def chosen(sizes: Mapping[int, int], keys: Iterable[int]) -> dict[int, int]:
    return {key: sizes[key] for key in keys}


@pytest.mark.parametrize("seed", range(3))
def test_many_processes_some_of_which_are_killed(workers: Workers, seed: int) -> None:
    """Four processes of two threads on an arena that holds a tenth of the blocks, killed again and again."""
    chance = random.Random(seed)

    def work(cache: BlockCache) -> None:
        def ask(number: int) -> None:
            own = random.Random(seed * 1000 + os.getpid() * 10 + number)
            while True:
                keys = own.sample(range(200), own.randint(1, 5))
                sizes = {key: 1 + key * 7919 % (4 * BLOCK_PAGE) for key in keys}
                blocks = cache.obtain(keys, partial(chosen, sizes), fill)
                time.sleep(0.001)
                if not holds(blocks) or any(blocks[key].size != sizes[key] for key in keys):
                    os._exit(3)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(ask, number) for number in range(2)]:
                try:
                    done.result()
                except BaseException:  # noqa: BLE001 - the test has to see that it failed
                    os._exit(4)

    processes = [workers.start(work) for _ in range(4)]
    for _ in range(12):
        time.sleep(chance.uniform(0.02, 0.1))
        gone = processes.pop(0)
        workers.kill(gone)
        processes.append(workers.start(work))
    time.sleep(0.1)
    for process in processes:
        workers.kill(process)
    assert not workers.arena._words[3]  # the lock was always to be had
    cache = joined(workers)
    for key in range(300, 400):
        assert holds(cache.obtain([key], sized, fill))
    del cache
    assert np.frombuffer(workers.arena._pins, np.uint8).sum() <= 2

"""Buckets in memory that workers share: how much they let through, and that they stay bounded."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from app.process import rate_table
from app.process.rate_table import RateTable


def test_a_bucket_is_a_token_bucket() -> None:
    """Beside one that is kept as it is usually told: a number of tokens, filled up as time goes by."""
    chosen = random.Random(3)
    for a_second, burst in ((1.0, 1), (2.0, 10), (0.5, 3), (100.0, 7)):
        table, now, tokens, last = RateTable(1), 100.0, float(burst), 100.0
        for _ in range(500):
            now += chosen.expovariate(a_second * 1.2)
            tokens, last = min(burst, tokens + (now - last) * a_second), now
            if 0.999 < tokens < 1.001:  # where rounding decides
                now += 0.01 / a_second
                tokens, last = min(burst, tokens + 0.01), now
            taken = table.take(0, a_second, burst, now)
            assert taken.allowed == (tokens >= 1)
            if taken.allowed:
                tokens -= 1
                assert taken.left == pytest.approx(tokens, abs=1)
                assert taken.full == pytest.approx((burst - tokens) / a_second)
            else:
                assert taken.wait == pytest.approx((1 - tokens) / a_second)
                now += taken.wait * 1.0001
                assert table.take(0, a_second, burst, now).allowed
                tokens, last = min(burst, tokens + (now - last) * a_second) - 1, now


def test_names_and_numbers_are_apart() -> None:
    table = RateTable(2)
    for name in (0, 1, "0", "a", "b"):
        assert [table.take(name, 0.001, 2, 10.0).allowed for _ in range(3)] == [True, True, False]


def test_many_addresses_take_no_more_memory() -> None:
    table = RateTable(1, sets=64)
    assert table.size == 1 + 64 * rate_table.WAYS
    for _ in range(3):
        table.take("first", 0.001, 3, 10.0)
        table.take(0, 0.001, 3, 10.0)
    assert not table.take("first", 0.001, 3, 10.0).allowed
    for number in range(20_000):
        assert table.take(f"client {number}", 0.001, 3, 10.0).allowed, "nobody is refused for others"
    assert len(table._full_at) == table.size
    assert not table.take(0, 0.001, 3, 10.0).allowed, "tokens have places of their own"
    assert not table.take("first", 0.001, 3, 10.0).allowed, "and who has used up his burst goes last"


def test_a_place_that_is_full_again_is_free() -> None:
    table = RateTable(sets=1)
    for number in range(8):
        table.take(f"a{number}", 1.0, 5, 10.0)
        table.take(f"a{number}", 1.0, 5, 10.0)
    assert table.take("a0", 1.0, 5, 10.0).left == 2
    table.take("new", 1.0, 5, 100.0)
    assert table.take("a0", 1.0, 5, 100.0).left == 4


def forked(work: Callable[[], int]) -> int:
    """Return the pid of a process that does some work, and ends with its result."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        finally:
            os._exit(255)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_workers_count_together() -> None:
    table = RateTable(1, shared=True)

    def work() -> int:
        return sum(table.take(name, 0.0001, 100, 50.0).allowed for name in (0, "192.0.2.1") for _ in range(80))

    assert sum(map(ended, [forked(work) for _ in range(4)])) == 2 * 100


def test_a_worker_that_died_with_the_lock_holds_nobody_up() -> None:
    table = RateTable(1, shared=True)

    def die() -> int:
        table._lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    assert ended(forked(die)) == -signal.SIGKILL
    allowed = [table.take(0, 0.001, 50, 10.0).allowed for _ in range(100)]
    assert allowed == [True] * 50 + [False] * 50
    assert table._failed[0] == rate_table._TIMES, "from now on nobody waits for it"


def test_a_rate_that_was_lowered() -> None:
    """A table that outlives the settings, as where a worker begins anew with others."""
    table = RateTable(1)
    for _ in range(10):
        table.take(0, 0.01, 10, 10.0)
    taken = table.take(0, 1.0, 2, 10.0)
    assert not taken.allowed
    assert taken.wait == pytest.approx(1.0)


def test_the_clock_is_one_for_all_processes() -> None:
    before = time.monotonic()
    pid = forked(lambda: int(abs(time.monotonic() - before) > 60))
    assert ended(pid) == 0

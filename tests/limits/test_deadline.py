"""Until when work may go on."""

from __future__ import annotations

import math
import threading
from contextvars import copy_context

import pytest

from tilery.errors import DeadlineExceeded
from tilery.limits import deadline


def test_nothing_limits_work_until_somebody_does() -> None:
    assert deadline.remaining() == math.inf
    deadline.check()


def test_a_limit_holds_inside_its_context_only() -> None:
    with deadline.limit(10):
        assert 9 < deadline.remaining() <= 10
    assert deadline.remaining() == math.inf


def test_a_limit_never_extends_the_one_around_it() -> None:
    with deadline.limit(5), deadline.limit(60):
        assert deadline.remaining() <= 5
    with deadline.limit(60):
        with deadline.limit(5):
            assert deadline.remaining() <= 5
        assert deadline.remaining() > 50


def test_when_the_time_is_up() -> None:
    with deadline.limit(0):
        with pytest.raises(DeadlineExceeded):
            deadline.check()
        with pytest.raises(DeadlineExceeded) as caught:
            deadline.remaining()
    assert caught.value.status == 504


def test_it_is_restored_after_a_failure() -> None:
    with pytest.raises(KeyError), deadline.limit(1):
        raise KeyError
    assert deadline.remaining() == math.inf


def test_a_thread_takes_it_along_in_a_copy_of_the_context() -> None:
    found: list[float] = []
    with deadline.limit(10):
        thread = threading.Thread(target=copy_context().run, args=(lambda: found.append(deadline.remaining()),))
        thread.start()
        thread.join()
        bare = threading.Thread(target=lambda: found.append(deadline.remaining()))
        bare.start()
        bare.join()
    assert 9 < found[0] <= 10
    assert found[1] == math.inf

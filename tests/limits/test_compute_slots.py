"""As many threads compute at a time as there are slots; who waits lets others compute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tilery.errors import DeadlineExceeded
from tilery.limits import deadline
from tilery.limits.compute_slots import ComputeSlots, held, released


class Counter:
    """How many are inside at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def together(number: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_no_more_threads_compute_than_there_are_slots_and_all_may_wait() -> None:
    slots, computing, waiting = ComputeSlots(2), Counter(), Counter()
    everybody = threading.Barrier(8)

    def work() -> None:
        with slots.taken():
            with computing:
                time.sleep(0.01)
            with released(), waiting:
                everybody.wait(5)  # comes only when all eight wait at the same time
            with computing:
                time.sleep(0.01)

    together(8, work)
    assert waiting.most == 8
    assert computing.most == 2


def test_a_slot_comes_back_whatever_happens() -> None:
    slots = ComputeSlots(1)
    for _ in range(3):
        with pytest.raises(KeyError), slots.taken(), released():
            raise KeyError
    with slots.taken():
        pass


def test_a_slot_is_waited_for_until_the_time_is_up() -> None:
    slots = ComputeSlots(1)
    raised: list[BaseException] = []

    def late() -> None:
        try:
            with deadline.limit(0.05), slots.taken():
                pass
        except DeadlineExceeded as error:
            raised.append(error)

    with slots.taken():
        together(1, late)
    assert len(raised) == 1
    with slots.taken():
        pass


def test_a_slot_that_does_not_come_back_in_time_is_not_given_twice() -> None:
    slots, release = ComputeSlots(1), threading.Event()
    holding = threading.Event()

    def hold() -> None:
        with slots.taken():
            holding.set()
            release.wait(5)

    other = threading.Thread(target=hold)
    with pytest.raises(DeadlineExceeded), deadline.limit(0.2), slots.taken(), released():  # noqa: PT012
        other.start()
        assert holding.wait(5)
    release.set()
    other.join(5)
    computing = Counter()

    def work() -> None:
        with slots.taken(), computing:
            time.sleep(0.01)

    together(4, work)
    assert computing.most == 1


def test_who_holds_locks_of_others_keeps_its_slot() -> None:
    slots, other_took = ComputeSlots(1), threading.Event()

    def take() -> None:
        with slots.taken():
            other_took.set()

    thread = threading.Thread(target=take)
    with slots.taken(), held(), released():
        thread.start()
        assert not other_took.wait(0.1)
    thread.join(5)
    assert other_took.is_set()


def test_without_slots_nothing_is_released() -> None:
    with released():
        pass

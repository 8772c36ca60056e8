"""Who of the workers is at what: claims end with their holders, whatever becomes of those."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.context import ForkProcess

import pytest

from tilery import claims as claims_
from tilery.arena import Shared
from tilery.claims import Claims

KEY, OTHER = (1, 77), (2, 78)


def later(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def of_two() -> tuple[Claims, Claims]:
    """Return the claims as two workers see them."""
    first = Claims()
    second = object.__new__(Claims)
    second.__dict__ = first.__dict__ | {"row": 1}
    return first, second


def test_one_holds_a_claim_until_it_is_given_back() -> None:
    first, second = of_two()
    mine = first.take(KEY, later())
    theirs = second.take(KEY, later())
    assert mine is not None
    assert theirs is not None
    assert (mine.is_mine, theirs.is_mine) == (True, False)
    assert second.is_held(theirs)
    other = second.take(OTHER, later())
    assert other is not None
    assert other.is_mine
    first.give_back(mine)
    assert not second.is_held(theirs)
    again = second.take(KEY, later())
    assert again is not None
    assert again.is_mine
    first.give_back(mine)  # which is not its own any more
    assert second.is_held(again)


def test_a_claim_ends_with_the_time_of_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = of_two()
    assert first.take(KEY, later(0.05)) is not None
    theirs = second.take(KEY, later())
    assert theirs is not None
    assert not theirs.is_mine
    time.sleep(0.06)
    assert not second.is_held(theirs)
    mine = second.take(KEY, later())
    assert mine is not None
    assert mine.is_mine
    monkeypatch.setattr(claims_, "_LONGEST", 0.0)
    endless = first.take(OTHER, float("inf"))
    assert endless is not None
    assert not first.is_held(endless)


def test_two_keys_of_one_place_do_not_wait_for_each_other() -> None:
    first, second = of_two()
    assert first.take((1, 5), later()) is not None
    assert second.take((1, 5 + claims_._PLACES), later()) is None
    assert second.take((2, 5), later()) is None


def test_claims_of_workers_that_are_killed_are_wiped() -> None:
    """At whatever moment they are killed, one has a claim at a time, and none is left in the end."""
    shared = Shared(blocks=0, tiles=1 << 20, workers=4)
    context = multiprocessing.get_context("fork")
    holders = context.Array("i", 8, lock=False)  # written by who has the claim, so that two at a time would show
    bad = context.Value("i", 0)

    def work(row: int) -> None:
        shared.join(row)
        chance = random.Random(row)
        while True:
            number = chance.randrange(8)
            if not shared.tiles.lock():
                continue
            claim = shared.claims.take((number, number), later())
            shared.tiles.unlock()
            if claim is None or not claim.is_mine:
                continue
            holders[number] = row
            time.sleep(0.0005)
            bad.value += holders[number] != row
            shared.claims.give_back(claim)

    chance = random.Random(1)
    running: dict[int, ForkProcess] = {}
    for _ in range(12):
        while len(running) < 4:
            row = shared.enlist()
            assert row is not None
            running[row] = context.Process(target=work, args=(row,))
            running[row].start()
        time.sleep(chance.uniform(0.01, 0.04))
        row = chance.choice(list(running))
        process = running.pop(row)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
        shared.dismiss(row)
    for row, process in running.items():
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
        shared.dismiss(row)
    assert bad.value == 0
    for number in range(8):
        claim = shared.claims.take((number, number), later())
        assert claim is not None
        assert claim.is_mine

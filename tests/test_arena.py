"""Memory for what is kept: it grows where that helps, and not where it does not."""

from __future__ import annotations

import itertools
import random

import pytest

from tilery.arena import Arena

PAGE = 4096


class NumberedArena:
    """An arena used as its callers do, by number."""

    def __init__(self, pages: int, start: int) -> None:
        self.arena = Arena(pages * PAGE, page=PAGE, start=start * PAGE)

    def ask(self, number: int, pages: int = 1) -> bool:
        """Return True when it was there; else it is now."""
        arena, key = self.arena, (number, number * 7919)
        assert arena.lock()
        try:
            page = arena.find(key)
            if page is not None:
                arena.use(page)
                return True
            page = arena.make(key, pages * PAGE)
            if page is not None:
                arena.finish(page)
                arena.unpin(page)
            return False
        finally:
            arena.unlock()


def test_what_is_asked_for_once_takes_no_more_than_the_start() -> None:
    numbered = NumberedArena(pages=1000, start=10)
    for number in range(2000):
        numbered.ask(number)
    assert numbered.arena.held == 10 * PAGE


def test_what_is_asked_for_again_makes_it_grow() -> None:
    numbered = NumberedArena(pages=1000, start=10)
    for number in itertools.chain(*[range(15)] * 3):
        numbered.ask(number)
    assert all(numbered.ask(number) for number in range(15))
    assert numbered.arena.held == 15 * PAGE


def test_it_never_grows_beyond_its_capacity() -> None:
    numbered, chance = NumberedArena(pages=100, start=3), random.Random(1)
    for _ in range(5000):
        numbered.ask(chance.randrange(200), pages=chance.randint(1, 7))
        assert numbered.arena.held <= 100 * PAGE
    assert numbered.arena.held > 80 * PAGE


@pytest.mark.parametrize("pages", [11, 60, 99])
def test_what_is_larger_than_the_start_is_kept_at_once(pages: int) -> None:
    numbered = NumberedArena(pages=100, start=10)
    assert not numbered.ask(1, pages)
    assert numbered.ask(1)
    assert not numbered.ask(2, 101)
    assert not numbered.ask(2, 101)

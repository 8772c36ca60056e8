"""Which requests fetch a set of ranges."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tilery.storage.bytes.ranges import GAP, LONGEST, plan

RANGES = st.lists(st.tuples(st.integers(0, 4 * LONGEST), st.integers(0, LONGEST * 2)), max_size=30)


def test_neighbours_are_one_request() -> None:
    assert [(fetch.start, fetch.length) for fetch in plan([(100, 10), (0, 50), (110, 10)])] == [(0, 120)]


def test_a_gap_worth_a_request_separates() -> None:
    assert len(plan([(0, 10), (10 + GAP, 10)])) == 1
    assert len(plan([(0, 10), (11 + GAP, 10)])) == 2


def test_a_long_run_is_shared_among_requests() -> None:
    blocks = [(place * 100_000, 100_000) for place in range(30)]
    fetches = plan(blocks)
    assert len(fetches) == 3
    assert all(fetch.length <= LONGEST for fetch in fetches)


def test_what_is_empty_is_not_fetched() -> None:
    assert plan([(5, 0), (10, 0)]) == []


@given(RANGES)
def test_every_range_is_in_exactly_one_request(ranges: list[tuple[int, int]]) -> None:
    fetches = plan(ranges)
    found = sorted((place, fetch.start + offset, length) for fetch in fetches for place, offset, length in fetch.wanted)
    assert found == [(place, start, length) for place, (start, length) in enumerate(ranges) if length]
    for fetch in fetches:
        assert all(offset >= 0 and offset + length <= fetch.length for _, offset, length in fetch.wanted)
        assert min(offset for _, offset, _ in fetch.wanted) == 0
        assert max(offset + length for _, offset, length in fetch.wanted) == fetch.length
    for one, next_one in itertools.pairwise(fetches):
        assert one.start <= next_one.start


def test_what_is_inside_a_long_range_is_not_fetched_twice() -> None:
    assert [(fetch.start, fetch.length) for fetch in plan([(0, 2 * LONGEST), (LONGEST + 5, 10)])] == [(0, 2 * LONGEST)]

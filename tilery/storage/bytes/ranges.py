"""Which requests fetch a set of byte ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 16 << 10
"""Bytes between two ranges that are fetched and thrown away rather than pay another request."""
LONGEST = 1 << 20
"""Bytes of a request that is made of several ranges. Longer ones would take longer than two at the same time."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request, and what is wanted of it."""

    start: int
    length: int
    wanted: tuple[tuple[int, int, int], ...]
    """Place in the list of ranges, offset in the request's bytes, length."""


def plan(ranges: Sequence[tuple[int, int]]) -> list[Fetch]:
    """Return the requests that fetch all of these ranges (start, length): neighbours merged, none longer than needed.

    Ranges may touch, overlap and repeat. A single range longer than `LONGEST` stays whole. Empty ranges are left out.
    """
    fetches: list[Fetch] = []
    begin = end = 0
    group: list[tuple[int, int, int]] = []
    for start, length, place in sorted((start, length, place) for place, (start, length) in enumerate(ranges)):
        if length == 0:
            continue
        if group and (start - end > GAP or max(end, start + length) - begin > LONGEST) and start + length > end:
            fetches.append(_fetch(begin, end, group))
            group = []
        if not group:
            begin, end = start, start
        group.append((start, length, place))
        end = max(end, start + length)
    if group:
        fetches.append(_fetch(begin, end, group))
    return fetches


def _fetch(begin: int, end: int, group: list[tuple[int, int, int]]) -> Fetch:
    wanted = tuple((place, start - begin, length) for start, length, place in group)
    return Fetch(begin, end - begin, wanted)

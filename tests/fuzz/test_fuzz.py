"""A second of each target of `make fuzz`, always with the same inputs; and the judge, who has to know what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz import judge, run
from tests.fuzz.service import Answer, FuzzRequest, Service
from tests.fuzz.targets import TARGETS
from tests.fuzz.world import World

NUMBERS = {"requests": 120, "tiffs": 100, "items": 50, "mosaics": 50, "stores": 80, "layers": 40, "bodies": 60}
"""Inputs of each."""


def test_each_target_has_its_share() -> None:
    assert NUMBERS.keys() == TARGETS.keys()


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.filterwarnings("ignore::UserWarning:rio_stac")  # of rasters without a CRS
def test_nothing_is_found(world: World, fuzzed: Service, name: str) -> None:
    seen = run.Seen()
    found = list(run.run(name, world, fuzzed, seed=1, number=NUMBERS[name], seen=seen))
    assert not found, [(one.fault, str(one.ask)[:300]) for one in found]
    assert seen.inputs == NUMBERS[name]


GOOD: list[tuple[bytes, bytes]] = [
    (b"x-request-id", b"a"),
    (b"cache-control", b"no-store"),
    (b"content-type", b"application/json"),
]
TOLD = b'{"code":"a","detail":"b","request_id":"c"}'


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"status": 503}, None),
        ({"status": 500}, "status 500"),
        ({"body": b"Traceback"}, "without a problem document"),
        ({"body": b'{"code":"a","detail":"b"}'}, "a problem without"),
        ({"body": TOLD.replace(b'"b"', b'" "')}, "says nothing"),
        ({"body": TOLD.replace(b'"b"', b'"in a.py:12"')}, "tells .py:1"),
        ({"body": TOLD.replace(b'"b"', b'"/secret/place/x"')}, "tells /secret/place"),
        ({"headers": GOOD[1:]}, "no X-Request-ID"),
        ({"headers": [GOOD[0], GOOD[2]]}, "may be kept"),
        ({"headers": [*GOOD, (b"a", b"b\r\nc: d")]}, "a header that is none"),
        ({"status": 200, "body": b'{"a": NaN}'}, "JSON that is none"),
    ],
)  # fmt: skip
def test_the_judge_knows_what_is_wrong(changes: dict[str, Any], fault: str | None) -> None:
    answer: dict[str, Any] = {
        "status": 404,
        "headers": GOOD,
        "body": TOLD,
        "seconds": 0.0,
        "held": 0.0,
        "trace": None,
    } | changes
    found = judge.faults(FuzzRequest(path="/a"), Answer(**answer), (b"/secret/place",))
    assert (found == []) if fault is None else any(fault in one for one in found), found

"""The thread that tells of what cannot tell itself: slots that hang, an event loop that stands still."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from app.observing import metrics as m
from app.observing import request
from app.observing.exposition import gathered
from app.observing.metrics import Metrics
from app.observing.request import RequestRecord
from app.observing.shared_counters import Table
from app.serving.admission import Admission
from app.serving.watchdog import Watchdog


async def until(check: Callable[[], object]) -> None:
    for _ in range(2000):
        if check():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


def test_slots_that_hang_are_told_with_their_request_and_when_all_do_the_process_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table, go_on = Table(), threading.Event()
    metrics = Metrics(table, table.row())
    told: list[str] = []

    async def main() -> None:
        admission = Admission(2, 0, patience=0.05)
        dog = Watchdog(
            {"local": admission}, metrics, stuck=lambda: told.append("stuck"), sample=lambda: None, interval=0.01
        )
        dog.start()
        record = RequestRecord(request_id="abc", method="GET", path="/cog/preview", source="s3://bucket/a.tif")
        token = request.begin(record)
        jobs = [asyncio.create_task(admission.run(lambda: go_on.wait(30)))]
        await until(lambda: "hangs" in caplog.text)
        request.end(token)
        assert not told, "the other slot is free"
        assert gathered(table)[m.SLOTS_HANGING.name]["local", "0"] == (1.0,)
        assert gathered(table)[m.SLOT_AGE.name]["local", "0"][0] > 0.05
        jobs.append(asyncio.create_task(admission.run(lambda: go_on.wait(30))))
        await until(lambda: told)
        await until(lambda: caplog.text.count("hangs") == 2)
        go_on.set()
        await asyncio.gather(*jobs)
        await until(lambda: gathered(table)[m.SLOTS_HANGING.name]["local", "0"] == (0.0,))
        dog.stop()

    with caplog.at_level(logging.WARNING, "tilery.watchdog"):
        asyncio.run(main())
    assert told == ["stuck"]
    assert gathered(table)[m.RECYCLES.name]["stuck",] == (1.0,)
    first = caplog.messages[0]
    assert first.startswith("a local compute slot hangs for")
    assert first.endswith("abc GET /cog/preview s3://bucket/a.tif")


def test_an_event_loop_that_stands_still_is_told_with_its_line_of_code(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    metrics = Metrics(table, table.row())

    def stand_still() -> None:
        end = time.monotonic() + 20
        while "stood still" not in caplog.text and time.monotonic() < end:
            time.sleep(0.01)  # on purpose: nothing else of this loop goes on

    async def main() -> None:
        dog = Watchdog({}, metrics, stuck=lambda: None, sample=lambda: None, interval=0.02)
        dog.start()
        await asyncio.sleep(0.1)
        stand_still()
        dog.stop()

    with caplog.at_level(logging.WARNING, "tilery.watchdog"):
        asyncio.run(main())
    assert len(caplog.messages) == 1
    assert "test_watchdog.py" in caplog.messages[0]
    assert "stand_still" in caplog.messages[0]
    assert gathered(table)[m.FREEZES.name][()] == (1.0,)
    assert gathered(table)[m.LAG.name]["0",][0] > 1.0


def test_a_fault_of_its_own_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    looked: list[int] = []

    def fail() -> None:
        looked.append(1)
        raise RuntimeError("broken")

    async def main() -> None:
        dog = Watchdog({}, Metrics(), stuck=lambda: None, sample=fail, interval=0.01)
        dog.start()
        await until(lambda: len(looked) > 2)
        dog.stop()

    with caplog.at_level(logging.ERROR, "tilery.watchdog"):
        asyncio.run(main())
    assert "the watchdog failed" in caplog.text

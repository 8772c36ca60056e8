"""Requests are counted together, and each of them once."""

from __future__ import annotations

import numpy as np
import pytest

from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.observing.request import RequestRecord, Stopwatch
from app.observing.shared_counters import Table
from app.serving.monitoring import RequestCounts


def record(how: str | None, code: str | None = None, limited: str | None = None) -> RequestRecord:
    return RequestRecord(
        request_id="a", method="GET", path="/", route="cog.getTile", how=how, code=code, limited=limited
    )


def test_requests_of_one_kind_are_added_up_and_counted_once() -> None:
    table = Table()
    metrics = Metrics(table, table.row())
    counts = RequestCounts(metrics)
    with Stopwatch() as stopwatch:
        pass
    rendered, waited = record("miss"), record("wait")
    rendered.stopwatches = waited.stopwatches = (stopwatch,)
    counts.add(
        [
            (record("hit"), 200, 100, 0.001, 0.0),  # the bound belongs to its bucket
            (record("hit"), 200, 200, 0.002, 0.0),
            (record("hit"), 200, 300, 99.0, 0.0),
            (record("hit"), 304, 0, 0.0005, 0.0),
            (rendered, 200, 1000, 0.03, 0.0),
            (waited, 200, 1000, 0.03, 0.0),
            (record(None, "over_limit", "width"), 400, 50, 0.0005, 0.0),
        ]
    )
    counts.add([])
    counts.add([(record("hit"), 200, 7, 0.002, 0.0)])
    found = {tuple(entry.name.split("\0")): entry.values for entry in table.read()}
    name = m.REQUESTS.name
    assert found[name, "cog.getTile", "200"] == (6,)
    assert found[name, "cog.getTile", "304"] == (1,)
    assert found[name, "cog.getTile", "400"] == (1,)
    assert [found[m.SERVED.name, how] for how in ("hit", "miss", "wait")] == [(5,), (1,), (1,)]
    assert found[m.PROBLEMS.name, "over_limit", "width"] == (1,)
    assert found[m.SENT.name,] == (2657,)
    *buckets, total = found[m.REQUEST_SECONDS.name, "cog.getTile"]
    upper = dict(zip((*m.FAST, None), buckets, strict=True))
    assert (upper[0.001], upper[0.0025], upper[0.05], upper[None], sum(buckets)) == (3, 2, 2, 1, 8)
    assert abs(total - 99.066) < 1e-9
    queue = found[m.STAGE_SECONDS.name, "queue"]
    assert sum(queue[:-1]) == 1, "of who waited for the same render it is not counted again"


@pytest.mark.parametrize("number", [1, len(m.FAST) - 1, len(m.FAST), 500])
def test_few_and_many_are_in_the_bucket_of_each(number: int) -> None:
    """The bucket of a value is the first whose bound is not below it, however they are counted."""
    values = [*m.FAST, *(bound * 1.01 for bound in m.FAST), 0.0][:: max(1, 29 // number)] * (number // 29 + 1)
    values = values[:number]
    table = Table()
    metrics = Metrics(table, table.row())
    RequestCounts(metrics).add([(record("hit"), 200, 1, value, 0.0) for value in values])
    found = {tuple(entry.name.split("\0")): entry.values for entry in table.read()}
    *buckets, total = found[m.REQUEST_SECONDS.name, "cog.getTile"]
    upper = np.array([*m.FAST, np.inf])
    assert buckets == np.bincount(np.argmax(np.array(values)[:, None] <= upper, axis=1), minlength=upper.size).tolist()
    assert abs(total - sum(values)) < 1e-9

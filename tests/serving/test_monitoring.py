"""Requests are counted together, and each of them once."""

from __future__ import annotations

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
    for each, status, size, seconds in (
        (record("hit"), 200, 100, 0.001),  # the bound belongs to its bucket
        (record("hit"), 200, 200, 0.002),
        (record("hit"), 200, 300, 99.0),
        (record("hit"), 304, 0, 0.0005),
        (rendered, 200, 1000, 0.03),
        (waited, 200, 1000, 0.03),
        (record(None, "over_limit", "width"), 400, 50, 0.0005),
    ):
        counts.add(each, status, size, seconds)
    counts.flush()
    counts.flush()
    counts.add(record("hit"), 200, 7, 0.002)
    counts.flush()
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

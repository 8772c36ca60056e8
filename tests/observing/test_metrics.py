"""The numbers: right over many processes, whoever ends, and in formats that others read."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.observing import emf, endpoint, exposition, logs
from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.observing.shared_counters import VALUES, Table


def shown(table: Table) -> dict[tuple[str, ...], float]:
    """Return what Prometheus's own parser makes of the text, by name and labels."""
    found = {}
    for family in text_string_to_metric_families(exposition.text(table).decode()):
        for sample in family.samples:
            found[sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))] = sample.value
    return found


def test_processes_count_together_and_what_the_dead_counted_stays() -> None:
    table = Table(4)
    first = table.row()
    Metrics(table, first).set(m.WORKERS, 2)
    numbers = [table.enlist(), table.enlist()]
    for number in numbers:
        assert number is not None
        if (child := os.fork()) == 0:
            metrics = Metrics(table, table.row(number))
            for _ in range(1000):
                metrics.count(m.REQUESTS, "cog.getTile", "200")
            metrics.observe(m.STAGE_SECONDS, 0.03, "fetch")
            metrics.set(m.RESIDENT, 100 + number)
            metrics.set(m.TILES, number)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    before = shown(table)
    assert before["tilery_requests_total", "route=cog.getTile", "status=200"] == 2000
    assert before["tilery_stage_seconds_count", "stage=fetch"] == 2
    assert before["tilery_stage_seconds_bucket", "le=0.025", "stage=fetch"] == 0
    assert before["tilery_stage_seconds_bucket", "le=0.05", "stage=fetch"] == 2
    assert before["tilery_stage_seconds_sum", "stage=fetch"] == pytest.approx(0.06)
    assert {before["tilery_memory_bytes", f"worker={number}"] for number in numbers} == {101, 102}
    assert before["tilery_tile_cache_bytes",] == 2, "they have one cache together"
    assert before["tilery_workers",] == 2
    table.dismiss(1, first)
    after = shown(table)
    gone = {("tilery_memory_bytes", "worker=1")}
    assert {key for key in before if key not in after} == gone
    assert {key: value for key, value in before.items() if key not in gone} == after
    assert table.enlist() in (1, 3)
    new = Metrics(table, table.row(1))
    new.count(m.REQUESTS, "cog.getTile", "200")
    assert shown(table)["tilery_requests_total", "route=cog.getTile", "status=200"] == 2001


def test_threads_lose_no_count() -> None:
    table = Table()
    metrics = Metrics(table, table.row())

    def count() -> None:
        for _ in range(5000):
            metrics.count(m.UPSTREAM, "bucket")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(table)["tilery_upstream_requests_total", "host=bucket"] == 20_000


def test_times_without_room_are_not_counted_either() -> None:
    assert m.observed(0, 0.3) == ((0, 0.0), (0, 0.0))
    assert list(m.observed_many(0, [0.1, 0.2])) == []
    table = Table()
    row = table.row()
    row.add_all([*m.observed(0, 0.3), (0, 5.0)])
    assert [entry.values for entry in table.read()] == [(0.0,)], "the place of what has no room"


def test_names_without_room_are_not_counted_and_harm_nothing() -> None:
    table = Table()
    metrics = Metrics(table, table.row())
    metrics.count(m.REQUESTS, "first", "200")
    for number in range(VALUES + 10):
        metrics.count(m.REQUESTS, f"route {number}", "200")
        metrics.observe(m.REQUEST_SECONDS, 1.0, f"route {number}")
    metrics.count(m.REQUESTS, "first", "200")
    assert shown(table)["tilery_requests_total", "route=first", "status=200"] == 2


def test_nobody_counts_where_nobody_asks() -> None:
    metrics = Metrics()
    metrics.count(m.SENT)
    metrics.observe(m.UPSTREAM_SECONDS, 1.0, "bucket")
    metrics.set(m.FLIGHTS, 1)
    assert not metrics.wanted


def test_every_metric_is_explained_and_read_by_prometheus() -> None:
    families = {family.name: family for family in text_string_to_metric_families(exposition.text(Table()).decode())}
    operations = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, metric in m.ALL.items():
        assert name.removesuffix("_total") in families
        assert metric.help.endswith(".")
        assert f"`{name}`" in operations, f"docs/operations.md does not tell of {name}"


def test_the_endpoint_answers_metrics_and_nothing_else() -> None:
    table = Table()
    Metrics(table, table.row()).count(m.DEATHS)
    listening = endpoint.listen("127.0.0.1", 0)
    endpoint.start(table, listening)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        assert b"tilery_worker_deaths_total 1.0" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/", timeout=10)
    with urllib.request.urlopen(urllib.request.Request(f"{address}/metrics", method="HEAD"), timeout=10) as answer:
        assert int(answer.headers["content-length"]) > 1000
        assert answer.read() == b""


@pytest.fixture
def slow() -> Iterator[Callable[[], socket.socket]]:
    """Connections of clients who have begun to ask, to an endpoint of its own."""
    listening = endpoint.listen("127.0.0.1", 0)
    endpoint.start(Table(), listening)
    with contextlib.ExitStack() as opened:

        def connect() -> socket.socket:
            connection = opened.enter_context(socket.create_connection(listening.getsockname(), timeout=20))
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
            return connection

        yield connect


def scraped(connection: socket.socket) -> bytes:
    """Return what comes for a request that is sent to its end."""
    connection.sendall(b"\r\n")
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_slow_clients_keep_nobody_from_the_numbers(slow: Callable[[], socket.socket]) -> None:
    waiting = [slow() for _ in range(endpoint.MOST - 1)]
    assert b"200 OK" in scraped(slow())
    assert all(b"200 OK" in scraped(connection) for connection in waiting)


def test_of_too_many_connections_the_oldest_ends(
    slow: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "MOST", 3)
    oldest, *others = [slow() for _ in range(4)]
    assert oldest.recv(1) == b"", "closed without an answer"
    assert all(b"200 OK" in scraped(connection) for connection in others)


def test_a_client_who_drips_is_ended(slow: Callable[[], socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SECONDS", 0.3)
    connection = slow()
    connection.settimeout(0.02)
    for _ in range(500):  # each byte comes long before a wait for one is over
        try:
            connection.sendall(b"X")
            if not connection.recv(1):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("it is still listened to")


def test_lines_for_cloudwatch_say_what_came_since_the_line_before(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    metrics = Metrics(table, table.row())
    lines = emf.EmbeddedMetrics("Maps", table, 0, "tiles")
    metrics.count(m.REQUESTS, "cog.getTile", "200", by=3)
    metrics.count(m.REQUESTS, "cog.getTile", "503")
    metrics.count(m.PROBLEMS, "busy", "")
    metrics.set(m.RESIDENT, 100)
    for seconds in (0.02, 0.02, 0.02, 0.2):
        metrics.observe(m.REQUEST_SECONDS, seconds, "cog.getTile")
    with caplog.at_level(logging.INFO, logs.RAW):
        lines.write()
    found = json.loads(caplog.messages[0])
    (directive,) = found["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"], found["Service"]) == ("Maps", [["Service"]], "tiles")
    assert len(directive["Metrics"]) <= 100, "CloudWatch takes no more of one line"
    for metric in directive["Metrics"]:
        assert isinstance(found[metric["Name"]], int | float)
    assert (found["Requests"], found["Errors5xx"], found["Refused"], found["Memory"]) == (4, 1, 1, 100)
    assert 10 <= found["RequestP50"] <= 25
    assert 100 <= found["RequestP99"] <= 250
    assert found["tilery_requests_total_cog.getTile_503"] == 1
    with caplog.at_level(logging.INFO, logs.RAW):
        lines.write_when_due()
        assert len(caplog.messages) == 1, "a minute has not passed"
        lines._due = time.monotonic()
        lines.write_when_due()
        lines.write_when_due()
    assert len(caplog.messages) == 2
    assert json.loads(caplog.messages[1])["Requests"] == 0
    metrics.count(m.REQUESTS, "cog.getTile", "200")
    second = lines.line()
    assert (second["Requests"], second["Errors5xx"], second["Memory"], second["RequestP50"]) == (1, 0, 100, 0)


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([0] * 15, 0.5, 0.0),
        ([4, *[0] * 14], 0.5, 0.0005),
        ([0, 2, 2, *[0] * 12], 0.75, 0.00375),
        ([*[0] * 14, 5], 0.5, 25.0),
    ],
)
def test_quantiles_of_histograms(counts: list[int], share: float, expected: float) -> None:
    assert emf.quantile((*map(float, counts), 1.0), share) == pytest.approx(expected)

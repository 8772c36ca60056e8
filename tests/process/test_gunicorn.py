"""The service as a process: how it starts, leaves, grows and dies, with the configuration that ships."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Served:
    """gunicorn with app/process/gunicorn_conf.py, and what it wrote."""

    def __init__(
        self,
        log: Path,
        *,
        configuration: str = "app/process/gunicorn_conf.py",
        more: Sequence[str] = (),
        **environ: str,
    ) -> None:
        self.port = free_port()
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", configuration, *more, "tests.process.application:app"],
                cwd=ROOT,
                env=os.environ | {"PORT": str(self.port), "PYTHONPATH": str(ROOT)} | environ,
                stderr=file,
                stdout=file,
            )

    def get(self, path: str = "/", timeout: float = 30) -> tuple[int, bytes, str | None]:
        """Return status, body and the Connection header of a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("connection")
        finally:
            connection.close()

    def worker(self) -> int:
        return int(self.get()[1])

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, check: Callable[[], object], seconds: float = 30) -> None:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if check():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(self.text()[-3000:])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(**environ: str) -> Served:
        served = Served(tmp_path / f"{len(running)}.log", **environ)
        running.append(served)
        served.until(lambda: served.get()[0] == 200)
        return served

    yield start
    for served in running:
        served.process.send_signal(signal.SIGINT)  # a master that is killed would leave its workers behind
        try:
            served.process.wait(15)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()


def test_the_budget_is_printed_and_ctrl_c_stops_at_once(serve: Callable[..., Served]) -> None:
    served = serve(DRAIN_DELAY="20")
    assert "budget: " in served.text()
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(timeout=10) == 0


def test_sigterm_drains_then_exits_with_zero(serve: Callable[..., Served]) -> None:
    served = serve(DRAIN_DELAY="3", WEB_CONCURRENCY="1")
    answers: list[tuple[int, bytes, str | None]] = []
    slow = threading.Thread(target=lambda: answers.append(served.get("/?wait=4")))
    slow.start()
    time.sleep(0.5)
    served.process.send_signal(signal.SIGTERM)
    served.until(lambda: served.get("/healthz")[0] == 503)
    assert served.get("/readyz")[0] == 503
    status, _, connection = served.get("/tile")
    assert (status, connection) == (200, "close"), "the service goes on while the balancer learns of the end"
    assert served.process.wait(timeout=20) == 0
    slow.join()
    assert answers[0][0] == 200, "what was under way was finished"


def test_a_killed_worker_costs_only_its_own_requests(serve: Callable[..., Served]) -> None:
    served = serve(WEB_CONCURRENCY="2")
    served.until(lambda: served.text().count("Application startup complete") == 2)
    kept: list[tuple[http.client.HTTPConnection, int]] = []
    while len({pid for _, pid in kept}) < 2:  # connections to both workers
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        connection.request("GET", "/")
        kept.append((connection, int(connection.getresponse().read())))
        assert len(kept) < 500
    victim = kept[0][1]
    for connection, _ in kept:
        connection.request("GET", "/?wait=1")
    time.sleep(0.3)
    os.kill(victim, signal.SIGKILL)
    for connection, pid in kept:
        if pid == victim:
            with pytest.raises((OSError, http.client.HTTPException)):
                connection.getresponse()
        else:
            assert int(connection.getresponse().read()) == pid
        connection.close()
    served.until(lambda: "Booting worker" in served.text().partition("SIGKILL")[2])
    assert served.get()[0] == 200
    assert served.process.poll() is None


def test_workers_that_keep_dying_end_the_process(serve: Callable[..., Served]) -> None:
    served = serve()

    def kill_one() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            served.get("/?die=1", timeout=3)
        return served.process.poll() is not None

    served.until(kill_one, seconds=60)
    assert served.process.returncode == 70
    assert "a worker died again: the next starts in 1 s" in served.text()
    assert "workers died 6 times within 60 s" in served.text()


def test_a_grown_worker_is_replaced_and_somebody_always_answers(serve: Callable[..., Served]) -> None:
    served = serve(TILERY_MEMORY=str(300 << 20), WEB_CONCURRENCY="1")
    first = served.worker()
    failed: list[str] = []
    seen: set[int] = set()
    longest = 0.0
    stop = threading.Event()

    def ask() -> None:
        nonlocal longest
        while not stop.is_set():
            began = time.monotonic()
            try:
                status, body, _ = served.get("/?wait=0.02")
                seen.add(int(body))
                if status != 200:
                    failed.append(str(status))
            except (OSError, http.client.HTTPException) as problem:
                failed.append(repr(problem))
            longest = max(longest, time.monotonic() - began)

    slow = socket.create_connection(("127.0.0.1", served.port))  # asks for much and reads nothing
    slow.sendall(b"GET /?size=30000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        served.get(f"/?grow={80 << 20}")
    began = time.monotonic()
    served.until(lambda: not is_alive(first), seconds=40)
    took = time.monotonic() - began
    served.until(lambda: len(seen) == 2)
    stop.set()
    for thread in threads:
        thread.join()
    slow.close()
    assert failed == []
    assert longest < 5, "the successor serves before the other stops"
    assert took < 20, "a client who does not read holds nobody up"
    assert ": to be replaced by a new worker" in served.text()
    assert served.text().count("Booting worker") == 2


def test_what_requests_were_given_is_no_growth_and_too_little_for_a_large_one_is(serve: Callable[..., Served]) -> None:
    served = serve(TILERY_MEMORY=str(300 << 20), WEB_CONCURRENCY="1")
    first = served.worker()
    served.get(f"/?given={400 << 20}")
    served.get(f"/?grow={400 << 20}")
    time.sleep(2.5)  # it looks once a second, twice before it acts
    assert "to be replaced" not in served.text()
    served.get("/?starve=1")
    served.until(lambda: not is_alive(first), seconds=40)
    assert "no room for a large request, with empty caches: to be replaced by a new worker" in served.text()


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_worker_told_to_stop_as_it_is_forked_stops(tmp_path: Path, where: str) -> None:
    """Between the fork and its own signals a worker is told to stop: the moment is made long, on either side of the
    hook of ours."""
    shipped = ROOT / "app" / "process" / "gunicorn_conf.py"
    hook = ["our_post_fork(server, worker)", "    time.sleep(1.5)"]
    hook = hook[::-1] if where == "before" else hook
    configuration = tmp_path / "conf.py"
    body = "\n".join(f"    {line.strip()}" for line in hook)
    configuration.write_text(
        f"exec(compile(open({str(shipped)!r}).read(), {str(shipped)!r}, 'exec'))\n"
        f"our_post_fork = post_fork\ndef post_fork(server, worker):\n{body}\n"
    )
    served = Served(tmp_path / "log", configuration=str(configuration), WEB_CONCURRENCY="1")
    served.until(lambda: "Booting worker with pid: " in served.text())
    if where == "before":  # another signal is no reason to stop
        os.kill(int(re.findall(r"Booting worker with pid: (\d+)", served.text())[0]), signal.SIGWINCH)
    began = time.monotonic()
    served.process.terminate()
    assert served.process.wait(60) == 0
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"WEB_CONCURRENCY": "4000"}, "The budget of this service is impossible. 4000 workers (WEB_CONCURRENCY) need"),
        ({"KEEP_ALIVE": "long"}, "KEEP_ALIVE=long has to be a whole number of seconds."),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL=loud has to be one of"),
        ({"TILERY_MAX_SIZE": "many"}, "The settings of this service are wrong. TILERY_MAX_SIZE"),
    ],
)
def test_a_start_that_cannot_work_says_why(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    served = Served(tmp_path / "log", **environ)
    assert served.process.wait(timeout=20) == 1
    assert words in served.text()
    assert "Traceback" not in served.text()


def test_it_listens_on_an_address_of_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    served = Served(tmp_path / "log", HOST="::1")
    try:
        served.until(lambda: f"Listening at: http://[::1]:{served.port}" in served.text())
    finally:
        served.process.terminate()
        served.process.wait(20)


def test_a_worker_whose_threads_hang_is_replaced_whoever_reads_slowly(serve: Callable[..., Served]) -> None:
    served = serve(WEB_CONCURRENCY="1")
    first = served.worker()
    stop = threading.Event()

    def read_slowly() -> None:
        """Fast enough not to be dropped for it, and for longer than anybody waits for him."""
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as slow:
            slow.sendall(b"GET /?size=40000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            with contextlib.suppress(OSError):
                while not stop.wait(0.1) and slow.recv(1 << 15):
                    pass

    reader = threading.Thread(target=read_slowly)
    reader.start()
    try:
        served.get("/?hang=1")
        served.until(lambda: not is_alive(first), seconds=40)
    finally:
        stop.set()
        reader.join()
    assert "1 of its threads hang: to be replaced by a new worker" in served.text()
    assert "counted as hanging" in served.text()
    assert "memory given back" in served.text()
    assert served.worker() != first
    assert "SIGKILL" not in served.text()


def test_a_service_that_cannot_start_ends(tmp_path: Path) -> None:
    served = Served(tmp_path / "log", START_FAILS="1", WEB_CONCURRENCY="1")
    assert served.process.wait(timeout=30) == 3
    assert "Worker failed to boot" in served.text()
    assert "there is no disk" in served.text()


def test_a_worker_serves_and_makes_way_under_another_configuration(tmp_path: Path) -> None:
    """An operator's own, which names nothing of ours but the worker: one begins when another has ended."""
    (tmp_path / "conf.py").write_text("worker_class = 'app.process.worker.Worker'\n")
    port = free_port()
    served = Served(
        tmp_path / "log",
        configuration=str(tmp_path / "conf.py"),
        more=("--bind", f"127.0.0.1:{port}"),
    )
    served.port = port
    try:
        served.until(lambda: served.get()[0] == 200)
        first = served.worker()
        served.get("/?hang=1")
        served.until(lambda: not is_alive(first), seconds=30)
        served.until(lambda: served.worker() != first)
        assert served.process.poll() is None
    finally:
        served.process.send_signal(signal.SIGINT)
        served.process.wait(20)

"""The two servers, each started as its own documents say, on a free port of the loopback."""

from __future__ import annotations

import compileall
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.process import budget
from bench.processes import Group

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".bench"
PEER = ROOT / ".peer" / "bin" / "python"
START_SECONDS = 120

GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    "GDAL_CACHEMAX": "200",
    "GDAL_BAND_BLOCK_CACHE": "HASHSET",
    "CPL_VSIL_CURL_CACHE_SIZE": "200000000",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
}
"""What TiTiler's page on performance recommends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    pid: int
    port: int


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _titiler(port: int, workers: int) -> tuple[list[str], dict[str, str]]:
    """TiTiler as its image starts it, with the settings that its documents recommend."""
    command = [str(PEER), "-m", "gunicorn", "-k", "uvicorn.workers.UvicornWorker", "titiler.application.main:app"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--keep-alive", "75", "--log-level", "error"]
    return command, GDAL | {"MALLOC_ARENA_MAX": "2", "PYTHONWARNINGS": "ignore"}


def _tilery(port: int, workers: int) -> tuple[list[str], dict[str, str]]:
    """Tilery as its image starts it."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:app.process.gunicorn_conf", "app.main:app"]
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "LOG_LEVEL": "error",
        "TILERY_SOURCES": f"{WORK}/,http://127.0.0.1:{store_port()}/",
    }
    return command, environment


def compile_ours() -> None:
    """Compile our modules, as an image has them and as pip has compiled TiTiler's."""
    for package in ("app", "tilery"):
        compileall.compile_dir(ROOT / package, quiet=1)


def own_workers(name: str) -> int:
    """Worker processes that a server has by its own rule: TiTiler's image one a core, Tilery's two for three cores."""
    return budget.plan({}, budget.limits({})).workers if name == "tilery" else os.cpu_count() or 1


SERVERS = {"titiler": _titiler, "tilery": _tilery}
_STORE_PORT: list[int] = []


def store_port() -> int:
    """Return the port of the store, the same for a whole run."""
    if not _STORE_PORT:
        _STORE_PORT.append(free_port())
    return _STORE_PORT[0]


def get(port: int, path: str, seconds: float = 60) -> tuple[int, bytes]:
    """Return status and body of one request."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    ours = ("TILERY_", "TITILER_", "GDAL_", "VSI_", "CPL_", "MALLOC_", "LD_PRELOAD", "WEB_CONCURRENCY", "WORKERS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def running(
    name: str,
    *,
    workers: int = 2,
    group: Group | None = None,
    until: str = "/healthz",
    environment: Mapping[str, str] | None = None,
    log: str | None = None,
) -> Iterator[Running]:
    """A server of that name, started anew, that has answered ``until`` with 200; stopped at the end. ``log`` names the
    file that has what it writes, where there are several of one name.
    """
    port = free_port()
    command, own = SERVERS[name](port, workers)
    if group:
        command = ["sh", "-c", f'{group.join}; exec "$@"', "sh", *command]
    written = WORK / f"{log or name}.log"
    with _process(command, own | dict(environment or {}), written) as process:
        deadline = time.monotonic() + START_SECONDS
        status = 0
        while status != 200:
            with contextlib.suppress(OSError):
                status, _ = get(port, until)
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {written.read_text(errors='replace')[-2000:]}")
            if status != 200:
                time.sleep(0.02)
        yield Running(pid=process.pid, port=port)


@contextlib.contextmanager
def store(folder: Path, latency: float) -> Iterator[str]:
    """The address of the store with a latency over a folder."""
    port = store_port()
    command = [sys.executable, "-m", "bench.store", str(folder), str(port), str(latency)]
    with _process(command, {}, WORK / "store.log"):
        for _ in range(200):
            with contextlib.suppress(OSError):
                if get(port, "/_requests")[0] == 200:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"

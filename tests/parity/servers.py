"""The two servers, each a process of its own on a free port of the loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / ".peer" / "bin" / "python"
START_SECONDS = 60


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, **environment: str) -> Iterator[str]:
    """The address of a server that answers ``/healthz``; it is stopped at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TILERY_", "TITILER_", "GDAL_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env=kept | environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + START_SECONDS
            while True:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                        break
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def titiler(log: Path) -> contextlib.AbstractContextManager[str]:
    """TiTiler as its documentation starts it."""
    port = free_port()
    command = [str(PEER), "-m", "uvicorn", "titiler.application.main:app", "--port", str(port), "--log-level", "error"]
    command += ["--timeout-keep-alive", "75"]
    return running(command, port, log)


def tilery(log: Path, folder: Path, **environment: str) -> contextlib.AbstractContextManager[str]:
    """Tilery with one worker, allowed to read ``folder``."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "uvicorn_worker.UvicornWorker"]
    command += ["-b", f"127.0.0.1:{port}", "-w", "1", "--chdir", str(ROOT), "app.main:app"]
    return running(command, port, log, TILERY_SOURCES=f"{folder}/", TILERY_ALLOWED_HOSTS="127.0.0.1", **environment)

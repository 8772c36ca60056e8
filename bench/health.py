"""Asks for ``/healthz`` several times a second, and says at the end how long each answer took.

It is a process of its own: among the threads of a load generator it would measure how long it waits for these.

    python -m bench.health PORT SECONDS
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from bench import servers

PAUSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was seen."""

    seconds: list[float]
    """Of each answer."""
    moments: list[float]
    """Of each, in seconds since the first was asked for."""
    failures: list[str]


def start(port: int, seconds: float) -> subprocess.Popen[str]:
    """Return the process that asks for so long."""
    command = [sys.executable, "-m", "bench.health", str(port), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> Health:
    """Wait for it, and return what it saw."""
    output, _ = process.communicate()
    found = json.loads(output)
    return Health(seconds=found["seconds"], moments=found["moments"], failures=found["failures"])


def _watch(port: int, seconds: float) -> None:
    """Ask on a connection of its own each time, as balancers do; print what was seen."""
    # How long it waits for the CPU itself is not the service's answer, and was most of what it saw: up to 100 ms.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    start = time.monotonic()
    until = start + seconds
    taken, moments, failures = [], [], []
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            servers.get(port, "/healthz", 10)
            taken.append(time.perf_counter() - began)
            moments.append(time.monotonic() - start)
        except OSError as problem:
            failures.append(f"/healthz: {problem!r}")
        time.sleep(PAUSE)
    print(json.dumps({"seconds": taken, "moments": moments, "failures": failures}))


if __name__ == "__main__":
    _watch(int(sys.argv[1]), float(sys.argv[2]))

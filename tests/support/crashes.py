"""Hooks that say why a process of tests ended before its tests: the signal, and what each thread did then.

Both would stand far up in a long log otherwise, or nowhere: xdist says only that a worker crashed.
"""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, TextIO

import pytest

LONGEST = 60
"""Lines that are shown of what other threads did."""
_RUNNERS = ("/_pytest/", "/pluggy/", "/xdist/", "/execnet/", '"<string>"', "Extension modules")
"""What stands in the lines of a report that say only that a test is run."""

_told: list[str] = []
_crashed: list[str] = []
"""Tests that are run once more."""
_open: list[TextIO] = []
"""The report of this process; the handler of signals writes into its descriptor."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a new process where to write its report; called in the one that hands out tests."""
    node.workerinput["crash_report"] = str(Path(tempfile.mkdtemp(prefix="tests-")) / "report.txt")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have what a process leaves that crashes written where it was told."""
    path = getattr(config, "workerinput", {}).get("crash_report")
    if path is not None:
        _open.append(Path(path).open("w", encoding="utf-8"))  # noqa: SIM115  # open as long as the process
        faulthandler.enable(_open[-1])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Note how a process ended, when it did so too early."""
    report = Path(node.workerinput["crash_report"])
    if error:
        others, own = _shown(report.read_text("utf-8", "replace") if report.exists() else "")
        # the most telling last: what is shown of a long log is often its end
        _told.extend((*others[-LONGEST:], *own, f"{node.gateway.id} {_end(node.gateway._io.popen)}"))
    report.unlink(missing_ok=True)
    if report.parent.is_dir():
        report.parent.rmdir()


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """Run the first test of a run once more during which a process crashed.

    One such crash is known, and not its cause: once in many runs the interpreter's collector finds an object in a dict
    that is no more, whatever test is at work. It is told as the others are; a second in one run fails.
    """
    if not _crashed:
        _crashed.append(crashitem)
        sched.mark_test_pending(crashitem)
        report.outcome = "rerun"  # type: ignore[assignment]  # xdist's word


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what was noted, at the end of the log."""
    if _told:
        terminalreporter.section("crashed processes")
        terminalreporter.write_line("\n".join(_told))


def _end(process: subprocess.Popen[bytes]) -> str:
    """Return in words how a process ended, after its connection did."""
    try:
        status = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "closed its connection and goes on"
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _shown(report: str) -> tuple[list[str], list[str]]:
    """Return the lines of a report, as far as they say more than that a test is run: of other threads, and of the one
    that crashed.
    """
    lines = [line for line in report.splitlines() if line and not any(word in line for word in _RUNNERS)]
    start = next((number for number, line in enumerate(lines) if line.startswith("Current thread")), len(lines))
    end = next((number for number, line in enumerate(lines) if number > start and line[:1] != " "), len(lines))
    return lines[:start] + lines[end:], lines[start:end]

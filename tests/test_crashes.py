"""A process of tests that crashes says so at the end of the log, and where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("ctypes.string_at(0)", ["in test_that_ends", "gw0 ended by SIGSEGV"]),
        ("os.kill(os.getpid(), 9)", ["gw0 ended by SIGKILL"]),
        ("os._exit(3)", ["gw0 ended with status 3"]),
    ],
)
def test_why_a_process_ended_is_told(tmp_path: Path, work: str, words: list[str]) -> None:
    (tmp_path / "test_it.py").write_text(f"import ctypes, os\n\ndef test_that_ends():\n    {work}\n")
    plugins = ("-p", "tests.support.crashes", "-p", "xdist.plugin")
    run = subprocess.run(
        (
            sys.executable,
            "-m",
            "pytest",
            *plugins,
            "-n",
            "1",
            f"--rootdir={tmp_path}",
            "-c",
            "/dev/null",
            str(tmp_path),
        ),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # each of its three starts takes seconds otherwise
    )
    shown = run.stdout[run.stdout.index("crashed processes") :]
    positions = [shown.find(word) for word in words]
    assert positions == sorted(positions)
    assert positions[0] > 0

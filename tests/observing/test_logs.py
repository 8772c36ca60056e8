"""The log: it can be read, and says as much as it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = """
import asyncio
from app import main
from app.aws_lambda import in_process
asyncio.run(in_process.status_of(main.app, "/healthz"))
"""


@pytest.mark.parametrize(
    ("environ", "lines"),
    [({}, 0), ({"TILERY_DEBUG": "1"}, 1), ({"TILERY_DEBUG": "1", "LOG_LEVEL": "critical"}, 0)],
)
def test_requests_are_logged_when_the_operator_wants_it(environ: dict[str, str], lines: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stderr.count("GET '/healthz' 200") == lines

"""No crash and no wrong tile, however many threads read and whatever happens to the files meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 5


@pytest.mark.parametrize(("files", "kept"), [(4, 128), (40, 8)], ids=["few files", "more than are kept"])
def test_many_threads_over_files_that_change(tmp_path: Path, files: int, kept: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.process.stress", str(tmp_path), str(files), str(SECONDS)],
        cwd=ROOT,
        env=os.environ | {"TILERY_KEPT_DATASETS": str(kept), "TILERY_REVALIDATE_SECONDS": "0.05"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    outcomes = found["outcomes"]
    assert outcomes["tile"] > 50, outcomes
    assert set(outcomes) <= {"tile", "BrokenRaster", "NotARaster", "UnsupportedRaster", "UpstreamError"}, outcomes

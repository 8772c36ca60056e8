"""The kernel ends a worker for want of memory, in a control group as small as a task: the service lives, and tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import processes
from tests.observing.test_events import running
from tests.support import rasters

MEMORY = 640 << 20


@pytest.mark.skipif(processes.why_no_group() is not None, reason=str(processes.why_no_group()))
def test_a_worker_that_the_kernel_ends(tmp_path: Path) -> None:
    rasters.rgb(tmp_path / "rgb.tif", size=1024)
    raster = {"url": f"{tmp_path}/rgb.tif"}
    with (
        processes.group(f"tilery-test-{os.getpid()}", 2.0, MEMORY) as group,
        running(
            tmp_path, "tests.observing.greedy:app", join=group.join, TILERY_SOURCES=str(tmp_path), TILERY_DEADLINE="20"
        ) as server,
    ):
        before = set(server.workers())
        assert len(before) == 2
        assert group.killed() == 0
        assert server.get("/cog/tiles/WebMercatorQuad/9/268/180.png", **raster) == 0, "its connection ends"
        assert group.killed() == 1
        server.counted("tilery_worker_deaths_total")
        server.until(lambda: len(server.workers()) == 2 and set(server.workers()) != before)
        (dead,) = before - set(server.workers())
        line = next(line for line in server.lines() if "SIGKILL" in line.get("message", ""))
        assert f"pid:{dead}" in line["message"]
        assert "out of memory" in line["message"]
        server.counted("tilery_workers", 2)
        for _ in range(6):  # the other one, and the one that took its place
            assert server.get("/cog/tiles/WebMercatorQuad/8/134/90.png", **raster) == 200
        assert group.killed() == 1

"""More of what can go wrong, made to happen and found in log and metrics: a clock, a cache, a release."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from app.observing import logs
from app.serving import render
from app.serving.watchdog import Watchdog
from tests.observing.test_events import stored, tell, written

__all__ = ["written"]


def lines(stream: io.StringIO, logger: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, stream.getvalue().splitlines()) if line["logger"] == logger]


@pytest.mark.parametrize("seconds", [-86_400.0, 3600.0])
def test_a_clock_that_jumps(
    tmp_path: Path, written: io.StringIO, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Tiles, caches, layers and deadlines go by a clock that is never set; only who signs has to know."""
    service, context = stored(tmp_path, str(tmp_path / "tiles"))
    dog = Watchdog({}, context.metrics, stuck=lambda: None, sample=lambda: None)
    assert service.get("/rgb/8/134/90.png").headers["x-cache"] == "miss"
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)  # to set the clock itself would need the rights
    for _ in range(3):
        dog._look(time.monotonic(), late=0.0)
    assert service.get("/rgb/8/134/90.png").headers["x-cache"] == "hit"
    assert service.get("/rgb/8/133/90.png").status_code == 200
    assert tell(context)["tilery_clock_changes_total",] == 1
    told = lines(written, "tilery.watchdog")  # by this one, and by those of other tests' services where they still run
    assert told
    for line in told:
        assert f"set by {seconds:+.0f} s" in line["message"]
        assert line["level"] == "warning"


def test_a_cache_that_is_too_small_for_what_is_asked(tmp_path: Path, written: io.StringIO) -> None:
    """Every tile pushes out the next: nothing fails, and the share of hits tells it."""
    service, context = stored(tmp_path, str(tmp_path / "tiles"), tile_cache_bytes=20_000, log_format="json")
    url = str(tmp_path / "rgb.tif")
    for number in (*range(12), *range(12)):
        asked = {"url": url, "tilesize": 32, "rescale": f"0,{number + 1}"}
        assert service.get("/cog/tiles/WebMercatorQuad/8/134/90.npy", params=asked).status_code == 200
    numbers = tell(context)
    assert numbers["tilery_served_total", "how=miss"] == 24
    assert ("tilery_served_total", "how=hit") not in numbers
    (held,) = {value for key, value in numbers.items() if key[0] == "tilery_tile_cache_bytes"}
    (limit,) = {value for key, value in numbers.items() if key[0] == "tilery_tile_cache_limit_bytes"}
    assert held <= limit <= 20_000
    assert [line["how"] for line in lines(written, logs.REQUESTS)] == ["miss"] * 24


def test_a_release_that_fails(tmp_path: Path, written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that cannot make a tile any more: each 500 is counted by route, and the log has the trace."""
    service, context = stored(tmp_path, str(tmp_path / "tiles"), log_format="json")

    def broken(*_: Any, **__: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'width'")

    monkeypatch.setattr(render, "tile", broken)
    for _ in range(3):
        answer = service.get("/rgb/8/134/90.png")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "NoneType" not in answer.text
    assert service.get("/healthz").status_code == 200, "no task is replaced for what the next one would do as well"
    numbers = tell(context)
    assert numbers["tilery_requests_total", "route=layer.getTile", "status=500"] == 3
    assert numbers["tilery_problems_total", "code=internal_error", "parameter="] == 3
    told = [line for line in lines(written, "tilery.request") if "unexpected AttributeError" in line["message"]]
    assert [(line["level"], line["layer"], line["path"]) for line in told] == [
        ("error", "rgb", "/rgb/8/134/90.png")
    ] * 3
    assert all("in broken" in line["traceback"] for line in told)

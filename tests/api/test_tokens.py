"""Wrong access tokens: logged, late, and no weight on anybody else."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.access import guess_throttle
from app.api.access.guard import Guard
from app.api.app import create_app
from app.config import access
from app.config.settings import Settings
from tests.support import service
from tilery.errors import TooManyGuesses, Unauthorized


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Sleep:
    """Writes down how long somebody waits, and lets him wait until it is told."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.until: asyncio.Event | None = None

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.until is not None:
            await self.until.wait()


def scope(address: str = "192.0.2.1", token: str = "wrong", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "client": (address, 1),
        "path": "/layers",
        "query_string": f"access_token={token}".encode(),
        "headers": list(headers),
        "state": {"request_id": "id"},
    }


def made(**given: Any) -> tuple[Guard, Sleep, Clock]:
    sleep, clock = Sleep(), Clock()
    settings = Settings(_env_file=None, access_token="right", **given)
    return Guard(settings, access.rules_of(settings), clock=clock, sleep=sleep), sleep, clock


async def guess(guarded: Guard, *args: Any) -> None:
    with pytest.raises(Unauthorized):
        await guarded.admit(scope(*args), None)


def test_each_wrong_token_waits_longer_and_is_forgotten_in_time() -> None:
    guarded, sleep, clock = made()

    async def ask() -> None:
        for _ in range(8):
            await guess(guarded)
        assert sleep.waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
        sleep.waits.clear()
        await guess(guarded, "192.0.2.2")
        assert sleep.waits == [0.1], "another address has its own count"
        clock.now = 1000.0
        await guess(guarded)
        assert sleep.waits == [0.1, 0.1]

    asyncio.run(ask())


def test_a_missing_token_is_no_guess(caplog: pytest.LogCaptureFixture) -> None:
    guarded, sleep, _ = made()
    asyncio.run(guess(guarded, "192.0.2.1", ""))
    assert not sleep.waits
    assert not caplog.records


def test_the_log_says_who_and_never_what(caplog: pytest.LogCaptureFixture) -> None:
    guarded, _, _ = made()

    async def ask() -> None:
        for _ in range(100):
            await guess(guarded, "192.0.2.1", "a-guess")

    with caplog.at_level(logging.WARNING, logger="tilery.request"):
        asyncio.run(ask())
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 7  # the 1st, 2nd, 4th … 64th
    assert all("192.0.2.1" in line and "/layers" in line for line in lines)
    assert not any("a-guess" in line or "right" in line for line in lines)


def test_what_is_remembered_and_who_waits_is_bounded() -> None:
    guarded, sleep, _ = made()

    async def ask() -> None:
        sleep.until = asyncio.Event()
        waiting = [
            asyncio.ensure_future(guess(guarded, f"10.0.{number >> 8}.{number & 255}"))
            for number in range(guess_throttle.MOST_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyGuesses) as refused:
            await guarded.admit(scope(), None)
        assert (refused.value.status, refused.value.retry_after) == (429, 1)
        assert await guarded.admit(scope(token="right"), None), "whoever has it is never refused for others"
        sleep.until.set()
        await asyncio.gather(*waiting)
        for number in range(3000):
            await guess(guarded, f"10.1.{number >> 8}.{number & 255}")
        await guess(guarded)

    asyncio.run(ask())
    assert len(guarded.guesses._wrong) == guess_throttle._REMEMBERED


def test_addresses_of_one_network_are_counted_together() -> None:
    guarded, sleep, _ = made()

    async def ask() -> None:
        for number in range(3):
            await guess(guarded, f"2001:db8:1:2::{number}")

    asyncio.run(ask())
    assert sleep.waits == [0.1, 0.2, 0.4]


def test_behind_a_trusted_proxy_the_caller_counts() -> None:
    guarded, sleep, _ = made(trusted_proxies="10.0.0.0/8")

    def passed(text: str) -> tuple[bytes, bytes]:
        return (b"x-forwarded-for", text.encode())

    async def ask() -> None:
        await guess(guarded, "10.0.0.7", "wrong", passed("forged, 192.0.2.1, 10.0.0.9"))
        await guess(guarded, "10.0.0.7", "wrong", passed("other, 192.0.2.1"))
        await guess(guarded, "10.0.0.7", "wrong", passed("192.0.2.2"))
        await guess(guarded, "192.0.2.3", "wrong", passed("192.0.2.1"))  # who is no proxy says nothing of others

    asyncio.run(ask())
    assert sleep.waits == [0.1, 0.2, 0.1, 0.1]


def test_a_function_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tiles")
    guarded, sleep, _ = made()
    asyncio.run(guess(guarded))
    assert sleep.waits == [0.0]


def test_guesses_hold_nobody_up(folder: Path) -> None:
    app = create_app(Settings(_env_file=None, sources=str(folder), access_token="right"))

    async def ask() -> tuple[list[int], list[float], int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/healthz")
            wrong = [asyncio.ensure_future(client.get("/?access_token=x")) for _ in range(20)]
            times = []
            while not all(answer.done() for answer in wrong[:2]):
                began = time.perf_counter()
                assert (await client.get("/healthz")).status_code == 200
                times.append(time.perf_counter() - began)
                await asyncio.sleep(0.005)
            right = await client.get("/tileMatrixSets?access_token=right")
            for answer in wrong[2:]:
                answer.cancel()
            return [answer.result().status_code for answer in wrong[:2]], times, right.status_code

    statuses, times, right = asyncio.run(ask())
    assert statuses == [401, 401]
    assert right == 200
    assert len(times) > 5, "somebody was answered while they waited"


@pytest.mark.parametrize(
    ("setting", "directive"),
    [
        (None, "frame-ancestors 'self'"),
        ("", "frame-ancestors 'none'"),
        ("*", "frame-ancestors *"),
        ("self,https://maps.example.com", "frame-ancestors 'self' https://maps.example.com"),
        ("'self',https://*.example.com:8443", "frame-ancestors 'self' https://*.example.com:8443"),
    ],
)
def test_who_may_show_pages_in_a_frame(
    monkeypatch: pytest.MonkeyPatch, folder: Path, setting: str | None, directive: str
) -> None:
    if setting is not None:
        monkeypatch.setenv("TILERY_FRAME_ANCESTORS", setting)
    with service.client(folder) as client:
        for path in (
            "/map",
            "/api.html",
            "/redoc",
            "/?f=html",
            "/cog/viewer",
            f"/cog/WebMercatorQuad/map.html?url={folder}/rgb.tif",
        ):
            answer = client.get(path)
            assert answer.status_code == 200
            assert directive in answer.headers["content-security-policy"].split("; ")


@pytest.mark.parametrize(
    "text", ["https://a; script-src *", "a b", "javascript:alert(1)", "'none'; x", "https://a/path"]
)
def test_other_frames_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TILERY_FRAME_ANCESTORS"):
        Settings(_env_file=None, frame_ancestors=text)

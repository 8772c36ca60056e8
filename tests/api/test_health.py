"""Whether the service lives, and whether it may get requests."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.app import create_app
from app.config.settings import Settings
from app.main import app
from app.serving import readiness
from app.serving.readiness import Readiness
from tests.support.ports import free_port
from tests.support.s3 import KEYS, S3, s3, s3_server  # noqa: F401
from tests.support.service import client
from tilery.engine import Engine, EngineOptions
from tilery.storage import reach
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy


def test_healthz_answers_get_and_head_and_names_no_versions() -> None:
    client = TestClient(app)
    for path in ("/healthz", "/ping"):
        assert client.get(path).json() == {"status": "ok"}
        assert client.head(path).status_code == 200


def test_ready_without_anything_to_reach() -> None:
    answer = client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": {"slots": "ok"}})
    assert answer.headers["cache-control"] == "no-store"


def test_readiness_needs_no_token(tmp_path: Path) -> None:
    assert client(tmp_path, access_token="s3cr3t").get("/readyz").status_code == 200


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SECONDS", 0.0)


@pytest.mark.usefixtures("no_memory")
def test_a_catalog_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "layers"
    folder.mkdir()
    found = client(catalog=str(folder))
    assert found.get("/readyz").json()["checks"] == {"catalog": "ok", "slots": "ok"}
    shutil.rmtree(folder)
    answer = found.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready")
    assert answer.json()["checks"]["catalog"] == "out of reach"
    assert str(tmp_path) not in answer.text
    folder.mkdir()
    assert found.get("/readyz").status_code == 200


@pytest.mark.usefixtures("no_memory")
def test_one_source_of_two_does_not_take_it_out_of_the_balancer(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    found = client(one, other)
    assert found.get("/readyz").json()["checks"]["sources"] == "ok"
    one.rmdir()
    answer = found.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["sources"]) == (200, "1 of 2 out of reach")
    other.rmdir()
    answer = found.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["sources"]) == (503, "2 of 2 out of reach")


def test_stores_are_asked_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ask(*_: Any, **__: Any) -> list[Any]:
        asked.append(1)
        return []

    monkeypatch.setattr(reach, "unreachable", ask)
    found = client(tmp_path)
    assert [found.get("/readyz").status_code for _ in range(5)] == [200] * 5
    assert len(asked) == 1


def test_a_store_that_hangs_is_told_and_asked_by_one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go_on, asked = threading.Event(), []

    def hang(*_: Any, **__: Any) -> list[Any]:
        asked.append(1)
        go_on.wait(30)
        return []

    monkeypatch.setattr(reach, "unreachable", hang)
    monkeypatch.setattr(readiness, "PATIENCE", 0.05)
    with Engine() as engine:
        found = Readiness(catalog=None, policy=Policy.from_sources([str(tmp_path)]), engine=engine, hanging=lambda: 0)

        async def main() -> None:
            for _ in range(3):
                checks = await found.checks()
                assert [check.name for check in checks if not check.ok] == ["stores"]
            assert len(asked) == 1
            go_on.set()
            for _ in range(200):
                if all(check.ok for check in await found.checks()):
                    return
                await asyncio.sleep(0.01)
            raise AssertionError("it never became ready")

        asyncio.run(main())


def test_who_asks_while_a_store_hangs_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go_on, moments = threading.Event(), [0.0]

    def hang(*_: Any, **__: Any) -> list[Any]:
        go_on.wait(30)
        return []

    monkeypatch.setattr(reach, "unreachable", hang)
    with Engine() as engine:
        policy = Policy.from_sources([str(tmp_path)])
        found = Readiness(catalog=None, policy=policy, engine=engine, hanging=lambda: 0, clock=lambda: moments[0])

        async def main() -> None:
            first = asyncio.create_task(found.checks())
            await asyncio.sleep(0)
            moments[0] += 100  # the time of the first who asked is over
            for _ in range(50):
                assert [check.problem for check in await found.checks()] == ["no answer", ""]
            asking, answer = found._asking, found._answer
            assert asking is not None
            assert answer is not None
            assert len(asking._done_callbacks) == 1  # type: ignore[attr-defined]
            _, waiting = answer._callbacks
            assert "wait" in repr(waiting), "that of the first, beside the one that ends the asking"
            go_on.set()
            assert all(check.ok for check in await first)
            assert all(check.ok for check in await found.checks())

        try:
            asyncio.run(main())
        finally:
            go_on.set()


class Surprising:
    """A catalog that fails once as nobody expected."""

    def __init__(self) -> None:
        self.asked = 0

    def reach(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise ValueError("a surprise of /a/path")


def test_a_surprise_is_no_answer_and_is_over_with_the_next(caplog: pytest.LogCaptureFixture) -> None:
    catalog, moments = Surprising(), [0.0]
    found = Readiness(
        catalog=catalog,  # type: ignore[arg-type]  # as much of it as is used
        policy=Policy(),
        engine=None,  # type: ignore[arg-type]  # there are no sources
        hanging=lambda: 0,
        clock=lambda: moments[0],
    )
    assert [check.problem for check in asyncio.run(found.checks())] == ["no answer", ""]
    assert "a surprise of /a/path" in caplog.text
    moments[0] += readiness.SECONDS
    assert [check.problem for check in asyncio.run(found.checks())] == ["", ""]
    assert catalog.asked == 2


def test_a_process_without_threads_left_says_that_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Surprising()
    catalog.asked = 1
    found = Readiness(
        catalog=catalog,  # type: ignore[arg-type]  # as much of it as is used
        policy=Policy(),
        engine=None,  # type: ignore[arg-type]  # there are no sources
        hanging=lambda: 0,
    )

    async def main() -> None:
        def none(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as short:
            short.setattr(threading.Thread, "start", none)
            assert [check.problem for check in await found.checks()] == ["no answer", ""]
        assert [check.problem for check in await found.checks()] == ["", ""]

    asyncio.run(main())


def test_servers_are_connected_to_and_buckets_are_asked(
    s3: S3,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as listening, Engine(EngineOptions(stores=StoreOptions(connect_timeout=0.5))) as engine:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port, closed = listening.getsockname()[1], free_port()
        policy = Policy.from_sources([f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{closed}/a/", str(tmp_path)])
        lost = reach.unreachable(policy.named(), engine.stores, seconds=3)
        assert [place.private_name for place, _ in lost] == [f"http://127.0.0.1:{closed}/a/"]
    s3.bucket("rasters")
    options = StoreOptions(s3_endpoint=s3.endpoint, aws=KEYS)
    with Engine(EngineOptions(stores=options)) as engine:
        policy = Policy.from_sources(["s3://rasters/there/", "s3://rasters/a.tif"])
        assert reach.unreachable(policy.named(), engine.stores, seconds=3) == []
    options = StoreOptions(s3_endpoint=f"http://127.0.0.1:{closed}", fetch_retries=0, aws=KEYS)
    with Engine(EngineOptions(stores=options)) as engine:
        assert len(reach.unreachable(policy.named(), engine.stores, seconds=3)) == 2


def test_a_bucket_of_layers(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    s3.bucket("rasters")
    settings = Settings(_env_file=None, catalog="s3://rasters/layers/", s3_endpoint=s3.endpoint)
    found = TestClient(create_app(settings)).get("/readyz")
    assert (found.status_code, found.json()["checks"]["catalog"]) == (200, "ok")
    away = Settings(_env_file=None, catalog="s3://rasters/layers/", s3_endpoint=f"http://127.0.0.1:{free_port()}")
    found = TestClient(create_app(away)).get("/readyz")
    assert (found.status_code, found.json()["checks"]["catalog"]) == (503, "out of reach")

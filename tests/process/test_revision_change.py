"""A layer is published again and again while clients hammer its tiles: each answer is wholly of one revision, and
nobody is given an old one after somebody was given the new one.

Every revision is a raster of one number, so a pixel tells which revision it is of.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from app.config import settings as environment
from app.config.engine_options import store_options
from tests.process.test_service import ROOT, Server, running
from tests.support import rasters
from tests.support.s3 import KEYS, S3, s3, s3_server  # noqa: F401
from tests.support.service import pixels
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import Published, publish
from tilery.storage.objects import open_store

BOUNDS = (0.0, 40.0, 20.0, 50.0)
TILES = [f"/alps/7/{x}/{y}" for x in range(64, 71) for y in range(44, 48)] + ["/alps/6/33/22", "/alps/6/34/23"]
"""Wholly inside of the raster."""
SUFFIXES = (".png", "@2x.png")
CLIENTS = 6
PAUSE = 0.02
"""Seconds between two requests of a client: what publishes meanwhile has the processor as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    path: str
    began: float
    ended: float
    status: int
    etag: str
    how: str | None
    value: int | None
    """None: 304."""
    known: str | None


class Clients:
    """Threads that ask for tiles at random, half of the time with the entity tag of what they were given before."""

    def __init__(self, server: Server) -> None:
        self.answers: list[Answer] = []
        self.problems: list[str] = []
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def seen(self) -> set[int]:
        return {answer.value for answer in list(self.answers) if answer.value is not None}

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        tags: dict[str, str] = {}
        while not self._stop.wait(PAUSE):
            path = chance.choice(TILES) + chance.choice(SUFFIXES)
            known = tags.get(path) if chance.random() < 0.5 else None
            began = time.monotonic()
            status, headers, body = self._server.get(path, {"If-None-Match": known} if known else None)
            ended = time.monotonic()
            value: int | None = None
            if status == 200:
                found = np.unique(pixels(body)[..., :3])
                if found.size != 1:
                    self.problems.append(f"{path} is mixed of {found}")
                value = int(found[0])
                tags[path] = headers["etag"]
            elif status != 304:
                self.problems.append(f"{path}: {status} {body[:300]!r}")
            self.answers.append(
                Answer(
                    path=path,
                    began=began,
                    ended=ended,
                    status=status,
                    etag=headers.get("etag", ""),
                    how=headers.get("x-cache"),
                    value=value,
                    known=known,
                )
            )


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_a_revision_takes_the_place_of_another_under_load(
    kind: str,
    tmp_path: Path,
    s3: S3,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3.bucket("revisions")
    catalog = f"{tmp_path}/layers/" if kind == "directory" else "s3://revisions/sources/"
    store = f"{tmp_path}/tiles/" if kind == "directory" else "s3://revisions/tiles/"
    monkeypatch.setenv("TILERY_S3_ENDPOINT", s3.endpoint)
    environment.get.cache_clear()
    given: dict[str, Any] = {"render": {"bidx": [1, 1, 1]}}

    def make(value: int) -> Published:
        source = rasters.constant(tmp_path / f"{value}.tif", value, size=1400, bounds=BOUNDS)
        options = PublishOptions(
            source=str(source),
            to=catalog,
            id="alps",
            kind="imagery",
            given=given,
            stores=store_options(environment.get()),
        )
        return publish(options)

    values = [10, 60, 110, 160]
    published = [make(values[0])]
    began = [0.0]
    settings = {
        "WEB_CONCURRENCY": "1",
        "TILERY_CATALOG": catalog,
        "TILERY_TILE_STORE": store,
        "TILERY_REVALIDATE_SECONDS": "0.5",
        "TILERY_S3_ENDPOINT": s3.endpoint,
        "TILERY_TILE_CACHE_BYTES": "16000",  # a part of the tiles: the others come from the store or are made
        **KEYS,
    }
    try:
        with running(tmp_path, **settings) as server, Clients(server) as clients:
            for value in values[1:]:
                began.append(time.monotonic())
                published.append(make(value))  # the second and third at once: nobody waits for the servers
                if value != values[1]:
                    _wait_for(clients, value)
            time.sleep(1)
    finally:
        environment.get.cache_clear()
    assert clients.problems == []
    _check(clients.answers, values, began)
    _check_store(store, dict(zip((done.revision for done in published), values, strict=True)), s3)


def publish_by_command(value: int, folder: Path, settings: dict[str, str]) -> None:
    source = rasters.constant(folder / f"{value}.tif", value, size=1400, bounds=BOUNDS)
    command = [sys.executable, "-m", "app", "publish", str(source), "--id", "alps", "--kind", "imagery", "--quiet"]
    subprocess.run(
        [*command, "--render", "bidx=1&bidx=1&bidx=1"],
        cwd=ROOT,
        env=os.environ | settings,
        check=True,
        capture_output=True,
        timeout=120,
    )


def number(picture: bytes) -> int:
    (found,) = np.unique(pixels(picture)[..., :3])
    return int(found)


def shown(server: Server, path: str) -> int:
    status, _, body = server.get(f"{path}.png")
    assert status == 200
    return number(body)


def test_plain_keys_hold_nothing_old_once_the_command_is_done(tmp_path: Path) -> None:
    """Until then a store in front may answer with old tiles; and no process may remember one as new."""
    store = tmp_path / "tiles"
    settings = {
        "TILERY_CATALOG": str(tmp_path / "layers"),
        "TILERY_TILE_STORE": str(store),
        "TILERY_TILE_STORE_LAYOUT": "plain",
        "TILERY_REVALIDATE_SECONDS": "0.3",
        "TILERY_DEADLINE": "2",
    }
    publish_by_command(10, tmp_path, settings)
    with running(tmp_path, WEB_CONCURRENCY="1", **settings) as server:
        assert {shown(server, path) for path in TILES} == {10}
        stop, seen = threading.Event(), set()

        def ask() -> None:
            while not stop.wait(PAUSE):
                seen.add(shown(server, random.choice(TILES)))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        publish_by_command(200, tmp_path, settings)
        stop.set()
        for thread in threads:
            thread.join()
        assert seen <= {10, 200}
        for _ in range(50):
            assert {shown(server, path) for path in TILES} == {200}
            if len(kept := list(store.rglob("*.png"))) == len(TILES):
                break
            time.sleep(0.3)
    assert len(kept) == len(TILES), "what is asked for is stored again, though it comes out of memory"
    assert {number(path.read_bytes()) for path in kept} == {200}


def _wait_for(clients: Clients, value: int) -> None:
    for _ in range(300):
        if value in clients.seen():
            return
        time.sleep(0.1)
    pytest.fail(f"nobody was given {value}")


def _check(answers: list[Answer], values: list[int], began: list[float]) -> None:
    tags: dict[tuple[str, str], set[int]] = defaultdict(set)
    for answer in answers:
        if answer.value is not None:
            assert answer.how in ("hit", "miss", "wait", "stored")
            tags[answer.path, answer.etag].add(answer.value)
    assert all(len(found) == 1 for found in tags.values()), "an entity tag stands for one body"
    for path in {path for path, _ in tags}:
        told = [value for (where, _), (value,) in tags.items() if where == path]
        assert len(told) == len(set(told)), "one body has one entity tag"
    newest = -1
    received: list[tuple[float, int]] = []  # when somebody had been given a revision that nobody had before
    numbered = []
    for answer in answers:
        (value,) = {answer.value} if answer.value is not None else tags[answer.path, answer.known or ""]
        numbered.append((answer, values.index(value)))
    for answer, number in sorted(numbered, key=lambda pair: pair[0].ended):
        assert began[number] <= answer.ended, "a revision before it was published"
        if number > newest:
            newest = number
            received.append((answer.ended, number))
    assert newest == len(values) - 1
    for answer, number in numbered:
        least = max((known for when, known in received if when < answer.began), default=0)
        assert number >= least, f"{answer} is old: revision {number} after {least}"
    how = {answer.how for answer in answers if answer.status == 200}
    assert {"hit", "miss"} <= how
    assert any(answer.status == 304 for answer in answers)


def _check_store(address: str, revisions: dict[str, int], s3: S3) -> None:  # noqa: F811
    environment.get.cache_clear()
    kept = open_store(address, store_options(environment.get()))
    keys = [entry.key for entry in kept.entries("alps/")]
    environment.get.cache_clear()
    assert len({key.split("/")[1] for key in keys}) >= 2, "tiles of several revisions"
    for key in random.Random(1).sample(keys, min(80, len(keys))):
        blob = kept.read(key)
        assert blob is not None
        assert set(np.unique(pixels(blob.body)[..., :3])) == {revisions[key.split("/")[1].rpartition("-")[0]]}, key

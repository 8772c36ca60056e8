"""The image under the limits of the smallest Fargate task, with a read-only file system."""

from __future__ import annotations

import concurrent.futures
import http.client
import io
import json
import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from PIL import Image

from tests.container.conftest import ALL, Container, docker

pytestmark = [pytest.mark.docker, pytest.mark.slow]
TILE = "/cog/tiles/WebMercatorQuad/13/4303/2872.png?url=/data/rgb.tif"


def test_what_the_image_is(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]
    settings = config["Config"]
    assert settings["User"] == "10001:10001"
    assert settings["Cmd"][0] == "gunicorn", "exec form: signals reach it"
    assert settings["Healthcheck"]["Test"][0] == "CMD"
    assert set(settings["Volumes"]) == {"/tmp"}
    labels = settings["Labels"]
    assert labels["org.opencontainers.image.title"] == "Tilery"
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert config["Size"] < 450e6, "see docker/trim.py"


def test_it_serves_a_cog_as_the_smallest_task(run: Callable[..., Container]) -> None:
    container = run()
    container.until_ready()
    assert "budget: 0.25 cores (cgroup), 512 MiB (cgroup); 1 worker(s)" in container.logs()
    status, body, kind = container.get(TILE)
    assert (status, kind) == (200, "image/png"), body[:300]
    picture = Image.open(io.BytesIO(body))
    assert picture.size == (256, 256)
    assert len(picture.convert("RGB").getcolors(1 << 16) or []) > 100, "a picture of something"
    page, _, kind = container.get("/")
    assert (page, kind.partition(";")[0]) in {(200, "text/html"), (200, "application/json")}
    docker("exec", container.name, "python", "-IS", "docker/healthcheck.py")
    assert "rror" not in container.logs(), "nothing that a read-only root forbids"
    with pytest.raises(AssertionError):
        container.execute("touch", "/srv/tilery/x")
    container.execute("touch", "/tmp/x")


def test_sigterm_ends_it_with_zero_and_finishes_what_is_under_way(run: Callable[..., Container]) -> None:
    container = run("-e", "DRAIN_DELAY=2")
    container.until_ready()
    found: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                found.append(container.get(TILE)[0])
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException):
                # docker's port proxy accepts, and cuts, what comes after the end
                stop.wait(0.2)
                if not json.loads(docker("inspect", "-f", "{{json .State.Running}}", container.name)):
                    return
                found.append(0)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(2)
    begin = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - begin < 30
    stop.set()
    thread.join()
    assert found.count(200) > 2


def test_a_killed_worker_is_replaced_and_the_container_stays(run: Callable[..., Container]) -> None:
    container = run("-e", "WEB_CONCURRENCY=2", memory="1g", cpus="1")
    container.until_ready()
    assert "caches of its own" not in container.logs(), "a read-only root leaves room for the lock of shared caches"
    wrong: list[str] = []

    def ask(number: int) -> None:
        try:
            status = container.get(f"{TILE}&rescale=0,{200 + number % 50}")[0]
            if status != 200:
                wrong.append(str(status))
        except (OSError, http.client.HTTPException) as problem:
            wrong.append(type(problem).__name__)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, number) for number in range(200)]
        time.sleep(1)
        container.execute("python", "-c", f"import os; os.kill({container.worker()}, 9)")
        for future in asked:
            future.result()
    assert len(wrong) <= 4, "only what the killed worker had in its hands"
    container.until(lambda: "SIGKILL" in container.logs())
    assert container.get(TILE)[0] == 200
    assert json.loads(docker("inspect", "-f", "{{json .State.Running}}", container.name)) is True


def test_an_impossible_budget_ends_the_container_with_its_reason(run: Callable[..., Container]) -> None:
    container = run("-e", "WEB_CONCURRENCY=8")
    assert docker("wait", container.name) == "1"
    assert "set WEB_CONCURRENCY to at most 1" in container.logs()


def test_memory_stays_inside_the_limit(run: Callable[..., Container]) -> None:
    """20,000 mixed tiles with `make test-container`, 2,000 otherwise; all cores, so that it does not take an hour."""
    container = run(cpus=str(os.cpu_count() or 1))
    container.until_ready()
    generator = random.Random(11)
    sizes: list[int] = []
    wrong: list[str] = []

    def path() -> str:
        zoom = generator.randrange(10, 15)
        column = int((1_000_000 + generator.random() * 20_000 + 20037508.34) / (2 * 20037508.34) * 2**zoom)
        row = int((20037508.34 - 6_000_000 + generator.random() * 20_000) / (2 * 20037508.34) * 2**zoom)
        name, query = generator.choice(
            [
                ("rgb", ""),
                ("rgb", "&expression=b1*2;b2;b3&rescale=0,300"),
                ("photo", "&resampling=bilinear"),
                ("dem", "&rescale=0,2000&colormap_name=viridis"),
                ("dem", "&algorithm=hillshade"),
            ]
        )
        kind = generator.choice(["png", "jpg", "webp"])
        return f"/cog/tiles/WebMercatorQuad/{zoom}/{column}/{row}.{kind}?url=/data/{name}.tif{query}"

    def ask(paths: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=60)
        for one in paths:
            try:
                connection.request("GET", one)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                wrong.append(f"{type(problem).__name__} {one}")
                connection.close()
                continue
            if answer.status not in {200, 404}:
                wrong.append(f"{answer.status} {one} {body[:200]!r}")
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        batches = [pool.submit(ask, [path() for _ in range(100)]) for _ in range(200 if ALL else 20)]
        while not all(batch.done() for batch in batches):
            sizes.append(container.anonymous())
            time.sleep(1)
        for batch in batches:
            batch.result()
    print(
        "MiB each second:",
        [size >> 20 for size in sizes],
        "replaced:",
        container.logs().count("to be replaced by a new"),
    )
    assert wrong == [], container.logs()[-3000:]
    assert "SIGKILL" not in container.logs()
    assert max(sizes) < 490 << 20, sizes
    half = len(sizes) // 2
    if ALL:
        assert max(sizes[half:]) < max(sizes[:half]) + (40 << 20), f"grows: {[size >> 20 for size in sizes]}"

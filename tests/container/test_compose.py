"""`docker compose up` shows a map."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import subprocess
import time

import pytest
from PIL import Image

from tests.container.conftest import ROOT, long
from tests.support.ports import free_port

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def compose() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("neither docker-compose nor docker compose is here")
    return ["docker", "compose"]


@long
def test_compose_brings_up_a_map(image: str, python_version: str) -> None:
    port = free_port()
    environ = os.environ | {"PORT": str(port), "PYTHON_VERSION": python_version, "COMPOSE_PROJECT_NAME": "tilery-test"}
    command = [*compose(), "-f", "docker-compose.yml"]
    try:
        up = subprocess.run(
            [*command, "up", "-d", "--build"],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert up.returncode == 0, up.stdout[-2000:] + up.stderr[-2000:]

        def get(path: str) -> tuple[int, bytes, str]:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read(), answer.getheader("content-type") or ""

        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            try:
                if get("/healthz")[0] == 200:
                    break
            except (OSError, http.client.HTTPException):
                time.sleep(0.3)
        status, body, _ = get("/layers")
        assert status == 200
        assert [layer["id"] for layer in json.loads(body)["layers"]] == ["blue-marble"]
        status, body, kind = get("/blue-marble/1/0/0.png")
        assert (status, kind) == (200, "image/png"), body[:300]
        pixel = Image.open(io.BytesIO(body)).convert("RGB").resize((1, 1)).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        red, _, blue = pixel
        assert blue > red, "the Pacific and the Americas"
        status, body, kind = get("/map")
        assert status == 200
        assert kind.startswith("text/html")
    finally:
        subprocess.run([*command, "down", "-v", "-t", "30"], cwd=ROOT, env=environ, capture_output=True, check=False)

"""A real engine and the image that ships, built once.

Runs with ``CI`` or ``TILERY_CONTAINER`` set: with the engine that answers, or with one that is installed and started
where that is possible (as root on Debian). Where no registry is reachable the base image is made from this machine's
Python. ``TILERY_CONTAINER=all`` (`make test-container`) adds what takes minutes.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IMAGE = "tilery:test"
WANTED = bool(os.environ.get("CI") or os.environ.get("TILERY_CONTAINER"))
ALL = os.environ.get("TILERY_CONTAINER") == "all"

long = pytest.mark.skipif(not ALL, reason="takes minutes: make test-container")


def docker(*arguments: str, timeout: float = 900, check: bool = True, **environ: str) -> str:
    """Return standard output of a docker command."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, env=os.environ | environ, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)[:200]}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout.strip()


def answers() -> bool:
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=30).returncode
    )


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """An engine that answers; stopped again when it was started here."""
    if not WANTED:
        pytest.skip("builds and runs the image, which takes minutes: set TILERY_CONTAINER=1, or make test-container")
    if answers():
        yield
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("no container engine answers, and one can be installed as root on Debian only")
    started = subprocess.run(["bash", str(HERE / "engine.sh"), "up"], capture_output=True, text=True, check=False)
    if started.returncode:
        pytest.skip(f"a container engine could not be started: {started.stderr.strip()[-300:]}")
    yield
    subprocess.run(["bash", str(HERE / "engine.sh"), "down"], check=False, capture_output=True)


def base_version() -> str:
    """Return the version of Python whose base image there is: pulled, or made here."""
    if docker("image", "inspect", "python:3.13-slim", check=False) not in {"", "[]"}:
        return "3.13"
    try:
        docker("pull", "-q", "python:3.13-slim", timeout=120)
    except (AssertionError, subprocess.TimeoutExpired):
        pass
    else:
        return "3.13"
    why = "no base image: no registry answers"
    if os.geteuid() or not shutil.which("mmdebstrap"):
        pytest.skip(f"{why}, and a stand-in is made as root with mmdebstrap only")
    for version in ("3.13", "3.12", "3.11"):
        made = subprocess.run(
            ["bash", str(HERE / "base_image.sh"), version], capture_output=True, text=True, check=False
        )
        if made.returncode == 0:
            return version
        why = made.stderr.strip()[-300:]
    pytest.skip(f"no base image, and no stand-in: {why}")


@pytest.fixture(scope="session")
def python_version(engine: None) -> str:
    return base_version()


@pytest.fixture(scope="session")
def image(python_version: str) -> str:
    """The image, built from this folder as it is, without anything that only BuildKit has."""
    arguments = [
        "--build-arg",
        f"PYTHON_VERSION={python_version}",
        "--build-arg",
        "REVISION=abc",
        "-t",
        IMAGE,
        str(ROOT),
    ]
    docker("build", *arguments, timeout=1200, DOCKER_BUILDKIT="0")
    return IMAGE


@pytest.fixture(scope="session")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COGs of three kinds, each 2,048 pixels wide."""
    import rasterio
    from rasterio.transform import from_origin

    folder = tmp_path_factory.mktemp("rasters")
    side, generator = 2048, np.random.default_rng(7)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    waves = np.sin(rows / 97) * np.cos(columns / 61)
    noise = generator.integers(0, 24, (side, side)).astype(np.float32)
    kinds: dict[str, tuple[str, dict[str, Any], list[np.ndarray[Any, Any]]]] = {
        "rgb": ("uint8", {"compress": "deflate"}, [waves * 100 + 120 + noise, waves * -90 + 110 + noise, noise * 5]),
        "photo": ("uint8", {"compress": "jpeg"}, [waves * 100 + 120, waves * -90 + 110, noise * 5]),
        "dem": ("float32", {"compress": "zstd", "predictor": 3}, [waves * 900 + 1000 + noise / 10]),
    }
    for name, (dtype, options, bands) in kinds.items():
        profile = {
            "driver": "COG", "width": side, "height": side, "count": len(bands), "dtype": dtype, "crs": "EPSG:3857",
            "transform": from_origin(1_000_000, 6_000_000, 10, 10), "blocksize": 512, **options,
        }  # fmt: skip
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            for number, band in enumerate(bands, 1):
                target.write(band.astype(dtype), number)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    for parent in folder.parents[:2]:
        parent.chmod(0o755)
    return folder


class Container:
    """The service in a container, within the limits of a task."""

    def __init__(self, image: str, *options: str, cpus: str = "0.25", memory: str = "512m") -> None:
        self.port = free_port()
        self.name = f"tilery-test-{uuid.uuid4().hex[:8]}"
        docker(
            "run", "-d", "--name", self.name, "--read-only", "--cap-drop", "ALL", "--cpus", cpus, "--memory", memory,
            "--memory-swap", memory, "-p", f"127.0.0.1:{self.port}:8080", "-e", "PORT=8080", *options, image,
        )  # fmt: skip

    def get(self, path: str, timeout: float = 60) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("content-type") or ""
        finally:
            connection.close()

    def until_ready(self, seconds: float = 60) -> None:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if self.get("/healthz", timeout=5)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        raise AssertionError(self.logs())

    def until(self, is_so: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something is so."""
        limit = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < limit, self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def execute(self, *command: str) -> str:
        return docker("exec", self.name, *command)

    def worker(self) -> int:
        """Return the process id of a worker, as the container counts."""
        script = (
            "import os\n"
            "for p in os.listdir('/proc'):\n"
            "    if p.isdigit() and p != '1' and 'gunicorn' in open(f'/proc/{p}/cmdline').read():\n"
            "        print(p)\n"
            "        break"
        )
        return int(self.execute("python", "-c", script))

    def anonymous(self) -> int:
        """Return bytes that the container's processes hold and the kernel cannot take back."""
        script = (
            "import os, re\n"
            "total = 0\n"
            "for p in os.listdir('/proc'):\n"
            "    if p.isdigit():\n"
            "        try: found = re.search(r'RssAnon:\\s+(\\d+)', open(f'/proc/{p}/status').read())\n"
            "        except OSError: continue\n"
            "        total += int(found[1]) * 1024 if found else 0\n"
            "print(total)"
        )
        return int(self.execute("python", "-c", script))

    def stop(self, seconds: int = 60) -> int:
        docker("stop", "-t", str(seconds), self.name)
        return int(docker("inspect", "-f", "{{.State.ExitCode}}", self.name))

    def remove(self) -> None:
        docker("rm", "-f", "-v", self.name, check=False)


@pytest.fixture
def run(image: str, rasters: Path) -> Iterator[Callable[..., Container]]:
    """Start the service with the rasters at /data."""
    running: list[Container] = []

    def start(*options: str, **limits: str) -> Container:
        container = Container(image, "-v", f"{rasters}:/data:ro", "-e", "TILERY_SOURCES=/data/", *options, **limits)
        running.append(container)
        return container

    yield start
    for container in running:
        container.remove()

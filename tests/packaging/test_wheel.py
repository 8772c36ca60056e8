"""The wheel is the whole service: what is in it, and that it serves without the checkout."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import rasters
from tests.support.packages import link_needed
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
FOLDERS = ("requirements", "app", "tilery", "tests", "cdk", "bench", "docker")
TOP = ("pyproject.toml", "setup.py", "README.md", "LICENSE", *FOLDERS)
"""What there is in the folder where the wheel is made."""
PACKAGES = ("app", "tilery")
KERNELS = "tilery/kernels/_compiled.abi3.so"
"""What is compiled, for all versions of Python from 3.11 on."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is made of: setuptools would put what an earlier one left in ``build/`` into it."""
    source = tmp_path_factory.mktemp("source")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so")
    for name in TOP:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    command = ["wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made)]
    subprocess.run([sys.executable, "-m", "pip", *command, str(source)], check=True)
    (found,) = made.iterdir()
    return found


def test_it_has_all_of_both_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not {"__pycache__", "src"} & set(path.parts) and not path.name.startswith(".")
    }
    assert names - metadata == wanted | {KERNELS}
    assert {
        "app/process/gunicorn_conf.py",
        "app/api/templates/map.html",
        "app/api/templates/wmts.xml",
        "app/api/static/tilery.css",
        "app/api/static/vendor/pages/viewer.js",
        "app/py.typed",
        "tilery/py.typed",
    } <= names


@pytest.mark.parametrize("command", [("check_wheel_contents",), ("twine", "check", "--strict")], ids=lambda it: it[0])
def test_tools_find_nothing_wrong_with_it(wheel: Path, command: tuple[str, ...]) -> None:
    """What of its contents is so by design is listed with its reason in pyproject.toml."""
    done = subprocess.run(
        [sys.executable, "-m", *command, str(wheel)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_package_of_sources_has_all_that_the_wheel_is_made_of(wheel: Path, source: Path) -> None:
    program = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, "made"], cwd=source, check=True, stdout=subprocess.DEVNULL)
    (made,) = (source / "made").iterdir()
    with tarfile.open(made) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    with zipfile.ZipFile(wheel) as file:
        wanted = {name for name in file.namelist() if name.startswith(("app/", "tilery/"))} - {KERNELS}
    assert wanted <= names
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tilery" / "kernels" / "src").iterdir()}
    assert {*sources, "setup.py", "pyproject.toml", "requirements/service.in"} <= names


def test_it_is_for_one_processor_and_for_each_python_from_3_11_on(wheel: Path) -> None:
    assert re.fullmatch(r"tilery-[\d.]+-cp311-abi3-linux_\w+\.whl", wheel.name)


def requirements(wheel: Path) -> set[str]:
    """Return what a wheel says that it needs."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        lines = file.read(name).decode().splitlines()
    return {line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")}


def test_it_asks_for_what_the_service_needs(wheel: Path) -> None:
    needs = requirements(wheel)
    assert {"gunicorn", "uvicorn-worker", "rasterio", 'mangum; extra == "lambda"'} <= needs
    assert 'xarray; extra == "notebook"' in needs
    assert not any(need.startswith(("pytest", "aws-cdk", "moto")) for need in needs)


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts of an empty environment with the wheel and what it says that it needs: no more, and not the checkout."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = ["--python", str(python), "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *command], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    link_needed(requirements(wheel), packages)
    return folder / "bin"


class Served:
    """``tilery serve`` from an empty folder, with two workers."""

    def __init__(self, scripts: Path, folder: Path, sources: Path, **environ: str) -> None:
        self.port = free_port()
        self.log = folder / "log"
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own = {"TILERY_SOURCES": str(sources), "WEB_CONCURRENCY": "2", "GRACEFUL_TIMEOUT": "3"}
        (empty := folder / "empty").mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(scripts / "tilery"), "serve", "--port", str(self.port)],
                cwd=empty,
                env=inherited | own | environ,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str) -> tuple[int, Message, bytes]:
        """Return status, headers and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def until(self, check: Callable[[], bool], seconds: float = 60) -> None:
        """Return once it is so."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            with contextlib.suppress(OSError):
                if check():
                    return
            time.sleep(0.05)
        raise AssertionError(self.text())

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Process ids of gunicorn's workers."""
        (gunicorn,) = children(self.process.pid)
        return children(gunicorn)


def children(pid: int) -> list[int]:
    """Process ids of a process's children, by the thread that started them."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources").resolve()
    rasters.rgb(folder / "rgb.tif")
    return folder


@pytest.fixture
def served(scripts: Path, sources: Path, tmp_path: Path) -> Iterator[Served]:
    found = Served(scripts, tmp_path, sources, DRAIN_DELAY="3")
    try:
        found.until(lambda: found.get("/healthz")[0] == 200)
        found.until(lambda: found.text().count("Application startup complete") == 2)
        yield found
    finally:
        found.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            found.process.wait(20)
        found.process.kill()


def test_it_serves_tiles_and_pages_with_all_that_the_container_has(served: Served, sources: Path) -> None:
    tile = f"/cog/tiles/WebMercatorQuad/8/134/90.png?url={quote(str(sources / 'rgb.tif'))}"
    first, second = served.workers()
    with stopped(first):
        status, headers, _ = served.get(tile)
        assert (status, headers["content-type"], headers["x-cache"]) == (200, "image/png", "miss")
    with stopped(second):
        assert served.get(tile)[1]["x-cache"] == "hit", "what one worker drew the other hands out"
    assert served.get("/wmts?service=WMTS&request=GetCapabilities")[0] == 200
    status, _, page = served.get("/map")
    assert status == 200
    (styles,) = re.findall(r'href="([^"]*/tilery\.css)"', page.decode())
    assert served.get("/" + styles.lstrip("./"))[0] == 200
    assert "budget: " in served.text()
    assert "caches of its own" not in served.text()

    served.process.send_signal(signal.SIGTERM)
    served.until(lambda: served.get("/healthz")[0] == 503, seconds=3)
    assert served.get(tile)[0] == 200, "the service goes on while the balancer learns of the end"
    assert served.process.wait(20) == 0


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that takes no connection meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_notebook_shows_a_raster_by_the_server_of_the_wheel(scripts: Path, sources: Path, tmp_path: Path) -> None:
    """Whatever lies beside the notebook under the name of our own package."""
    (tmp_path / "app.py").write_text("raise RuntimeError('not this one')")
    cell = f"import tilery, urllib.request; r = tilery.open({str(sources / 'rgb.tif')!r}); print(tilery.__file__)"
    tile = "print(urllib.request.urlopen(r.tile_url.format(z=8, x=134, y=90)).headers['content-type'])"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(scripts / "python"), "-c", f"{cell}; {tile}"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    where, kind = done.stdout.split()
    assert Path(where).is_relative_to(scripts.parent)
    assert kind == "image/png"

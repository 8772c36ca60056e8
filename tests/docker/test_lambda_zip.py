"""The zip of the Lambda function: what is in it, and that it works alone."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, urlsplit

import pytest
from PIL import Image

from tests.support import rasters
from tests.support.lambda_runtime import LambdaRuntime
from tests.support.packages import declared

ROOT = Path(__file__).parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(os.uname().machine, "")
SERVERS = {"uvicorn", "uvicorn-worker", "gunicorn", "uvloop", "httptools", "prometheus-client"}
COMMAND_LINE = {"click", "tqdm", "python-dateutil"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lambda_zip", ROOT / "docker" / "lambda_zip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_function_has_what_the_service_has_without_its_servers() -> None:
    service, function = declared("service.in"), declared("lambda.in")
    assert function == service - SERVERS - COMMAND_LINE | {"mangum"} | declared("zarr.in")
    pins = {}
    for name in ("requirements.txt", "requirements/zarr.txt", "requirements/lambda.txt"):
        text = (ROOT / name).read_text()
        pins[name] = set(re.findall(r"^[a-z0-9._-]+==\S+(?: ; [^\\\n]+)?", text, re.MULTILINE))
    of_service = pins["requirements.txt"] | pins["requirements/zarr.txt"]
    assert {pin for pin in pins["requirements/lambda.txt"] - of_service if "h11" not in pin} == {
        next(pin for pin in pins["requirements/lambda.txt"] if pin.startswith("mangum"))
    }
    assert not any(pin.startswith(("boto", "awslambdaric", *SERVERS)) for pin in pins["requirements/lambda.txt"])


def test_conditions_are_held_against_the_functions_python(script: ModuleType) -> None:
    lock = (
        "a==1 ; python_full_version < '3.12' \\\n    --hash=sha256:aa\n"
        "a==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via b\n"
        "c==3 ; sys_platform == 'win32' \\\n    --hash=sha256:dd\n"
        "d==4 ; platform_machine == 'aarch64' \\\n    --hash=sha256:ee\n"
    )
    found = list(script.requirements(lock, "x86_64", "3.13"))
    assert found == ["a==2 \\", "    --hash=sha256:bb \\", "    --hash=sha256:cc"]
    assert list(script.requirements(lock, "arm64", "3.11"))[0::2] == ["a==1 \\", "d==4 \\"]


def test_a_download_with_another_content_is_not_taken(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "DEBIAN", (tmp_path.as_uri(),))
    (tmp_path / "a.deb").write_bytes(b"evil")
    with pytest.raises(SystemExit, match="hash"):
        script.download("a.deb", hashlib.sha256(b"good").hexdigest())
    assert script.download("a.deb", hashlib.sha256(b"evil").hexdigest()) == b"evil"


def test_the_same_content_is_the_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        folder = tmp_path / str(number)
        (folder / "b").mkdir(parents=True)
        for name in sorted(["b/c.py", "a.so", "b/d.txt"], reverse=bool(number)):
            (folder / name).write_text(name)
            os.utime(folder / name, (number * 1e9, number * 1e9))
        script.pack(folder, tmp_path / f"{number}.zip")
        archives.append((tmp_path / f"{number}.zip").read_bytes())
    assert archives[0] == archives[1]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for this machine's processor and Python, unpacked into an empty folder that nobody may write to."""
    if not ARCHITECTURE or sys.platform != "linux":
        pytest.skip("Lambda has x86_64 and arm64, and its packages are Linux's")
    folder = tmp_path_factory.mktemp("zip")
    command = [sys.executable, "docker/lambda_zip.py", "--architecture", ARCHITECTURE, "--python", VERSION]
    done = subprocess.run(
        [*command, "--to", str(folder / "package.zip")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(folder / "package.zip") as archive:
        archive.extractall(folder / "task")
    return folder / "task"


@pytest.mark.slow
def test_what_is_in_the_zip(task: Path) -> None:
    files = [path for path in task.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert size < 250 * 2**20, "what Lambda takes"
    assert size < 210e6, "what it was; see docker/trim.py"
    top = {path.name for path in task.iterdir()}
    assert {"app", "mangum", "rasterio", "rasterio.libs", "fastapi"} <= top
    unwanted = ("boto", "uvicorn", "gunicorn", "uvloop", "httptools", "pip", "bin", "awslambdaric", "tqdm")
    assert [name for name in top if name.startswith(unwanted)] == []
    assert (task / "app" / "api" / "static" / "vendor" / "maplibre-gl").is_dir(), "the pages work too"
    assert (task / "rasterio.libs" / "libexpat.so.1").exists()
    assert not list(task.rglob("__pycache__"))
    compiled = (task / "app" / "lambda_handler.pyc").read_bytes()
    assert b"/var/task/app/lambda_handler.py" in compiled
    assert str(ROOT).encode() not in compiled
    newest = 0
    for path in files:
        data = path.read_bytes()
        if data[:4] == b"\x7fELF":
            machine = struct.unpack_from("<H", data, 18)[0]
            assert machine == {"x86_64": 62, "arm64": 183}[ARCHITECTURE], path
            newest = max(newest, *(int(found) for found in re.findall(rb"GLIBC_2\.(\d+)", data)), 0)
    assert newest <= 34, "Amazon Linux 2023 has glibc 2.34"


@pytest.mark.slow
def test_it_works_alone(task: Path, tmp_path: Path) -> None:
    """A Python without any packages, the unpacked zip, and what Lambda's Python has beside: AWS's runtime client."""
    data = tmp_path.resolve() / "data"
    data.mkdir()
    rasters.rgb(data / "rgb.tif")
    theirs = tmp_path / "runtime"
    theirs.mkdir()
    for name in ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        place = Path(str(spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin))
        (shutil.copytree if place.is_dir() else shutil.copy)(place, theirs / place.name)
    environ = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{task}:{theirs}",
        "LAMBDA_TASK_ROOT": str(task),
        "TILERY_SOURCES": f"{data}/",
        "HOME": "/nonexistent",
    }
    command = [os.path.realpath(sys.executable), "-S", "-m", "awslambdaric", "app.lambda_handler.handler"]
    log = tmp_path / "log"
    with LambdaRuntime(command, environ=environ, inherit=False, cwd=task, snapstart=True, log=log) as runtime:
        url = quote(str(data / "rgb.tif"))

        def get(path: str) -> tuple[int, bytes]:
            place = urlsplit(runtime.front("function-url"))
            connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
            connection.request("GET", path)
            answer = connection.getresponse()
            found = answer.status, answer.read()
            connection.close()
            return found

        for suffix in ("png", "jpg", "webp", "tif", "jp2", "npy"):
            status, body = get(f"/cog/tiles/WebMercatorQuad/8/134/90.{suffix}?url={url}")
            assert status == 200, (suffix, body[:300], runtime.failures, log.read_text()[-2000:])
            if suffix in {"png", "jpg", "webp"}:
                assert Image.open(io.BytesIO(body)).size == (256, 256)
        for path in ("/cog/info", "/cog/statistics", "/cog/stac", "/cog/WebMercatorQuad/map.html", "/cog/validate"):
            status, body = get(f"{path}?url={url}")
            assert status == 200, (path, body[:300], log.read_text()[-2000:])
        assert json.loads(get("/api")[1])["openapi"]
        maps = Path(f"/proc/{runtime.pids()[0]}/maps").read_text()
    assert f"{task}/rasterio.libs/libexpat.so.1" in maps, "not the machine's own"
    assert "site-packages" not in maps

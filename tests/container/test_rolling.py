"""A rolling replacement under load, as ECS and its load balancer do it, with the numbers of the stack that ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.conftest import HERE, ROOT, long

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(scope="module")
def tools(engine: None) -> None:
    """HAProxy in the balancer's place, and wrk as the load."""
    if all(shutil.which(name) for name in ("haproxy", "wrk")):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("needs haproxy and wrk, which can be installed as root on Debian only")
    command = [
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        "haproxy",
        "wrk",
    ]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("haproxy and wrk could not be installed")


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's resources as synthesised, in the form that `ecs_local.py` reads."""
    python = ROOT / ".venv-cdk" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs the stacks' environment: make cdk")
    folder = tmp_path_factory.mktemp("cdk")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TILERY_", "TITILER_"))}
    environ |= {
        "CDK_OUTDIR": str(folder),
        "TILERY_STACK_NAME": "roll",
        "TILERY_STACK_STAGE": "test",
        "TILERY_STACK_SOURCES": "s3://none/",
        "TILERY_STACK_TASK_CPU": "256",
        "TILERY_STACK_TASK_MEMORY": "512",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }
    subprocess.run([str(python), "-m", "cdk.app"], cwd=ROOT, env=environ, check=True, capture_output=True)
    template = json.loads((folder / "roll-ecs-test.template.json").read_text())
    path = folder / "resources.json"
    path.write_text(json.dumps({"roll-ecs-test": template["Resources"]}))
    return path


@pytest.mark.parametrize(
    ("order", "drain", "seconds"),
    [
        ("abrupt", 3, 45),  # SIGTERM at the moment of the deregistration, as a Spot interruption may
        pytest.param("drain", 10, 70, marks=long),  # SIGTERM once the balancer has stopped sending
        pytest.param("unaware", 10, 70, marks=long),  # SIGTERM before it knows: its health check has to find out
    ],
)
def test_a_rolling_replacement_loses_no_request(
    order: str, drain: int, seconds: int, image: str, tools: None, resources: Path, rasters: Path
) -> None:
    tile = "/cog/tiles/WebMercatorQuad/13/4303/2872.png?url=/data/rgb.tif"
    command = [
        sys.executable, str(HERE / "ecs_local.py"), "--stack", "roll-ecs-test", "--resources", str(resources),
        "--image", image, "--tasks", "2", "--interval", "2", "--port", "18088",
        "--load", tile, "--seconds", str(seconds), "--connections", "8", "--roll", "--order", order,
        "--env", f"DRAIN_DELAY={drain}", "--env", "TILERY_SOURCES=/data/",
        "--env", "TILERY_PUBLIC_URL=http://127.0.0.1:18088",
        f"--docker-arg=--volume={rasters}:/data:ro", "--docker-arg=--read-only", "--docker-arg=--cap-drop=ALL",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["requests"] > 200, found
    assert found["non_2xx"] == 0, found
    assert found["socket_errors"] is None, found
    assert [task["code"] for task in found["exits"]] == [0, 0], found
    assert found["rolled_s"] < seconds - 4, "the load outlasted the replacement"

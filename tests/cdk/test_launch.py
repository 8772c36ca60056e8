"""The guide's commands as they are written: the environment that npm finds, and what a bare ``synth`` prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cdk.support import ROOT

NPM = pytest.mark.skipif(not (ROOT / "node_modules" / "aws-cdk").is_dir(), reason="needs `make cdk`")


def environment(path: Path) -> Path:
    """Return a folder that looks like a virtual environment: its Python says which one it is."""
    python = path / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncase "$1" in -c) exec {sys.executable} "$@" ;; esac\necho {path.name} "$@"\n')
    python.chmod(0o755)
    return path


def launch(folder: Path, needed: str = "json", **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "cdk").mkdir(exist_ok=True)
    shutil.copy(ROOT / "cdk" / "python.mjs", folder / "cdk")
    found = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | environ
    command = ["node", "cdk/python.mjs", needed, "-m", "cdk.app"]
    return subprocess.run(command, cwd=folder, env=found, capture_output=True, text=True, check=False)


def test_the_active_environment_comes_first_then_that_of_make(tmp_path: Path) -> None:
    own, made, plain = (environment(tmp_path / name) for name in ("my-own", ".venv-cdk", ".venv"))
    assert launch(tmp_path, VIRTUAL_ENV=str(own)).stdout == "my-own -m cdk.app\n"
    assert launch(tmp_path).stdout == ".venv-cdk -m cdk.app\n"
    shutil.rmtree(made)
    assert launch(tmp_path).stdout == ".venv -m cdk.app\n"
    shutil.rmtree(plain)
    folder = environment(tmp_path / "usr")
    (folder / "bin" / "python").rename(folder / "bin" / "python3")
    assert launch(tmp_path, PATH=f"{folder}/bin:{os.environ['PATH']}").stdout == "usr -m cdk.app\n"


def test_without_the_packages_the_command_that_brings_them_is_named(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    done = launch(tmp_path, needed="there_is_no_such_module")
    assert done.returncode == 1
    assert "python -m pip install -r requirements-cdk.txt" in done.stderr


def test_what_fails_fails_npm_too(tmp_path: Path) -> None:
    (environment(tmp_path / ".venv") / "bin" / "python").write_text(
        f'#!/bin/sh\ncase "$1" in -c) exec {sys.executable} "$@" ;; esac\nexit 3\n'
    )
    assert launch(tmp_path).returncode == 3


@NPM
@pytest.mark.parametrize("ci", ["", "true"])
def test_synth_without_a_name_prints_the_template_of_the_tasks(tmp_path: Path, ci: str) -> None:
    """As TiTiler's guide has it: an active environment and TITILER_STACK_ names."""
    done = subprocess.run(
        ["npm", "run", "-s", "cdk", "--", "synth", "--json", "--output", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ
        | {"VIRTUAL_ENV": sys.prefix, "TITILER_STACK_NAME": "mytiler", "TITILER_STACK_STAGE": "dev", "CI": ci}
        | {"TITILER_STACK_BUCKETS": '["my-bucket"]', "TITILER_STACK_MIN_ECS_INSTANCES": "10"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    resources = json.loads(done.stdout)["Resources"].values()
    (target,) = (r["Properties"] for r in resources if r["Type"] == "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (10, 20)
    assert "The others: npm run cdk -- synth mytiler-lambda-dev" in done.stderr
    warning = "Nobody is told when an alarm rings"
    assert done.stderr.count(warning) == 2, "once for each stack"
    assert "circular" not in done.stderr.lower()

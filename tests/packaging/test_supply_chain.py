"""Bills of materials name what ships, and workflows run what the Makefile has, with actions that nobody can change."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def targets() -> set[str]:
    """Return targets of all makefiles, without those that are files."""
    files = [ROOT / "Makefile", *ROOT.glob("docker/*.mk"), *ROOT.glob("cdk/*.mk")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return {*re.findall(r"^([a-z-]+):", text, re.MULTILINE), ".demo/.made"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_and_files_that_there_are(path: Path) -> None:
    called = 0
    for step in steps(path):
        for command in re.findall(r"\bmake ([^&|;>\n]+)", step.get("run", "")):
            words = [word for word in command.split() if "=" not in word]
            assert set(words) <= targets()
            called += len(words)
        for script in re.findall(r"\bbash (\S+)", step.get("run", "")):
            assert (ROOT / script).is_file()
            called += 1
    assert called > 2


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_bound_to_a_commit_and_named_by_version(path: Path) -> None:
    used = re.findall(r"uses: *(\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
        assert re.match(r" # v\d+\.\d+\.\d+", comment), "what Dependabot reads"


def test_nothing_may_do_more_than_its_job_says() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {}
        assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())


BASE = ROOT / "docker" / "base.Dockerfile"


def test_the_base_image_that_dependabot_moves_is_the_one_that_is_built_upon() -> None:
    (tag,) = re.findall(
        r"^FROM python:([^@\s]+)(?:@sha256:[0-9a-f]{64})?$", BASE.read_text(encoding="utf-8"), re.MULTILINE
    )
    for name in ("Dockerfile", "docker/lambda.Dockerfile"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (version,) = re.findall(r"^ARG (?:PYTHON_VERSION|LAMBDA_PYTHON)=(\S+)$", text, re.MULTILINE)
        assert re.findall(r"^FROM python:\S+", text, re.MULTILINE) == [
            f"FROM python:${{{'PYTHON_VERSION' if name == 'Dockerfile' else 'LAMBDA_PYTHON'}}}-slim${{BASE_DIGEST}}"
        ]
        assert tag == f"{version}-slim"


@pytest.mark.parametrize("digest", ["", "@sha256:" + 64 * "a"])
def test_images_are_bound_to_the_digest_of_the_base_image_where_there_is_one(tmp_path: Path, digest: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "base.Dockerfile").write_text(f"# Why\nFROM python:3.13-slim{digest}\n")
    makefiles = [word for name in ("container", "lambda") for word in ("-f", str(ROOT / "docker" / f"{name}.mk"))]

    def said(*words: str) -> str:
        command = ["make", "-n", *makefiles, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    for words in (("image",), ("lambda-image",)):
        assert re.findall(r"BASE_DIGEST=(\S+)", said(*words)) == ([digest] if digest else [])
    assert "BASE_DIGEST" not in said("lambda-image", "LAMBDA_PYTHON=3.12"), "it is another image's"
    assert "--build-arg BASE_DIGEST" not in said("image", "BASE_DIGEST="), "where there is no registry"


@pytest.mark.parametrize("answers", [True, False])
def test_a_release_ends_where_the_registry_does_not_say_the_digest(tmp_path: Path, *, answers: bool) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "base.Dockerfile").write_text("FROM python:3.13-slim\n")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\n{'echo sha256:abc' if answers else 'exit 1'}\n")
    docker.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # tests run under make
    environ["PATH"] = f"{docker.parent}:{environ['PATH']}"
    (run,) = (
        step["run"]
        for step in steps(ROOT / ".github" / "workflows" / "release.yml")
        if "base-digest" in step.get("run", "") and "make" in step["run"]
    )
    (tmp_path / "Makefile").write_text(f"include {ROOT}/docker/container.mk\n")
    done = subprocess.run(["sh", "-ec", run], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode == 0, done.stdout) == (answers, "@sha256:abc\n" if answers else "")


def test_the_bill_of_materials_of_the_pages_names_what_is_copied_into_them() -> None:
    command = ["npm", "sbom", "--package-lock-only", "--omit", "dev", "--sbom-format", "cyclonedx"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {part["name"]: part["version"] for part in json.loads(done.stdout)["components"]}
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: found[name] for name in wanted} == {name: lock[f"node_modules/{name}"]["version"] for name in wanted}
    assert "aws-cdk" not in found

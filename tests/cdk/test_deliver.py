"""The last step of the pipeline: what is deployed was tested, is tried out, and goes when it is not well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cdk.support import ROOT

NEW, OLD = (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/tilery@sha256:{64 * digit}" for digit in "10")
STACKS = "maps-ecs-dev maps-lambda-dev maps-jobs-dev"


COMMAND = """#!/bin/sh
name=${0##*/}
case $name in
npm) echo "deploy $TILERY_STACK_IMAGE $(cat "${TILERY_STACK_LAMBDA_ZIP:-/dev/null}")" ;;
*) echo "$name $*" ;;
esac >>"$CALLS"
case "$name $*" in
*"$FAILS"*) [ -e "$CALLS.failed" ] || { touch "$CALLS.failed"; exit 1; } ;;
esac
place() { echo "$1" | sed "s#^s3://pipeline#$BUCKET#"; }
[ "$name" != aws ] || cp "$(place "$4")" "$(place "$5")"
"""
"""Writes down how it was called; fails once where it is told to; copies to and from the bucket."""


class BuildMachine:
    """CodeBuild's machine, with commands that write down how they were called and a bucket that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls, self.bucket = folder, folder / "calls", folder / "bucket"
        (folder / "bin").mkdir()
        (self.bucket / "last-good").mkdir(parents=True)
        for name in ("npm", "make", "aws"):
            command = folder / "bin" / name
            command.write_text(COMMAND)
            command.chmod(0o755)
        (folder / "tested").mkdir()
        (folder / "tested" / "package.zip").write_text("new")

    def good(self) -> None:
        """There was a release before."""
        (self.bucket / "last-good" / "release.json").write_text(json.dumps({"TILERY_STACK_IMAGE": OLD}))
        (self.bucket / "last-good" / "package.zip").write_text("old")

    def deliver(self, fails: str = "nothing at all", **more: str) -> tuple[int, list[str], str]:
        environ = {
            "PATH": f"{self.folder}/bin:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "BUCKET": str(self.bucket),
            "FAILS": fails,
            "STACKS": STACKS,
            "ARTIFACTS": "pipeline",
            "TILERY_STACK_IMAGE": NEW,
            "CODEBUILD_SRC_DIR_TESTED": str(self.folder / "tested"),
        }
        command = [sys.executable, "-m", "cdk.deliver"]
        done = subprocess.run(command, cwd=ROOT, env=environ | more, capture_output=True, text=True, check=False)
        return done.returncode, self.calls.read_text().splitlines(), done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> BuildMachine:
    return BuildMachine(tmp_path)


def test_what_is_well_is_remembered(machine: BuildMachine) -> None:
    code, calls, said = machine.deliver(TILERY_STACK_TEST_SOURCE="s3://imagery/a.tif")
    assert code == 0, said
    assert calls[:3] == [
        f"deploy {NEW} new",
        "make test-deployed STACK=maps-ecs-dev OUTPUTS=outputs.json SOURCE=s3://imagery/a.tif WAIT=120",
        "make test-deployed STACK=maps-lambda-dev OUTPUTS=outputs.json SOURCE=s3://imagery/a.tif WAIT=120",
    ]
    good = machine.bucket / "last-good"
    assert json.loads((good / "release.json").read_text()) == {"TILERY_STACK_IMAGE": NEW}
    assert (good / "package.zip").read_text() == "new"


def test_blue_and_green_tasks_are_shifted_to_before_they_are_tried(machine: BuildMachine) -> None:
    _, calls, _ = machine.deliver(TILERY_STACK_RELEASE="blue-green")
    assert calls[1] == "make release STACK=maps-ecs-dev OUTPUTS=outputs.json"
    assert [call for call in calls if "make release" in call] == [calls[1]], (
        "functions are shifted to by the deployment"
    )


@pytest.mark.parametrize("fails", ["cdk -- deploy", "make release", "test-deployed STACK=maps-lambda"])
def test_what_is_not_well_goes_and_what_was_good_comes_back(machine: BuildMachine, fails: str) -> None:
    machine.good()
    code, calls, said = machine.deliver(fails, TILERY_STACK_RELEASE="blue-green")
    assert code == 1, "or somebody would think that the new one is out"
    deployed = [call for call in calls if call.startswith("deploy")]
    assert deployed == [f"deploy {NEW} new", f"deploy {OLD} old"]
    assert calls[-1].startswith("make test-deployed STACK=maps-lambda-dev"), "the old one is tried out as well"
    assert "The release before it is back." in said
    assert json.loads((machine.bucket / "last-good" / "release.json").read_text()) == {"TILERY_STACK_IMAGE": OLD}


def test_the_first_release_has_nothing_to_go_back_to(machine: BuildMachine) -> None:
    code, calls, said = machine.deliver("test-deployed STACK=maps-ecs")
    assert code == 1
    assert "There is no earlier release to go back to." in said
    assert len([call for call in calls if call.startswith("deploy")]) == 1


def test_a_bucket_that_says_no_takes_back_nothing(machine: BuildMachine) -> None:
    code, calls, said = machine.deliver("release.json s3://")
    assert code == 1
    assert "The release is well" in said
    assert len([call for call in calls if call.startswith("deploy")]) == 1

"""AWS's own rules: cdk-nag over the constructs, cfn-lint over the templates; and the command that users run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cdk.support import ROOT, SETTINGS, assembly


@pytest.mark.parametrize("name", SETTINGS)
def test_every_finding_of_cdk_nag_is_fixed_or_answered(name: str) -> None:
    report = json.loads((assembly(name) / "validation-report.json").read_text())
    nag = [plugin for plugin in report["pluginReports"] if plugin["pluginName"] == "AwsSolutions"]
    assert len(nag) == 1, "the rules were run"
    assert [violation["ruleName"] for violation in nag[0]["violations"]] == []


def test_cfn_lint_finds_nothing() -> None:
    templates = [str(path) for name in SETTINGS for path in assembly(name).glob("*.template.json")]
    assert len(templates) >= len(SETTINGS)
    # W3005 is CDK's own way to write dependencies
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--ignore-checks", "W3005", "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_wrong_settings_end_synthesis_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cdk.app"],
        cwd=ROOT,
        env=os.environ | {"TITILER_STACK_TASK_CPU": "256", "TITILER_STACK_TASK_MEMORY": "4096"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "with 256 units go 512, 1024 and 2048 MiB" in done.stderr
    assert "Traceback" not in done.stderr

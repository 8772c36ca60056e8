"""Tests of the stacks. What needs aws-cdk-lib runs in its own environment: `make test-cdk`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from tests.cdk.support import SHARED, scratch

ELSEWHERE = (
    "test_check_tasks.py",
    "test_config.py",
    "test_cost.py",
    "test_deliver.py",
    "test_edge.py",
    "test_release.py",
)
"""What needs no aws-cdk-lib, and is run where there is none too."""

if importlib.util.find_spec("aws_cdk") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name not in ELSEWHERE]


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the others makes the folder that they share, and removes it when they have ended."""
    if not hasattr(config, "workerinput"):
        os.environ[SHARED] = scratch()


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither variables nor a ``.env`` of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("TILERY_", "TITILER_")):
            monkeypatch.delenv(name)
    from cdk.config import StackConfig

    monkeypatch.setitem(StackConfig.model_config, "env_file", None)

"""Tests of the stacks. What needs aws-cdk-lib runs in its own environment: `make test-cdk`."""

from __future__ import annotations

import importlib.util
import os

import pytest

from tests.cdk.support import SHARED, scratch

if importlib.util.find_spec("aws_cdk") is None:
    collect_ignore = [
        "test_alarms.py",
        "test_checks.py",
        "test_changes.py",
        "test_cloudfront.py",
        "test_jobs.py",
        "test_lambda_stack.py",
        "test_launch.py",
        "test_release_stack.py",
        "test_secrecy.py",
        "test_stack.py",
        "test_website.py",
    ]


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

"""What the code imports is what the lists of packages declare."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.packages import declared

ROOT = Path(__file__).parents[2]
OURS = {"app", "tilery", "cdk", "tests", "bench"}
LISTS = {
    "app": ("service.in", "zarr.in", "lambda.in", "lambda-image.in", "oidc.in", "telemetry.in"),
    "tilery": ("service.in", "zarr.in", "search.in", "notebooks.in"),
    "cdk": ("cdk.in",),
}
"""Where the packages of each folder are declared."""
ELSEWHERE = {
    "aws_cdk": "aws-cdk-lib",
    "cdk_nag": "cdk-nag",
    "constructs": "constructs",
    "mangum": "mangum",
    "xarray": "xarray",
    "snapshot_restore_py": "snapshot-restore-py",
}
"""Packages by what is imported of them, of those that need not be where the tests run."""
PROVIDED = {"cdk/check_version.py": {"boto3"}, "cdk/check_tasks.py": {"boto3", "botocore"}}
"""Imports of texts that run elsewhere, by file: AWS Lambda's runtime has these."""


def imported(file: Path) -> set[str]:
    """Return first parts of the names that a module imports, without Python's own and ours."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    beside = {path.stem for path in file.parent.glob("*.py")} if file.parts[len(ROOT.parts)] == "cdk" else set()
    return found - set(sys.stdlib_module_names) - OURS - beside


@pytest.mark.parametrize("folder", sorted(LISTS))
def test_each_import_is_declared(folder: str) -> None:
    known = set().union(*map(declared, LISTS[folder]))
    packages = {
        name: {item.lower().replace("_", "-") for item in items} for name, items in packages_distributions().items()
    }
    missing = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for module in imported(file) - PROVIDED.get(file.relative_to(ROOT).as_posix(), set())
        if known.isdisjoint(packages.get(module, set()) | {ELSEWHERE.get(module, module)})
    }
    assert missing == set()


@pytest.mark.parametrize("extra", ["lambda", "search", "zarr"])
def test_an_extra_is_what_its_list_adds(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = declared("service.in") | (declared("zarr.in") if extra != "zarr" else set())
    assert set(project["optional-dependencies"][extra]) == declared(f"{extra}.in") - known


def test_the_extra_for_notebooks_is_tested_by_its_own_list() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = set(project["optional-dependencies"]["notebook"])
    assert extra == {"xarray"}
    assert extra <= declared("notebooks.in")
    assert not extra & declared("service.in")


@pytest.mark.parametrize("name", ["oidc", "telemetry"])
def test_other_extras_are_what_their_lists_name(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"][name]) == declared(f"{name}.in")
    assert declared(f"{name}.in") <= declared("dev.in"), "tests need it too"


LOCKS = (
    *("requirements.txt", "requirements-cdk.txt"),
    *(f"requirements/{name}.txt" for name in ("lambda", "notebooks", "oidc", "telemetry", "zarr")),
)


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_have_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[\w.-]+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) > 0
    assert "://" not in text
    assert "index-url" not in text

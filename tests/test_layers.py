"""Imports run downwards only: the floors of the house, kept by a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"
GROUND = {
    "app",
    "app.raster",
    "app.crs",
    "app.tms",
    "app.errors",
    "app.settings",
    "app.arena",
    "app.variables",
    "app.budget",
    "app.allowance",
    "app.deadline",
    "app.memory",
    "app.native",
    "app.turns",
    "app.weighted",
}
MAY_IMPORT = {
    "observing": set(),
    "rendering": set(),
    "reading": set(),
    "catalog": {"reading"},
    "publishing": {"catalog", "reading"},
    "serving": {"rendering", "reading", "catalog", "observing"},
    "api": {"serving", "rendering", "reading", "catalog", "publishing", "observing"},
}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "app"}


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_imports_run_downwards(path: Path) -> None:
    parts = path.relative_to(APP).parts
    if parts[0] == "commands":
        return  # the command line in parts: it may import everything
    if len(parts) == 1:
        if f"app.{path.stem}" not in GROUND and path.stem != "__init__":
            return  # main, cli and the Lambda handler put the parts together: they may import everything
        allowed: set[str] = set()
        own = ""
    else:
        own = parts[0]
        allowed = MAY_IMPORT[own] | {own}
    for name in imports_of(path):
        second = name.split(".")[1] if "." in name else ""
        if second in MAY_IMPORT:
            assert second in allowed, f"{path.name} imports {name}"
        else:
            assert (
                not second
                or any(name == g or name.startswith(f"{g}.") for g in GROUND if g != "app")
                or second == ("__version__")
            ), f"{path.name} imports {name}"


def test_rasters_are_opened_in_one_file() -> None:
    """The service opens them in one file, which is where what may be opened is decided. The publisher's tools open what
    an operator names, in any format, and write; they do so in one file too."""
    holders = {
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        if "rasterio.open(" in path.read_text(encoding="utf-8")
    }
    assert holders == {"reading/gdal.py", "publishing/rasters.py"}


def test_what_opens_anything_is_not_imported_by_the_service() -> None:
    for path in sorted(APP.rglob("*.py")):
        folder = path.relative_to(APP).parts[0]
        if folder in ("reading", "rendering", "serving", "catalog", "observing"):
            assert not any(name.startswith("app.publishing") for name in imports_of(path)), path

"""Imports run downwards only: the packages, top to bottom, held to it by a test for every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for package in ("app", "tilery") for path in (ROOT / package).rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "tilery.errors": set(),
    "tilery.stages": set(),
    "tilery.claims": set(),
    "tilery.arena": {"tilery.claims"},
    "tilery.did_you_mean": set(),
    "tilery.kernels": set(),
    "tilery.limits": {"tilery.errors"},
    "tilery.geo": {"tilery.errors"},
    "tilery.storage": {"tilery.errors", "tilery.stages", "tilery.limits"},
    "tilery.rendering": {"tilery.errors", "tilery.stages", "tilery.geo", "tilery.limits"},
    "tilery.reading": {
        "tilery.errors",
        "tilery.stages",
        "tilery.arena",
        "tilery.limits",
        "tilery.geo",
        "tilery.storage",
    },
    "tilery.catalog": {"tilery.errors", "tilery.did_you_mean", "tilery.limits", "tilery.geo", "tilery.storage"},
    "tilery.publishing": {
        "tilery.errors",
        "tilery.limits",
        "tilery.geo",
        "tilery.kernels",
        "tilery.storage",
        "tilery.reading",
        "tilery.catalog",
        "tilery.engine",
    },
    "tilery.engine": {"tilery"},
    "tilery.rio_tiler": {"tilery"},
    "tilery.notebook": {"tilery"},
    "app.config": {"tilery"},
    "app.observing": {"app.config", "tilery"},
    "app.process": {"app.config", "app.observing", "tilery"},
    "app.serving": {"app.config", "app.observing", "app.process", "tilery"},
    "app.api": {"app.config", "app.observing", "app.process", "app.serving", "tilery"},
}
"""What each package may import beside itself; `tilery` alone stands for all that is in it."""
TOP = {"app.main", "app.cli", "app.__main__", "app.commands", "app.aws_lambda", "app.lambda_handler", "app.notebook"}
"""They put the parts together and may import everything."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


def package_of(name: str) -> str:
    """Return the package of a dotted name: its first two parts."""
    return ".".join(name.split(".")[:2])


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("app", "tilery")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path: Path) -> None:
    module = name_of(path)
    own = package_of(module)
    if own in TOP or module in ("app", "tilery"):
        return
    assert own in MAY_IMPORT, f"{module} is in no package of the table"
    for name in imports_of(path):
        package = package_of(name)
        if name == "tilery.__version__" or package == own:
            continue
        allowed = MAY_IMPORT[own]
        assert package in allowed or (package.startswith("tilery.") and "tilery" in allowed), f"{module} imports {name}"


def imported_modules(path: Path) -> set[str]:
    """Return the modules that a module imports while it runs, in its functions too; not those that only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= named & NAMES | ({node.module} if named - NAMES else set())
    return (found & NAMES) - {name_of(path)}


def test_no_imports_run_in_circles() -> None:
    """Neither those at the top of modules nor those in functions."""
    order = TopologicalSorter({name_of(path): imported_modules(path) for path in MODULES})
    order.prepare()  # raises CycleError, which names the circle


def test_settings_and_environment_are_handed_down() -> None:
    """They are asked for where the parts are put together; rio-tiler's reader takes GDAL's variables, as GDAL does."""
    for path in MODULES:
        module, text = name_of(path), path.read_text(encoding="utf-8")
        if module.startswith("tilery") and module != "tilery.rio_tiler.shared":
            assert not re.search(r"\bos\.(environ|getenv)\b", text), f"{module} reads the environment"
        top = package_of(module) in TOP or module.startswith("app.config.") or module == "app.api.app"
        if not top:
            assert not re.search(r"\bsettings_?\.get\(\)", text), f"{module} asks the process for settings"


def test_the_library_knows_nothing_of_the_service() -> None:
    for path in MODULES:
        module = name_of(path)
        if module.startswith("tilery"):
            outside = {name for name in imports_of(path) if name.startswith("app")}
            assert not outside, f"{module} imports {outside}"


def test_rasters_are_opened_in_one_file() -> None:
    """The service opens them in one file, which is where what may be opened is decided. The publisher's tools open what
    an operator names, in any format, and write; they do so in one file too."""
    holders = {
        path.relative_to(ROOT).as_posix() for path in MODULES if "rasterio.open(" in path.read_text(encoding="utf-8")
    }
    assert holders == {"tilery/reading/gdal_handle.py", "tilery/publishing/rasters.py"}


def test_parsed_parameters_are_taken_apart_where_they_are_typed() -> None:
    """Handlers have them as typed fields of dataclasses (`app.api.params.groups`, `app.api.params.path`)."""
    untyped = re.compile(r"\bvalues(?:\.get\(|\.of\(|\.given\b|\[)|\bcontext\.path(?:\.get\(|\.given\b|\[)")
    for path in MODULES:
        module = name_of(path)
        if module.startswith("app.") and not module.startswith("app.api.params."):
            assert not untyped.search(path.read_text(encoding="utf-8")), f"{module} takes values out by their names"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, "split it by job"


def test_publishing_loads_neither_the_block_reader_nor_its_codecs() -> None:
    """It has to go with little memory, and GDAL reads for it."""
    loading = "import sys, tilery.publishing.publish, tilery.reading.gdal_facts; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loading], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "tilery.reading.gdal_facts" in loaded
    assert not loaded & {
        "imagecodecs",
        "tilery.reading.gdal",
        "tilery.reading.gdal_handle",
        "tilery.reading.grid.reader",
        "tilery.reading.tiff.codecs",
    }


def test_the_map_of_the_repository_names_what_is_there() -> None:
    """Every package is in docs/architecture.md, and every file that it names exists."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in MAY_IMPORT:
        path = package.replace(".", "/")
        assert f"`{path}/`" in text or f"`{path}.py`" in text, f"docs/architecture.md does not name {package}"
    map_, _, _ = text.partition("## Recipes")
    for name in re.findall(r"`((?:app|tilery|tests)/[\w/.]+)`", map_):
        assert (ROOT / name).exists(), f"docs/architecture.md names {name}"


def test_the_map_of_the_repository_says_what_each_package_may_import() -> None:
    """The row of a package in docs/architecture.md says what the table above does."""
    found = {}
    table, _, _ = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## The way of a tile")
    for named, _, allowed in re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", table, re.MULTILINE):
        for path in re.findall(r"`((?:app|tilery)/\w+)(?:/|\.py)`", named):
            found[path.replace("/", ".")] = set(re.findall(r"`([\w.]+)`", allowed))
    short = {
        package: {name.removeprefix(f"{package.split('.')[0]}.") for name in allowed}
        for package, allowed in MAY_IMPORT.items()
    }
    assert short.keys() <= found.keys()
    for package, allowed in short.items():
        assert {name.removeprefix("app.") for name in found[package]} == allowed, package

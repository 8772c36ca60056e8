"""What the image leaves out is what nobody opens."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SITE = Path(sysconfig.get_paths()["platlib"])


@pytest.fixture(scope="module")
def trim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trim", ROOT / "docker" / "trim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def called() -> set[str]:
    """Return functions of imagecodecs that the service calls."""
    found: set[str] = set()
    for path in (path for package in ("app", "tilery") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "imagecodecs":
                found |= {alias.name for alias in node.names}
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "imagecodecs"
                and node.attr.endswith(("code", "error"))
            ):
                found.add(node.attr)
    return found


def test_every_codec_that_is_called_stays(trim: ModuleType, tmp_path: Path) -> None:
    names = called()
    assert {"jpeg8_encode", "webp_encode", "deflate_decode", "zstd_decode", "lerc_decode"} <= names
    for name in ("imagecodecs", "imagecodecs.libs"):
        shutil.copytree(SITE / name, tmp_path / name)
    before = trim.size(tmp_path)
    trim.remove(trim.unwanted(tmp_path))
    trim.remove(trim.orphans(tmp_path))
    assert trim.size(tmp_path) < before / 4
    licences = {path.name for path in (SITE / "imagecodecs" / "licenses").iterdir()}
    assert licences
    assert {path.name for path in (tmp_path / "imagecodecs" / "licenses").iterdir()} == licences
    script = f"import imagecodecs; print(imagecodecs.__file__); [getattr(imagecodecs, n) for n in {sorted(names)!r}]"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path)), "the trimmed copy was imported"


def test_a_library_is_kept_as_long_as_anything_needs_it(trim: ModuleType, tmp_path: Path) -> None:
    for name in ("rasterio.libs", "rasterio"):
        shutil.copytree(SITE / name, tmp_path / name)
    assert trim.orphans(tmp_path) == []
    libraries = {path.name for path in (tmp_path / "rasterio.libs").iterdir()}
    needs = trim.needed(next((tmp_path / "rasterio").glob("_base.*.so")))
    assert any(name.startswith("libgdal") and name in libraries for name in needs)
    shutil.rmtree(tmp_path / "rasterio")
    assert {path.name for path in trim.orphans(tmp_path)} == libraries
    assert trim.needed(Path(__file__)) == []


def test_tests_stubs_and_headers_go_and_what_is_imported_stays(trim: ModuleType, tmp_path: Path) -> None:
    wanted = ["numpy/__init__.py", "numpy/testing/__init__.py", "x/py.typed", "x-1.dist-info/licenses/LICENSE"]
    unwanted = ["numpy/_core/tests/a.py", "numpy/__init__.pyi", "numpy/_core/include/a.h", "x/tests/b.py", "x/c.pyx"]
    for name in wanted + unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 10)
    assert trim.remove(trim.unwanted(tmp_path)) == 10 * len(unwanted)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(wanted)


def test_compiled_modules_can_take_the_place_of_their_sources(trim: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("'''words'''\nanswer = 42\n")
    trim.compile_in_place(tmp_path)
    assert [path.name for path in (tmp_path / "package").iterdir()] == ["__init__.pyc"]
    script = "import package; print(package.answer)"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_libraries_lose_their_symbols_and_work(trim: ModuleType, tmp_path: Path) -> None:
    names = ("numpy", "numpy.libs", "rasterio", "rasterio.libs", "pyproj", "pyproj.libs")
    for name in names:
        shutil.copytree(SITE / name, tmp_path / name)
    libraries = [path for path in tmp_path.rglob("*.so*") if path.is_file()]
    before = {path: (path.stat().st_size, trim.needed(path)) for path in libraries}
    trim.strip_symbols(tmp_path)
    after = {path: path.stat().st_size for path in libraries}
    assert sum(after.values()) < 0.75 * sum(size for size, _ in before.values())
    assert all(trim.needed(path) == wanted for path, (_, wanted) in before.items())
    trim.strip_symbols(tmp_path)
    assert {path: path.stat().st_size for path in libraries} == after
    script = """
import numpy, pyproj, rasterio, rasterio.warp
assert numpy.allclose(numpy.linalg.inv(numpy.diag([2.0, 4.0])), numpy.diag([0.5, 0.25]))
assert round(pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(8, 46)[0]) == 890556
assert rasterio.warp.transform("EPSG:4326", "EPSG:3857", [8], [46])[0][0] > 890000
print(rasterio.__file__, pyproj.__file__, numpy.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(tmp_path)) == 3, "the stripped copies were imported"


def test_what_is_no_library_stays_as_it_is(trim: ModuleType) -> None:
    for data in (b"", b"text", b"\x7fELF\x01\x01" + bytes(100)):
        assert trim.loaded(data) == data

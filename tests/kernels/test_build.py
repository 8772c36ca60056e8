"""The kernels compile without a warning, are compiled where tests run, and go on in NumPy where they are not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tilery import kernels

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tilery" / "kernels" / "src"
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no compiler")


@needs_compiler
def test_they_compile_without_a_warning_and_without_what_is_newer_than_the_stable_abi() -> None:
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Wcast-qual", "-Wstrict-prototypes", "-Werror"]
    command = ["gcc", "-std=c11", "-O1", "-fsyntax-only", "-DPy_LIMITED_API=0x030b0000", *warnings]
    command += ["-isystem", sysconfig.get_path("include"), *map(str, sorted(SOURCES.glob("*.c")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


@needs_compiler
def test_each_source_is_in_the_extension() -> None:
    named = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert [path.stem for path in SOURCES.glob("*.c") if f'"{path.stem}"' not in named] == []


@needs_compiler
@pytest.mark.skipif("TILERY_TEST_KERNELS" in os.environ, reason="the reference was asked for")
def test_they_are_compiled_where_tests_run() -> None:
    assert kernels.COMPILED, "make compiles them: .venv/bin/python setup.py build_ext --inplace"


def test_publishing_counts_without_them() -> None:
    """In a process in which the extension cannot be loaded."""
    code = (
        "import sys; sys.modules['tilery.kernels._compiled'] = None\n"
        "import numpy as np; from tilery import kernels; from tilery.publishing.counting import counts_of\n"
        "print(kernels.COMPILED, counts_of(np.array([1, 1, 3], 'uint8'), 256).nonzero()[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False [1, 3]\n"

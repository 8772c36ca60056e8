"""Plots and tables of values, in node: axes have few ticks, and are found at all; CSV is read as it was meant."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules" / "esbuild").is_dir(), reason="there is no node"
)
LARGEST = 1.7976931348623157e308
LOWEST_FLOAT = -3.4028234663852886e38
VALUES: list[list[float]] = [
    [LOWEST_FLOAT, LOWEST_FLOAT],  # what stands for missing values in many rasters that do not say so
    [0.3, 0.1 + 0.2],
    [1e17, 1e17 + 16],
    [1e17],
    [LARGEST, -LARGEST],
    [LARGEST],
    [-LARGEST],
    [5e-324, 0],
    [7],
    [0],
    [1_700_000_000, 1_700_000_001],
    [0, 255],
    [-1.5, 2],
    [LOWEST_FLOAT, 950],
]
SCRIPT = """
import { build } from "esbuild";
const entry = { entryPoints: [process.argv[1]], bundle: true, format: "esm", write: false, logLevel: "silent" };
const { outputFiles: [made] } = await build(entry);
const found = await import(`data:text/javascript;base64,${Buffer.from(made.contents).toString("base64")}`);
const given = JSON.parse(process.argv[2]);
console.log(JSON.stringify(%s));
"""


def in_node(source: str, expression: str, given: Any) -> Any:
    """Return what an expression of ``found``, a source's exports, makes of what is given."""
    command = ["node", "--input-type=module", "-e", SCRIPT % expression, source, json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_axes_of_any_values() -> None:
    axes = in_node("web/src/plot.ts", "given.map((of) => [found.ends(of), found.ticks(...found.ends(of))])", VALUES)
    for values, ((low, high), ticks) in zip(VALUES, axes, strict=True):
        assert low < high, values
        assert math.isfinite(high - low), values
        assert low <= max(-LARGEST / 4, min(values)), values
        assert high >= min(LARGEST / 4, max(values)), values
        assert 1 <= len(ticks) <= 7, values
        assert ticks == sorted(set(ticks)), values
        slack = (high - low) * 1e-6
        assert low - slack <= ticks[0], values
        assert ticks[-1] <= high + slack, values
    found = {json.dumps(values): ticks for values, (_, ticks) in zip(VALUES, axes, strict=True)}
    assert found["[0, 255]"] == [0, 100, 200]
    assert found["[-1.5, 2]"] == [-1, 0, 1, 2]
    assert found["[7]"] == [6.5, 7, 7.5]


def test_tables_are_read_as_they_were() -> None:
    """Names of bands come with rasters, and may hold anything."""
    rows = [["band", "value"], ['a "b", c', "1.5"], ["line\nfeed", "-2"], ["carriage\rreturn", ""], ["", "\r\n"]]
    assert list(csv.reader(io.StringIO(in_node("web/src/csv.ts", "found.csv(given)", rows), newline=""))) == rows

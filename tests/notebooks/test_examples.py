"""The notebooks of examples/ run from nothing, from the first cell to the last."""

from __future__ import annotations

import importlib.util
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> Any:
    """Return the notebook after it ran in an empty folder."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return notebook


def shown(notebook: Any, source: str) -> Any:
    """Return what the cell with that text in it shows, by media type."""
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and source in cell.source)
    (output,) = (output for output in cell.outputs if output.output_type == "execute_result")
    return output.data


def test_open_style_compare_measure_publish(tmp_path: Path) -> None:
    notebook = run("notebook.ipynb", tmp_path)
    opened = shown(notebook, "dem = tilery.open(path)")["text/html"]
    assert "EPSG:32632" in opened
    assert "<svg" in opened
    assert "data:image/webp" in opened
    assert shown(notebook, "hillshade")["text/html"].count("data:image/webp") == 2
    (value,) = map(float, re.findall(r"[\d.]+", shown(notebook, "dem.point(")["text/plain"]))
    assert 1200 < value < 1900
    assert "xarray.DataArray" in shown(notebook, "part = dem.read")["text/html"]
    address = shown(notebook, "dem.tile_url")["text/plain"].strip("'")
    with pytest.raises(OSError, match="refused"):  # the kernel has ended, and its server with it
        urllib.request.urlopen(address.format(z=0, x=0, y=0), timeout=10)
    document = json.loads((tmp_path / "layers" / "dem" / "index.json").read_text())
    assert document["name"] == "Heights"


@pytest.mark.skipif(importlib.util.find_spec("leafmap") is None, reason="leafmap is not installed; it needs 300 MB")
def test_leafmap_and_folium(tmp_path: Path) -> None:
    notebook = run("leafmap.ipynb", tmp_path)
    assert "application/vnd.jupyter.widget-view+json" in shown(notebook, "leafmap.Map")
    west, south, *_ = json.loads(shown(notebook, "cog_bounds")["text/plain"])
    assert (west, south) == pytest.approx((7.82, 46.4), abs=0.1)
    assert "cog/tiles" in shown(notebook, "folium.Map")["text/html"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_hold_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        if cell.cell_type == "code":
            compile(cell.source, path.name, "exec")

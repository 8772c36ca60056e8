"""Commands about finished tiles of rasters that somebody put into the catalog by hand, and the demo layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_cli import run
from tests.support import rasters as made
from tilery.errors import SourceNotFound


def by_hand(folder: Path, name: str) -> Path:
    """Return a raster that somebody put into the catalog together with a document, and may write over."""
    (folder / name).mkdir(parents=True)
    document = {"name": name, "bounds": [8, 46, 9, 47], "minzoom": 7, "maxzoom": 8, "source": "raster.tif"}
    (folder / name / "index.json").write_text(json.dumps(document))
    return made.rgb(folder / name / "raster.tif", size=300)


def test_tiles_of_a_raster_that_was_written_over_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    by_hand(tmp_path / "catalog", "alps")
    assert run("seed", "alps").exit_code == 2, "there is no tile store yet"
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    assert run("seed", "alps").exit_code == 0
    first = set((tmp_path / "tiles").rglob("*.png"))
    assert first
    assert "Removed 0 tiles." in run("purge", "alps", "--old").output
    made.gradient(tmp_path / "catalog" / "alps" / "raster.tif", dtype="uint8", size=300)
    assert run("seed", "alps").exit_code == 0
    assert f"Removed {len(first)} tiles." in run("purge", "alps", "--old").output
    left = set((tmp_path / "tiles").rglob("*.png"))
    assert left
    assert not left & first


def test_a_raster_that_cannot_be_read_is_no_success_of_seeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    by_hand(tmp_path / "catalog", "alps").write_text("no raster")
    found = run("seed", "alps", "--zooms", "7")
    assert found.exit_code == 4
    assert "0 tiles are in the store, 0 are empty, 2 failed." in found.output
    assert not list((tmp_path / "tiles").rglob("*.png"))


def test_plain_keys_have_no_styles_and_no_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_CATALOG", str(tmp_path / "catalog"))
    monkeypatch.setenv("TILERY_TILE_STORE", str(tmp_path / "tiles"))
    monkeypatch.setenv("TILERY_TILE_STORE_LAYOUT", "plain")
    by_hand(tmp_path / "catalog", "alps")
    found = run("seed", "alps", "--style", "any")
    assert found.exit_code == 2
    assert "The layout 'plain' keeps tiles of no style." in found.output
    assert run("seed", "alps", "--zooms", "7", "--formats", "png").exit_code == 0
    kept = sorted(str(path.relative_to(tmp_path / "tiles")) for path in (tmp_path / "tiles").rglob("*.png"))
    assert kept == ["alps/7/66/45.png", "alps/7/67/45.png"]


def test_demo_layers_are_made_where_they_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tilery.publishing import demo

    # at zoom 5 each takes half a minute
    monkeypatch.setattr(demo, "_DEMOS", tuple(replace(one, zoom=0) for one in demo._DEMOS))
    arguments = ("demo", tmp_path / "catalog", "--pictures", tmp_path / "pictures")
    assert run(*arguments, "--missing").output == "blue-marble shaded-relief\n"
    with pytest.raises(SourceNotFound, match=r"bmng\.jpg"):
        run(*arguments)
    (tmp_path / "pictures").mkdir()
    for name in ("bmng", "shadedrelief"):
        Image.linear_gradient("L").convert("RGB").resize((512, 256)).save(tmp_path / "pictures" / f"{name}.jpg")
    assert "Made the layer blue-marble.\nMade the layer shaded-relief.\n" in run(*arguments).output
    assert run(*arguments, "--missing").output == "\n"
    document = json.loads((tmp_path / "catalog" / "blue-marble" / "index.json").read_text())
    assert document["bounds"] == pytest.approx([-180, -85.051129, 180, 85.051129], abs=1e-4)
    assert run(*arguments).output == "", "what is there is left as it is"

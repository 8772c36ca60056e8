"""Is it a Cloud-Optimized GeoTIFF: every answer that there is, of files made so that it is the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image

from tests.support import rasters, service

NO_OVERVIEWS = "The file is greater than 512xH or 512xW, it is recommended to include internal overviews"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def validate(path: Path, **query: Any) -> Any:
    with service.client(path.parent) as client:
        answer = client.get("/cog/validate", params={"url": str(path), **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def write_anew(path: Path, **options: Any) -> None:
    """Give a GeoTIFF more metadata than its first directory has room for: GDAL writes that anew, at the end."""
    with rasterio.open(path, "r+", **options) as dataset:
        dataset.update_tags(note="long" * 100)


def test_what_gdal_writes_as_one_is_one(folder: Path) -> None:
    rasterio.shutil.copy(rasters.rgb(folder / "a.tif", size=600), folder / "cog.tif", driver="COG", blocksize=128)
    found = validate(folder / "cog.tif", strict=True)
    assert (found["COG"], found["COG_errors"], found["COG_warnings"]) == (True, None, None)
    assert [(level["Width"], level["Decimation"]) for level in found["IFD"]] == [(600, 0), (300, 2), (150, 4)]


def test_another_format_is_none(folder: Path) -> None:
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    found = validate(folder / "a.png")
    assert (found["COG"], found["COG_errors"]) == (False, ["The file is not a GeoTIFF"])
    assert (found["Driver"], found["GEO"]["CRS"]) == ("PNG", None)
    assert (found["GEO"]["MinZoom"], found["GEO"]["MaxZoom"]) == (0, 24), "those of the set, since it lies nowhere"


def test_a_large_one_has_to_be_tiled_and_should_have_overviews(folder: Path) -> None:
    striped = validate(rasters.rgb(folder / "striped.tif", size=600, tiled=False, overviews=()))
    assert striped["COG_errors"] == ["The file is greater than 512xH or 512xW, but is not tiled"]
    assert striped["COG_warnings"] == [NO_OVERVIEWS]
    tiled = rasters.rgb(folder / "tiled.tif", size=600, overviews=())
    assert (validate(tiled)["COG"], validate(tiled)["COG_warnings"]) == (True, [NO_OVERVIEWS])
    assert validate(tiled, strict=True)["COG"] is False
    small = validate(rasters.rgb(folder / "small.tif", size=512, tiled=False, overviews=()), strict=True)
    assert (small["COG"], small["COG_errors"], small["COG_warnings"]) == (True, None, None)


def test_overviews_in_a_file_beside_it_are_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    monkeypatch.setenv("GDAL_PAM_ENABLED", "YES")
    path = rasters.rgb(folder / "a.tif", size=600, overviews=())
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    found = validate(path)
    assert found["COG_errors"] == ["Overviews found in external .ovr file. They should be internal"]
    assert found["COG_warnings"] is None


def test_one_that_was_changed_afterwards_is_none(folder: Path) -> None:
    path = folder / "cog.tif"
    rasterio.shutil.copy(rasters.rgb(folder / "a.tif", size=600), path, driver="COG", blocksize=128)
    end = path.stat().st_size
    write_anew(path, IGNORE_COG_LAYOUT_BREAK="YES")
    found = validate(path)
    main, broken, order = found["COG_errors"]
    assert found["COG"] is False
    at = int(main.removeprefix("The offset of the main IFD should be < 300. It is ").partition(" ")[0])
    assert end <= at < path.stat().st_size
    assert "used to have optimizations in its layout" in broken
    assert "The offset of the IFD for overview of index 0 is " in order
    assert f"greater than the one of the main image, which is at byte {at}" in order


def test_blocks_come_behind_their_directory(folder: Path) -> None:
    path = rasters.rgb(folder / "a.tif", size=100, overviews=())
    assert validate(path)["COG"] is True
    write_anew(path)
    assert "The offset of the first block of the image should be after its IFD" in validate(path)["COG_errors"]


def test_overviews_come_in_their_order(folder: Path) -> None:
    path = rasters.rgb(folder / "a.tif", size=600, overviews=(4,))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    errors = validate(path)["COG_errors"]
    assert errors[0] == "Overviews should be sorted"
    assert (
        "The offset of the first block of overview of index 0 should be after the one of the overview of index 1"
        in errors
    )


@pytest.mark.parametrize("empty", [0, 129, 256], ids=["full", "first block empty", "empty"])
def test_blocks_that_are_not_there_have_no_place(folder: Path, empty: int) -> None:
    """The main image comes before its overview, which is wrong, and shows by whichever block is there first."""
    data = np.zeros((1, 256, 256), "uint8")
    data[:, empty:, empty:] = 5
    path = rasters.write(folder / "a.tif", data, nodata=0, overviews=(2,), SPARSE_OK=True)
    with rasterio.open(path) as dataset:
        first = dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1)
    assert (first is None) == bool(empty)
    misplaced = (
        "The offset of the first block of the main resolution image should be after the one of the overview of index 0"
    )
    assert validate(path)["COG_errors"] == (None if empty == 256 else [misplaced])

"""`tilery.open` without a server: facts, statistics, points and pixels, right by arithmetic."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilery
from tests.support import rasters
from tests.support.service import client
from tilery.errors import (
    InvalidGeometry,
    InvalidParameter,
    NotARaster,
    PointOutsideBounds,
    SourceNotFound,
    TooMuchWork,
    UnsupportedRaster,
)
from tilery.notebook.tiles import tiles

ROOT = Path(__file__).parents[2]
SIZE = 64
BOX = (8.0, 46.0, 9.0, 47.0)
"""A degree: a pixel is 1/64 of it."""
COLUMNS = np.broadcast_to(np.arange(SIZE, dtype="int16"), (1, SIZE, SIZE)).copy()
"""Each value is its column."""


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture
def columns(tmp_path: Path) -> Path:
    """Columns in the first band, rows in the second, both missing in the lower half."""
    data = np.stack([COLUMNS[0], COLUMNS[0].T])
    data[:, SIZE // 2 :] = -1
    return rasters.write(
        tmp_path / "columns.tif", data, bounds=BOX, nodata=-1, block=32, descriptions=("across", "down")
    )


def test_facts(columns: Path) -> None:
    raster = tilery.open(columns)
    assert (raster.name, raster.url, raster.crs, raster.bounds) == ("columns", str(columns), "EPSG:4326", BOX)
    assert (raster.shape, raster.dtype, raster.nodata) == ((2, SIZE, SIZE), "int16", -1.0)
    assert raster.geographic_bounds == pytest.approx(BOX)
    with client(columns) as service:
        assert raster.info() == service.get(f"/cog/info?url={columns}").json()
    assert repr(raster) == "<tilery.OpenedRaster columns: 64 × 64, 2 × int16, EPSG:4326>"


def test_statistics_of_the_whole(columns: Path) -> None:
    found = tilery.open(columns).stats()
    assert list(found) == ["b1", "b2"]
    assert (found["b1"]["min"], found["b1"]["max"]) == (0, SIZE - 1)
    assert found["b1"]["mean"] == (SIZE - 1) / 2
    assert found["b1"]["std"] == pytest.approx(math.sqrt((SIZE**2 - 1) / 12))
    assert found["b2"]["max"] == SIZE // 2 - 1
    assert found["b1"]["valid_percent"] == 50.0


def test_a_pixel_on_the_border_of_a_geometry_counts_by_its_share(columns: Path) -> None:
    """Columns 10 and 11, and half of 12: (10 + 11 + 12 / 2) / 2.5."""
    north = 47 - 4 / SIZE
    shape = box(8 + 10 / SIZE, north - 4 / SIZE, 8 + 12.5 / SIZE, north)
    found = tilery.open(columns).stats(shape, bands=1)
    assert found["b1"]["mean"] == pytest.approx((10 + 11 + 6) / 2.5, abs=1e-6)
    assert found["b1"]["count"] == pytest.approx(4 * 2.5, rel=1e-6)
    with client(columns) as service:
        body = {"type": "Feature", "properties": {}, "geometry": shape}
        answer = service.post(f"/cog/statistics?url={columns}&bidx=1", json=body).json()
    assert found == answer["properties"]["statistics"]
    assert tilery.open(columns).stats(body, bands=1) == found

    class Shapely:
        __geo_interface__ = shape

    assert tilery.open(columns).stats(Shapely(), bands=1) == found


def test_statistics_of_an_expression_and_in_another_crs(columns: Path) -> None:
    raster = tilery.open(columns)
    assert raster.stats(expression="b1*2")["b1"]["max"] == 2 * (SIZE - 1)
    x, y = 8.26 * 20037508.342789244 / 180, 5_900_000.0  # Web Mercator
    inside = raster.stats(box(x, y, x + 20_000, y + 20_000), geometry_crs="EPSG:3857", bands=1)["b1"]
    assert inside["min"] == 16


def test_a_point(columns: Path) -> None:
    raster = tilery.open(columns)
    found = raster.point(8 + 20.5 / SIZE, 47 - 3.5 / SIZE)
    assert (found.values, found.band_names, found.band_descriptions) == ((20, 3), ("b1", "b2"), ("across", "down"))
    assert raster.point(8 + 20.5 / SIZE, 46.1).values == (None, None)
    assert raster.point(8 + 20.5 / SIZE, 47 - 3.5 / SIZE, expression="b1+b2").values == (23,)
    with pytest.raises(PointOutsideBounds):
        raster.point(20, 47)


def test_pixels_as_a_masked_array(columns: Path) -> None:
    raster = tilery.open(columns)
    whole = raster.read(masked=True)
    assert (whole.shape, whole.dtype) == ((2, SIZE, SIZE), np.int16)
    np.testing.assert_array_equal(whole[0, : SIZE // 2], COLUMNS[0, : SIZE // 2])
    assert whole[:, SIZE // 2 :].mask.all()
    part = raster.read((8 + 4 / SIZE, 47 - 8 / SIZE, 8 + 12 / SIZE, 47), bands=1, masked=True)
    np.testing.assert_array_equal(part[0], np.broadcast_to(np.arange(4, 12), (8, 8)))
    assert raster.read(max_size=16, masked=True).shape == (2, 16, 16)
    assert raster.read(expression="b1/2", masked=True).max() == (SIZE - 1) / 2
    part[0] = 0  # it is the caller's own
    assert raster.read(bands=1, masked=True).max() == SIZE - 1


def test_a_file_that_is_written_anew_is_read_anew(columns: Path) -> None:
    raster = tilery.open(columns)
    raster.stats()
    rasters.write(columns, np.full((1, 8, 8), 7, "uint8"), bounds=BOX)
    assert raster.stats()["b1"]["max"] == 7
    assert raster.shape == (1, 8, 8)


def test_what_cannot_be_opened_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    for name, kind in (("nothing.tif", SourceNotFound), ("text.tif", NotARaster)):
        with pytest.raises(kind, match=name):
            tilery.open(tmp_path / name)
    with pytest.raises(UnsupportedRaster, match="folder"):
        tilery.open(tmp_path)
    with pytest.raises(InvalidParameter, match=r"ftp://\*@host/a.tif"):
        tilery.open("ftp://user:secret@host/a.tif")


def test_mistakes_name_the_argument(columns: Path) -> None:
    raster = tilery.open(columns)
    with pytest.raises(InvalidGeometry):
        raster.stats({"type": "Nonsense"})
    with pytest.raises(InvalidParameter, match="crs"):
        raster.read(crs="EPSG:0", masked=True)
    with pytest.raises(InvalidParameter, match="area"):
        raster.read((9, 46, 8, 47), masked=True)
    with pytest.raises(TooMuchWork, match="max_size"):
        raster.read(width=1 << 20, masked=True)


def test_a_raster_without_a_place_is_measured_but_not_shown(tmp_path: Path) -> None:
    raster = tilery.open(rasters.write(tmp_path / "bare.tif", COLUMNS, crs=None, bounds=None, overviews=()))
    assert raster.stats()["b1"]["max"] == SIZE - 1
    with pytest.raises(UnsupportedRaster):
        raster.geographic_bounds  # noqa: B018


def test_none_of_this_starts_a_server_or_sets_a_variable_in_a_thread(columns: Path) -> None:
    script = f"""
import sys, threading, tilery
def audit(event, arguments):
    if event in {{"os.putenv", "os.unsetenv"}} and threading.current_thread() is not threading.main_thread():
        print("set", arguments)
    if event == "subprocess.Popen":
        print("started", arguments)
sys.addaudithook(audit)
r = tilery.open({str(columns)!r})
r.stats(), r.stats({box(8.1, 46.5, 8.2, 46.6)!r}), r.point(8.5, 46.9), r.read(masked=True)
assert "rasterio" in sys.modules and "app" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tiles().process_id is None

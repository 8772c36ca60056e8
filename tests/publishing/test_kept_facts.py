"""What a raster says of itself is said by the published one, and control points are followed where they bend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from tests.support import rasters as made
from tilery.errors import UnsupportedRaster
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish
from tilery.publishing.rasters import Georeference


def published(source: Path, tmp_path: Path, **changes: Any) -> Any:
    return publish(PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="kept", **changes))


@pytest.mark.parametrize("grid", ["web", "native"])
@pytest.mark.parametrize("tiled", [True, False])
def test_units_and_tags_are_kept(tmp_path: Path, grid: Any, tiled: bool) -> None:
    source = made.write(
        tmp_path / "source.tif",
        made.columns_and_rows(600, 600).astype("float32"),
        tags={"TIFFTAG_COPYRIGHT": "us", "mission": "Höhe", "huge": "x" * 100_000, "last": "1"},
        band_tags=[{"wavelength": "665", "STATISTICS_MAXIMUM": "7"}, {"wavelength": "842"}],
        tiled=tiled,
        overviews=(),
    )
    with rasterio.open(source, "r+") as dataset:
        dataset.units = ("metre", "K")
    done = published(source, tmp_path, grid=grid)
    with rasterio.open(done.address) as dataset:
        assert dataset.units == ("metre", "K")
        tags = dataset.tags()
        assert (tags["TIFFTAG_COPYRIGHT"], tags["mission"], tags["last"]) == ("us", "Höhe", "1")
        assert "huge" not in tags
        assert [dataset.tags(band)["wavelength"] for band in (1, 2)] == ["665", "842"]
        assert "STATISTICS_MAXIMUM" not in dataset.tags(1)


def bowed(column: Any, row: Any) -> tuple[Any, Any]:
    """Return longitude and latitude of a raster of 300 by 300 pixels that is bent as a square of its
    columns and rows.
    """
    c, r = column / 300, row / 300
    return 8 + c + 0.05 * r**2 + 0.03 * c * r, 47 - r + 0.04 * c**2


def waved(column: Any, row: Any) -> tuple[Any, Any]:
    """Return the same in waves, which no polynomial of order 2 follows."""
    c, r = column / 300, row / 300
    return 8 + c + 0.08 * np.sin(3 * r) + 0.03 * np.sin(5 * c), 47 - r + 0.06 * np.sin(4 * c)


@pytest.mark.parametrize("missing", [-99.0, None])
@pytest.mark.parametrize(("place", "side", "apart"), [(bowed, 5, 1.0), (waved, 9, 1.0), (waved, 5, 2.5)])
def test_control_points_are_followed(
    tmp_path: Path, place: Any, side: int, apart: float, missing: float | None
) -> None:
    """Bands hold the longitude and the latitude of each pixel; ``apart`` is in pixels of the source."""
    columns, rows = np.meshgrid(np.arange(300) + 0.5, np.arange(300) + 0.5)
    points = [
        GroundControlPoint(row=float(row), col=float(column), x=float(x), y=float(y))
        for row in np.linspace(0, 300, side)
        for column in np.linspace(0, 300, side)
        for x, y in [place(column, row)]
    ]
    source = made.write(
        tmp_path / "bent.tif", np.stack(place(columns, rows)), gcps=(points, CRS.from_epsg(4326)), nodata=missing,
        overviews=(),
    )  # fmt: skip
    done = published(source, tmp_path, kind="classes")
    with rasterio.open(done.address) as dataset:
        data, valid = dataset.read(), dataset.dataset_mask() > 0
        rows, columns = np.mgrid[0 : dataset.height, 0 : dataset.width] + 0.5
        x = dataset.transform.c + columns * dataset.transform.a
        y = dataset.transform.f + rows * dataset.transform.e
    longitudes, latitudes = pyproj.Transformer.from_crs(3857, 4326, always_xy=True).transform(x, y)
    assert valid.any()
    assert np.abs(data[0] - longitudes)[valid].max() * 300 < apart
    assert np.abs(data[1] - latitudes)[valid].max() * 300 < apart
    # And nothing of it is lost: about a square degree of the map.
    inside = valid.mean() * dataset.width * dataset.height * abs(dataset.transform.a) ** 2
    assert inside == pytest.approx((6378137 * np.radians(1)) ** 2 / np.cos(np.radians(46.5)), rel=0.05)


def with_nodata(path: Path, data: Any, nodata: list[str]) -> Path:
    """Return a VRT whose bands have these nodata values, as exactly as they are written."""
    source = made.write(path.with_suffix(".source.tif"), data, overviews=(), photometric="minisblack")
    with rasterio.open(source) as dataset:
        rasterio.shutil.copy(dataset, path, driver="VRT")
    parts = path.read_text().split("<SimpleSource>")
    assert len(parts) == len(nodata) + 1
    bands = [
        f"<NoDataValue>{value}</NoDataValue><SimpleSource>{rest}" for value, rest in zip(nodata, parts[1:], strict=True)
    ]
    path.write_text(parts[0] + "".join(bands))
    return path


@pytest.mark.parametrize("grid", ["web", "native"])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("int64", -(2**63)), ("int64", 2**63 - 1), ("int64", 2**53 + 1), ("int64", -9999),
        ("uint64", 2**64 - 1), ("uint64", 2**60 + 1), ("uint64", 0),
    ],
)  # fmt: skip
def test_nodata_of_64_bits_is_no_other_number(tmp_path: Path, dtype: str, nodata: int, given: bool, grid: Any) -> None:
    data = made.columns_and_rows(300, 300).astype(dtype)[:1] + 1
    data[:, :150] = nodata
    if given:
        source = made.write(tmp_path / "source.tif", data, overviews=(), compress="none")
    else:
        vrt = with_nodata(tmp_path / "source.vrt", data, [str(nodata)])
        source = tmp_path / "source.tif"
        with rasterio.open(vrt) as dataset:
            rasterio.shutil.copy(dataset, source, driver="GTiff")
    done = published(source, tmp_path, grid=grid, placement=Georeference(nodata=nodata) if given else Georeference())
    assert done.document["statistics"]["b1"]["min"] == 1
    assert done.document["statistics"]["b1"]["max"] == 300
    with rasterio.open(done.address) as dataset:
        valid = dataset.dataset_mask() > 0
        assert set(np.unique(dataset.read(1)[valid])) == set(range(1, 301))
        if grid == "native":
            assert (valid == (data[0] != nodata)).all()
        assert dataset.nodata == (nodata if abs(nodata) <= 2**53 else None)


def test_whole_numbers_that_a_warp_would_round(tmp_path: Path) -> None:
    data = np.full((1, 300, 300), 2**53 + 1, "int64")
    source = made.write(tmp_path / "source.tif", data, overviews=())
    with pytest.raises(UnsupportedRaster, match="native"):
        published(source, tmp_path)
    with rasterio.open(published(source, tmp_path, grid="native").address) as dataset:
        assert (dataset.read() == 2**53 + 1).all()


@pytest.mark.parametrize("grid", ["web", "native"])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_each_band_keeps_what_it_misses(tmp_path: Path, dtype: str, grid: Any) -> None:
    data = made.columns_and_rows(300, 300).astype(dtype) + 1
    data[0, :100], data[1, 200:] = -5, -7
    source = with_nodata(tmp_path / "source.vrt", data, ["-5", "-7"])
    done = published(source, tmp_path, grid=grid, trust=True)
    first, second = (done.document["statistics"][name] for name in ("b1", "b2"))
    limits = (first["min"], first["max"], second["min"], second["max"])
    assert limits == pytest.approx((1, 300, 1, 200), abs=0.5 if grid == "web" else 0)
    with rasterio.open(done.address) as dataset:
        seen = [(dataset.read_masks(band) > 0).mean() for band in (1, 2)]
        assert seen[0] == pytest.approx(seen[1], rel=0.05)
        if grid == "native":
            assert seen == [pytest.approx(2 / 3), pytest.approx(2 / 3)]


def test_a_value_that_would_be_missing_is_refused(tmp_path: Path) -> None:
    data = made.columns_and_rows(300, 300).astype("int16") + 1
    data[0, :100] = 0
    source = with_nodata(tmp_path / "source.vrt", data, ["0", "5"])
    data[1, 0, 0] = 0  # valid there
    made.write(tmp_path / "source.source.tif", data, overviews=(), photometric="minisblack")
    with pytest.raises(UnsupportedRaster, match="apart"):
        published(source, tmp_path, trust=True)

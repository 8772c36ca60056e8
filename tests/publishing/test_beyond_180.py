"""Rasters beyond ±180° of longitude and around the world: every place of them is there after publishing.

Bands hold the column and the row of each pixel, published with nearest neighbours, so the value that belongs at a
pixel of the published raster follows from its position alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio

from tests.support import rasters as made
from tilery.errors import UnsupportedRaster
from tilery.publishing.plan import PublishOptions, dry_run
from tilery.publishing.publish import publish

GEOSTATIONARY = "+proj=geos +h=35785863 +lon_0=140.7 +ellps=WGS84 +units=m"


def published(source: Path, tmp_path: Path, **changes: Any) -> Any:
    return publish(
        PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="around", kind="classes", **changes)
    )


def need_all(source: Path, address: str, *, turn: float) -> float:
    """Compare each pixel of a published raster with the source's at its place, and return the part that is valid.

    Args:
        source: the raster, whose bands hold columns and rows.
        address: of the published one.
        turn: degrees after which x comes again in the source, 0 where it does not.
    """
    with rasterio.open(source) as before, rasterio.open(address) as after:
        rows, columns = np.mgrid[0 : after.height, 0 : after.width] + 0.5
        x, y = after.transform.c + columns * after.transform.a, after.transform.f + rows * after.transform.e
        to = pyproj.Transformer.from_crs(after.crs.to_wkt(), before.crs.to_wkt(), always_xy=True)
        u, v = to.transform(x, y)
        left = before.bounds.left
        if turn:
            u = (u - left) % turn + left
        columns = (u - left) / before.transform.a
        rows = (v - before.transform.f) / before.transform.e
        inside = np.isfinite(columns) & np.isfinite(rows)
        inside &= (columns >= 0) & (columns < before.width) & (rows >= 0) & (rows < before.height)
        with np.errstate(invalid="ignore"):
            near = np.minimum(np.abs(columns - np.round(columns)), np.abs(rows - np.round(rows)))
            sure = ~(near < 0.13)  # GDAL's warper may be an eighth of a pixel off
        data, valid = after.read(), after.dataset_mask() > 0
        assert ((valid == inside) | ~sure).all()
        both = inside & valid & sure
        assert (data[0][both] == np.floor(columns[both])).all()
        assert (data[1][both] == np.floor(rows[both])).all()
        return float(valid.mean())


@pytest.mark.parametrize("structure", ["tiled", "rows", "mask", "south-up"])
@pytest.mark.parametrize(
    "bounds",
    [
        (0.0, -90.0, 360.0, 90.0),
        (-0.5, -90.0, 359.5, 90.0),
        (-360.0, -90.0, 0.0, 90.0),
        (20.0, -90.0, 380.0, 90.0),
        (-180.5, -90.0, 179.5, 90.0),
        (0.0, -90.0, 361.0, 90.0),
    ],
)
def test_all_of_the_world_is_there(tmp_path: Path, bounds: Any, structure: str) -> None:
    west, south, east, _ = bounds
    columns = round(east - west)
    data = made.columns_and_rows(columns, 180)
    data[0] %= 360
    options: dict[str, Any] = {"tiled": structure != "rows", "bounds": bounds}
    if structure == "mask":
        valid = np.ones((180, columns), "bool")
        valid[60:80, :] = False
        options["mask"] = valid
    if structure == "south-up":
        options["transform"] = rasterio.Affine(1, 0, west, 0, 1, south)
    source = made.write(tmp_path / "source.tif", data, **options)
    done = published(source, tmp_path)
    assert done.document["bounds"][0::2] == [-180, 180]
    if structure == "mask":
        with rasterio.open(done.address) as dataset:
            rows = np.arange(dataset.height) + 0.5
            latitudes = np.degrees(np.arctan(np.sinh((dataset.transform.f + rows * dataset.transform.e) / 6378137.0)))
            seen = (dataset.dataset_mask() > 0).mean(axis=1)
        assert (seen[(latitudes > 10.5) & (latitudes < 29.5)] == 0).all()
        assert (seen[(latitudes < 9.5) | (latitudes > 30.5)] == 1).all()
        return
    assert need_all(source, done.address, turn=360.0) == 1.0


def test_the_seam_in_the_middle_of_the_map_is_not_seen(tmp_path: Path) -> None:
    """Values on both sides of Greenwich are mixed as everywhere: a wave around the world has no kink there."""
    longitudes = np.radians(np.arange(360) + 0.5)
    data = np.broadcast_to(np.cos(longitudes), (1, 180, 360)).astype("float32")
    source = made.write(tmp_path / "wave.tif", data, bounds=(0.0, -90.0, 360.0, 90.0))
    done = publish(PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="wave", zoom=2))
    with rasterio.open(done.address) as dataset:
        row = dataset.read(1)[dataset.height // 2]
        x = dataset.transform.c + (np.arange(dataset.width) + 0.5) * dataset.transform.a
    # Bilinear between values that stand a degree apart is below the wave by the square of half a degree over two.
    assert np.abs(row - np.cos(x / 6378137.0)).max() <= np.radians(1) ** 2 / 8 + 1e-5


@pytest.mark.parametrize(
    "bounds", [(200.0, -30.0, 330.0, 40.0), (-300.0, -30.0, -190.0, 40.0), (180.0, -9.0, 360.0, 9.0)]
)
@pytest.mark.parametrize("grid", ["auto", "web"])
def test_a_raster_wholly_beyond_180_is_moved(tmp_path: Path, bounds: Any, grid: Any) -> None:
    west, south, east, north = bounds
    data = made.columns_and_rows(round(east - west), round(north - south))
    source = made.write(tmp_path / "source.tif", data, bounds=bounds, nodata=65535)
    done = published(source, tmp_path, grid=grid)
    shift = 360 if west > 0 else -360
    assert done.document["bounds"] == pytest.approx([west - shift, south, east - shift, north])
    assert need_all(source, done.address, turn=360.0) > 0.02
    with rasterio.open(done.address) as dataset:
        assert dataset.crs.to_epsg() == 3857


@pytest.mark.parametrize(
    "bounds", [(170.0, -25.0, 190.0, -10.0), (-190.0, -25.0, -170.0, -10.0), (30.0, -9.0, 350.0, 9.0)]
)
def test_a_raster_across_180_keeps_both_sides(tmp_path: Path, bounds: Any) -> None:
    west, south, east, north = bounds
    data = made.columns_and_rows(round(east - west) * 4, round(north - south) * 4)
    source = made.write(tmp_path / "source.tif", data, bounds=bounds, nodata=65535)
    done = published(source, tmp_path)
    assert done.note is not None
    assert "antimeridian" in done.note
    assert done.document["bounds"] == pytest.approx([west % 360, south, east % 360 - 360, north])
    assert need_all(source, done.address, turn=360.0) == 1.0
    with pytest.raises(UnsupportedRaster, match="native"):
        published(source, tmp_path, grid="web")


@pytest.mark.parametrize(
    ("crs", "bounds", "web", "extent"),
    [
        ("EPSG:32660", (600_000.0, 5_900_000.0, 900_000.0, 6_200_000.0), False, (178.5, -176.6)),
        ("EPSG:3832", (2_000_000.0, -3_000_000.0, 4_800_000.0, -1_000_000.0), False, (168.0, -166.9)),
        (GEOSTATIONARY, (-5_500_000.0, -5_500_000.0, 5_500_000.0, 5_500_000.0), True, (59.4, -138.0)),
    ],
)
def test_a_projected_raster_across_180(tmp_path: Path, crs: str, bounds: Any, web: bool, extent: Any) -> None:
    source = made.write(tmp_path / "source.tif", made.columns_and_rows(200, 200), crs=crs, bounds=bounds, nodata=65535)
    done = published(source, tmp_path)
    assert (done.document["bounds"][0], done.document["bounds"][2]) == pytest.approx(extent, abs=0.5)
    with rasterio.open(done.address) as dataset:
        assert (dataset.crs.to_epsg() == 3857) == web
    assert need_all(source, done.address, turn=0.0) > 0.25


def test_the_old_layout_does_not_lose_what_its_vrt_cannot_show(tmp_path: Path) -> None:
    data = made.columns_and_rows(360, 180)
    source = made.write(tmp_path / "source.tif", data, bounds=(0.0, -90.0, 360.0, 90.0), nodata=65535)
    done = published(source, tmp_path, layout="legacy")
    with rasterio.open(Path(done.address).with_name("index.vrt")) as dataset:
        found = dataset.read(1)
    assert (found != 65535).all()
    assert found[found.shape[0] // 2, 0] == 180
    across = made.write(tmp_path / "across.tif", data[:, :20, :20], bounds=(170.0, 0.0, 190.0, 20.0))
    with pytest.raises(UnsupportedRaster, match="180"):
        dry_run(PublishOptions(source=str(across), to=str(tmp_path / "catalog"), id="across", layout="legacy"))

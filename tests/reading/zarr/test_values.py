"""Values as CF packs them, where cells are, and what stands for those that are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.reading.zarr.conftest import Read
from tests.support import zarrs
from tests.support.zarrs import Variable, axis
from tilery.engine import Engine
from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.geo import tms
from tilery.geo.crs import WEB_MERCATOR, WGS84, transform_points
from tilery.geo.raster import Crs
from tilery.reading.options import ReadOptions
from tilery.reading.source import Source

RAW = np.arange(4 * 90 * 180).reshape(4, 90, 180) % 30000
MERCATOR = tms.get("WebMercatorQuad")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "attrs", "expected", "missing", "kind"),
    [
        ("i2", {"scale_factor": 0.01, "add_offset": 273.15}, lambda raw: raw * 0.01 + 273.15, None, "float64"),
        ("i2", {"scale_factor": 0.5, "_FillValue": 9}, lambda raw: raw * 0.5, 9, "float64"),
        ("i2", {"_FillValue": 9}, lambda raw: raw, 9, "float32"),
        ("i4", {"missing_value": 9}, lambda raw: raw, 9, "float64"),
        ("f4", {"missing_value": 9.0}, lambda raw: raw, 9, "float32"),
        ("u1", {"add_offset": -5}, lambda raw: raw % 256 - 5, None, "float64"),
        ("i1", {"_Unsigned": "true"}, lambda raw: raw % 256, None, "uint8"),
        ("i2", {}, lambda raw: raw, None, "int16"),
    ],
)
def test_packed_values(
    folder: Path,
    engine: Engine,
    source: Callable[..., Source],
    read: Read,
    version: Literal[2, 3],
    dtype: str,
    attrs: dict[str, Any],
    expected: Callable[[Any], Any],
    missing: int | None,
    kind: str,
) -> None:
    path = zarrs.world(folder / "w.zarr", data=RAW.astype(dtype), attrs=attrs, version=version)
    wanted = np.where(missing == RAW, np.nan, np.asarray(expected(RAW), "f8"))[:, ::-1]
    assert np.allclose(read(path, "v"), wanted, rtol=1e-12, atol=0, equal_nan=True)
    with engine.open(source(path, "v")) as reader:
        assert reader.profile.dtypes[0] == kind


@pytest.mark.parametrize("attrs", [{"scale_factor": "2"}, {"add_offset": [1, 2]}, {"scale_factor": float("nan")}])
def test_packing_that_makes_no_sense(folder: Path, read: Read, attrs: dict[str, Any]) -> None:
    path = zarrs.world(folder / "w.zarr", attrs=attrs)
    with pytest.raises(BrokenRaster):
        read(path, "v")


@pytest.mark.parametrize("north_first", [True, False])
@pytest.mark.parametrize("start", [-179.0, 1.0, 0.0])
def test_positions_of_the_whole_world(
    folder: Path, engine: Engine, source: Callable[..., Source], north_first: bool, start: float
) -> None:
    """Longitudes from -180 or from 0, south or north first: each pixel of a tile has the value of its cell."""
    latitudes = zarrs.LATITUDES[::-1] if north_first else zarrs.LATITUDES
    longitudes = start + 2.0 * np.arange(180)
    path = zarrs.world(folder / "w.zarr", latitudes=latitudes, longitudes=longitudes)
    data = zarrs.positions(latitudes, longitudes)[2]
    edge = 90.0 if north_first else -90.0
    with engine.open(source(path, "v", "time=2020-01-03")) as reader:
        for z, x, y in ((0, 0, 0), (2, 0, 1), (2, 3, 2), (3, 4, 3), (3, 3, 4)):
            raster = reader.tile(MERCATOR, z, x, y, ReadOptions(), width=64, height=64)
            assert raster.mask is None or raster.mask.all()
            left, bottom, right, top = raster.bounds
            xs = left + (right - left) * (np.arange(64) + 0.5) / 64
            ys = top - (top - bottom) * (np.arange(64) + 0.5) / 64
            lons, lats = transform_points(WEB_MERCATOR, WGS84, xs, ys)
            column = np.floor((np.asarray(lons) - (start - 1)) % 360 / 2).astype(int)
            row = np.floor(np.abs(np.asarray(lats) - edge) / 2).astype(int)
            assert np.array_equal(raster.data[0], data[np.ix_(row, column)]), (z, x, y)
        for lon, lat in ((179.7, 10.3), (-179.7, 10.3), (-0.3, -50.2), (0.3, 50.2)):
            found = reader.point(lon, lat, coord_crs=WGS84, options=ReadOptions()).data[0, 0, 0]
            at = (int(abs(lat - edge) // 2), int(np.floor((lon - (start - 1)) % 360 / 2)))
            assert found == data[at], (lon, lat)


def test_a_part_of_the_world_beyond_180(folder: Path, engine: Engine, source: Callable[..., Source]) -> None:
    over = np.arange(171.0, 200.0, 2.0)
    parts = {
        "over": over,
        "west": np.arange(201.0, 260.0, 2.0),
        "anew": (over + 180) % 360 - 180,
        "zero": (over - 180) % 360,
    }
    for name, longitudes in parts.items():
        path = zarrs.world(folder / f"{name}.zarr", longitudes=longitudes)
        with engine.open(source(path, "v", "time=2020-01-01")) as reader:
            for place in (3, len(longitudes) - 2):
                lon = (longitudes[place] + 180) % 360 - 180
                found = reader.point(lon, 0.5, coord_crs=WGS84, options=ReadOptions()).data[0, 0, 0]
                assert found == zarrs.positions(longitudes=longitudes)[0, 45, place]


@pytest.mark.parametrize("method", ["bilinear", "cubic", "cubic_spline", "lanczos"])
def test_interpolation_is_what_it_says(
    folder: Path, engine: Engine, source: Callable[..., Source], method: Any
) -> None:
    """Kernels give a plane back, also from chunk to chunk: each value is that of the pixel's own place."""
    lat, lon = np.meshgrid(zarrs.LATITUDES, zarrs.LONGITUDES, indexing="ij")
    plane = (3 * lon + 7 * lat).astype("f8")[None]
    path = zarrs.world(folder / "w.zarr", data=np.repeat(plane, 4, 0))
    with engine.open(source(path, "v", "time=2020-01-01")) as reader:
        raster = reader.tile(MERCATOR, 5, 17, 12, ReadOptions(reproject=method), width=64, height=64)
        left, bottom, right, top = raster.bounds
        xs = left + (right - left) * (np.arange(64) + 0.5) / 64
        ys = top - (top - bottom) * (np.arange(64) + 0.5) / 64
        found_lon, found_lat = transform_points(WEB_MERCATOR, WGS84, xs, ys)
        places = [np.asarray(found_lon), np.asarray(found_lat)]
        if method == "lanczos":
            places = [_lanczos(places[0], zarrs.LONGITUDES), _lanczos(places[1], zarrs.LATITUDES)]
        expected = 3 * places[0][None, :] + 7 * places[1][:, None]
        # places within a cell, of 2°, are told to 1/1024 of it
        assert np.allclose(raster.data[0], expected, rtol=0, atol=(3 + 7) * 2 / 2048)


def _lanczos(at: Any, coordinate: Any) -> Any:
    """Return what a coordinate is between its own values: weights of six of them, whose sum is one but whose mean
    ripples.
    """
    cells = (at - coordinate[0]) / (coordinate[1] - coordinate[0])
    taps = np.floor(cells)[:, None].astype(int) + np.arange(-2, 4)
    off = taps - cells[:, None]
    weights = np.sinc(off) * np.sinc(off / 3)
    return (weights * coordinate[taps]).sum(1) / weights.sum(1)


@pytest.mark.parametrize("method", ["mode", "max", "min", "med", "q1", "q3", "sum", "rms"])
def test_resamplings_of_gdal(folder: Path, engine: Engine, source: Callable[..., Source], method: str) -> None:
    path = zarrs.world(folder / "w.zarr", data=np.full((4, 90, 180), 5, "f4"))
    with engine.open(source(path, "v", "time=2020-01-01")) as reader:
        raster = reader.tile(MERCATOR, 2, 1, 1, ReadOptions(reproject=method), width=16, height=16)
        assert raster.mask is None or raster.mask.all()
        if method == "sum":
            assert (raster.data > 5).all()
        else:
            assert np.allclose(raster.data, 5)


def test_a_projected_variable(folder: Path, engine: Engine, source: Callable[..., Source]) -> None:
    import pyproj

    data = np.arange(50 * 60, dtype="u2").reshape(50, 60)
    said = pyproj.CRS(32631)
    mappings = ({"crs_wkt": said.to_wkt()}, {"spatial_ref": said.to_wkt()}, said.to_cf(), None)
    for number, attrs in enumerate(mappings):
        own: dict[str, str] = {"crs": "EPSG:32631"} if attrs is None else {"grid_mapping": "crs"}
        path = zarrs.write(
            folder / f"{number}.zarr",
            {
                "b": Variable(data=data, dims=("y", "x"), attrs=own),
                **({} if attrs is None else {"crs": Variable(data=0, dims=(), attrs=attrs)}),
                "y": axis(5_000_000 - 30 * np.arange(50) - 15, "y"),
                "x": axis(500_000 + 30 * np.arange(60) + 15, "x"),
            },
        )
        with engine.open(source(path, "b")) as reader:
            assert reader.profile.crs == "EPSG:32631"
            assert reader.profile.transform == (30, 0, 500_000, 0, -30, 5_000_000)
            found = reader.point(500_100, 4_999_900, coord_crs=Crs("EPSG:32631"), options=ReadOptions())
            assert found.data[0, 0, 0] == data[3, 3]


def test_a_transform_in_place_of_coordinates(folder: Path, engine: Engine, source: Callable[..., Source]) -> None:
    path = zarrs.write(
        folder / "w.zarr",
        {
            "b": Variable(data=np.ones((50, 60), "u2"), dims=("y", "x")),
            "spatial_ref": Variable(data=0, dims=(), attrs={"GeoTransform": "5.0 0.5 0.0 50.0 0.0 -0.25"}),
        },
    )
    with engine.open(source(path, "b")) as reader:
        assert reader.profile.transform == (0.5, 0, 5, 0, -0.25, 50)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("uneven", {"lat": axis(np.array([0.0, 1, 2, 30]), "lat"), "lon": axis(np.arange(5.0), "lon")}),
        ("constant", {"lat": axis(np.zeros(4), "lat"), "lon": axis(np.arange(5.0), "lon")}),
        ("nan", {"lat": axis(np.array([0, 1, np.nan, 3]), "lat"), "lon": axis(np.arange(5.0), "lon")}),
        ("none", {}),
        ("metres", {"lat": axis(6e6 - 30 * np.arange(4), "lat"), "lon": axis(5e5 + 30 * np.arange(5), "lon")}),
        ("texts", {"lat": axis(np.array(["a", "b", "c", "d"]), "lat"), "lon": axis(np.arange(5.0), "lon")}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_cells_that_are_no_raster(folder: Path, read: Read, name: str, variables: dict[str, Variable]) -> None:
    path = zarrs.write(folder / "w.zarr", {"v": Variable(data=np.ones((4, 5)), dims=("lat", "lon")), **variables})
    with pytest.raises(UnsupportedRaster):
        read(path, "v")


def test_curvilinear_grids_are_refused(folder: Path, read: Read) -> None:
    flat = Variable(data=np.ones((4, 5)), dims=("j", "i"))
    path = zarrs.write(folder / "w.zarr", {"v": flat, "lat": flat, "lon": flat})
    with pytest.raises(UnsupportedRaster, match="dimension that runs across"):
        read(path, "v")


def test_sizes_of_one_variable(folder: Path, engine: Engine, source: Callable[..., Source]) -> None:
    """The groups of a pyramid are overviews: a tile is made of the one whose cells it needs."""
    variables: dict[str, Variable] = {}
    for level, size in enumerate((64, 128, 256)):
        step = 20_000_000 / size
        variables |= {
            f"{level}/v": Variable(
                data=np.full((size, size), level, "i2"), dims=("y", "x"), options={"chunks": (64, 64)}
            ),
            f"{level}/x": axis((np.arange(size) + 0.5) * step, "x"),
            f"{level}/y": axis(20_000_000 - (np.arange(size) + 0.5) * step, "y"),
            f"{level}/spatial_ref": Variable(data=0, dims=(), attrs={"spatial_ref": "EPSG:3857"}),
        }
    listed = [{"datasets": [{"path": str(level)} for level in range(3)]}]
    layout = {"layout": [{"asset": str(level)} for level in range(3)]}
    for number, said in enumerate((listed, layout)):
        path = zarrs.write(folder / f"{number}.zarr", variables, attributes={"multiscales": said})
        with engine.open(source(path, "v")) as reader:
            assert (reader.profile.width, reader.profile.overviews) == (256, (2, 4))
            found = [
                np.unique(reader.tile(MERCATOR, z, 2, 1, ReadOptions(), width=size, height=size).data).tolist()
                for z, size in ((2, 32), (2, 64), (2, 128))
            ]
            assert found == [[0], [1], [2]]
        with engine.open(source(path, "v", group="1")) as reader:
            assert (reader.profile.width, reader.profile.overviews) == (128, ())

"""The verbs, on rasters whose values say where they are, and against rio-tiler's own answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rio_tiler.errors import TileOutsideBounds as PeerOutside
from rio_tiler.io import Reader as Peer

from tests.support import rasters
from tests.support.engine import ENGINE
from tilery.errors import (
    InvalidBand,
    InvalidGeometry,
    InvalidParameter,
    NotARaster,
    PointOutsideBounds,
    TileOutsideBounds,
    TooMuchWork,
    UnsupportedRaster,
)
from tilery.geo import crs as crs_
from tilery.geo import tms as tms_
from tilery.geo.raster import Raster
from tilery.reading.options import ReadOptions
from tilery.reading.raster_dataset import RasterDataset
from tilery.reading.reader import Reader
from tilery.reading.source import raster
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.policy import Policy

WEB = tms_.get("WebMercatorQuad")


@contextmanager
def reader_of(path: Path) -> Iterator[Reader]:
    with ENGINE.open(raster(Policy.from_sources([f"{path.parent}/"]).locate(str(path)))) as reader:
        yield reader


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    ENGINE.datasets.clear()


def valid(raster: Raster) -> Any:
    return np.broadcast_to(True if raster.mask is None else raster.mask, raster.data.shape)


def middle_tile(reader: Reader, zoom: int, tms: tms_.TileMatrixSet = WEB) -> tuple[int, int, int]:
    left, bottom, right, top = reader.geographic_bounds()
    xs, ys = crs_.transform_points(crs_.WGS84, tms.crs, [(left + right) / 2], [(bottom + top) / 2])
    x, y = tms.tile_at(float(xs[0]), float(ys[0]), zoom)
    return zoom, x, y


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:2056", "EPSG:3035"])
@pytest.mark.parametrize("zoom_from_deepest", [-2, 0, 2])
def test_a_tile_holds_the_coordinates_of_its_own_pixels(tmp_path: Path, crs: str, zoom_from_deepest: int) -> None:
    path = rasters.position(tmp_path / "position.tif", crs=crs, size=1024)
    with reader_of(path) as reader:
        z, x, y = middle_tile(reader, reader.zooms(WEB)[1] + zoom_from_deepest)
        raster = reader.tile(WEB, z, x, y, ReadOptions())
        pixel = max(reader.profile.resolution)
    left, bottom, right, top = WEB.tile_bounds(z, x, y)
    xs = left + (np.arange(256) + 0.5) * (right - left) / 256
    ys = top - (np.arange(256) + 0.5) * (top - bottom) / 256
    east, north = crs_.transform_points(crs_.WEB_MERCATOR, crs_.parse(crs), *np.meshgrid(xs, ys))
    inside = valid(raster)[0]
    assert inside.any()
    overview = max(1.0, 2.0 ** (1 - zoom_from_deepest)) if zoom_from_deepest < 0 else 1.0
    for band, expected in enumerate((east, north)):
        error = np.abs(raster.data[band] - expected)[inside]
        # The nearest sample is at most half a pixel (of the overview, whose samples sit on its corners) away, plus the
        # eighth of a pixel that an approximate transformation may take.
        assert error.max() <= pixel * overview * 0.75
        assert abs(np.mean((raster.data[band] - expected)[inside])) <= pixel * overview * 0.6


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_values_keep_their_type(tmp_path: Path, dtype: str) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", dtype=dtype, size=100)
    with reader_of(path) as reader:
        raster = reader.preview(options=ReadOptions())
    assert raster.data.dtype == dtype
    assert np.array_equal(raster.data, rasters.columns_and_rows(100, 100, dtype))
    assert raster.mask is None
    assert raster.band_names == ("b1", "b2")


def test_bands_come_in_the_order_asked_for_with_repeats(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64)
    with reader_of(path) as reader:
        raster = reader.preview(options=ReadOptions(bands=(2, 1, 2)))
        with pytest.raises(InvalidBand) as wrong:
            reader.preview(options=ReadOptions(bands=(3,)))
    assert raster.band_names == ("b2", "b1", "b2")
    assert np.array_equal(raster.data[0], raster.data[2])
    assert raster.data[1, 0, 5] == 5
    assert (wrong.value.parameter, wrong.value.limit) == ("bidx", 2)


def test_point_reads_the_pixel_under_the_position(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=512)
    with reader_of(path) as reader:
        raster = reader.point(8.25, 46.75, coord_crs=crs_.WGS84, options=ReadOptions())
        with pytest.raises(PointOutsideBounds):
            reader.point(7.99, 46.5, coord_crs=crs_.WGS84, options=ReadOptions())
        with pytest.raises(PointOutsideBounds):
            reader.point(float("nan"), 46.5, coord_crs=crs_.WGS84, options=ReadOptions())
    assert raster.data[:, 0, 0].tolist() == [128, 128]


def test_a_part_has_the_size_that_is_asked_for(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=512)
    box = (8.25, 46.25, 8.75, 46.5)
    with reader_of(path) as reader:

        def shape(**size: Any) -> tuple[int, ...]:
            return reader.part(box, bounds_crs=crs_.WGS84, options=ReadOptions(), **size).data.shape

        assert shape() == (2, 128, 256)
        assert shape(max_size=64) == (2, 32, 64)
        assert shape(width=100) == (2, 50, 100)
        assert shape(height=100) == (2, 100, 200)
        assert shape(width=30, height=40) == (2, 40, 30)
        whole = reader.part(box, bounds_crs=crs_.WGS84, options=ReadOptions())
        assert whole.data[0, 0, :3].tolist() == [128, 129, 130]
        assert whole.data[1, :3, 0].tolist() == [256, 257, 258]
        for empty in ((8.5, 46.0, 8.5, 46.5), (8.6, 46.0, 8.5, 46.5), (float("nan"), 46.0, 8.5, 46.5)):
            with pytest.raises(InvalidParameter):
                reader.part(empty, bounds_crs=crs_.WGS84, options=ReadOptions())


def test_outside_of_the_raster_is_masked(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=512, nodata=None)
    with reader_of(path) as reader:
        raster = reader.part(
            (7.5, 46.5, 8.5, 47.5), bounds_crs=crs_.WGS84, options=ReadOptions(), width=100, height=100
        )
    inside = valid(raster)[0]
    assert inside[50:, 50:].all()
    assert not inside[:50].any()
    assert not inside[:, :50].any()


def test_a_feature_is_masked_outside_of_its_polygon(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=512)
    triangle = {"type": "Polygon", "coordinates": [[[8.2, 46.2], [8.8, 46.2], [8.2, 46.8], [8.2, 46.2]]]}
    with reader_of(path) as reader:
        raster = reader.feature(triangle, shape_crs=crs_.WGS84, options=ReadOptions(), max_size=200)
    assert raster.cutline is not None
    assert valid(raster)[0][150, 10]
    assert not valid(raster)[0][10, 150]
    assert 0.45 < valid(raster)[0].mean() < 0.55


POINT = {"type": "Point", "coordinates": [8.5, 46.5]}


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {},
        {"type": "Point", "coordinates": [8.5]},
        {"type": "Point", "coordinates": [8.5, True]},
        {"type": "Point", "coordinates": [[8.5, 46.5]]},
        {"type": "MultiPoint", "coordinates": [8.5, 46.5]},
        {"type": "LineString", "coordinates": [[8.5, 46.5]]},
        {"type": "LineString", "coordinates": [[8.5, 46.5], [8.6, None]]},
        {"type": "MultiLineString", "coordinates": [[8.5, 46.5], [8.6, 46.6]]},
        {"type": "MultiLineString", "coordinates": []},
        {"type": "Curve", "coordinates": [[8.5, 46.5], [8.6, 46.6]]},
        {"type": ["Point"], "coordinates": [8.5, 46.5]},
        {"type": "GeometryCollection", "coordinates": [8.5, 46.5]},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [8.5, 46.5]}, None]},
        reduce(lambda inner, _: {"type": "GeometryCollection", "geometries": [inner]}, range(10), POINT),
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": "x"},
        {"type": "Polygon", "coordinates": [[[8, 46], [9, 46], [8, 46]]]},
        {"type": "Polygon", "coordinates": [[[8, 46], [9, 46], [9, "x"], [8, 46]]]},
        {"type": "Polygon", "coordinates": [[[8, 46], [9, 46], [9, 47], [8, 47]]]},
        {"type": "Polygon", "coordinates": [[[8, 46], [9, 46], [9, float("inf")], [8, 46]]]},
        {"type": "MultiPolygon", "coordinates": [[[8, 46], [9, 46], [9, 47], [8, 46]]]},
        {"type": "GeometryCollection", "geometries": []},
    ],
)
def test_what_is_not_a_geometry_is_refused_before_a_library_sees_it(tmp_path: Path, geometry: Any) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64)
    with reader_of(path) as reader, pytest.raises(InvalidGeometry):
        reader.feature(geometry, shape_crs=crs_.WGS84, options=ReadOptions())


def test_scale_and_offset_are_applied_when_asked(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64, scales=(0.5, 2.0), offsets=(10.0, -1.0))
    with reader_of(path) as reader:
        plain = reader.preview(options=ReadOptions())
        scaled = reader.preview(options=ReadOptions(unscale=True))
    assert scaled.data.dtype == np.float32
    assert np.array_equal(scaled.data[0], plain.data[0] * 0.5 + 10)
    assert np.array_equal(scaled.data[1], plain.data[1] * 2.0 - 1)
    assert scaled.scales == (1.0, 1.0)


def test_nodata_masks_each_band_on_its_own(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64, nodata=7)
    with reader_of(path) as reader:
        raster = reader.preview(options=ReadOptions())
        other = reader.preview(options=ReadOptions(nodata=9))
        for impossible in (float("nan"), -1.0, 70000.0, 0.5):
            with pytest.raises(InvalidParameter) as wrong:
                reader.preview(options=ReadOptions(nodata=impossible))
            assert wrong.value.parameter == "nodata"
    assert raster.mask is not None
    assert np.array_equal(raster.mask, raster.data != 7)
    assert other.mask is not None
    assert np.array_equal(other.mask, other.data != 9)


def test_a_nodata_value_that_the_type_cannot_hold_masks_nothing(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", dtype="uint8", size=64)
    with reader_of(path) as reader:
        profile = reader.profile
        z, x, y = middle_tile(reader, reader.zooms(WEB)[1])
        assert reader.tile(WEB, z, x, y, ReadOptions()).data.any()
    from dataclasses import replace

    assert replace(profile, nodata=-9999.0).usable_nodata is None
    assert replace(profile, nodata=float("nan")).usable_nodata is None
    assert replace(profile, nodata=255.0).usable_nodata == 255


def test_tiles_outside_are_refused(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64)
    with reader_of(path) as reader:
        for tile in ((5, 0, 0), (3, 8, 0), (3, -1, 0), (99, 0, 0)):
            with pytest.raises(TileOutsideBounds):
                reader.tile(WEB, *tile, ReadOptions())


def test_what_is_not_a_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("not a raster at all")
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "disguised.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    for name in ("text.tif", "empty.tif", "disguised.tif"):
        with pytest.raises(NotARaster), reader_of(tmp_path / name):
            pass


def test_a_raster_without_a_place_can_be_looked_at_but_not_tiled(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = rasters.gradient(tmp_path / "plain.tif", size=64, crs=None, bounds=None)
    with reader_of(path) as reader:
        assert reader.info()["crs"] is None
        assert reader.preview(options=ReadOptions()).data.shape == (2, 64, 64)
        with pytest.raises(UnsupportedRaster):
            reader.tile(WEB, 0, 0, 0, ReadOptions())


def test_work_beyond_the_budget_is_refused_before_it_is_done(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=200_000,
        height=200_000,
        count=1,
        dtype="uint8",
        crs="EPSG:4326",
        transform=rasterio.Affine(1e-4, 0, 0, 0, -1e-4, 10),
        tiled=True,
        sparse_ok=True,
        compress="deflate",
        bigtiff="yes",
    ):
        pass
    assert path.stat().st_size < 20_000_000
    with reader_of(path) as reader, pytest.raises(TooMuchWork) as refused:
        reader.preview(options=ReadOptions())
    assert refused.value.limit == 512 << 20


def test_a_file_replaced_or_overwritten_is_noticed(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "gradient.tif", size=64)
    with reader_of(path) as reader:
        first = reader.identity
        assert reader.preview(options=ReadOptions()).data[0, 0, 1] == 1
    other = rasters.write(tmp_path / "other.tif", rasters.columns_and_rows(64, 64) + 100)
    other.replace(path)
    with pytest.raises(SourceChanged), reader_of(path) as reader:
        reader.preview(options=ReadOptions())
    with reader_of(path) as reader:
        assert reader.identity != first
        assert reader.preview(options=ReadOptions()).data[0, 0, 1] == 101


def peer_tile(peer: Peer, z: int, x: int, y: int, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer.tile(x, y, z, **options).array


KINDS: dict[str, dict[str, Any]] = {
    "uint8 rgb": {"data": rasters.columns_and_rows(600, 600, "uint8", 3)},
    "uint16 nodata": {"data": rasters.columns_and_rows(600, 600, "uint16", 2), "nodata": 300},
    "float nan": {
        "data": np.where(rasters.columns_and_rows(600, 600, "float32", 1) % 17 == 0, np.nan, 1.5).astype("float32"),
        "nodata": float("nan"),
    },
    "mask": {
        "data": rasters.columns_and_rows(600, 600, "uint8", 3),
        "mask": (np.indices((600, 600)).sum(axis=0) // 50) % 2 == 0,
    },
    "alpha": {
        "data": np.concatenate(
            [
                rasters.columns_and_rows(600, 600, "uint8", 3),
                np.where((np.indices((600, 600))[0] // 50) % 2, 255, 0)[None].astype("uint8"),
            ]
        ),
        "alpha": True,
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32632", "EPSG:3857"])
def test_tiles_are_those_of_rio_tiler(tmp_path: Path, kind: str, crs: str) -> None:
    from rasterio.warp import transform_bounds

    made = dict(KINDS[kind])
    path = rasters.write(
        tmp_path / "raster.tif",
        made.pop("data"),
        crs=crs,
        bounds=transform_bounds("EPSG:4326", crs, *rasters.ALPS),
        **made,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Peer(str(path))
    differing, compared, masks = 0, 0, 0
    with peer, reader_of(path) as reader:
        assert (peer.minzoom, peer.maxzoom) == reader.zooms(WEB)
        for zoom in range(peer.maxzoom - 1, peer.maxzoom + 3):
            z, x, y = middle_tile(reader, zoom)
            for column in (x, x + 1):
                try:
                    expected = peer_tile(peer, z, column, y)
                except PeerOutside:
                    with pytest.raises(TileOutsideBounds):
                        reader.tile(WEB, z, column, y, ReadOptions())
                    continue
                found = reader.tile(WEB, z, column, y, ReadOptions())
                assert found.data.shape == expected.shape
                assert found.data.dtype == expected.dtype
                seen = ~np.ma.getmaskarray(expected)
                masks += int((seen != valid(found)).sum())
                both = seen & valid(found)
                differing += int((expected.data[both] != found.data[both]).sum())
                compared += found.data.size
    assert compared
    # A sample within a hair of the border of two pixels may fall on either side: GDAL's transformer is approximate.
    assert differing / compared < 0.02
    assert masks / compared < 0.01


def test_what_is_worked_out_for_crss_of_callers_does_not_add_up(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "a.tif", size=64, overviews=())
    with reader_of(path) as reader:
        for meridian in range(400):
            crs = crs_.parse(f"+proj=laea +lat_0=46 +lon_0={meridian / 100} +type=crs")
            reader.geographic_bounds(crs)
            reader.preview(options=ReadOptions(), dst_crs=crs, width=2, height=2)
        opened = ENGINE.datasets.get(raster(Policy.from_sources([f"{tmp_path}/"]).locate(str(path))))
        assert len(opened.derived) <= 256
        assert isinstance(opened.dataset, RasterDataset)
        assert opened.dataset.blocks is not None
        assert len(opened.dataset.blocks._placer._footprints) <= 64


def test_a_box_too_large_for_numbers_is_refused(tmp_path: Path) -> None:
    with reader_of(rasters.gradient(tmp_path / "a.tif", size=64)) as reader, pytest.raises(InvalidParameter):
        reader.part((-1e308, -1e308, 1e308, 1e308), bounds_crs=crs_.WGS84, options=ReadOptions(), max_size=16)


def test_statistics_keep_their_order_under_a_scale_below_0(tmp_path: Path) -> None:
    tags = {"STATISTICS_MINIMUM": "0", "STATISTICS_MAXIMUM": "4000"}
    path = rasters.gradient(tmp_path / "a.tif", count=1, scales=(-0.01,), offsets=(5.0,), band_tags=(tags,))
    with reader_of(path) as reader:
        assert reader.preview(options=ReadOptions(unscale=True)).statistics == ((-35.0, 5.0),)
        assert reader.preview(options=ReadOptions()).statistics == ((0.0, 4000.0),)


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("kind", ["plain", "nodata", "mask", "alpha"])
@pytest.mark.parametrize("bounds", [(8.2, 46.3, 8.6, 46.9), (7.8, 46.5, 8.4, 47.2)])
def test_a_south_up_raster_is_read_as_the_same_one_north_up(
    tmp_path: Path, tiled: bool, kind: str, bounds: tuple[float, float, float, float]
) -> None:
    data = rasters.columns_and_rows(200, 200, "uint16", 2) + 1
    missing = np.add.outer(np.arange(200), 2 * np.arange(200)) % 200 < 60
    options: dict[str, Any] = {"tiled": tiled, "block": 64}
    if kind == "nodata":
        data[:, missing] = 0
        options["nodata"] = 0
    elif kind == "alpha":
        data[1] = np.where(missing, 0, 65535)
        options["alpha"] = True
    pixel = 1 / 200
    found = []
    for name, turn, transform in (
        ("north", slice(None), rasterio.Affine(pixel, 0, 8, 0, -pixel, 47)),
        ("south", slice(None, None, -1), rasterio.Affine(pixel, 0, 8, 0, pixel, 46)),
    ):
        masked: dict[str, Any] = {"mask": ~missing[turn]} if kind == "mask" else {}
        path = rasters.write(tmp_path / f"{name}.tif", data[:, turn], transform=transform, **options, **masked)
        with reader_of(path) as reader:
            found.append(reader.part(bounds, bounds_crs=crs_.WGS84, options=ReadOptions()))
    north, south = found
    assert north.bounds == south.bounds
    assert (valid(north) == valid(south)).all()
    assert (north.data == south.data)[valid(north)].all()
    assert (north.alpha is None) == (south.alpha is None) == (kind != "alpha")
    if north.alpha is not None:
        assert (north.alpha == south.alpha).all()

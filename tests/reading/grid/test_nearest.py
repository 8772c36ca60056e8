"""Nearest pixels: those of an exact calculation, and those of GDAL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine, from_bounds
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from tests.reading.conftest import FileBytes, engine_of, noise, profile_of, web_grid, web_grid_at, write
from tilery.arena import BLOCK_PAGE
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs, Grid
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.profile import Profile

UTM = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5500000.0)


def exact_positions(profile: Profile, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the raster at each pixel of the grid, by asking PROJ for each of them."""
    left, bottom, right, top = grid.bounds
    xs = left + (np.arange(grid.width) + 0.5) * (right - left) / grid.width
    ys = top + (np.arange(grid.height) + 0.5) * (bottom - top) / grid.height
    x, y = np.meshgrid(xs, ys)
    assert grid.crs is not None
    assert profile.crs is not None
    x, y = crs_.transform_points(grid.crs, profile.crs, x, y)
    with np.errstate(invalid="ignore"):
        column, row = ~Affine(*profile.transform) * (x, y)
    return column, row


def oracle(data: np.ndarray, profile: Profile, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Nearest pixels of an array that covers the whole raster, and where there are any."""
    column, row = exact_positions(profile, grid)
    column, row = column * data.shape[2] / profile.width, row * data.shape[1] / profile.height
    inside = (column >= 0) & (row >= 0) & (column < data.shape[2]) & (row < data.shape[1])
    column, row = np.where(inside, column, 0).astype(int), np.where(inside, row, 0).astype(int)
    return np.where(inside, data[:, row, column], 0), inside


def agreement(engine: BlockGridReader, data: np.ndarray, profile: Profile, grid: Grid) -> float:
    """Return share of pixels that are those of the oracle, mask included."""
    pixels = engine.read(grid, bands=tuple(range(1, len(data) + 1)), nodata=None, method="nearest")
    expected, inside = oracle(data, profile, grid)
    mask = np.ones(inside.shape, bool) if pixels.mask is None else pixels.mask[0]
    return float(((pixels.data == expected).all(axis=0) & (mask == inside)).mean())


PLACES = {
    "utm": ("EPSG:32633", UTM),
    "utm, edge of the zone": ("EPSG:32633", Affine(10.0, 0.0, 830000.0, 0.0, -10.0, 7500000.0)),
    "degrees": ("EPSG:4326", Affine(1e-4, 0.0, 15.0, 0.0, -1e-4, 49.0)),
    "lambert": ("EPSG:2154", Affine(10.0, 0.0, 650000.0, 0.0, -10.0, 6860000.0)),
    "british": ("EPSG:27700", Affine(10.0, 0.0, 400000.0, 0.0, -10.0, 300000.0)),
    "polar": ("EPSG:3413", Affine(10.0, 0.0, 200000.0, 0.0, -10.0, -1500000.0)),
    "south up": ("EPSG:32633", Affine(10.0, 0.0, 500000.0, 0.0, 10.0, 5490000.0)),
    "rotated": ("EPSG:32633", UTM @ Affine.rotation(30.0)),
    "a quarter turn": ("EPSG:32633", UTM @ Affine.rotation(90.0)),
    "oblong pixels": ("EPSG:32633", Affine(10.0, 0.0, 500000.0, 0.0, -25.0, 5500000.0)),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_pixel_is_the_nearest(path: Callable[[], Path], place: str) -> None:
    crs, transform = PLACES[place]
    data = noise(3, 700, 900, seed=2)
    file = write(path(), data, crs=crs, transform=transform)
    profile, engine = profile_of(file), engine_of(file)
    for z, across, down in ((15, 0.5, 0.5), (14, 0.05, 0.1), (13, 0.97, 0.95), (17, 0.3, 0.7), (20, 0.6, 0.4)):
        grid = web_grid_at(profile, z, across=across, down=down)
        assert agreement(engine, data, profile, grid) >= 0.999, (place, z)


@pytest.mark.parametrize("place", PLACES)
def test_low_zooms(path: Callable[[], Path], place: str) -> None:
    crs, transform = PLACES[place]
    data = noise(1, 700, 900, seed=2)
    file = write(path(), data, crs=crs, transform=transform)
    profile, engine = profile_of(file), engine_of(file)
    for z in (0, 3, 6, 9, 11):
        grid = web_grid_at(profile, z)
        assert agreement(engine, data, profile, grid) >= 0.999, (place, z)


@pytest.mark.parametrize("target", ["EPSG:4326", "EPSG:3035", "EPSG:32634", "EPSG:3995"])
def test_other_output_crs(path: Callable[[], Path], target: str) -> None:
    data = noise(2, 700, 900, seed=3)
    file = write(path(), data)
    profile, engine = profile_of(file), engine_of(file)
    assert profile.crs is not None
    bounds = crs_.transform_bounds(profile.crs, Crs(target), profile.bounds)
    for width, height in ((256, 256), (300, 411), (1, 1), (1, 50), (50, 1), (1030, 777)):
        grid = Grid(crs=Crs(target), bounds=bounds, width=width, height=height)
        assert agreement(engine, data, profile, grid) >= 0.999, (width, height)


def test_the_whole_world_in_degrees(path: Callable[[], Path]) -> None:
    data = noise(1, 360, 720, seed=4)
    file = write(path(), data, crs="EPSG:4326", transform=Affine(0.5, 0, -180, 0, -0.5, 90))
    profile, engine = profile_of(file), engine_of(file)
    for z, x, y in ((0, 0, 0), (1, 1, 0), (3, 0, 7), (3, 7, 0), (8, 255, 100)):
        assert agreement(engine, data, profile, web_grid(z, x, y)) >= 0.999
    pole = Grid(crs=Crs("EPSG:3413"), bounds=(-4e6, -4.1e6, 4.01e6, 4e6), width=256, height=256)
    assert agreement(engine, data, profile, pole) >= 0.999


def test_the_same_grid_is_exact_and_not_copied(path: Callable[[], Path]) -> None:
    data = noise(3, 256, 320, seed=5)
    file = write(path(), data)
    profile, engine = profile_of(file), engine_of(file)
    a, _, c, _, e, f = profile.transform
    for top, left, height, width in ((0, 0, 256, 320), (64, 128, 64, 64), (10, 20, 100, 90), (200, 300, 56, 20)):
        bounds = (c + a * left, f + e * (top + height), c + a * (left + width), f + e * top)
        grid = Grid(crs=profile.crs, bounds=bounds, width=width, height=height)
        pixels = engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
        assert pixels.mask is None
        np.testing.assert_array_equal(pixels.data, data[:, top : top + height, left : left + width])
    block = Grid(crs=profile.crs, bounds=(c + a * 64, f + e * 128, c + a * 128, f + e * 64), width=64, height=64)
    first = engine.read(block, bands=(1, 2, 3), nodata=None, method="nearest")
    again = engine.read(block, bands=(1, 2, 3), nodata=None, method="nearest")
    assert np.shares_memory(first.data, again.data)
    assert not first.data.flags.writeable


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos"])
def test_interpolation_leaves_the_same_grid_as_it_is(path: Callable[[], Path], method: str) -> None:
    data = noise(2, 128, 128, dtype="float32")
    file = write(path(), data)
    profile = profile_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=128, height=128)
    np.testing.assert_array_equal(engine_of(file).read(grid, bands=(1, 2), nodata=None, method=method).data, data)


WINDOWS = [
    (Window(0, 0, 900, 700), 900, 700),
    (Window(100, 50, 300, 200), 300, 200),
    (Window(100, 50, 300, 200), 150, 100),
    (Window(100.3, 50.7, 300.1, 200.9), 256, 256),
    (Window(11, 13, 17, 19), 256, 256),
    (Window(0, 0, 900, 700), 90, 70),
    (Window(0, 0, 900, 700), 77, 55),
    (Window(1, 1, 898, 698), 301, 201),
]


@pytest.mark.parametrize(("window", "width", "height"), WINDOWS)
@pytest.mark.parametrize("overviews", [(), (2, 4, 8)])
def test_windows_are_those_of_gdal(
    path: Callable[[], Path], overviews: tuple[int, ...], window: Window, width: int, height: int
) -> None:
    data = noise(2, 700, 900, seed=6)
    file = write(path(), data, overviews=overviews)
    profile = profile_of(file)
    a, _, c, _, e, f = profile.transform
    bounds = (
        c + a * window.col_off,
        f + e * (window.row_off + window.height),
        c + a * (window.col_off + window.width),
        f + e * window.row_off,
    )
    grid = Grid(crs=profile.crs, bounds=bounds, width=width, height=height)
    ours = engine_of(file).read(grid, bands=(1, 2), nodata=None, method="nearest")
    with rasterio.open(file) as dataset:
        theirs = dataset.read(window=window, out_shape=(2, height, width), resampling=Resampling.nearest)
    assert ours.mask is None
    assert (ours.data == theirs).all(axis=0).mean() >= 0.999


@pytest.mark.parametrize("z", [11, 12, 13, 14, 15, 17])
def test_warps_are_nearly_those_of_gdal(path: Callable[[], Path], z: int) -> None:
    """GDAL's approximate transformer misses by up to an eighth of a pixel, so its pixels differ here and there."""
    data = noise(1, 2000, 2000, seed=7)
    file = write(path(), data, overviews=(2, 4, 8, 16), blockxsize=256, blockysize=256)
    profile, engine = profile_of(file), engine_of(file)
    grid = web_grid_at(profile, z)
    ours = engine.read(grid, bands=(1,), nodata=None, method="nearest")
    level = engine._level(engine._place(grid), "nearest")
    number = [each.image.position for each in engine.levels].index(level.image.position)
    options = {} if number == 0 else {"overview_level": number - 1}
    transform = from_bounds(*grid.bounds, 256, 256)
    with (
        rasterio.open(file, **options) as dataset,
        WarpedVRT(dataset, crs=grid.crs, transform=transform, width=256, height=256, add_alpha=True) as warped,
    ):
        theirs, alpha = warped.read()
    mask = np.ones((256, 256), bool) if ours.mask is None else ours.mask[0]
    assert (mask != (alpha == 255)).mean() < 0.005
    both = mask & (alpha == 255)
    assert (ours.data[0] != theirs)[both].mean() < (0.08 if z < 12 else 0.04)


def test_outside_is_masked_and_empty(path: Callable[[], Path]) -> None:
    file = write(path(), noise(2, 100, 100))
    profile, engine = profile_of(file), engine_of(file)
    for grid in (
        web_grid(14, 0, 0),
        Grid(crs=profile.crs, bounds=(0.0, 0.0, 100.0, 100.0), width=20, height=30),
    ):
        pixels = engine.read(grid, bands=(2, 1, 2), nodata=None, method="nearest")
        assert pixels.data.shape == (3, grid.height, grid.width)
        assert not pixels.data.any()
        assert pixels.mask is not None
        assert not pixels.mask.any()
        assert engine.estimate(grid, bands=(1,)) == 0
        filled = engine.read(grid, bands=(1,), nodata=7.0, method="nearest")
        assert (filled.data == 7).all()


def test_half_outside(path: Callable[[], Path]) -> None:
    data = noise(1, 100, 100)
    file = write(path(), data)
    profile = profile_of(file)
    left, _, right, top = profile.bounds
    grid = Grid(crs=profile.crs, bounds=(left - 300, top - 700, right, top + 300), width=130, height=100)
    pixels = engine_of(file).read(grid, bands=(1,), nodata=None, method="nearest")
    expected = np.zeros((100, 130), "uint8")
    expected[30:, 30:] = data[0, :70]
    np.testing.assert_array_equal(pixels.data[0], expected)
    assert pixels.mask is not None
    np.testing.assert_array_equal(pixels.mask[0, 30:, 30:], True)
    assert pixels.mask.sum() == 70 * 100


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 13])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_bands_in_any_order(path: Callable[[], Path], dtype: str, count: int, interleave: str) -> None:
    data = noise(count, 300, 300, dtype=dtype)
    file = write(path(), data, interleave=interleave)
    profile, engine = profile_of(file), engine_of(file)
    grid = web_grid_at(profile, 15)
    everything = engine.read(grid, bands=tuple(range(1, count + 1)), nodata=None, method="nearest").data
    expected, _ = oracle(data, profile, grid)
    assert (everything == expected).mean() > 0.999
    for bands in ((1,), (count,), (count, 1), (1, 1), tuple(range(count, 0, -1))):
        some = engine.read(grid, bands=bands, nodata=None, method="nearest").data
        np.testing.assert_array_equal(some, everything[[band - 1 for band in bands]])


def test_only_the_planes_asked_for_are_fetched(path: Callable[[], Path]) -> None:
    file = write(path(), noise(5, 128, 128), interleave="band")
    profile, engine = profile_of(file), engine_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=128, height=128)
    source = engine._reader._source
    assert isinstance(source, FileBytes)
    before = len(source.requests)
    engine.read(grid, bands=(4,), nodata=None, method="nearest")
    fetched = [place for call in source.requests[before:] for place in call]
    assert len(fetched) == 4
    assert len(source.requests) == before + 1


def test_nodata(path: Callable[[], Path]) -> None:
    data = noise(2, 200, 200, dtype="int16")
    data[0, 50:100, 50:100] = -5
    data[1, 80:120, 80:120] = -5
    file = write(path(), data, nodata=-5)
    profile, engine = profile_of(file), engine_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=200, height=200)
    pixels = engine.read(grid, bands=(1, 2), nodata=-5, method="nearest")
    np.testing.assert_array_equal(pixels.mask, data != -5)
    assert engine.read(grid, bands=(1, 2), nodata=-32768, method="nearest").mask is None
    assert engine.read(grid, bands=(1, 2), nodata=0.5, method="nearest").mask is None


def test_nan_is_nodata(path: Callable[[], Path]) -> None:
    data = noise(1, 200, 200, dtype="float32")
    data[0, 50:100, 50:100] = np.nan
    file = write(path(), data, nodata=np.nan)
    profile, engine = profile_of(file), engine_of(file)
    grid = web_grid_at(profile, 14)
    pixels = engine.read(grid, bands=(1,), nodata=np.nan, method="nearest")
    assert pixels.mask is not None
    np.testing.assert_array_equal(pixels.mask, ~np.isnan(pixels.data))
    assert 0.05 < (~pixels.mask).mean() < 0.95


@pytest.mark.parametrize("overviews", [(), (2, 4)])
def test_internal_mask(path: Callable[[], Path], overviews: tuple[int, ...]) -> None:
    mask = np.full((200, 200), 255, "uint8")
    mask[30:130, 20:140] = 0
    file = write(path(), noise(3, 200, 200), mask=mask, overviews=overviews, resampling="nearest")
    profile, engine = profile_of(file), engine_of(file)
    assert all(level.mask is not None for level in engine.levels)
    for size in (200, 100, 50):
        grid = Grid(crs=profile.crs, bounds=profile.bounds, width=size, height=size)
        pixels = engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
        with rasterio.open(file) as dataset:
            theirs = dataset.read_masks(1, out_shape=(size, size), resampling=Resampling.nearest)
        assert pixels.mask is not None
        np.testing.assert_array_equal(pixels.mask[0], theirs != 0)
        assert engine.read(grid, bands=(1,), nodata=300, method="nearest").mask is None
    corner = Grid(crs=profile.crs, bounds=(501450.0, 5498600.0, 501900.0, 5500000.0), width=45, height=140)
    assert engine.read(corner, bands=(1,), nodata=None, method="nearest").mask is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_band(path: Callable[[], Path], dtype: str) -> None:
    data = noise(4, 200, 200, dtype=dtype)
    opaque = np.iinfo(dtype).max
    data[3] = opaque
    data[3, 20:90, 20:90] = 0
    data[3, 100:120, 100:120] = opaque // 2
    kinds = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    file = write(path(), data, colorinterp=kinds, photometric="RGB", ALPHA="YES")
    profile, engine = profile_of(file), engine_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=200, height=200)
    pixels = engine.read(grid, bands=(3, 1), nodata=None, method="nearest")
    np.testing.assert_array_equal(pixels.data, data[[2, 0]])
    np.testing.assert_array_equal(pixels.alpha, data[3])
    np.testing.assert_array_equal(pixels.mask, (data[3] == opaque)[None])
    assert engine.read(grid, bands=(3, 1), nodata=0, method="nearest").alpha is None
    corner = Grid(crs=profile.crs, bounds=(501500.0, 5498000.0, 502000.0, 5498500.0), width=50, height=50)
    assert engine.read(corner, bands=(1,), nodata=None, method="nearest").mask is None


@pytest.mark.parametrize("nodata", [None, 7])
def test_sparse_blocks(path: Callable[[], Path], nodata: int | None) -> None:
    file = path()
    options = {} if nodata is None else {"nodata": nodata}
    with rasterio.open(
        file, "w", driver="GTiff", width=256, height=256, count=2, dtype="uint8", crs="EPSG:32633", transform=UTM,
        tiled=True, blockxsize=64, blockysize=64, compress="deflate", SPARSE_OK=True, **options,
    ) as dataset:  # fmt: skip
        dataset.write(noise(2, 64, 64), window=Window(64, 64, 64, 64))
    profile, engine = profile_of(file), engine_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=256, height=256)
    with rasterio.open(file) as dataset:
        theirs = dataset.read()
    pixels = engine.read(grid, bands=(1, 2), nodata=nodata, method="nearest")
    np.testing.assert_array_equal(pixels.data, theirs)
    one = Grid(crs=profile.crs, bounds=(500000.0, 5499360.0, 500640.0, 5500000.0), width=64, height=64)
    assert (engine.read(one, bands=(1,), nodata=nodata, method="nearest").data == (nodata or 0)).all()


@pytest.mark.parametrize("left", [170.0, -190.0])
def test_a_raster_across_the_antimeridian(path: Callable[[], Path], left: float) -> None:
    data = noise(1, 400, 1000, seed=9)
    file = write(path(), data, crs="EPSG:4326", transform=Affine(0.02, 0, left, 0, -0.02, 4))
    engine = engine_of(file)
    # 170° to 180° east lies at the right end of the world, 180° to 190° at its left end.
    for z, x in ((5, 31), (5, 0), (8, 255), (8, 0), (10, 1020), (10, 3)):
        grid = web_grid(z, x, 2**z // 2 - 1)
        pixels = engine.read(grid, bands=(1,), nodata=None, method="nearest")
        west, _, east, _ = crs_.transform_bounds(crs_.WEB_MERCATOR, crs_.WGS84, grid.bounds)
        lon = west + (np.arange(256) + 0.5) * (east - west) / 256
        column = np.floor(((lon - 170) % 360) / 0.02).astype(int)
        ys = grid.bounds[3] + (np.arange(256) + 0.5) * (grid.bounds[1] - grid.bounds[3]) / 256
        _, lat = crs_.transform_points(crs_.WEB_MERCATOR, crs_.WGS84, np.zeros(256), ys)
        row = np.floor((4 - lat) / 0.02).astype(int)
        inside = ((row >= 0) & (row < 400))[:, None] & ((column >= 0) & (column < 1000))
        assert inside.any()
        expected = data[0][np.clip(row, 0, 399)][:, np.clip(column, 0, 999)] * inside
        mask = np.ones(inside.shape, bool) if pixels.mask is None else pixels.mask[0]
        assert (mask == inside).mean() > 0.999
        assert (pixels.data[0] == expected).mean() > 0.999


@pytest.mark.parametrize(("crs", "easting"), [("EPSG:32660", 800000.0), ("EPSG:32601", 150000.0)])
def test_utm_zones_across_the_antimeridian(path: Callable[[], Path], crs: str, easting: float) -> None:
    data = noise(1, 1000, 2000, seed=10)
    file = write(path(), data, crs=crs, transform=Affine(100.0, 0, easting - 100000, 0, -100.0, 500000.0))
    profile, engine = profile_of(file), engine_of(file)
    for z, y in ((6, 31), (8, 125)):
        shares = []
        for x in (2**z - 1, 0):
            grid = web_grid(z, x, y)
            assert agreement(engine, data, profile, grid) >= 0.999
            pixels = engine.read(grid, bands=(1,), nodata=None, method="nearest")
            shares.append(1.0 if pixels.mask is None else pixels.mask.mean())
        assert min(shares) > 0.01
    assert agreement(engine, data, profile, web_grid(0, 0, 0)) >= 0.999


def test_a_buffer_over_the_edge_of_the_world_reads_little(path: Callable[[], Path]) -> None:
    data = noise(1, 1024, 2048)
    file = write(path(), data, crs="EPSG:4326", transform=Affine(360 / 2048, 0, -180, 0, -180 / 1024, 90))
    engine = engine_of(file)
    tile = web_grid(3, 0, 3)
    step = (tile.bounds[2] - tile.bounds[0]) / 256
    left, bottom, right, top = tile.bounds
    wider = (left - 10 * step, bottom - 10 * step, right + 10 * step, top + 10 * step)
    grid = Grid(crs=tile.crs, bounds=wider, width=276, height=276)
    assert engine.estimate(grid, bands=(1,)) < 2 * 256 * 512
    pixels = engine.read(grid, bands=(1,), nodata=None, method="nearest")
    inner = engine.read(tile, bands=(1,), nodata=None, method="nearest")
    assert (pixels.data[:, 10:-10, 10:-10] == inner.data).mean() > 0.999


@pytest.mark.parametrize("size", [256, 512, 300, 1024])
def test_output_sizes(path: Callable[[], Path], size: int) -> None:
    data = noise(1, 1200, 1200, seed=11)
    file = write(path(), data)
    profile, engine = profile_of(file), engine_of(file)
    assert agreement(engine, data, profile, web_grid_at(profile, 13, size=size)) >= 0.999


def test_the_estimate_holds(path: Callable[[], Path]) -> None:
    file = write(path(), noise(3, 2000, 2000), overviews=(2, 4, 8))
    profile, engine = profile_of(file), engine_of(file)
    for z in (8, 10, 11, 12, 13, 14, 16):
        grid = web_grid_at(profile, z)
        estimate = engine.estimate(grid, bands=(1,))
        cache = engine._reader._cache
        cache.clear()
        engine.read(grid, bands=(1,), nodata=None, method="nearest")
        blocks = cache.held // BLOCK_PAGE  # each takes a page and is smaller
        assert 64 * 64 * 3 * blocks <= estimate * 1.1 + 1000
        assert estimate < 2000 * 2000 * 3 * 1.2


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("crs", [None, "EPSG:3857"])
def test_a_raster_without_crs_and_one_in_web_mercator(
    path: Callable[[], Path], crs: str | None, resampling: str
) -> None:
    data = noise(1, 256, 256)
    transform = Affine(1.0, 0, 0, 0, -1.0, 256.0)
    file = write(path(), data, crs=crs, transform=transform)
    profile, engine = profile_of(file), engine_of(file)
    grid = Grid(crs=profile.crs, bounds=(0.0, 0.0, 256.0, 256.0), width=256, height=256)
    pixels = engine.read(grid, bands=(1,), nodata=None, method=resampling)
    np.testing.assert_array_equal(pixels.data, data)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("kind", ["plain", "mask", "alpha", "nodata"])
def test_large_reads_are_done_in_parts(
    path: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, kind: str, method: str
) -> None:
    from tilery.reading.grid import reader as module

    data = noise(4, 500, 700, seed=12)
    options: dict[str, Any] = {}
    nodata = None
    if kind == "mask":
        options["mask"] = np.where(data[0] > 20, 255, 0).astype("uint8")
    if kind == "alpha":
        data[3] = np.where(np.arange(700) > 350, 255, 0)
        options |= {"photometric": "RGB", "ALPHA": "YES"}
    if kind == "nodata":
        data[:, 100:200, 100:200], nodata = 9, 9.0
    if kind != "alpha":
        options["photometric"] = "MINISBLACK"
    file = write(path(), data, **options)
    profile = profile_of(file)
    grids = [
        web_grid_at(profile, 12),
        Grid(crs=profile.crs, bounds=profile.bounds, width=301, height=222),
        Grid(crs=profile.crs, bounds=profile.bounds, width=100, height=500),
    ]
    for grid in grids:
        monkeypatch.setattr(module, "_AT_ONCE", 1 << 30)
        whole = engine_of(file).read(grid, bands=(1, 2), nodata=nodata, method=method)
        monkeypatch.setattr(module, "_AT_ONCE", 100_000)
        engine = engine_of(file, capacity=0)
        parts = engine.read(grid, bands=(1, 2), nodata=nodata, method=method)
        source = engine._reader._source
        assert isinstance(source, FileBytes)
        assert len(source.requests) > 8
        assert (np.abs(parts.data.astype(int) - whole.data) <= (0 if method == "nearest" else 2)).mean() > 0.999
        assert (parts.mask is None) == (whole.mask is None)
        if parts.mask is not None and whole.mask is not None:
            assert (parts.mask == whole.mask).mean() > 0.999
        assert (parts.alpha is None) == (whole.alpha is None)


def test_a_late_read_is_stopped(path: Callable[[], Path]) -> None:
    from tilery.errors import DeadlineExceeded
    from tilery.limits import deadline

    file = write(path(), noise(1, 300, 300))
    profile, engine = profile_of(file), engine_of(file)
    with deadline.limit(0), pytest.raises(DeadlineExceeded):
        engine.read(web_grid_at(profile, 14), bands=(1,), nodata=None, method="nearest")
    assert engine.read(web_grid_at(profile, 14), bands=(1,), nodata=None, method="nearest").data.any()

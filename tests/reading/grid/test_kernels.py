"""Interpolated pixels: nothing shifts, nothing bleeds, and the values are those of an exact calculation and of GDAL."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine, from_bounds
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from tests.reading.conftest import engine_of, noise, profile_of, web_grid_at, write
from tests.reading.grid.test_nearest import PLACES, UTM, exact_positions
from tilery.errors import TooMuchWork
from tilery.geo.raster import Grid
from tilery.reading.grid import kernels
from tilery.reading.grid import reader as reader_

METHODS = ["bilinear", "cubic", "cubic_spline", "lanczos"]


def positions_raster(height: int, width: int, dtype: str = "float64") -> np.ndarray:
    """Return two bands: the column and the row of each pixel's centre."""
    row, column = np.mgrid[0:height, 0:width] + 0.5
    return np.stack([column, row]).astype(dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", ["utm", "degrees", "south up", "rotated", "a quarter turn", "oblong pixels"])
def test_nothing_is_shifted(path: Callable[[], Path], place: str, method: str) -> None:
    """A raster that holds its own coordinates gives, wherever it is sampled, the place where it was sampled."""
    crs, transform = PLACES[place]
    file = write(path(), positions_raster(600, 800), crs=crs, transform=transform)
    profile, engine = profile_of(file), engine_of(file)
    for z, across, down in ((15, 0.5, 0.5), (16, 0.4, 0.6), (17, 0.5, 0.5), (20, 0.3, 0.7)):
        grid = web_grid_at(profile, z, across=across, down=down, size=64)
        found = engine.read(grid, bands=(1, 2), nodata=None, method=method)
        column, row = exact_positions(profile, grid)
        # Near the raster's edges a kernel is one-sided, and what it gives is not linear.
        reach = 4 * max(1.0, *engine._place(grid).scale)
        inner = (column > reach) & (row > reach) & (column < 800 - reach) & (row < 600 - reach)
        assert inner.any()
        if found.mask is not None:
            assert found.mask[0][inner].all()
        # A stretched kernel, and Lanczos' always, gives back a slope a little wavy, though nowhere shifted.
        stretched = max(side for piece in engine._place(grid).pieces for side in piece.stretch((1.0, 1.0))) > 1.05
        tolerance = 0.12 if stretched else 0.025 if method == "lanczos" else 0.005
        for band, expected in enumerate((column, row)):
            apart = (found.data[band] - expected)[inner]
            assert np.abs(apart).max() < tolerance, (z, band)
            assert abs(apart.mean()) < 0.003


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_shifted_through_overviews(path: Callable[[], Path], method: str) -> None:
    file = write(path(), positions_raster(1024, 1024), overviews=(2, 4, 8))
    profile, engine = profile_of(file), engine_of(file)
    for z in (11, 12, 13):
        grid = web_grid_at(profile, z)
        found = engine.read(grid, bands=(1, 2), nodata=None, method=method)
        column, row = exact_positions(profile, grid)
        scale = max(1.0, *engine._place(grid).scale)
        reach = 8 * scale
        inner = (column > reach) & (row > reach) & (column < 1024 - reach) & (row < 1024 - reach)
        assert inner.any()
        for band, expected in enumerate((column, row)):
            assert np.abs((found.data[band] - expected)[inner]).max() < 0.12 * scale
            assert abs((found.data[band] - expected)[inner].mean()) < 0.003 * scale


def weight(method: str, x: np.ndarray) -> np.ndarray:
    """Return the kernels, written down once more from their definitions."""
    x = np.abs(x)
    if method == "bilinear":
        return np.asarray(np.clip(1 - x, 0, None))
    if method == "cubic":
        return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    if method == "cubic_spline":
        return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.clip(2 - x, 0, None) ** 3 / 6)
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def oracle(
    data: np.ndarray, valid: np.ndarray, column: np.ndarray, row: np.ndarray, method: str, stretch: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel by all weights of its kernel, in double precision; and whether the nearest pixel is valid."""
    radius = {"bilinear": 1, "cubic": 2, "cubic_spline": 2, "lanczos": 3}[method]
    height, width = data.shape
    total, weights = np.zeros(column.shape), np.zeros(column.shape)
    x, y = column - 0.5, row - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    half_x, half_y = math.ceil(radius * stretch[0]), math.ceil(radius * stretch[1])
    for j in range(-half_y + 1, half_y + 1):
        for i in range(-half_x + 1, half_x + 1):
            at_x, at_y = x0 + i, y0 + j
            inside = (at_x >= 0) & (at_y >= 0) & (at_x < width) & (at_y < height)
            at_x, at_y = np.clip(at_x, 0, width - 1), np.clip(at_y, 0, height - 1)
            w = weight(method, (x0 + i - x) / stretch[0]) * weight(method, (y0 + j - y) / stretch[1])
            w = w * inside * valid[at_y, at_x]
            total += w * data[at_y, at_x]
            weights += w
    nearest_x, nearest_y = np.floor(column).astype(int), np.floor(row).astype(int)
    inside = (nearest_x >= 0) & (nearest_y >= 0) & (nearest_x < width) & (nearest_y < height)
    good = inside & valid[np.clip(nearest_y, 0, height - 1), np.clip(nearest_x, 0, width - 1)]
    return total / np.where(np.abs(weights) > 1e-9, weights, 1), good


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", ["utm", "degrees", "rotated", "utm, edge of the zone"])
@pytest.mark.parametrize("holes", [False, True])
def test_values_are_those_of_an_exact_calculation(
    path: Callable[[], Path], place: str, method: str, holes: bool
) -> None:
    crs, transform = PLACES[place]
    data = noise(1, 400, 500, dtype="float32", seed=3) + 20000
    if holes:
        y, x = np.mgrid[0:400, 0:500]
        data[0, (y % 8 < 2) & (x % 10 < 3)] = -9999
    file = write(path(), data, crs=crs, transform=transform, nodata=-9999)
    profile, engine = profile_of(file), engine_of(file)
    for z, across, down in ((16, 0.5, 0.5), (17, 0.5, 0.4), (19, 0.2, 0.2), (15, 0.05, 0.05)):
        grid = web_grid_at(profile, z, across=across, down=down, size=64)
        found = engine.read(grid, bands=(1,), nodata=-9999, method=method)
        column, row = exact_positions(profile, grid)
        placement = engine._place(grid)
        across_pixels, down_pixels = (
            1.0 if side <= 1 / 0.95 else math.ceil(side * 500) / 500
            for side in placement.pieces[0].stretch(placement.scale)
        )
        expected, good = oracle(
            data[0].astype("float64"), data[0] != -9999, column, row, method, (across_pixels, down_pixels)
        )
        mask = np.ones(good.shape, bool) if found.mask is None else found.mask[0]
        assert (mask == good).mean() > 0.999
        both = mask & good
        apart = np.abs(found.data[0] - expected)[both]
        # Of values that are ± 1000 of noise. The rows that a turned raster's kernel follows are not quite those of an
        # upright one; GDAL's approximate transformer makes several times that.
        turned = place == "utm, edge of the zone"
        assert np.median(apart) < (40 if turned else 8), z
        assert np.percentile(apart, 99) < (250 if turned else 120), z
        assert (found.data[0][~mask] == -9999).all()


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_warps_are_those_of_gdal(path: Callable[[], Path], dtype: str, method: str) -> None:
    y, x = np.mgrid[0:1500, 0:1500]
    wave = np.sin(x / 9) * np.cos(y / 7) * 100 + 120
    file = write(path(), wave[None].astype(dtype), overviews=(2, 4, 8), blockxsize=256, blockysize=256)
    profile, engine = profile_of(file), engine_of(file)
    for z in (12, 13, 14, 15, 17):
        grid = web_grid_at(profile, z)
        found = engine.read(grid, bands=(1,), nodata=None, method=method)
        level = engine._level(engine._place(grid), method)
        number = [each.image.position for each in engine.levels].index(level.image.position)
        options = {} if number == 0 else {"overview_level": number - 1}
        with (
            rasterio.open(file, **options) as dataset,
            WarpedVRT(
                dataset, crs=grid.crs, transform=from_bounds(*grid.bounds, 256, 256), width=256, height=256,
                resampling=Resampling[method], add_alpha=True,
            ) as warped,
        ):  # fmt: skip
            theirs, alpha = warped.read()
        both = alpha > 0 if found.mask is None else (alpha > 0) & found.mask[0]
        apart = np.abs(found.data[0].astype(float) - theirs)[both]
        assert apart.mean() < 0.8
        assert np.percentile(apart, 99) < 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("width", "height"), [(300, 250), (64, 50), (900, 777), (150, 125)])
def test_reads_of_the_same_crs_are_those_of_gdal(
    path: Callable[[], Path], width: int, height: int, method: str
) -> None:
    y, x = np.mgrid[0:500, 0:600]
    wave = np.sin(x / 5) * np.cos(y / 6) * 100 + 120
    file = write(path(), wave[None].astype("uint8"), overviews=(2, 4))
    profile = profile_of(file)
    window = Window(20.5, 30.25, 560, 450)
    bounds = (500205.0, 5500000 - 10 * 480.25, 505805.0, 5499697.5)
    grid = Grid(crs=profile.crs, bounds=bounds, width=width, height=height)
    found = engine_of(file).read(grid, bands=(1,), nodata=None, method=method)
    with rasterio.open(file) as dataset:
        theirs = dataset.read(1, window=window, out_shape=(height, width), resampling=Resampling[method])
    apart = np.abs(found.data[0].astype(float) - theirs)
    assert np.median(apart) <= 1
    assert np.percentile(apart, 99) <= 3


@pytest.mark.parametrize("method", METHODS)
def test_invalid_pixels_do_not_bleed(path: Callable[[], Path], method: str) -> None:
    data = np.full((1, 300, 300), 100, "uint8")
    data[0, 100:200, 100:200] = 0
    data[0, ::17, ::13] = 0
    file = write(path(), data, nodata=0)
    profile, engine = profile_of(file), engine_of(file)
    for z in (13, 14, 16):
        pixels = engine.read(web_grid_at(profile, z, across=0.4), bands=(1,), nodata=0, method=method)
        assert pixels.mask is not None
        assert set(np.unique(pixels.data[pixels.mask])) == {100}
        assert set(np.unique(pixels.data[~pixels.mask])) == {0}


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_does_not_bleed(path: Callable[[], Path], method: str) -> None:
    data = np.full((3, 300, 300), 100, "uint8")
    data[:, 100:200, 100:200] = 255
    mask = np.full((300, 300), 255, "uint8")
    mask[100:200, 100:200] = 0
    file = write(path(), data, mask=mask)
    profile, engine = profile_of(file), engine_of(file)
    pixels = engine.read(web_grid_at(profile, 15, across=0.35), bands=(1, 3), nodata=None, method=method)
    assert pixels.mask is not None
    assert pixels.mask.shape == (1, 256, 256)
    assert 0.05 < pixels.mask.mean() < 0.95
    assert (pixels.data[:, pixels.mask[0]] == 100).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_transparent_does_not_bleed(path: Callable[[], Path], method: str) -> None:
    data = np.full((4, 300, 300), 100, "uint8")
    data[3] = 255
    data[:3, 100:200, 100:200] = 255
    data[3, 100:200, 100:200] = 0
    kinds = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    file = write(path(), data, photometric="RGB", ALPHA="YES", colorinterp=kinds)
    profile, engine = profile_of(file), engine_of(file)
    pixels = engine.read(web_grid_at(profile, 15, across=0.35), bands=(1, 2, 3), nodata=None, method=method)
    assert pixels.mask is not None
    assert pixels.alpha is not None
    assert (pixels.data[:, pixels.mask[0]] == 100).all()
    nearest = engine.read(web_grid_at(profile, 15, across=0.35), bands=(1,), nodata=None, method="nearest")
    np.testing.assert_array_equal(pixels.mask, nearest.mask)
    assert 0.05 < pixels.mask.mean() < 0.95


def test_nan_does_not_bleed(path: Callable[[], Path]) -> None:
    data = np.full((1, 300, 300), 7.0, "float32")
    data[0, 100:200, 100:200] = np.nan
    data[0, ::17, ::13] = -np.inf
    file = write(path(), data, nodata=np.nan)
    profile = profile_of(file)
    data[np.isinf(data)] = np.nan
    file = write(path(), data, nodata=np.nan)
    pixels = engine_of(file).read(web_grid_at(profile, 15), bands=(1,), nodata=np.nan, method="cubic")
    assert pixels.mask is not None
    np.testing.assert_allclose(pixels.data[pixels.mask], 7.0, rtol=1e-5)
    assert np.isnan(pixels.data[~pixels.mask]).all()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float64"])
@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos"])
def test_values_stay_within_their_type(path: Callable[[], Path], dtype: str, method: str) -> None:
    limits = np.iinfo(dtype) if not dtype.startswith("f") else np.finfo("float32")
    data = np.full((1, 200, 200), limits.min, dtype)
    data[0, :, 100:] = limits.max
    file = write(path(), data)
    profile = profile_of(file)
    pixels = engine_of(file).read(web_grid_at(profile, 17), bands=(1,), nodata=None, method=method)
    assert pixels.data.dtype == data.dtype
    left, right = pixels.data[0, :, :20].astype(float), pixels.data[0, :, -20:].astype(float)
    middle = float(limits.min) / 2 + float(limits.max) / 2
    inside = np.ones((256, 256), bool) if pixels.mask is None else pixels.mask[0]
    assert (left[inside[:, :20]] <= middle).all()
    assert (right[inside[:, -20:]] >= middle).all()


def test_whole_numbers_are_kept_to_32_bits(path: Callable[[], Path]) -> None:
    data = np.full((1, 200, 200), 4_000_000_001, "uint32")
    file = write(path(), data)
    pixels = engine_of(file).read(web_grid_at(profile_of(file), 15), bands=(1,), nodata=None, method="cubic")
    assert (pixels.data == 4_000_000_001).mean() > 0.99 or pixels.mask is not None


@pytest.mark.parametrize("method", METHODS)
def test_thinning_averages(path: Callable[[], Path], method: str) -> None:
    """Without overviews a far view must still be made of all pixels, not of some."""
    data = noise(1, 1024, 1024)
    file = write(path(), data)
    profile = profile_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=32, height=32)
    pixels = engine_of(file).read(grid, bands=(1,), nodata=None, method=method)
    assert pixels.data.std() < 12
    assert abs(pixels.data.mean() - data.mean()) < 2


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands_do_not_depend_on_each_other(path: Callable[[], Path], interleave: str) -> None:
    data = noise(4, 300, 300, dtype="uint16")
    file = write(path(), data, interleave=interleave, overviews=(2,))
    profile, engine = profile_of(file), engine_of(file)
    grid = web_grid_at(profile, 14)
    everything = engine.read(grid, bands=(1, 2, 3, 4), nodata=None, method="bilinear").data
    for bands in ((3,), (4, 1), (2, 2)):
        some = engine.read(grid, bands=bands, nodata=None, method="bilinear").data
        np.testing.assert_array_equal(some, everything[[band - 1 for band in bands]])


def test_kernels_sum_to_one() -> None:
    for method in METHODS:
        for stretch in (0.3, 1.0, 1.04, 1.37, 2.0, 7.77):
            chosen = kernels.kernel(method, (stretch, stretch))
            np.testing.assert_allclose(chosen.across.sum(axis=1), 1.0, atol=1e-5)


def test_a_raster_smaller_than_its_kernel(path: Callable[[], Path]) -> None:
    file = write(path(), np.full((1, 1, 2), 50, "uint8"), transform=UTM, blockxsize=16, blockysize=16)
    profile = profile_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=40, height=20)
    for method in METHODS:
        assert (engine_of(file).read(grid, bands=(1,), nodata=None, method=method).data == 50).all()


def test_oblong_pixels_are_stretched_each_way(path: Callable[[], Path]) -> None:
    file = write(path(), positions_raster(300, 2400), transform=Affine(1.0, 0, 500000, 0, -8.0, 5500000))
    profile = profile_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=300, height=300)
    pixels = engine_of(file).read(grid, bands=(1, 2), nodata=None, method="bilinear")
    np.testing.assert_allclose(pixels.data[0, 5, 10:-10], np.arange(300)[10:-10] * 8 + 4, atol=0.02)
    np.testing.assert_allclose(pixels.data[1, 10:-10, 5], np.arange(300)[10:-10] + 0.5, atol=0.02)


def over_the_whole(file: Path, size: int) -> Grid:
    profile = profile_of(file)
    return Grid(crs=profile.crs, bounds=profile.bounds, width=size, height=size)


@pytest.mark.parametrize("method", METHODS)
def test_a_thumbnail_takes_no_more_memory_than_its_raster(path: Callable[[], Path], method: str) -> None:
    """A kernel of one pixel of the output reaches three rasters' widths beyond the raster, where nothing is."""
    file = write(path(), noise(1, 1024, 1024))
    engine, grid = engine_of(file), over_the_whole(file, 1)
    engine.read(grid, bands=(1,), nodata=None, method="nearest")
    tracemalloc.start()
    try:
        found = engine.read(grid, bands=(1,), nodata=None, method=method)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert abs(int(found.data[0, 0, 0]) - 127) < 4
    assert peak < 64 << 20


def test_what_a_kernel_cannot_take_at_once_is_refused(
    path: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(path(), noise(1, 1024, 1024))
    engine, grid = engine_of(file), over_the_whole(file, 4)
    monkeypatch.setattr(reader_, "_WINDOWS", 1024 * 1024)
    with pytest.raises(TooMuchWork):
        engine.read(grid, bands=(1,), nodata=None, method="bilinear")
    monkeypatch.undo()
    monkeypatch.setattr(reader_, "_WIDEST", 255)
    with pytest.raises(TooMuchWork):
        engine.read(grid, bands=(1,), nodata=None, method="bilinear")


def test_tables_of_weights_are_small_however_wide_the_kernel() -> None:
    for stretch in (1.0, 2.0, 100.0, 60_000.0):
        chosen = kernels.kernel("lanczos", (stretch, 1.0))
        assert chosen.across.nbytes < 8 << 20
        assert np.allclose(chosen.across.sum(axis=1), 1)

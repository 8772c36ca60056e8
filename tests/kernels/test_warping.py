"""Samples between pixels, compiled and in NumPy, against functions that the kernels reproduce and against GDAL."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

from tilery import kernels as front
from tilery.geo.raster import Array

TYPES = sorted(front.WARPED)
STEP = 32


def nodes(shape: tuple[int, int], place: Any, step: int = STEP) -> tuple[Array, Array]:
    """Return columns and rows of the image at nodes, of a function of the window's columns and rows."""
    rows, columns = (np.arange(-(-length // step) + 1) * step for length in shape)
    x, y = place(*np.meshgrid(columns, rows))
    return np.asarray(x, "float64"), np.asarray(y, "float64")


def turned(column: Array, row: Array) -> tuple[Array, Array]:
    return 3.3 + 0.71 * column + 0.05 * row, 6.6 - 0.03 * column + 0.83 * row


def beyond(column: Array, row: Array) -> tuple[Array, Array]:
    return -7.2137 + 0.8 * column + 0.03 * row, -5.7171 + 0.02 * column + 0.81 * row


@pytest.mark.parametrize(("method", "bend"), [("bilinear", 0.0), ("cubic", 0.031)])
@pytest.mark.parametrize("dtype", TYPES)
def test_it_reproduces_what_its_degree_can(kernels: ModuleType, dtype: str, method: str, bend: float) -> None:
    """Keys' cubic with a = -1/2 goes through every parabola, a triangle through every plane."""

    def value(x: Any, y: Any) -> Any:
        return 40 + 0.3 * x + 0.41 * y + bend * (x - 40) * (y - 30) / 9 + bend * (x - 50) ** 2

    rows, columns = np.mgrid[0:100, 0:120]
    exact = value(columns + 0.5, rows + 0.5)
    image = np.stack([exact, 200 - exact / 2])
    image = image.astype(dtype) if dtype == "float32" else np.rint(image).astype(dtype)
    made, valid = kernels.warp(image, *nodes((77, 130), turned), STEP, method, (77, 130))
    x, y = turned(*np.meshgrid(np.arange(130), np.arange(77)))
    assert valid.dtype == bool
    assert valid.all()
    # integers were rounded before: by half at most, which weights of which some are negative make 1.25² times as large
    allowed = 1e-4 if dtype == "float32" else 0.5 + 0.5 * 1.5625
    assert np.abs(made[0] - value(x, y)).max() <= allowed
    assert np.abs(made[1] - (200 - value(x, y) / 2)).max() <= allowed


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("dtype", TYPES)
def test_it_is_what_gdal_makes(kernels: ModuleType, dtype: str, method: str) -> None:
    """At the edges too, and of what is valid."""
    random = np.random.default_rng(5)
    limits = (0, 1) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = np.asarray(random.uniform(*limits, (2, 160, 170))).astype(dtype)
    shape = (250, 250)
    expected = np.zeros((3, *shape), dtype)
    turn = Affine(0.8, 0.03, -7.2137, 0.02, 0.81, -5.7171) * Affine.translation(-0.5, -0.5)
    reproject(
        image,
        expected,
        src_transform=Affine.identity(),
        dst_transform=turn,
        src_crs="EPSG:3857",
        dst_crs="EPSG:3857",
        dst_alpha=3,
        resampling=Resampling[method],
        tolerance=0,
    )
    made, valid = kernels.warp(image, *nodes(shape, beyond), STEP, method, shape)
    assert 0 < valid.sum() < valid.size
    assert (valid == (expected[2] > 0)).all()
    miss = np.abs(made.astype("float64") - expected[:2])
    assert miss.max() <= (2e-6 if dtype == "float32" else method != "nearest")
    # halves are rounded as floats of 24 or of 53 bits have them; of 16 bits, GDAL 3.12 sums up what is off by some 0.02
    most = 0.05 if dtype.endswith("16") else 0.01
    assert np.count_nonzero(miss >= 1) <= most * miss.size


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (4, 4), (5, 40)])
def test_small_images_and_windows(kernels: ModuleType, size: tuple[int, int], method: str) -> None:
    image = np.random.default_rng(2).integers(0, 255, (3, *size), "uint8")
    for shape in ((1, 1), (1, 33), (70, 2), (0, 5), (5, 0)):
        made, valid = kernels.warp(
            image, *nodes(shape, lambda c, r: (c * 0.4 - 0.2, r * 0.4 + 0.3)), STEP, method, shape
        )
        assert made.shape == (3, *shape)
        for band, found in zip(image, made, strict=True):
            if valid.any():
                low, high = int(band.min()), int(band.max())
                slack = (high - low) / 2 if method == "cubic" else 0
                assert low - slack <= int(found[valid].min()) <= int(found[valid].max()) <= high + slack
    one, there = kernels.warp(image, *nodes((1, 1), lambda c, r: (c + 0.5, r + 0.5)), STEP, method, (1, 1))
    assert there.all()
    assert one[:, 0, 0].tolist() == image[:, 0, 0].tolist()


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
def test_what_has_no_place_is_not_valid(kernels: ModuleType, method: str) -> None:
    image = np.full((1, 50, 50), 9, "uint8")
    xs, ys = nodes((64, 96), lambda c, r: (c * 0.4 + 2, r * 0.4 + 2))
    for wrong in (np.nan, np.inf, -np.inf, 1e300, -1e300):
        xs[0, 1] = wrong
        made, valid = kernels.warp(image, xs, ys, STEP, method, (64, 96))
        assert not valid[:31, 31:33].any()
        assert valid[:, 65:].all()
        assert valid[33:].all()
        assert (made[0] == np.where(valid, 9, 0)).all()


@pytest.mark.parametrize("size", [3, 5, 9, 17, 257])
@pytest.mark.parametrize("dtype", TYPES)
def test_no_pixel_beyond_the_image_is_touched(kernels: ModuleType, dtype: str, size: int) -> None:
    """A last bit of a float beside the places where a kernel begins to need the next pixel.

    What lies in memory around the image is not a number or an extreme, of which the least weight would be seen.
    """
    beyond: Any = np.nan if dtype == "float32" else np.iinfo(dtype).max
    for height, width in ((9, size), (size, 9)):
        image = np.full((1, height + 8, width + 8), beyond, dtype)[:, 4:-4, 4:-4]
        image[:] = 7
        edges = np.arange(0, 3, 0.5)
        places = np.concatenate([edges, size - edges])
        for place in np.concatenate([np.nextafter(places, -9), places, np.nextafter(places, 2 * size)]):
            if not 0 <= place <= size:
                continue
            along, middle = np.full((2, 2), place), np.full((2, 2), 4.5)
            for method in ("nearest", "bilinear", "cubic"):
                across = (along, middle) if width == size else (middle, along)
                made, valid = kernels.warp(image, *across, 1, method, (1, 1))
                assert valid.all()
                assert float(made[0, 0, 0]) == pytest.approx(7, abs=1e-5), (height, width, place, method)


def test_both_are_the_same(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(3).integers(0, 65535, (2, 50, 60), "uint16")
    for view in (image, image[:, ::-1], image[:, :, ::-1], image[:, ::2, ::2], image.swapaxes(1, 2)):
        for method in ("nearest", "bilinear", "cubic"):
            found = [compiled.warp(view, *nodes((90, 100), beyond, 20), 20, method, (90, 100))]
            with monkeypatch.context() as patched:
                patched.setattr(front, "_kernels", front.reference)
                found.append(front.warp(view, *nodes((90, 100), beyond, 20), 20, method, (90, 100)))
            (made, valid), (other, there) = found
            assert (valid == there).all()
            assert np.abs(made.astype(int) - other).max() <= 1
            assert (made != other).mean() < 0.01


def test_sizes_are_checked_before_the_loop() -> None:
    extension = pytest.importorskip("tilery.kernels._compiled", exc_type=ImportError)
    image, made, valid = np.zeros((2, 5, 5), "uint8"), np.zeros((2, 40, 40), "uint8"), np.zeros((40, 40), "bool")
    xs = np.zeros((3, 3))
    good: tuple[Any, ...] = (image, xs, xs, STEP, 2, made, valid)
    extension.warp(*good)
    read_only = made.copy()
    read_only.flags.writeable = False
    for number, wrong in [
        (0, image[:1]),
        (0, image[:, :0]),
        (0, image[:, :, ::2]),
        (0, image.astype("int32")),
        (0, image.astype("uint16")),
        (1, xs[:2]),
        (1, xs[:, :2]),
        (2, np.zeros((4, 3))),
        (2, xs.astype("float32")),
        (3, 0),
        (3, 65),
        (3, 16),
        (4, 3),
        (4, -1),
        (5, made[:, :39]),
        (5, read_only),
        (6, valid[:, :39]),
        (6, valid.astype("uint16")),
    ]:
        with pytest.raises((TypeError, ValueError, BufferError)):
            extension.warp(*good[:number], wrong, *good[number + 1 :])

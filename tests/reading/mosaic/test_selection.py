"""Each pixel selection gives the values that NumPy's masked arrays give for a stack of all rasters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilery.errors import InvalidBand
from tilery.geo.raster import Raster
from tilery.reading.mosaic.selection import folding
from tilery.reading.options import PIXEL_SELECTIONS

SHAPE = (2, 5, 6)


def stack(dtype: str, count: int, *, shared: bool = False, seed: int = 1) -> list[Raster]:
    """Return rasters of random values, of which some are masked; two places are masked in all."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        data = rng.integers(0, 200, SHAPE).astype(dtype)
        if shared:  # as readers give it: the bands of a pixel side by side
            data = np.ascontiguousarray(data.transpose(1, 2, 0)).transpose(2, 0, 1)
        mask = rng.random((1, *SHAPE[1:]) if shared else SHAPE) < 0.6
        mask[:, 0, :2] = False
        found.append(Raster(data=data, mask=None if number == 3 else mask, band_names=("b1", "b2")))
    return found


def masked(rasters: list[Raster]) -> Any:
    """Return the stack as rio-tiler has it."""
    masks = [np.zeros(SHAPE, bool) if one.mask is None else ~np.broadcast_to(one.mask, SHAPE) for one in rasters]
    return np.ma.MaskedArray(np.stack([one.data for one in rasters]), np.stack(masks))


def picked(values: Any, better: Callable[[Any, Any], Any]) -> Any:
    """Return values chosen one after the other; ``better`` compares bands of the next with those of what is there."""
    found = values[0].copy()
    for after in values[1:]:
        taken = (better(after.data, found.data) & ~after.mask) | found.mask
        mask = np.where(taken, after.mask, found.mask)
        found = np.ma.MaskedArray(np.where(taken, after.data, found.data), mask)
    return found


EXPECTED: dict[str, Callable[[Any], Any]] = {
    "first": lambda values: picked(values, lambda after, before: np.zeros(SHAPE, bool)),
    "highest": lambda values: picked(values, np.greater),
    "lowest": lambda values: picked(values, np.less),
    "mean": lambda values: values.mean(axis=0).astype(values.dtype),
    "median": lambda values: np.ma.median(values, axis=0).astype(values.dtype),  # type: ignore[no-untyped-call]
    "stdev": lambda values: values.std(axis=0),
    "lastbandlow": lambda values: picked(values, lambda after, before: after[-1] < before[-1])[:-1],
    "lastbandhigh": lambda values: picked(values, lambda after, before: after[-1] > before[-1])[:-1],
    "count": lambda values: np.ma.MaskedArray((~values.mask[:, :1]).sum(axis=0), False),
}


@pytest.mark.parametrize("method", PIXEL_SELECTIONS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_values_and_masks_are_those_of_the_stack(method: str, dtype: str, count: int, shared: bool) -> None:
    rasters = stack(dtype, count, shared=shared)
    expected = EXPECTED[method](masked(rasters))
    fold = folding(method)
    for raster in rasters:
        fold.feed(raster)
    found = fold.result()
    assert found is not None
    assert found.data.shape == expected.shape
    if method not in ("stdev", "count"):
        assert found.data.dtype == dtype
    valid = np.ones(expected.shape, bool) if found.mask is None else np.broadcast_to(found.mask, expected.shape)
    assert np.array_equal(valid, ~np.ma.getmaskarray(expected))
    assert np.allclose(found.data[valid], np.ma.getdata(expected)[valid], rtol=1e-6)


def test_what_was_read_is_never_written_over() -> None:
    for method in PIXEL_SELECTIONS:
        rasters = stack("uint8", 4)
        before = [(one.data.copy(), None if one.mask is None else one.mask.copy()) for one in rasters]
        fold = folding(method)
        for raster in rasters:
            raster.data.flags.writeable = False
            fold.feed(raster)
        fold.result()
        for raster, (data, mask) in zip(rasters, before, strict=True):
            assert np.array_equal(raster.data, data)
            assert (mask is None) == (raster.mask is None)
            assert mask is None or raster.mask is None or np.array_equal(raster.mask, mask)


def test_the_first_is_full_when_nothing_is_missing() -> None:
    whole = Raster(data=np.ones(SHAPE, "uint8"))
    for method in PIXEL_SELECTIONS:
        fold = folding(method)
        assert not fold.is_full
        assert fold.result() is None
        fold.feed(whole)
        assert fold.is_full == (method == "first")
    fold = folding("first")
    left = np.zeros((1, *SHAPE[1:]), bool)
    left[:, :, :3] = True
    fold.feed(Raster(data=np.full(SHAPE, 1, "uint8"), mask=left))
    assert not fold.is_full
    fold.feed(Raster(data=np.full(SHAPE, 2, "uint16"), mask=~left))
    assert fold.is_full
    found = fold.result()
    assert found is not None
    assert found.mask is None
    assert found.data.dtype == "uint16"
    assert found.data[0, 0].tolist() == [1, 1, 1, 2, 2, 2]


def test_rasters_of_other_bands_are_refused() -> None:
    fold = folding("first")
    fold.feed(Raster(data=np.ones((2, 1, 1)), mask=np.zeros((1, 1, 1), bool)))
    with pytest.raises(InvalidBand, match="3 bands where the first raster of the mosaic has 2"):
        fold.feed(Raster(data=np.ones((3, 1, 1))))
    with pytest.raises(InvalidBand, match="at least two"):
        folding("lastbandlow").feed(Raster(data=np.ones((1, 1, 1))))


MIXED = [
    ("uint8", "uint16"),
    ("uint16", "uint8"),
    ("int16", "uint8", "uint16"),
    ("uint8", "float32"),
    ("float32", "int32"),
    ("uint8", "int64", "uint16", "float64"),
]


@pytest.mark.parametrize("method", PIXEL_SELECTIONS)
@pytest.mark.parametrize("dtypes", MIXED)
def test_rasters_of_several_types_are_one_of_a_type_that_holds_all(method: str, dtypes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(3)
    rasters = []
    for dtype in dtypes:
        most = min(np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 9000, 60_000)
        mask = rng.random(SHAPE) < 0.6
        mask[:, 0, :2] = False
        data = rng.integers(0, most, SHAPE).astype(dtype)
        rasters.append(Raster(data=data, mask=mask, band_names=("b1", "b2")))
    expected = EXPECTED[method](masked(rasters))
    fold = folding(method)
    for raster in rasters:
        fold.feed(raster)
    found = fold.result()
    assert found is not None
    assert found.mask is not None or method == "count"
    valid = ~np.ma.getmaskarray(expected)
    assert found.mask is None or np.array_equal(np.broadcast_to(found.mask, expected.shape), valid)
    assert np.allclose(found.data[valid], np.ma.getdata(expected)[valid], rtol=1e-5)


@pytest.mark.parametrize(("method", "value"), [("mean", 3 + 1j), ("stdev", 5**0.5), ("first", 5), ("count", 2)])
def test_complex_values_may_come_after_real_ones(method: str, value: complex) -> None:
    fold = folding(method)
    fold.feed(Raster(data=np.full((1, 1, 1), 5, "float32")))
    fold.feed(Raster(data=np.full((1, 1, 1), 1 + 2j, "complex64")))
    found = fold.result()
    assert found is not None
    assert np.allclose(found.data, value)

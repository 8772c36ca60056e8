"""What ``sel`` chooses, as pandas chooses it; times of every calendar and unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.reading.zarr.conftest import Read
from tests.support import zarrs
from tests.support.zarrs import Variable, axis
from tilery.errors import BrokenRaster, InvalidParameter
from tilery.geo.raster import Array
from tilery.reading.zarr import selecting

LEVELS = np.array([1000.0, 850.0, 500.0])
RISING = np.array([1, 3, 5, 9])
DAYS = np.array(["2020-01-01", "2020-01-02", "2020-01-04"], "M8[ns]")


def chosen(text: str | list[str], index: Array, *, labelled: bool = True) -> tuple[int, ...]:
    (selector,) = selecting.parse([text] if isinstance(text, str) else text)
    return selecting.positions(selector, index, labelled=labelled)


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("z=850", LEVELS, (1,)),
        (["z=500", "z=1000"], LEVELS, (2, 0)),
        ("z=nearest::700", LEVELS, (1,)),
        ("z=nearest::675", LEVELS, (1,)),  # between two: the larger
        ("z=nearest::4", RISING, (2,)),
        ("z=nearest::-10", RISING, (0,)),
        ("z=nearest::99", RISING, (3,)),
        ("z=pad::4", RISING, (1,)),
        ("z=ffill::9", RISING, (3,)),
        ("z=backfill::4", RISING, (2,)),
        ("z=bfill::1", RISING, (0,)),
        ("z=pad::900", LEVELS, (0,)),  # in the order of the dimension, which falls
        ("z=bfill::900", LEVELS, (1,)),
        ("t=2020-01-02", DAYS, (1,)),
        ("t=2020-01-02T00:00:00", DAYS, (1,)),
        ("t=nearest::2020-01-02T18", DAYS, (1,)),
        ("t=nearest::2020-01-03", DAYS, (2,)),
        ("t=pad::2020-01-03", DAYS, (1,)),
        ("t=bfill::2020-01-03", DAYS, (2,)),
        ("b=red", np.array(["blue", "red"], object), (1,)),
    ],
)
def test_positions(text: str | list[str], index: Array, expected: tuple[int, ...]) -> None:
    assert chosen(text, index) == expected


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("z=851", LEVELS),
        ("z=abc", LEVELS),
        ("z=nan", LEVELS),
        ("z=1e999", RISING),
        ("z=99999999999999999999", RISING),
        ("z=pad::0", RISING),
        ("z=pad::2", np.array([1, 5, 3])),
        ("z=pad::2000", LEVELS),
        ("z=bfill::10", RISING),
        ("t=2020-01-03", DAYS),
        ("t=NaT", DAYS),
        ("t=2020-13-01", DAYS),
        ("t=99999-01-01", DAYS),
        ("t=yesterday", DAYS),
        ("b=green", np.array(["blue", "red"], object)),
        ("b=nearest::green", np.array(["blue", "red"], object)),
        ("z=3", np.array([3, 3])),
        ("d=1", np.array([1], "m8[s]")),
    ],
)
def test_values_that_are_not_there(text: str, index: Array) -> None:
    with pytest.raises(InvalidParameter) as caught:
        chosen(text, index)
    assert caught.value.parameter == "sel"


def test_a_dimension_without_values_is_counted() -> None:
    assert chosen("t=2", np.arange(4), labelled=False) == (2,)
    with pytest.raises(InvalidParameter):
        chosen("t=nearest::2", np.arange(4), labelled=False)


def test_two_methods_for_one_dimension() -> None:
    with pytest.raises(InvalidParameter):
        selecting.parse(["t=pad::1", "t=nearest::2"])


@pytest.mark.parametrize(
    ("values", "attrs", "select"),
    [
        (np.arange(3), {"units": "days since 2000-02-28"}, "2000-02-29"),
        (np.arange(3.0), {"units": "hours since 2000-01-01 12:00:00", "calendar": "standard"}, "2000-01-01T13"),
        (np.array([0, 0.5, 1.0]), {"units": "days since 2000-01-01"}, "2000-01-01T12:00"),
        (np.arange(3, dtype="i4") * 3600, {"units": "seconds since 1970-01-01T00:00:00Z"}, "1970-01-01T01"),
        (np.arange(3) * 10, {"units": "minutes since 1999-12-31 23:50", "calendar": "gregorian"}, "2000-01-01"),
        (np.arange(58, 61), {"units": "days since 2000-01-01", "calendar": "noleap"}, "2000-03-01"),
        (np.arange(28, 31), {"units": "days since 2000-02-01", "calendar": "360_day"}, "2000-02-30"),
        (np.array([1, 2, 3]), {"units": "days since 1-1-1", "calendar": "proleptic_gregorian"}, "0001-01-03"),
        (np.array(["1999", "2000", "2001"], "M8[s]"), {}, "2000-01-01"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore")
def test_times(
    folder: Path, read: Read, values: Any, attrs: dict[str, Any], select: str, version: Literal[2, 3]
) -> None:
    """The middle of three moments is found by its name."""
    path = zarrs.write(
        folder / "w.zarr",
        {
            "v": Variable(data=np.arange(3.0)[:, None, None] * np.ones((3, 4, 5)), dims=("time", "y", "x")),
            "time": axis(values, "time", **attrs),
            "y": axis(np.arange(4.0), "y"),
            "x": axis(np.arange(5.0), "x"),
        },
        version=version,
    )
    assert np.unique(read(path, "v", f"time={select}")) == [1]
    if attrs:
        assert np.unique(read(path, "v", f"time={values[1]}", decode_times=False)) == [1]


@pytest.mark.parametrize(
    "attrs",
    [
        {"units": "days since yesterday"},
        {"units": "parsecs since 2000-01-01"},
        {"units": "days since 2000-01-01", "calendar": "mayan"},
        {"units": "months since 2000-01-01"},
    ],
)
def test_times_that_make_no_sense(folder: Path, read: Read, attrs: dict[str, Any]) -> None:
    path = zarrs.write(
        folder / "w.zarr",
        {
            "v": Variable(data=np.ones((3, 4, 5)), dims=("time", "y", "x")),
            "time": axis(np.arange(3), "time", **attrs),
            "y": axis(np.arange(4.0), "y"),
            "x": axis(np.arange(5.0), "x"),
        },
    )
    with pytest.raises(BrokenRaster) as caught:
        read(path, "v")
    assert caught.value.parameter == "decode_times"
    assert read(path, "v", "time=1", decode_times=False).shape == (1, 4, 5)

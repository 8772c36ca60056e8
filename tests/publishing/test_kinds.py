"""What kind of data a raster is taken for, from what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from tests.support import rasters as made
from tilery.publishing import kinds, rasters
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish


def guess(path: Path) -> str:
    return kinds.guess(rasters.facts(path), kinds.sample(path))


CORINE = [
    *(111, 112, 121, 122, 123, 124, 131, 132, 133, 141, 142, 211, 212, 213, 221, 222, 223, 231, 241, 242, 243, 244),
    *(311, 312, 313, 321, 322, 323, 324, 331, 332, 333, 334, 335, 411, 412, 421, 422, 423, 511, 512, 521, 522, 523),
]
"""The classes of CORINE Land Cover, third level: https://land.copernicus.eu/content/corine-land-cover-nomenclature"""


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "int64"])
@pytest.mark.parametrize("nodata", [None, -32768, -1, 9999])
@pytest.mark.parametrize("codes", [CORINE, CORINE[:12], [1000, 1001], list(range(32))])
def test_codes_are_classes_whatever_their_numbers(
    tmp_path: Path, dtype: str, nodata: int | None, codes: list[int]
) -> None:
    if nodata is not None and nodata < np.iinfo(dtype).min:
        return
    noise = np.random.default_rng(2)
    data = np.array(codes, dtype)[noise.integers(0, len(codes), (1, 300, 300))]
    if nodata is not None:  # which is not a code
        data[:, :150] = nodata
    source = made.write(tmp_path / "codes.tif", data, nodata=nodata)
    assert guess(source) == "classes"
    if len(codes) != len(CORINE) or dtype not in ("int16", "int32") or (nodata or 0) < 0:
        return
    done = publish(PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="codes"))
    with rasterio.open(done.address) as dataset:
        levels = len(dataset.overviews(1))
        assert dataset.nodata == nodata
        assert set(np.unique(dataset.read(1, masked=True).compressed())) == set(codes)
    for level in range(levels):
        with rasterio.open(done.address, overview_level=level) as dataset:
            assert set(np.unique(dataset.read(1, masked=True).compressed())) <= set(codes)


def test_measured_numbers_are_not_classes(tmp_path: Path) -> None:
    """Even of few values: an 8-bit picture that was stretched to 16 bits has 256 of them at equal steps."""
    noise = np.random.default_rng(3)
    stretched = (noise.integers(0, 100, (1, 300, 300)) * 257).astype("uint16")
    assert guess(made.write(tmp_path / "stretched.tif", stretched)) == "continuous"
    degrees = noise.integers(-40, 45, (1, 300, 300)).astype("int16")
    assert guess(made.write(tmp_path / "degrees.tif", degrees)) == "continuous"
    narrow = (noise.integers(0, 90, (1, 300, 300)) * 2.55).astype("uint8")
    assert guess(made.write(tmp_path / "narrow.tif", narrow)) == "imagery"


def test_few_values_among_nothing_are_found(tmp_path: Path) -> None:
    """A sample that meets hardly anything valid says nothing: all is looked at."""
    noise = np.random.default_rng(4)
    data = np.full((1, 1500, 1500), -1, "int16")
    data[0, 700:730, 700:730] = np.array(CORINE, "int16")[noise.integers(0, 44, (30, 30))]
    assert guess(made.write(tmp_path / "spot.tif", data, nodata=-1, overviews=())) == "classes"
    valid = data[0] != -1
    data[~valid[None]] = 0
    assert guess(made.write(tmp_path / "masked.tif", data, mask=valid, overviews=())) == "classes"
    heights = np.where(valid, noise.integers(0, 4000, valid.shape), -1)[None].astype("int16")
    assert guess(made.write(tmp_path / "heights.tif", heights, nodata=-1, overviews=())) == "continuous"


def test_bands_of_classes_are_classes(tmp_path: Path) -> None:
    noise = np.random.default_rng(5)
    years = noise.integers(0, 9, (6, 300, 300)).astype("uint8")
    assert guess(made.write(tmp_path / "years.tif", years)) == "classes"
    assert guess(made.write(tmp_path / "rgbn.tif", years[:4])) == "imagery"


@pytest.mark.parametrize("way", ["plain", "nodata", "mask", "alpha", "control points"])
def test_signed_bytes_stay_what_they_are(tmp_path: Path, way: str) -> None:
    """Whatever says what is missing of them, and however they are warped."""
    data = np.random.default_rng(6).integers(-127, 127, (1, 60, 60), "int8", endpoint=True)
    there = np.ones((60, 60), "bool")
    options: dict[str, Any] = {}
    if way != "plain":
        there[:20] = False
    if way in ("nodata", "control points"):
        data[:, ~there], options = -128, {"nodata": -128}
    if way == "mask":
        options = {"mask": there}
    if way == "alpha":
        data, options = np.concatenate([data, np.where(there, 127, 0).astype("int8")[None]]), {"alpha": True}
    if way == "control points":
        corners = [(row, column) for row in (0, 60) for column in (0, 60)]
        points = [GroundControlPoint(row=r, col=c, x=8 + c / 60, y=47 - r / 60) for r, c in corners]
        options["gcps"] = (points, CRS.from_epsg(4326))
    source = made.write(tmp_path / "bytes.tif", data, overviews=(), **options)
    done = publish(PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="bytes", kind="classes"))
    with rasterio.open(done.address) as dataset:
        assert set(dataset.dtypes) == {"int8"}
        valid = dataset.read(2) > 0 if way == "alpha" else dataset.dataset_mask() > 0
        assert set(dataset.read(1)[valid]) == set(data[0][there])

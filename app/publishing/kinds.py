"""What kind of data a raster holds, which decides how it may be resampled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.publishing import rasters
from app.raster import Array
from app.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

Kind = Literal["imagery", "continuous", "classes"]
"""``imagery``: colours to look at. ``continuous``: measured values. ``classes``: numbers that stand for something,
which must not be mixed."""

WARP: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "bilinear", "classes": "nearest"}
OVERVIEWS: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "average", "classes": "mode"}

_MOST_CLASSES = 32
_HIGHEST_CLASS = 255
_SAMPLE = 256
_ALL = 32_000_000
"""Pixels up to which a sample is taken from all of a raster."""


def guess(profile: Profile, sample: Array) -> Kind:
    """The kind that a raster most likely is; a publisher who knows better says ``--kind``.

    Args:
        profile: facts of the raster.
        sample: some of its values, taken with nearest resampling, shape (bands, rows, columns).
    """
    if profile.palette is not None or "palette" in profile.colorinterp:
        return "classes"
    dtype = np.dtype(profile.dtypes[0])
    bands = profile.data_bands
    if dtype.kind not in "iub":
        return "continuous"
    if len(bands) >= 3 and (dtype.itemsize == 1 or {"red", "green", "blue"} <= set(profile.colorinterp)):
        return "imagery"
    if len(bands) == 1:
        values = np.unique(sample[0])
        if values.size <= _MOST_CLASSES and int(values[-1]) <= _HIGHEST_CLASS and sample[0].size > 4 * values.size:
            return "classes"
    return "imagery" if dtype == np.uint8 else "continuous"


def sample(path: Path) -> Array:
    """Values from all over the first band of a file, shape (1, rows, columns), none of them mixed."""
    with rasters.environment(), rasters.reading(path) as dataset, rasters.failures(path.parent):
        return sample_of(dataset)


def sample_of(dataset: DatasetReader) -> Array:
    """The same of an open dataset; of a large one without overviews nine pieces, so as not to read all of it."""
    from rasterio.enums import Resampling
    from rasterio.windows import Window

    height, width = min(_SAMPLE, dataset.height), min(_SAMPLE, dataset.width)
    if dataset.overviews(1) or dataset.height * dataset.width <= _ALL:
        return np.asarray(dataset.read([1], out_shape=(1, height, width), resampling=Resampling.nearest))
    side = _SAMPLE // 3
    pieces = [
        dataset.read([1], window=Window(int((dataset.width - side) * x), int((dataset.height - side) * y), side, side))
        for x in (0.2, 0.5, 0.8)
        for y in (0.2, 0.5, 0.8)
    ]
    return np.concatenate(pieces, axis=2)

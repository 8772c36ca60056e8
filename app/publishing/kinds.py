"""What kind of data a raster holds, which decides how it may be resampled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from app.publishing import rasters
from app.raster import Array
from app.reading.profile import Profile

Kind = Literal["imagery", "continuous", "classes"]
"""``imagery``: colours to look at. ``continuous``: measured values. ``classes``: numbers that stand for something,
which must not be mixed."""
KINDS: tuple[Kind, ...] = get_args(Kind)

WARP: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "bilinear", "classes": "nearest"}
OVERVIEWS: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "average", "classes": "mode"}

_MOST_CLASSES = 32
_HIGHEST_CLASS = 255
_SAMPLE = 256


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
    """Values from all over the first band, shape (1, rows, columns), none of them mixed."""
    from rasterio.enums import Resampling

    with rasters.environment(), rasters.reading(path) as dataset, rasters.failures(path.parent):
        shape = (1, min(_SAMPLE, dataset.height), min(_SAMPLE, dataset.width))
        return np.asarray(dataset.read([1], out_shape=shape, resampling=Resampling.nearest))

"""What kind of data a raster holds, which decides how it may be resampled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

Kind = Literal["imagery", "continuous", "classes"]
"""``imagery``: colours to look at. ``continuous``: measured values. ``classes``: numbers that stand for something,
which must not be mixed."""

WARP: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "bilinear", "classes": "nearest"}
OVERVIEWS: Mapping[Kind, str] = {"imagery": "cubic", "continuous": "average", "classes": "mode"}

_MOST_CLASSES = 32
_MOST_SPARSE_CLASSES = 128
"""Values that classes may have where few of the numbers between the lowest and the highest are used, as of CORINE's 111
to 523 only 44 are; measured numbers use most of them."""
_SPARSE = 0.25
_SAMPLE = 256
_ENOUGH = 1024
"""Valid values of a sample below which more of the raster is read."""
_ALL = 32_000_000
"""Pixels up to which a sample is taken from all of a raster."""


def guess(profile: Profile, sample: Array) -> Kind:
    """Return the kind that a raster most likely is; a publisher who knows better says ``--kind``.

    Args:
        profile: facts of the raster.
        sample: some values of its first band, of any shape, taken with nearest resampling; nodata may be among them.
    """
    if profile.palette is not None or "palette" in profile.colorinterp:
        return "classes"
    dtype = np.dtype(profile.dtypes[0])
    bands = profile.data_bands
    if dtype.kind not in "iub":
        return "continuous"
    coloured = {"red", "green", "blue"} <= set(profile.colorinterp)
    if len(bands) >= 3 and (coloured or (dtype.itemsize == 1 and len(bands) <= 4)):
        return "imagery"
    if (len(bands) < 3 or len(bands) > 4) and _are_classes(_valid(profile, sample)):
        return "classes"
    return "imagery" if dtype == np.uint8 else "continuous"


def _valid(profile: Profile, sample: Array) -> Array:
    values = np.asarray(sample).ravel()
    nodata = profile.usable_nodata
    return values if nodata is None else values[values != values.dtype.type(int(nodata))]


def _are_classes(values: Array) -> bool:
    """Return True when whole numbers most likely are names of things."""
    found = np.unique(values)
    if not found.size or values.size <= 4 * found.size:
        return False
    if found.size <= _MOST_CLASSES:
        return True
    steps = np.diff(found.astype("object"))  # of 64 bits, whose differences may not fit
    numbers = (int(found[-1]) - int(found[0])) // int(np.gcd.reduce(steps)) + 1
    return bool(found.size <= _MOST_SPARSE_CLASSES and found.size < _SPARSE * numbers)


def sample(path: Path, driver: str | None = None) -> Array:
    """Return valid values from all over the first band of a file, in one dimension, none of them mixed.

    Args:
        path: the file.
        driver: what it was opened as before.
    """
    with rasters.environment(), rasters.reading(path, driver=driver) as dataset, rasters.failures(None):
        return sample_of(dataset)


def sample_of(dataset: DatasetReader) -> Array:
    """Return the same of an open dataset; of a large one without overviews nine pieces, so as not to read all of it."""
    from rasterio.windows import Window

    height, width = min(_SAMPLE, dataset.height), min(_SAMPLE, dataset.width)
    whole = dataset.height * dataset.width <= _ALL
    if dataset.overviews(1) or whole:
        found = _thinned(dataset, height, width)
        if found.size < _ENOUGH and whole:  # most of it is missing: look at all that is there
            found = _thinned(dataset, dataset.height, dataset.width)
            found = found[:: max(1, found.size // _SAMPLE**2)]
        return found
    side = _SAMPLE // 3
    places = (0.2, 0.5, 0.8)
    windows = [
        Window(int((dataset.width - side) * x), int((dataset.height - side) * y), side, side)
        for x in places
        for y in places
    ]
    return np.concatenate([_there(dataset.read(1, window=w), dataset.read_masks(1, window=w)) for w in windows])


def _thinned(dataset: DatasetReader, height: int, width: int) -> Array:
    from rasterio.enums import Resampling

    options: dict[str, Any] = {"out_shape": (height, width), "resampling": Resampling.nearest}
    return _there(dataset.read(1, **options), dataset.read_masks(1, **options))


def _there(data: Array, mask: Array) -> Array:
    found: Array = data[mask != 0]
    return found

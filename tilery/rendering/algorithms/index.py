"""The normalized difference of two bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilery.geo.raster import Raster
from tilery.rendering.algorithms.declaration import Algorithm
from tilery.rendering.algorithms.results import result
from tilery.rendering.validity import valid


def _normalized_index(raster: Raster, _values: Mapping[str, Any]) -> Raster:
    """``(second - first) / (second + first)``; masked where either is, and where the sum is nothing."""
    first, second = (raster.data[band].astype(np.float32) for band in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        index = (second - first) / (second + first)
    known = np.isfinite(index)
    mask = valid(raster)
    if mask is not None:
        known &= mask[0] & mask[1 if len(mask) > 1 else 0]
    one, two = raster.band_descriptions[:2] if len(raster.band_descriptions) >= 2 else ("b1", "b2")
    return result(
        raster,
        index[np.newaxis],
        None if known.all() else known[np.newaxis],
        [f"({two} - {one}) / ({two} + {one})"],
        statistics=((-1.0, 1.0),),
    )


ALGORITHMS = (
    Algorithm(
        name="normalizedIndex",
        title="Normalized Difference Index",
        description="Compute normalized difference index from two bands.",
        run=_normalized_index,
        input_bands=2,
        output_bands=1,
        output_dtype="float32",
        output_min=(-1.0,),
        output_max=(1.0,),
        least_bands=2,
        memory=36,
    ),
)

"""What algorithms give back: a raster of new bands whose mask says all there is to say of validity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array, Raster
from tilery.rendering.validity import Mask


def result(
    raster: Raster,
    data: Array,
    mask: Mask | None,
    descriptions: Sequence[str],
    *,
    statistics: tuple[tuple[float, float], ...] | None = None,
) -> Raster:
    """Return the raster with new bands in place of its own.

    ``statistics`` are the range that an algorithm's values have by their nature, so that a picture of them is stretched
    alike in every tile.
    """
    return replace(
        raster,
        data=data,
        mask=mask,
        alpha=None,
        band_names=tuple(f"b{number}" for number in range(1, len(data) + 1)),
        band_descriptions=tuple(descriptions),
        nodata=None,
        scales=(),
        offsets=(),
        statistics=statistics,
        colormap=None,
    )


def to_bytes(values: Array) -> NDArray[np.uint8]:
    """Return values cut to whole numbers, the low eight bits of which are kept: what a cast to uint8 does on most
    machines. They keep their shape.
    """
    if values.dtype == np.uint8:
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(np.int64).astype(np.uint8)

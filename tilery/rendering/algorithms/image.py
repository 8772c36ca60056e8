"""Algorithms on pictures: gray, and black and white."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilery.errors import InvalidBand
from tilery.geo.raster import Array, Raster
from tilery.rendering.algorithms.declaration import Algorithm
from tilery.rendering.algorithms.results import result, to_bytes
from tilery.rendering.validity import Mask, valid


def _luma(raster: Raster) -> tuple[Array, Mask | None]:
    """Return luma after ITU-R 601-2, and where all of red, green and blue are valid."""
    red, green, blue = (raster.data[band].astype(np.float64) for band in range(3))
    mask = valid(raster)
    if mask is not None and len(mask) > 1:
        mask = mask[0:1] & mask[1:2] & mask[2:3]
    return red * 299 / 1000 + green * 587 / 1000 + blue * 114 / 1000, mask


def _grayscale(raster: Raster, _values: Mapping[str, Any]) -> Raster:
    luma, mask = _luma(raster)
    return result(raster, luma.astype(raster.data.dtype)[np.newaxis], mask, ["grayscale"])


def _bitonal(raster: Raster, _values: Mapping[str, Any]) -> Raster:
    if raster.count == 3:
        values, mask = _luma(raster)
    elif raster.count == 1:
        values, mask = raster.data[0], valid(raster)
    else:
        raise InvalidBand(
            f"bitonal needs one band or three, and there are {raster.count}. Choose bands with bidx or expression.",
            parameter="algorithm",
        )
    return result(raster, to_bytes((values > 127) * 255)[np.newaxis], mask, ["bitonal"])


ALGORITHMS = (
    Algorithm(
        name="grayscale",
        title="Transform a RGB Image to Grayscale",
        description="Transform a RGB Image to Grayscale using the ITU-R 601-2 luma.",
        run=_grayscale,
        output_bands=1,
        least_bands=3,
    ),
    Algorithm(
        name="bitonal",
        title="Transform an Image to Bitonal",
        description="All values larger than 127 are set to 255 (white), all other values to 0 (black).",
        run=_bitonal,
        output_bands=1,
        output_dtype="uint8",
    ),
)

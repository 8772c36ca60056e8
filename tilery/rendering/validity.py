"""Which pixels count: the mask, and what the source's alpha band leaves out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Raster

Mask = NDArray[np.bool_]


def valid(raster: Raster) -> Mask | None:
    """Return the raster's mask where its alpha is not 0, shape (1 or bands, rows, columns). None: all valid."""
    mask = raster.mask
    if raster.alpha is not None:
        opaque = (raster.alpha > 0)[np.newaxis]
        mask = opaque if mask is None else mask & opaque
    return mask

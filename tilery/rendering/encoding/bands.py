"""Pictures as bands: what the formats that hold data rather than colours write."""

from __future__ import annotations

import numpy as np

from tilery.geo.raster import Array, Picture
from tilery.rendering.pixels import planar


def bands_of(picture: Picture) -> Array:
    """Return the picture's bands and, if it has one, its mask as the last of them; shape (bands, rows, columns),
    contiguous.

    The mask follows rio-tiler's convention, which clients of npy and GeoTIFF know: the most that the type holds where
    valid, the least where not (0 for unsigned types). Alpha values in between are kept.
    """
    kind = picture.data.dtype
    if picture.mask is None or kind.kind == "u":
        return planar(picture.data, picture.mask)
    least = np.finfo(kind).min if kind.kind == "f" else np.iinfo(kind).min
    return planar(picture.data, np.where(picture.mask == 0, least, picture.mask))

"""Pictures as bands: what the formats that hold data rather than colours write."""

from __future__ import annotations

import numpy as np

from app.raster import Array, Picture


def bands_of(picture: Picture) -> tuple[Array, Array | None]:
    """(bands, mask): shape (bands, rows, columns) and, if there is one, (rows, columns) in the same type.

    The mask follows rio-tiler's convention, which clients of npy and GeoTIFF know: the most that the type holds where
    valid, the least where not (0 for unsigned types). Alpha values in between are kept.
    """
    bands = picture.data.transpose(2, 0, 1)
    if picture.mask is None:
        return bands, None
    kind = bands.dtype
    if kind.kind == "u":
        return bands, picture.mask
    least = np.finfo(kind).min if kind.kind == "f" else np.iinfo(kind).min
    return bands, np.where(picture.mask == 0, least, picture.mask).astype(kind, copy=False)

"""Pictures to NumPy's file format, as TiTiler writes it: bands first, the mask as last band."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from app.raster import Picture
from app.rendering.encoding.bands import bands_of


def encode(picture: Picture) -> bytes:
    """A ``.npy`` file of shape (bands, rows, columns), or (bands + 1, rows, columns) with a mask."""
    with BytesIO() as file:
        np.save(file, bands_of(picture), allow_pickle=False)
        return file.getvalue()

"""Pictures to NumPy's file format, as TiTiler writes it: bands first, the mask as last band."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from tilery.geo.raster import Picture
from tilery.rendering.encoding.bands import bands_of


def encode(picture: Picture) -> bytes:
    """Return a ``.npy`` file of shape (bands, rows, columns), or (bands + 1, rows, columns) with a mask."""
    bands = bands_of(picture)
    with BytesIO() as head:
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(bands))
        return b"".join((head.getvalue(), bands.reshape(-1).view(np.uint8).data))

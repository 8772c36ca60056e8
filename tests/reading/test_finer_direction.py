"""Degrees are narrow towards the poles: an output in them is read from an overview that its finer direction needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
from affine import Affine

from tests.support import rasters, service

SIZE = 1024
METRES = 20.0
MIDDLE = (500000.0, 8100000.0)
"""At 73° north, where a degree of longitude is 0.29 of one of latitude."""


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("width", [150, 260, 400, 700])
def test_a_box_in_degrees_keeps_what_its_finer_direction_shows(tmp_path: Path, width: int, tiled: bool) -> None:
    """Each overview holds its own factor as its value, so the answer says which one was read."""
    import rasterio

    left, top = MIDDLE[0] - SIZE * METRES / 2, MIDDLE[1] + SIZE * METRES / 2
    path = rasters.write(
        tmp_path / "raster.tif",
        np.ones((1, SIZE, SIZE), "uint8"),
        crs="EPSG:32631",
        transform=Affine(METRES, 0, left, 0, -METRES, top),
        overviews=(2, 4, 8, 16),
        tiled=tiled,
    )
    for index, factor in enumerate((2, 4, 8, 16)):
        with rasterio.open(path, "r+", overview_level=index) as level:
            level.write(np.full((1, level.height, level.width), factor, "uint8"))
    west, south = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(*MIDDLE)
    side = 0.1
    box = f"{west},{south},{west + side},{south + side}"
    answer = service.client(tmp_path).get(
        f"/cog/bbox/{box}.npy", params={"url": str(path), "width": width, "height": width}
    )
    values, valid = service.array(answer.content)
    read = {int(value) for value in np.unique(values[0][valid])}
    to = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    x, y = west + side / 2, south + side / 2
    a, b = to.transform(x, y), to.transform(x + side / width, y)
    across = np.hypot(b[0] - a[0], b[1] - a[1]) / METRES
    assert len(read) == 1
    # GDAL takes an overview up to 1.2 times coarser than asked for.
    assert read.pop() <= max(1.0, 1.2 * across + 0.1)

"""Degrees are narrow towards the poles: an output in them is read from an overview that its finer direction needs, and
a map of a raster in them from the one that GDAL's warper takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from affine import Affine

from tests.support import exact, rasters, service

SIZE = 1024
METRES = 20.0
MIDDLE = (500000.0, 8100000.0)
"""At 73° north, where a degree of longitude is 0.29 of one of latitude."""


def numbered(folder: Path, crs: str, transform: Affine, *, tiled: bool, shape: tuple[int, int] = (SIZE, SIZE)) -> Path:
    """Return the path of a raster each overview of which holds its own factor: answers say which one was read."""
    import rasterio

    ones = np.ones((1, *shape), "uint8")
    path = rasters.write(
        folder / "raster.tif", ones, crs=crs, transform=transform, overviews=(2, 4, 8, 16), tiled=tiled
    )
    for index, factor in enumerate((2, 4, 8, 16)):
        with rasterio.open(path, "r+", overview_level=index) as level:
            level.write(np.full((1, level.height, level.width), factor, "uint8"))
    return path


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("width", [150, 260, 400, 700])
def test_a_box_in_degrees_keeps_what_its_finer_direction_shows(tmp_path: Path, width: int, tiled: bool) -> None:
    left, top = MIDDLE[0] - SIZE * METRES / 2, MIDDLE[1] + SIZE * METRES / 2
    path = numbered(tmp_path, "EPSG:32631", Affine(METRES, 0, left, 0, -METRES, top), tiled=tiled)
    west, south = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(*MIDDLE)
    side = 0.1
    box = f"{west},{south},{west + side},{south + side}"
    client = service.client(tmp_path)
    size: dict[str, Any] = {"url": str(path), "width": width, "height": width}
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
    shape = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    read = set()
    for answer in (
        client.get(f"/cog/bbox/{box}.npy", params=size),
        client.get("/cog/map", params=size | {"bbox": box, "crs": "OGC:CRS84", "f": "npy"}),
        client.post("/cog/feature.npy", params=size, json=shape),
    ):
        values, valid = service.array(answer.content)
        read |= {int(value) for value in np.unique(values[0][valid])}
    to = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    x, y = west + side / 2, south + side / 2
    a, b = to.transform(x, y), to.transform(x + side / width, y)
    across = np.hypot(b[0] - a[0], b[1] - a[1]) / METRES
    assert len(read) == 1
    # GDAL takes an overview up to 1.2 times coarser than asked for.
    assert read.pop() <= max(1.0, 1.2 * across + 0.1)


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("latitude", [0.5, 46.5, 65.5, -72.5])
def test_a_map_is_read_from_the_overview_that_gdal_takes(tmp_path: Path, latitude: float, tiled: bool) -> None:
    """Far from the equator pixels of degrees are longer than wide on a map; the diagonal of the raster is what
    GDAL keeps, and TiTiler with it.
    """
    from rasterio.warp import calculate_default_transform

    bounds = (8.0, latitude - 0.5, 9.0, latitude + 0.5)
    path = numbered(tmp_path, "EPSG:4326", Affine(1 / SIZE, 0, bounds[0], 0, -1 / SIZE, bounds[3]), tiled=tiled)
    client = service.client(tmp_path)
    warped = calculate_default_transform("EPSG:4326", "EPSG:3857", SIZE, SIZE, *bounds)[0].a
    found, taken = [], []
    for zoom in range(4, 10):
        place = exact.tile_of(8.5, latitude, zoom)
        left, _, right, _ = exact.tile_bounds(*place)
        times = (right - left) / 256 / warped
        fitting = [factor for factor in (2, 4, 8, 16) if factor <= 1.2 * times]
        taken.append({max(fitting, default=1)})
        answer = client.get(f"/cog/tiles/WebMercatorQuad/{zoom}/{place[1]}/{place[2]}.npy", params={"url": str(path)})
        values, valid = service.array(answer.content)
        found.append({int(value) for value in np.unique(values[0][valid])})
    assert found == taken


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("width", [720, 1440])
def test_a_map_of_the_world_is_read_from_the_overview_that_gdal_takes(tmp_path: Path, width: int, tiled: bool) -> None:
    """The tile of zoom 0 holds all of the raster, so GDAL's scale of the raster is that of the tile."""
    from rasterio.warp import calculate_default_transform

    path = numbered(
        tmp_path,
        "EPSG:4326",
        Affine(360 / width, 0, -180, 0, -360 / width, 90),
        tiled=tiled,
        shape=(width // 2, width),
    )
    left, bottom, right, top = exact.tile_bounds(0, 0, 0)
    south, north = (pyproj.Transformer.from_crs(3857, 4326, always_xy=True).transform(0, y)[1] for y in (bottom, top))
    rows = round((north - south) * width / 360)
    warped = calculate_default_transform("EPSG:4326", "EPSG:3857", width, rows, -180, south, 180, north)[0].a
    taken = max(factor for factor in (1, 2, 4, 8, 16) if factor <= 1.2 * (right - left) / 256 / warped)
    answer = service.client(tmp_path).get("/cog/tiles/WebMercatorQuad/0/0/0.npy", params={"url": str(path)})
    values, valid = service.array(answer.content)
    assert {int(value) for value in np.unique(values[0][valid])} == {taken}

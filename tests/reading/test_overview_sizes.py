"""Images that a file calls overviews and that are as large as the raster, or larger: they are none."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import rasterio

from tests.support import service
from tests.support.engine import ENGINE
from tests.support.tiff import Tiff, picture
from tilery.geo.crs import WGS84
from tilery.geo.raster import Grid
from tilery.reading import footprint
from tilery.reading import source as source_
from tilery.reading.raster_dataset import open_raster
from tilery.storage.locations import FileLocation

SIDE = 32
PLACE: dict[int, tuple[int, Any]] = {
    33550: (12, struct.pack("<3d", 1, 1, 0)),
    33922: (12, struct.pack("<6d", 0, 0, 0, 0, SIDE, 0)),
    34735: (3, (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)),
}


def directory(side: int, place: int, *, tiled: bool, overview: bool) -> dict[int, tuple[int, Any]]:
    size = {256: (3, (side,)), 257: (3, (side,)), 254: (4, (int(overview),))}
    if not tiled:
        return picture() | size | {273: (4, (place,)), 278: (3, (side,)), 279: (4, (side * side,))}
    rest = {tag: value for tag, value in picture().items() if tag not in (273, 278, 279)}
    return rest | size | {322: (3, (side,)), 323: (3, (side,)), 324: (4, (place,)), 325: (4, (side * side,))}


@pytest.fixture(params=[(16, True), (48, True), (128, True), (16, False), (48, False), (128, False)])
def raster(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A raster of sevens with an overview of nines, of a size in pixels, in one tile or one strip."""
    side, tiled = request.param
    of = Tiff(False, "<")
    of.add(directory(SIDE, 2000, tiled=tiled, overview=False) | PLACE, last=False)
    of.add(directory(side, 2000 + SIDE * SIDE, tiled=tiled, overview=True))
    path = tmp_path / f"{side}.tif"
    path.write_bytes(of.data.ljust(2000, b"\0") + bytes([7]) * SIDE * SIDE + bytes([9]) * side * side)
    return path


def test_only_a_smaller_image_is_read_in_place_of_the_raster(raster: Path) -> None:
    side = int(raster.stem)
    with rasterio.open(raster) as dataset:
        assert dataset.overviews(1) == [round(SIDE / side)]
    with service.client(raster.parent) as client:
        others: tuple[dict[str, str], ...] = ({}, {"dst_crs": "EPSG:3857"}, {"resampling": "cubic"})
        for query in (*others, {"resampling": "lanczos"}, {"dst_crs": "EPSG:3857", "reproject": "lanczos"}):
            for width in (8, SIDE):
                asked = {"url": str(raster), "width": str(width)} | query
                answer = client.get("/cog/preview.npy", params=asked)
                found, mask = service.array(answer.content)
                values = set(found[0][mask].tolist())
                if side > SIDE or width == SIDE:
                    assert values == {7}
                elif not query:
                    assert values == {9}
        for verb in ("validate", "info", "statistics", "stac"):
            assert client.get(f"/cog/{verb}", params={"url": str(raster)}).status_code == 200


def test_what_gdal_is_to_decode_is_told(raster: Path) -> None:
    location = FileLocation(path=str(raster))
    opened = open_raster(ENGINE, source_.raster(location))
    grid = Grid(crs=WGS84, bounds=(0, 0, SIDE, SIDE), width=8, height=8)
    side = int(raster.stem)
    smaller = side < SIDE
    assert footprint.overview(opened.profile, 4, "average") == (0 if smaller else None)
    assert opened._by_gdal().estimate(grid, bands=(1,)) == (side if smaller else SIDE) ** 2
    opened.close()

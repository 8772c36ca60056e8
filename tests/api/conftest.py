"""Rasters and a client that the tests of the API share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a raster of every kind."""
    found = tmp_path_factory.mktemp("rasters").resolve()
    rasters.position(found / "position.tif")
    rasters.position(found / "position-mercator.tif", crs="EPSG:3857")
    rasters.position(found / "position-utm.tif", crs="EPSG:32632")
    for dtype in ("uint8", "uint16", "int16", "int32", "float32"):
        rasters.gradient(found / f"gradient-{dtype}.tif", dtype=dtype)
    rasters.rgb(found / "rgb.tif")
    rasters.rgb(found / "rgb-mercator.tif", crs="EPSG:3857", bounds=(890_000.0, 5_780_000.0, 1_000_000.0, 5_890_000.0))
    rasters.constant(found / "constant.tif", 7)
    for kind in ("nodata", "nan", "mask", "alpha"):
        rasters.half_masked(found / f"half-{kind}.tif", kind)
    rasters.palette(found / "palette.tif")
    rasters.across_antimeridian(found / "antimeridian.tif")
    rasters.constant(found / "scaled.tif", 100, "int16", scales=(0.5,), offsets=(10.0,), descriptions=("green",))
    rasters.constant(found / "many.tif", 3, count=6)
    rasters.constant(found / "placeless.tif", 1, crs=None, bounds=None)
    (found / "text.tif").write_text("This is not a raster.")
    (found / "empty.tif").write_bytes(b"")
    return found


@pytest.fixture(scope="session")
def client(folder: Path) -> Iterator[TestClient]:
    """A client of a service that may read the folder."""
    with service.client(folder) as found:
        yield found

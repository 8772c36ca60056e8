"""GDAL as publishing uses it."""

from __future__ import annotations

from rasterio._env import get_gdal_config

from tilery.publishing import rasters


def test_the_cache_holds_blocks() -> None:
    """rasterio takes the size in bytes, where GDAL itself would take a small number as megabytes."""
    block = rasters.BLOCK**2 * 4 * 2  # four bands of 16 bits
    with rasters.environment():
        assert get_gdal_config("GDAL_CACHEMAX") >= 8 * block

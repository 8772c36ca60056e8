"""Pixels in memory as the bytes of a GeoTIFF, for what GDAL alone does with them."""

from __future__ import annotations

from affine import Affine
from rasterio.io import MemoryFile

from tilery.geo import crs as crs_
from tilery.geo.raster import Array
from tilery.reading.profile import Profile


def as_tiff(data: Array, profile: Profile) -> bytes:
    """Return a GeoTIFF.

    Args:
        data: shape (bands, rows, columns).
        profile: where they are, and what stands for missing ones.
    """
    with MemoryFile() as file:
        with file.open(
            driver="GTiff",
            width=profile.width,
            height=profile.height,
            count=profile.count,
            dtype=profile.dtypes[0],
            crs=None if profile.crs is None else crs_.to_rasterio(profile.crs),
            transform=Affine(*profile.transform),
            nodata=profile.nodata,
            interleave="band",
        ) as dataset:
            dataset.write(data)
        return bytes(file.getbuffer())

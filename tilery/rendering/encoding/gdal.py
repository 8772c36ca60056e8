"""Pictures to the formats that GDAL writes for us, GeoTIFF and JPEG 2000: in memory, never to a file.

rasterio is imported when the first such picture is asked for.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tilery.errors import InvalidFormat
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Picture
from tilery.rendering.encoding.bands import bands_of


def encode_geotiff(picture: Picture) -> bytes:
    """Return a GeoTIFF with CRS and geotransform, any number and type of bands, opacity as last band of kind alpha.

    Without opacity the picture's nodata value is written instead. Uncompressed, as TiTiler's: the HTTP compression that
    follows does the rest.
    """
    return _write(picture, "GTiff", "tif")


def encode_jp2(picture: Picture) -> bytes:
    """Return JPEG 2000 (lossy, at OpenJPEG's rate as TiTiler's) of uint8, uint16 or int16, opacity as last band."""
    return _write(picture, "JP2OpenJPEG", "jp2")


def _write(picture: Picture, driver: str, name: str) -> bytes:
    import rasterio
    import rasterio.errors
    from rasterio.enums import ColorInterp

    bands = bands_of(picture)
    masked = picture.mask is not None
    count = len(bands) - masked
    profile = _profile(picture, driver, bands, masked=masked)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.MemoryFile() as memory:
                with memory.open(**profile) as target:
                    if driver == "GTiff":
                        _describe(target, picture, count)
                    if masked and ColorInterp.alpha not in target.colorinterp:
                        target.colorinterp = (*target.colorinterp[:-1], ColorInterp.alpha)
                    target.write(bands)
                return bytes(memory.read())
    except (rasterio.errors.RasterioError, TypeError, ValueError) as error:
        raise InvalidFormat(
            f"A picture of {count} bands of type {bands.dtype.name} cannot be written as {name}.",
            parameter="format",
            private=str(error),
        ) from error


def _profile(picture: Picture, driver: str, bands: Array, *, masked: bool) -> dict[str, Any]:
    count, rows, columns = bands.shape
    profile: dict[str, Any] = {
        "driver": driver,
        "dtype": bands.dtype.name,
        "count": count,
        "height": rows,
        "width": columns,
    }
    if driver != "GTiff":
        return profile
    if picture.bounds is not None:
        from rasterio.transform import from_bounds

        profile["transform"] = from_bounds(*picture.bounds, columns, rows)
    if picture.crs is not None:
        profile["crs"] = crs_.to_rasterio(picture.crs)
    if not masked and picture.nodata is not None and _fits(picture.nodata, bands.dtype):
        profile["nodata"] = picture.nodata
    return profile


def _describe(target: Any, picture: Picture, count: int) -> None:
    for band, text in enumerate(picture.band_descriptions[:count], start=1):
        target.set_band_description(band, text)
    if picture.tags:
        target.update_tags(**picture.tags)


def _fits(value: float, kind: np.dtype[Any]) -> bool:
    """Return True when a band of that type can hold the value: GDAL refuses a nodata value that it cannot."""
    if kind.kind in "fc":
        return True
    limits = np.iinfo(kind)
    return float(value).is_integer() and limits.min <= value <= limits.max

"""Pictures to bytes: one module a format, the codec imported when a picture first needs it."""

from __future__ import annotations

from app.raster import Picture
from app.rendering.encoding.formats import Format
from app.rendering.encoding.palette import expanded


def encode(picture: Picture, row: Format) -> bytes:
    """The picture's bytes in that format. The caller has seen to the data type and the number of channels."""
    if row.codec != "png":
        picture = expanded(picture)
    match row.codec:
        case "png":
            from app.rendering.encoding import png

            return png.encode(picture, fast=row.fast)
        case "jpeg":
            from app.rendering.encoding import jpeg

            return jpeg.encode(picture)
        case "webp":
            from app.rendering.encoding import webp

            return webp.encode(picture)
        case "jp2":
            from app.rendering.encoding import gdal

            return gdal.encode_jp2(picture)
        case "tif":
            from app.rendering.encoding import gdal

            return gdal.encode_geotiff(picture)
        case "npy":
            from app.rendering.encoding import npy

            return npy.encode(picture)

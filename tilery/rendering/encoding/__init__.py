"""Pictures to bytes: one module a format, the codec imported when a picture first needs it."""

from __future__ import annotations

from tilery.geo.raster import Picture
from tilery.rendering.encoding.formats import Format
from tilery.rendering.encoding.palette import expanded


def encode(picture: Picture, row: Format) -> bytes:
    """The picture's bytes in that format. The caller has seen to the data type and the number of channels."""
    if row.codec != "png":
        picture = expanded(picture)
    match row.codec:
        case "png":
            from tilery.rendering.encoding import png

            return png.encode(picture, fast=row.fast)
        case "jpeg":
            from tilery.rendering.encoding import jpeg

            return jpeg.encode(picture)
        case "webp":
            from tilery.rendering.encoding import webp

            return webp.encode(picture)
        case "jp2":
            from tilery.rendering.encoding import gdal

            return gdal.encode_jp2(picture)
        case "tif":
            from tilery.rendering.encoding import gdal

            return gdal.encode_geotiff(picture)
        case "npy":
            from tilery.rendering.encoding import npy

            return npy.encode(picture)

"""What writes each format: the codec is imported when a picture first needs it."""

from __future__ import annotations

from tilery.geo.raster import Picture


def png(picture: Picture) -> bytes:
    """Return a PNG."""
    from tilery.rendering.encoding import png as codec

    return codec.encode(picture)


def fast_png(picture: Picture) -> bytes:
    """Return a PNG that is sooner made and larger."""
    from tilery.rendering.encoding import png as codec

    return codec.encode(picture, fast=True)


def jpeg(picture: Picture) -> bytes:
    """Return a JPEG."""
    from tilery.rendering.encoding import jpeg as codec

    return codec.encode(picture)


def webp(picture: Picture) -> bytes:
    """Return a WebP; without loss where the picture has to be exact."""
    from tilery.rendering.encoding import webp as codec

    return codec.encode(picture)


def jp2(picture: Picture) -> bytes:
    """Return a JPEG 2000."""
    from tilery.rendering.encoding import gdal as codec

    return codec.encode_jp2(picture)


def geotiff(picture: Picture) -> bytes:
    """Return a GeoTIFF."""
    from tilery.rendering.encoding import gdal as codec

    return codec.encode_geotiff(picture)


def npy(picture: Picture) -> bytes:
    """Return an array as NumPy saves it."""
    from tilery.rendering.encoding import npy as codec

    return codec.encode(picture)

"""The pixels of a source for all threads: read by ourselves where it is a plain tiled GeoTIFF, else by GDAL. And its
blocks, where they are those to publish.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from tilery.publishing import rasters
from tilery.publishing.tiff.assembled import can_be_copied
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.tiff.level_writer import Taken
from tilery.publishing.tiff.tiled_reader import TiledReader, reading_tiles
from tilery.reading.profile import Profile


def source_pixels(source: Path, profile: Profile, stack: ExitStack) -> Callable[[], AbstractContextManager[Any]]:
    """Return a function that lends a thread what reads windows of a source, as a dataset of rasterio does.

    Args:
        source: any raster that GDAL opens.
        profile: its facts.
        stack: closes it.
    """
    if profile.driver == "GTiff":
        found = stack.enter_context(reading_tiles(source, profile.dtype, profile.count))
        if found is not None and (found.found.width, found.found.height) == (profile.width, profile.height):
            return lambda: nullcontext(found)
    handles = rasters.Handles(lambda: rasters.reading(source, driver=profile.driver))
    stack.callback(handles.close)
    return handles.borrow


def blocks_to_take(source: Path, pixels: Any, encoding: Encoding) -> Taken | None:
    """Return a function that returns blocks of a source as they are, where they are deflated as they would be here.

    Args:
        source: the raster.
        pixels: what `source_pixels` lends.
        encoding: how blocks are to be compressed.
    """
    alike = isinstance(pixels, TiledReader) and encoding.compress == "DEFLATE" and can_be_copied(source, encoding)
    return pixels.packed if alike else None

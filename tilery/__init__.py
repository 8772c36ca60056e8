"""Raster in, tile out: the engine of Tilery as a library. No HTTP, no environment variables.

The service around it is the package `app`, which this one never imports. In a notebook, begin with `tilery.open`.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilery.engine import Engine
    from tilery.notebook.opened import OpenedRaster

__version__ = "0.1.0"
"""Also part of every ETag: a new version may answer with other bytes."""


def open(source: str | PathLike[str], *, engine: Engine | None = None) -> OpenedRaster:  # noqa: A001 - as rasterio's
    """Open a raster to measure, read and show it.

    Args:
        source: a path, or an address as ``s3://bucket/key``, ``gs://…``, ``az://…`` or ``https://host/path``. Whoever
            calls names the source, so any is allowed; credentials are found as GDAL and AWS's own tools find them.
        engine: reads it. None: the one that all of a process share, as `tilery.rio_tiler.Reader` does.

    Raises:
        SourceError: there is nothing, it is no raster, or the store does not let us read it.
        UpstreamError: the store does not answer.
        InvalidParameter: this is no path and no address.
    """
    from tilery.notebook.opened import opened  # it loads rasterio, in this thread, before any of ours is started

    return opened(source, engine)

"""Raster in, tile out: the engine of Tilery as a library. No HTTP, no environment variables.

The service around it is the package `app`, which this one never imports. In a notebook, begin with `tilery.open`.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilery.engine import Engine
    from tilery.notebook.choosing import Selection
    from tilery.notebook.opened import OpenedRaster

__version__ = "0.1.0"
"""Also part of every ETag: a new version may answer with other bytes."""


def open(  # noqa: A001 - as rasterio's
    source: str | PathLike[str],
    *,
    assets: str | Sequence[str] | None = None,
    variable: str | None = None,
    sel: Selection | None = None,
    group: str | None = None,
    engine: Engine | None = None,
) -> OpenedRaster:
    """Open a raster to measure, read and show it: a file, assets of a STAC Item, a MosaicJSON, a variable of a Zarr.

    Args:
        source: a path, or an address as ``s3://bucket/key``, ``gs://…``, ``az://…`` or ``https://host/path``. Whoever
            calls names the source, so any is allowed; credentials are found as GDAL and AWS's own tools find them.
        assets: of a STAC Item, stacked band by band, each with options as ``"B04|bidx=1"``. None: its only one, or
            ``visual``.
        variable: of a Zarr store. None: its only one.
        sel: what is chosen along the dimensions of the variable: ``{"time": "2020-01-01"}``, with a method as
            ``{"time": "nearest::2020-01-01"}``.
        group: of the store, where the variable is in one.
        engine: reads it, and what an item or a mosaic names as far as its policy allows. None: the one that all of a
            process share, as `tilery.rio_tiler.Reader` does.

    Raises:
        SourceError: there is nothing, it is no raster, or the store does not let us read it.
        UpstreamError: the store does not answer.
        InvalidParameter: this is no path and no address; which assets or which variable is meant is not said.
    """
    from tilery.notebook.opened import opened  # it loads rasterio, in this thread, before any of ours is started

    return opened(source, engine, assets=assets, variable=variable, sel=sel, group=group)

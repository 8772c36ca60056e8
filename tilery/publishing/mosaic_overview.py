"""The raster of a whole mosaic, coarser than its shallowest zoom: low zooms are answered from it and open one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from tilery.errors import InvalidParameter
from tilery.geo import crs as crs_
from tilery.geo import tms as tms_
from tilery.geo.raster import Grid
from tilery.publishing import kinds, overviews
from tilery.publishing import rasters as files
from tilery.publishing.cog import cog
from tilery.publishing.kinds import Kind
from tilery.publishing.profiles import Compression
from tilery.publishing.progress import Progress
from tilery.publishing.rasters import BLOCK
from tilery.publishing.transcode import WORKING
from tilery.reading.options import NO_LIMITS, ReadOptions
from tilery.reading.reader import Reader

if TYPE_CHECKING:
    from tilery.reading.mosaic.dataset import MosaicDataset
    from tilery.reading.mosaic.document import Mosaic

MOST_SIDE = 1 << 16
"""Pixels along a side; a mosaic that is wider gets an overview of a shallower zoom."""


def zoom_for(reader: Reader) -> int:
    """Return the zoom whose pixels the overview has: the one above the mosaic's shallowest, unless that is too large.

    Raises:
        InvalidParameter: the mosaic has no zoom above its shallowest.
    """
    mosaic = _mosaic(reader)
    if mosaic.minzoom < 1:
        raise InvalidParameter("The mosaic begins at zoom 0: nothing lies above it.", parameter="minzoom")
    zoom = mosaic.minzoom - 1
    while zoom > 0 and max(_size(reader, zoom)[2:]) > MOST_SIDE:
        zoom -= 1
    return zoom


def write(reader: Reader, target: Path, kind: Kind, compression: Compression, progress: Progress) -> None:
    """Write the overview as a Cloud-Optimized GeoTIFF in Web Mercator.

    Args:
        reader: of the mosaic, whose document names no overview.
        target: the new file; a working file stands beside it meanwhile.
        kind: of the data, which decides how they are thinned out.
        compression: how blocks are compressed.
        progress: shows the steps.

    Raises:
        SourceError, UpstreamError: a raster of the mosaic cannot be read.
        BrokenRaster, StoreFull: a part cannot be written.
    """
    zoom = zoom_for(reader)
    part = target.with_name(f".part-{target.name}")
    left, top, width, height = _size(reader, zoom)
    cell = tms_.get(tms_.DEFAULT).matrix(zoom).cell_size
    sample = reader.profile
    dtype = sample.dtypes[0]
    options = ReadOptions(
        resampling="nearest" if kind == "classes" else "average", reproject="nearest", limits=NO_LIMITS
    )
    bands = len(sample.data_bands)
    try:
        with (
            files.failures(target.parent),
            files.environment(GDAL_TIFF_INTERNAL_MASK=True),
            progress.step("mosaic", width * height, "px") as advance,
            files.writing(
                part,
                width=width,
                height=height,
                count=bands,
                dtype=dtype,
                crs=files.rasterio_crs(crs_.WEB_MERCATOR),
                transform=Affine(cell, 0, left, 0, -cell, top),
                **WORKING,
            ) as written,
        ):
            _describe(written, reader)
            for window, grid in _blocks(left, top, width, height, cell):
                data, valid = _read(reader, grid, options, dtype)
                written.write(data, window=window)
                written.write_mask(valid, window=window)
                advance(grid.width * grid.height)
        overviews.inside(part, overviews.factors(width, height), kinds.OVERVIEWS[kind])
        expected = int(width * height * bands * np.dtype(dtype).itemsize * compression.ratio)
        with progress.step("cog", expected, "B") as advance:
            cog(part, target, compression, dtype, expected, advance)
    finally:
        files.discard(part)


def _mosaic(reader: Reader) -> Mosaic:
    dataset: MosaicDataset = reader.source  # type: ignore[assignment]
    return dataset.mosaic


def _size(reader: Reader, zoom: int) -> tuple[float, float, int, int]:
    """Left and top in metres, width and height in pixels, on the grid of a zoom."""
    matrix_set = tms_.get(tms_.DEFAULT)
    matrix = matrix_set.matrix(zoom)
    west, south, east, north = _mosaic(reader).bounds
    whole = matrix_set.bounds
    south, north = max(south, -85.05), min(north, 85.05)
    box = crs_.transform_bounds(crs_.WGS84, crs_.WEB_MERCATOR, (max(west, -180.0), south, min(east, 180.0), north))
    cell = matrix.cell_size
    first = [int(np.floor((box[0] - whole[0]) / cell)), int(np.floor((whole[3] - box[3]) / cell))]
    last = [int(np.ceil((box[2] - whole[0]) / cell)), int(np.ceil((whole[3] - box[1]) / cell))]
    width, height = max(1, last[0] - first[0]), max(1, last[1] - first[1])
    return whole[0] + first[0] * cell, whole[3] - first[1] * cell, width, height


def _blocks(left: float, top: float, width: int, height: int, cell: float) -> Iterator[tuple[Any, Grid]]:
    """Yield windows of whole blocks, and their places."""
    from rasterio.windows import Window

    for row in range(0, height, BLOCK):
        for column in range(0, width, BLOCK):
            across, down = min(BLOCK, width - column), min(BLOCK, height - row)
            bounds = (
                left + column * cell,
                top - (row + down) * cell,
                left + (column + across) * cell,
                top - row * cell,
            )
            yield (
                Window(column, row, across, down),
                Grid(crs=crs_.WEB_MERCATOR, bounds=bounds, width=across, height=down),
            )


def _read(reader: Reader, grid: Grid, options: ReadOptions, dtype: str) -> tuple[Any, Any]:
    """Return data of a block, and 255 where they are valid in any band."""
    raster = reader.part(
        grid.bounds,
        bounds_crs=crs_.WEB_MERCATOR,
        dst_crs=crs_.WEB_MERCATOR,
        width=grid.width,
        height=grid.height,
        options=options,
    )
    valid = np.full((grid.height, grid.width), 255, np.uint8)
    data = raster.data.astype(dtype, copy=False)
    if raster.mask is not None:
        shown = raster.mask.any(axis=0)
        valid = np.where(shown, valid, np.uint8(0))
        data = np.where(shown, data, data.dtype.type(0))
    return np.ascontiguousarray(data), valid


def _describe(written: Any, reader: Reader) -> None:
    """Give the bands the meaning, scale and description of those of the mosaic's first raster."""
    from rasterio.enums import ColorInterp

    profile = reader.profile
    chosen = [band - 1 for band in profile.data_bands]
    written.colorinterp = tuple(ColorInterp[profile.colorinterp[band]] for band in chosen)
    if profile.palette:
        written.write_colormap(1, profile.palette)
    written.scales = tuple(profile.scales[band] for band in chosen)
    written.offsets = tuple(profile.offsets[band] for band in chosen)
    for number, band in enumerate(chosen, 1):
        if description := profile.descriptions[band]:
            written.set_band_description(number, description)

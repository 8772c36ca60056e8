"""A raster that ground control points place, warped to a grid of one's own.

GDAL bends such a raster by its points only where it chooses the grid itself; where a grid is given, rasterio takes the
affine transform that is nearest to the points, which misses them by many pixels. So GDAL writes down the warp that it
would do, and is given it again with the grid in place of its own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affine import Affine

from tilery.geo import crs as crs_
from tilery.publishing import rasters
from tilery.publishing.grid import WebGrid
from tilery.reading import control_points


@contextmanager
def straightened(
    source: Path,
    driver: str,
    grid: WebGrid,
    resampling: str,
    *,
    nodata: float | None,
    add_alpha: bool,
    by_band: bool,
    memory_mb: int,
) -> Iterator[Any]:
    """The raster as if it were on the grid already; pixels are made when they are read.

    Args:
        source: a raster with control points.
        driver: what it was opened as.
        grid: where the pixels are to be.
        resampling: rasterio's name.
        nodata: what is missing in the source and in what is made.
        add_alpha: whether a band says what is missing.
        by_band: whether each band misses its own pixels.
        memory_mb: for one warp.
    """
    from rasterio.enums import Resampling
    from rasterio.shutil import copy
    from rasterio.vrt import WarpedVRT

    options: dict[str, Any] = {"src_nodata": nodata, "nodata": nodata} if nodata is not None else {}
    if by_band:
        options["UNIFIED_SRC_NODATA"] = "NO"
    with tempfile.TemporaryDirectory(prefix="tilery-") as folder:
        text = Path(folder) / "straightened.vrt"
        with rasters.reading(source, driver=driver) as dataset:
            points, points_crs = dataset.gcps
            with WarpedVRT(
                dataset,
                src_crs=points_crs,
                crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
                resampling=Resampling[resampling],
                add_alpha=add_alpha and nodata is None,
                warp_mem_limit=memory_mb,
                **type_option(dataset.dtypes[0]),
                **options,
                **control_points.warp_options(points),
            ) as suggested:
                copy(suggested, text, driver="VRT")
        text.write_text(_on(grid, text.read_text(encoding="utf-8")), encoding="utf-8")
        with rasters.reading(text, driver="VRT") as dataset:
            yield dataset


def type_option(dtype: str) -> dict[str, str]:
    """Return what rasterio has to be told for a warp to keep a data type: it makes int16 of int8 otherwise."""
    return {"dtype": dtype} if dtype == "int8" else {}


def _on(grid: WebGrid, text: str) -> str:
    """Return the description of a warp with another grid."""
    forward = Affine(*grid.transform)
    replaced = [
        (r'rasterXSize="\d+" rasterYSize="\d+"', f'rasterXSize="{grid.width}" rasterYSize="{grid.height}"'),
        (r"<GeoTransform>[^<]*</GeoTransform>", f"<GeoTransform>{_numbers(forward)}</GeoTransform>"),
        (r"<DstGeoTransform>[^<]*</DstGeoTransform>", f"<DstGeoTransform>{_numbers(forward)}</DstGeoTransform>"),
        (r"<DstInvGeoTransform>[^<]*</DstInvGeoTransform>",
         f"<DstInvGeoTransform>{_numbers(~forward)}</DstInvGeoTransform>"),
        (r"<BlockXSize>\d+</BlockXSize>", f"<BlockXSize>{min(rasters.BLOCK, grid.width)}</BlockXSize>"),
        (r"<BlockYSize>\d+</BlockYSize>", f"<BlockYSize>{min(rasters.BLOCK, grid.height)}</BlockYSize>"),
    ]  # fmt: skip
    for pattern, by in replaced:
        text = re.sub(pattern, by, text, count=1)
    return text


def _numbers(transform: Affine) -> str:
    """In GDAL's order."""
    return ",".join(
        repr(float(number)) for number in (transform.c, transform.a, transform.b, transform.f, transform.d, transform.e)
    )

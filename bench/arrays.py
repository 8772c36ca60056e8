"""Zarr stores of the benchmark's rasters: one variable, two days of it, chunks as large as the rasters' blocks."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

CHUNK = 512
VARIABLE = "z"
DAY = "2026-01-02"
"""The second of the two, which is the one that is stored; of the first no chunk is there."""
NAMES = ("dem", "warm")


def make(folder: Path) -> None:
    """Make all of them; what is there is kept."""
    for name in NAMES:
        if not (folder / f"{name}.zarr").exists():
            _write(folder / f"{name}.tif", folder / f"{name}.zarr")


def chunks(folder: Path, raster: str) -> list[Path]:
    """Return the files of a store."""
    return [path for path in (folder / f"{raster}.zarr").rglob("*") if path.is_file()]


def _write(source: Path, target: Path) -> None:
    """Write the first band of a raster as a variable; appears when it is complete."""
    import zarr

    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with rasterio.open(source) as raster, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = (2, raster.height, raster.width)
        group = zarr.open_group(part, mode="w", zarr_format=3)
        values = group.create_array(
            VARIABLE,
            shape=shape,
            chunks=(1, CHUNK, CHUNK),
            dtype=raster.dtypes[0],
            fill_value=0,
            dimension_names=("time", "y", "x"),
        )
        values.attrs["grid_mapping"] = "spatial_ref"
        for top in range(0, raster.height, CHUNK):
            rows = min(CHUNK, raster.height - top)
            values[1, top : top + rows] = raster.read(1, window=Window(0, top, raster.width, rows))
        left, across, up, down = (raster.transform[place] for place in (2, 0, 5, 4))
        axes = {
            "x": left + across * (np.arange(raster.width) + 0.5),
            "y": up + down * (np.arange(raster.height) + 0.5),
            "time": np.arange(2),
        }
        for name, places in axes.items():
            axis = group.create_array(name, shape=places.shape, dtype=places.dtype, dimension_names=(name,))
            axis[...] = places
        group["time"].attrs["units"] = "days since 2026-01-01"
        place = group.create_array("spatial_ref", shape=(), dtype="int64", dimension_names=())
        place.attrs["crs_wkt"] = raster.crs.to_wkt()
        zarr.consolidate_metadata(part)
    part.rename(target)

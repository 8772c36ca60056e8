"""Pixels that were read, as arrays of the libraries that notebooks use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.geo import crs as crs_
from tilery.geo.raster import Raster
from tilery.rendering.validity import valid

if TYPE_CHECKING:
    import xarray

MaskedArray = np.ma.MaskedArray[Any, Any]


def masked(raster: Raster) -> MaskedArray:
    """Return a masked array, shape (bands, rows, columns), of the raster's data type; masked where data are missing."""
    known = valid(raster)
    mask = np.zeros(raster.data.shape, bool) if known is None else ~np.broadcast_to(known, raster.data.shape)
    return np.ma.MaskedArray(np.array(raster.data, order="C"), mask=mask, fill_value=raster.nodata)


def with_nan(raster: Raster) -> Any:
    """Return an array of floating point, shape (bands, rows, columns), NaN where data are missing.

    Integers of up to 16 bits become float32, which holds them exactly, others float64; complex numbers stay.
    """
    kind = raster.data.dtype
    if kind.kind in "iub":
        kind = np.dtype("float32" if kind.itemsize <= 2 else "float64")
    found = np.array(raster.data, dtype=kind, order="C")
    known = valid(raster)
    if known is not None:
        found[~np.broadcast_to(known, found.shape)] = np.nan
    return found


def data_array(raster: Raster, name: str) -> xarray.DataArray:
    """Return a DataArray with dimensions ``band``, ``y``, ``x``: NaN where data are missing, coordinates of the pixels'
    middles, and the CRS where rioxarray looks for it (the coordinate ``spatial_ref``, CF conventions).
    """
    import xarray

    left, bottom, right, top = raster.bounds
    across, down = (right - left) / raster.width, (bottom - top) / raster.height
    text = None if raster.crs is None else crs_.to_pyproj(raster.crs).to_wkt()
    place = {"GeoTransform": f"{left!r} {across!r} 0.0 {top!r} 0.0 {down!r}"}
    if text is not None:
        place |= {"crs_wkt": text, "spatial_ref": text}
    coordinates: dict[str, Any] = {
        "band": ("band", list(range(1, raster.count + 1))),
        "band_name": ("band", list(raster.band_names)),
        "y": ("y", top + (np.arange(raster.height) + 0.5) * down),
        "x": ("x", left + (np.arange(raster.width) + 0.5) * across),
        "spatial_ref": ((), 0, place),
    }
    found = xarray.DataArray(with_nan(raster), dims=("band", "y", "x"), coords=coordinates, name=name)
    found.encoding["grid_mapping"] = "spatial_ref"
    if raster.band_descriptions != raster.band_names:  # else the raster says nothing of its bands
        described = raster.band_descriptions
        found.attrs["long_name"] = described[0] if len(described) == 1 else described
    return found

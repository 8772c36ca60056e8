"""Small rasters made by the tests themselves, in every kind that the service has to serve.

The values of most of them are their positions, so that a test can say from arithmetic alone which value belongs at a
place: band 1 counts columns (or holds x), band 2 counts rows (or holds y).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

Bounds = tuple[float, float, float, float]

ALPS: Bounds = (8.0, 46.0, 9.0, 47.0)
"""A square degree in the Alps: where most test rasters are."""


def write(
    path: Path,
    data: NDArray[Any],
    *,
    crs: str | None = "EPSG:4326",
    bounds: Bounds | None = ALPS,
    transform: Any = None,
    nodata: float | None = None,
    mask: NDArray[np.bool_] | None = None,
    alpha: bool = False,
    palette: Mapping[int, tuple[int, ...]] | None = None,
    scales: Iterable[float] = (),
    offsets: Iterable[float] = (),
    descriptions: Iterable[str] = (),
    colorinterp: Iterable[ColorInterp] = (),
    tags: Mapping[str, str] | None = None,
    band_tags: Iterable[Mapping[str, str]] = (),
    tiled: bool = True,
    block: int = 128,
    compress: str = "deflate",
    overviews: Iterable[int] = (2, 4),
    resampling: Resampling = Resampling.nearest,
    gcps: Any = None,
    **creation: Any,
) -> Path:
    """Return the path of a GeoTIFF holding ``data`` (bands, rows, columns).

    Args:
        mask: True where valid; becomes an internal mask of the whole dataset.
        alpha: the last band is opacity.
        gcps: (list of GroundControlPoint, CRS) in place of a transform.
    """
    count, height, width = data.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": data.dtype.name,
        "compress": compress,
        "nodata": nodata,
        **({"tiled": True, "blockxsize": block, "blockysize": block} if tiled else {}),
        **({"alpha": "YES"} if alpha else {}),
    }
    if gcps is None:
        profile["crs"] = crs
        if transform is None and bounds is not None:
            left, bottom, right, top = bounds
            transform = Affine((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top)
        profile["transform"] = transform
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, "w", **(profile | creation))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), dataset:
        if gcps is not None:
            dataset.gcps = gcps
        if colorinterp:
            dataset.colorinterp = list(colorinterp)
        if palette is not None:
            dataset.write_colormap(1, dict(palette))
        _describe(
            dataset,
            scales=tuple(scales),
            offsets=tuple(offsets),
            descriptions=descriptions,
            tags=tags or {},
            band_tags=band_tags,
        )
        dataset.write(data)
        if mask is not None:
            dataset.write_mask(mask)
        factors = [factor for factor in overviews if min(height, width) // factor >= 1]
        if factors:
            dataset.build_overviews(factors, resampling)
    return path


def _describe(
    dataset: Any,
    *,
    scales: tuple[float, ...],
    offsets: tuple[float, ...],
    descriptions: Iterable[str],
    tags: Mapping[str, str],
    band_tags: Iterable[Mapping[str, str]],
) -> None:
    if scales:
        dataset.scales = scales
    if offsets:
        dataset.offsets = offsets
    for number, text in enumerate(descriptions, 1):
        dataset.set_band_description(number, text)
    if tags:
        dataset.update_tags(**tags)
    for number, items in enumerate(band_tags, 1):
        dataset.update_tags(number, **items)


def columns_and_rows(width: int, height: int, dtype: str = "uint16", count: int = 2) -> NDArray[Any]:
    """Return band 1 is the number of the column, band 2 of the row, further ones their sum; wraps around in uint8."""
    rows, columns = np.mgrid[0:height, 0:width]
    bands = [columns, rows, *([columns + rows] * (count - 2))][:count]
    return np.stack(bands).astype(dtype)


def coordinates(bounds: Bounds, width: int, height: int, dtype: str = "float64") -> NDArray[Any]:
    """Return band 1 is x and band 2 is y of each pixel's centre, in units of the CRS."""
    left, bottom, right, top = bounds
    xs = left + (np.arange(width) + 0.5) * (right - left) / width
    ys = top - (np.arange(height) + 0.5) * (top - bottom) / height
    return np.stack([np.broadcast_to(xs, (height, width)), np.broadcast_to(ys[:, None], (height, width))]).astype(dtype)


def position(path: Path, crs: str = "EPSG:4326", bounds: Bounds | None = None, size: int = 512, **options: Any) -> Path:
    """Return a float64 raster whose two bands are the coordinates of each pixel; ``bounds`` default to the Alps in
    ``crs``.
    """
    if bounds is None:
        bounds = transform_bounds("EPSG:4326", crs, *ALPS)
    options.setdefault("resampling", Resampling.average)  # so that overviews too hold their own positions
    return write(path, coordinates(bounds, size, size), crs=crs, bounds=bounds, **options)


def gradient(path: Path, dtype: str = "uint16", size: int = 512, count: int = 2, **options: Any) -> Path:
    """Return a raster whose bands count columns and rows."""
    return write(path, columns_and_rows(size, size, dtype, count), **options)


def rgb(path: Path, size: int = 512, **options: Any) -> Path:
    """Return a smooth uint8 picture of three bands: red grows to the right, green downwards, blue is constant."""
    ramp = np.linspace(0, 255, size).round().astype("uint8")
    data = np.stack(
        [
            np.broadcast_to(ramp, (size, size)),
            np.broadcast_to(ramp[:, None], (size, size)),
            np.full((size, size), 90, "uint8"),
        ]
    )
    return write(path, data, **options)


def constant(path: Path, value: float, dtype: str = "uint8", size: int = 64, count: int = 1, **options: Any) -> Path:
    """Return a raster of one value."""
    return write(path, np.full((count, size, size), value, dtype), **options)


def half_masked(path: Path, kind: str, size: int = 256, dtype: str = "uint8", **options: Any) -> Path:
    """Return a raster of three bands of 100 whose left half is missing, said by ``kind``: nodata, nan, mask
    or alpha.
    """
    data = np.full((3, size, size), 100, dtype)
    left = np.zeros((size, size), bool)
    left[:, : size // 2] = True
    if kind == "nodata":
        data[:, left] = 0
        return write(path, data, nodata=0, **options)
    if kind == "nan":
        data = data.astype("float32")
        data[:, left] = np.nan
        return write(path, data, nodata=float("nan"), **options)
    if kind == "mask":
        return write(path, data, mask=~left, **options)
    if kind == "alpha":
        opacity = np.where(left, 0, 255).astype(dtype)
        return write(path, np.concatenate([data, opacity[None]]), alpha=True, photometric="RGB", **options)
    raise ValueError(kind)


def palette(path: Path, size: int = 256, **options: Any) -> Path:
    """Return a paletted raster: values 0 to 3 in vertical quarters, red, green, blue and black."""
    values = (np.arange(size) * 4 // size).astype("uint8")
    colours = {0: (255, 0, 0, 255), 1: (0, 255, 0, 255), 2: (0, 0, 255, 255), 3: (0, 0, 0, 255)}
    return write(path, np.broadcast_to(values, (1, size, size)).copy(), palette=colours, **options)


def across_antimeridian(path: Path, size: int = 256) -> Path:
    """Return a raster in UTM 60N that reaches over the 180th meridian; band 1 counts columns."""
    return write(
        path,
        columns_and_rows(size, size, "uint16", 1),
        crs="EPSG:32660",
        bounds=(650_000.0, 5_000_000.0, 850_000.0, 5_200_000.0),
    )

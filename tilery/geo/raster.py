"""The values that pass between the packages: pixels with their place on Earth, and pictures.

``reading`` makes a `Raster`, ``rendering`` turns it into a `Picture` and the picture into bytes. Nothing here opens a
file, knows HTTP or imports more than numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NewType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Crs = NewType("Crs", str)
"""A coordinate reference system as text: ``AUTHORITY:CODE`` where it has one (``EPSG:3857``), else WKT.

Text is hashable, comparable and free of any library: `tilery.geo.crs` turns it into rasterio's or pyproj's object.
"""

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top, in the units of the CRS that goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the pixels of an output are: a CRS, bounds and a size. Every read ends as one grid to fill."""

    crs: Crs | None
    bounds: Bounds
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Pixels that were read, not yet a picture.

    The logical order of ``data`` is bands, rows, columns; its strides are free. A reader that holds pixel-interleaved
    blocks hands out a transposed view, and rendering takes the view as it is instead of copying.
    """

    data: Array
    """Values, shape (bands, rows, columns), any data type."""
    mask: NDArray[np.bool_] | None = None
    """True where valid, shape (bands, rows, columns), or (1, rows, columns) when bands share it. None: all valid."""
    alpha: Array | None = None
    """Opacity from the source's own alpha band, shape (rows, columns), data type of the band. None: there is none."""
    bounds: Bounds = (0.0, 0.0, 0.0, 0.0)
    """Left, bottom, right, top in the units of ``crs``."""
    crs: Crs | None = None
    """None: the dataset has none."""
    band_names: tuple[str, ...] = ()
    """``b1``, ``b2``…; behind an expression counted anew."""
    band_descriptions: tuple[str, ...] = ()
    """What the dataset calls its bands; behind an expression the text of each block."""
    nodata: float | None = None
    """The value that means missing, in files that hold the pixels."""
    scales: tuple[float, ...] = ()
    """Of each band: value × scale + offset is what was measured."""
    offsets: tuple[float, ...] = ()
    """The same."""
    statistics: tuple[tuple[float, float], ...] | None = None
    """Minimum and maximum of each band as the dataset's own tags say. None unless every band has them."""
    colormap: dict[int, tuple[int, int, int, int]] | None = None
    """The source's palette, used when the caller names no colormap."""
    cutline: NDArray[np.bool_] | None = None
    """True inside the feature's geometry, shape (rows, columns). None when no feature was asked for."""

    calculated: bool = False
    """True when the expression that was asked for is worked out already."""
    parts: tuple[tuple[str, str], ...] = ()
    """Names and identities of the rasters that it was made of, where these are several."""

    @property
    def count(self) -> int:
        """Number of bands."""
        return int(self.data.shape[0])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.data.shape[1])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.data.shape[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What an encoder takes: display values, pixel-interleaved."""

    data: Array
    """Shape (rows, columns, channels), channels 1 to 4 for pictures; any number and type for GeoTIFF and npy. With a
    ``palette`` the shape is (rows, columns, 1), uint8, and the values are indexes."""
    mask: Array | None = None
    """Opacity, shape (rows, columns), data type of ``data``; 0 is transparent. None: opaque everywhere."""
    palette: NDArray[np.uint8] | None = None
    """RGBA entries, shape (n ≤ 256, 4)."""
    bounds: Bounds | None = None
    crs: Crs | None = None
    nodata: float | None = None
    band_names: tuple[str, ...] = ()
    band_descriptions: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    exact: bool = False
    """True when the bytes of the channels make up one number: a format that can do without loss does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Values at one position, a value a band; None where the band has no data there."""

    coordinates: tuple[float, float]
    """x and y, or longitude and latitude, as they were asked for."""
    values: tuple[float | int | None, ...]
    """None where a band has no data."""
    band_names: tuple[str, ...]
    """``b1``, ``b2``…"""
    band_descriptions: tuple[str, ...]
    """What the dataset calls its bands."""

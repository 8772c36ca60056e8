"""What a raster says of itself, read once when it is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilery.geo.raster import Bounds, Crs

_WHOLE = re.compile(r"\s*([+-]?[0-9]+)")
_MOST_DIGITS = 40
_FARTHEST = 1e30
"""Units of a CRS within which whatever has a place lies: metres to beyond the end of the universe."""
_SMALLEST = 1e-30
"""Side of a pixel in those units."""

Affine = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: x = a·column + b·row + c, y = d·column + e·row + f (rasterio's order)."""


def can_hold(dtype: str, value: float) -> bool:
    """Return True when a value of that numpy type can be ``value``."""
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return True
    limits = np.iinfo(kind)
    return math.isfinite(value) and value == int(value) and limits.min <= value <= limits.max


def whole_nodata(text: str, dtype: str) -> float | int:
    """Return the nodata value of integers of 64 bits as GDAL reads its text, with C's ``strtoll`` and ``strtoull``: the
    whole number that it begins with, or 0, within the limits of the type. A float wherever one holds it exactly.
    """
    found = _WHOLE.match(text)
    value = int(found[1][:_MOST_DIGITS]) if found else 0
    limits = np.iinfo(dtype)
    if value < 0 == limits.min and value >= -limits.max:
        value += int(limits.max) + 1  # as unsigned arithmetic does
    value = min(max(value, int(limits.min)), int(limits.max))
    return float(value) if float(value) == value else value


def no_band(count: int, number: int) -> str:
    """Return the sentence for a number that none of a raster's ``count`` bands has."""
    return f"The raster has {count} band{'' if count == 1 else 's'} and none of number {number}."


def can_be_placed(transform: Affine, width: int, height: int) -> bool:
    """Return True when a transform gives each pixel a place of its own: coordinates and sizes of pixels that can be
    multiplied and divided by one another, as float64 cannot at its ends.
    """
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    if not all(map(math.isfinite, (*transform, determinant))) or abs(determinant) < _SMALLEST**2:
        return False
    far = (abs(c) + abs(a) * width + abs(b) * height, abs(f) + abs(d) * width + abs(e) * height)
    return max(far) < _FARTHEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The facts of a raster that do not change while it is open. Where ground control points place it, the facts are
    those of the raster straightened by them.
    """

    driver: str
    """GDAL's name of the format: ``GTiff``."""
    width: int
    """Columns."""
    height: int
    """Rows."""
    count: int
    """Bands, alpha included."""
    dtypes: tuple[str, ...]
    """numpy's names, one a band; and ``complex_int16``, which numpy has not got."""
    crs: Crs | None
    """None: it has none."""
    transform: Affine
    """From (column, row) to (x, y)."""
    nodata: float | None
    """Value that means missing; may be NaN. None: there is none."""
    colorinterp: tuple[str, ...]
    """rasterio's names in lower case: ``red``, ``gray``, ``palette``, ``alpha``…"""
    has_mask: bool
    """True where a mask band of the whole dataset says what is valid (an internal mask, or alpha)."""
    scales: tuple[float, ...]
    """One a band: value × scale + offset is what was measured."""
    offsets: tuple[float, ...]
    """The same."""
    descriptions: tuple[str | None, ...]
    """What the file calls its bands."""
    overviews: tuple[int, ...]
    """Decimation factors of the first band."""
    block_shapes: tuple[tuple[int, int], ...]
    """(rows, columns), one a band."""
    palette: dict[int, tuple[int, int, int, int]] | None
    """RGBA by value. None: there is none."""
    band_tags: tuple[dict[str, str], ...] = ()
    """What the file says of each band."""
    gcps: bool = False
    """True when ground control points place it: such a raster is always read through a warp."""
    compound: bool = False
    """True when the CRS may have had a vertical part, which was taken off: a warp is told what is left."""
    band_nodata: tuple[float | None, ...] = ()
    """The nodata value of each band, where bands have several; a GeoTIFF has one for all."""
    bands_apart: bool = False
    """True where each band has blocks of its own, False where a block holds all bands."""
    class_names: Mapping[int, Mapping[float, str]] = field(default_factory=dict)
    """What values are called, by band, as a file beside the raster or a STAC Item says it."""
    class_colors: Mapping[int, Mapping[float, str]] = field(default_factory=dict)
    """Colours that a STAC Item proposes for values, by band, as ``#rrggbb``. Pictures are not made of them."""
    composed: bool = False
    """True when it is made of several rasters, each with pixels of its own: a grid of these facts is in no file."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of values as they are read."""
        name = self.dtypes[0]
        return np.dtype("complex64" if name == "complex_int16" else name)

    @property
    def usable_nodata(self) -> float | None:
        """The nodata value, or None where there is none that the data type can hold (as -9999 in a byte raster). Of a
        fraction whole numbers have the whole part, as in GDAL.
        """
        value = self.nodata
        if value is None or can_hold(self.dtype.name, value):
            return value
        if not math.isfinite(value):
            return None
        whole = math.trunc(value)
        return float(whole) if whole != value and can_hold(self.dtype.name, whole) else None

    @property
    def alpha_band(self) -> int | None:
        """Number of the alpha band, from 1."""
        return self.colorinterp.index("alpha") + 1 if "alpha" in self.colorinterp else None

    @property
    def data_bands(self) -> tuple[int, ...]:
        """Numbers of the bands that are not alpha."""
        return tuple(n for n, meaning in enumerate(self.colorinterp, 1) if meaning != "alpha")

    @property
    def north_up(self) -> bool:
        """True when rows and columns run along the axes of the CRS."""
        return self.transform[1] == 0.0 and self.transform[3] == 0.0

    @property
    def bounds(self) -> Bounds:
        """Least and largest x and y in the raster's CRS, whichever way its rows and columns run."""
        a, b, c, d, e, f = self.transform
        if self.north_up:
            x, y = sorted((c, c + a * self.width)), sorted((f + e * self.height, f))
            return (x[0], y[0], x[1], y[1])
        xs = (c, c + a * self.width, c + b * self.height, c + a * self.width + b * self.height)
        ys = (f, f + d * self.width, f + e * self.height, f + d * self.width + e * self.height)
        return (min(xs), min(ys), max(xs), max(ys))

    @property
    def upright_size(self) -> tuple[int, int]:
        """Columns and rows of about the raster's own pixels that fill its bounds: its own where it is not turned, those
        of its sides where they are turned by a right angle, else of square pixels of the same area.
        """
        a, b, _, d, e, _ = self.transform
        if self.north_up:
            return (self.width, self.height)
        if a == 0.0 and e == 0.0:
            return (self.height, self.width)
        left, bottom, right, top = self.bounds
        side = math.sqrt(abs(a * e - b * d))
        return (max(1, round((right - left) / side)), max(1, round((top - bottom) / side)))

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a pixel in units of the CRS, across and down, both positive."""
        a, b, _, d, e, _ = self.transform
        return (math.hypot(a, d), math.hypot(b, e))

    def statistics(self, band: int) -> tuple[float, float] | None:
        """Return minimum and maximum of a band as its tags say."""
        tags: dict[str, Any] = self.band_tags[band - 1] if self.band_tags else {}
        try:
            return (float(tags["STATISTICS_MINIMUM"]), float(tags["STATISTICS_MAXIMUM"]))
        except (KeyError, ValueError):
            return None

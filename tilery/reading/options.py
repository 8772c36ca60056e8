"""How pixels are to be read: the part of a request that readers understand."""

from __future__ import annotations

from dataclasses import dataclass

RESAMPLING = ("nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "gauss", "rms")
"""How pixels are thinned out or filled in, in the order in which TiTiler lists them: what GDAL's reads know."""
REPROJECT = (
    *("nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode"),
    *("max", "min", "med", "q1", "q3", "sum", "rms"),
)
"""How pixels come into another CRS: what GDAL's warps know."""


PIXEL_SELECTIONS = (*("first", "highest", "lowest", "mean", "median", "stdev", "lastbandlow", "lastbandhigh", "count"),)
"""How one pixel is made of those of several rasters: rio-tiler's names, in the order in which TiTiler lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """What one read may take at most."""

    pixels: int = 2048 * 2048
    """Pixels of the output."""
    decoded_bytes: int = 512 << 20
    """Bytes of decoded pixels."""
    bands: int = 64
    """Bands asked for."""
    vertices: int = 100_000
    """Vertices of a geometry."""
    assets: int = 100
    """Rasters of a mosaic that are opened."""


NO_LIMITS = ReadLimits(pixels=1 << 62, decoded_bytes=1 << 62, bands=1 << 31, vertices=1 << 31, assets=1 << 31)
"""For whoever reads his own rasters on his own machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Which bands, and how their values are sampled. Hashable: it is part of cache keys."""

    bands: tuple[int, ...] | None = None
    """Band numbers from 1, in the order asked for, repeats kept. None: every band that is not alpha."""
    nodata: float | None = None
    """Value to take for missing data instead of the dataset's own; may be NaN or infinite. None: the dataset's."""
    unscale: bool = False
    """Apply the dataset's scale and offset; data become float32."""
    resampling: str = "nearest"
    """Resampling of reads in the dataset's own CRS (``resampling=``): rasterio's names in lower case."""
    reproject: str = "nearest"
    """Resampling of reads in another CRS (``reproject=``)."""
    expression: str | None = None
    """Band maths that will be made of the bands. A source that chooses among the pixels of several rasters does it
    before it chooses (`Raster.calculated`); any other leaves it to its caller."""
    pixel_selection: str = "first"
    """How a mosaic makes one pixel of several: a name of `PIXEL_SELECTIONS`."""
    skip_missing: bool = False
    """Leave out rasters of a mosaic that are not there."""
    max_answer_pixels: int | None = None
    """Pixels of the output at most, where what carries the answer has a limit."""
    bytes_a_pixel: int = 0
    """Memory that is needed for each pixel of the output by what is done with it afterwards."""
    limits: ReadLimits = ReadLimits()
    """What this read may take."""

"""What fills a grid with pixels.

There are two, because neither can do the other's work. GDAL reads every driver and layout; our own reader of tiled
GeoTIFFs keeps decoded blocks, decodes them with faster codecs and samples them straight onto the grid, at a fraction
of the time. `tilery.reading.reader` decides between them in one place and does for both all that is not sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array, Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """A filled grid."""

    data: Array
    """Shape (bands, rows, columns), the dataset's data type; strides are free. What is not valid may hold anything,
    except that it is ``nodata`` where a nodata value is in force, and 0 outside the raster otherwise."""
    mask: NDArray[np.bool_] | None
    """True where valid, shape (bands, rows, columns) or (1, rows, columns). None: all valid."""
    alpha: Array | None
    """The source's own alpha band, shape (rows, columns), its data type. None: it has none, or nodata is in force."""


class GridReader(Protocol):
    """Fills grids from one raster. Safe to call from many threads."""

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled with the bands asked for.

        Args:
            grid: where the pixels are to be; any CRS, any part inside or outside of the raster.
            bands: numbers from 1; repeats allowed, never empty.
            nodata: value that means missing, the dataset's own or the caller's. None: mask, alpha or nothing says it.
            method: resampling, a name of `rasterio.enums.Resampling` in lower case.

        Raises:
            BrokenRaster: a block does not decode to what the header says.
            UpstreamError: the store failed.
        """
        ...

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Return bytes that have to be decoded to fill the grid, an upper bound made from the header alone."""
        ...

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:
        """Return bytes of memory that filling the grid takes at a time, beside the output, from the header alone."""
        ...


@runtime_checkable
class Fetching(Protocol):
    """Grid readers that can have what many small grids need at once, instead of waiting for each."""

    def fetch(self, grids: Sequence[Grid], *, bands: tuple[int, ...], method: str) -> None:
        """Fetch and decode what is needed to fill grids of one pixel, so that `GridReader.read` finds it in memory.

        Raises:
            BrokenRaster, UpstreamError: as `GridReader.read`.
        """
        ...


def overlaid(below: Pixels, above: Pixels) -> Pixels:
    """Return pixels with those of another read of the same grid where they are not valid."""
    if below.mask is None:
        return below
    taken = ~below.mask if above.mask is None else ~below.mask & above.mask
    if not taken.any():
        return below
    mask = None if above.mask is None else below.mask | above.mask
    alpha = below.alpha
    if alpha is not None and above.alpha is not None:
        alpha = np.where(taken[0], above.alpha, alpha)
    return Pixels(
        data=np.where(taken, above.data, below.data), mask=None if mask is None or mask.all() else mask, alpha=alpha
    )

"""Band maths as readers know it, whichever way an expression is parsed: worked out before bands are stacked."""

from __future__ import annotations

from typing import Protocol

from tilery.geo.raster import Raster


class BandMath(Protocol):
    """An expression of the bands of one raster."""

    @property
    def bands(self) -> tuple[int, ...]:
        """Numbers of the bands that it uses."""
        ...

    def apply(self, raster: Raster) -> Raster:
        """Return a raster with a band for each block of the expression, masked where any band that it uses is."""
        ...

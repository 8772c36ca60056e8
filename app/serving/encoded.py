"""A finished answer: bytes, what they are, and where on Earth."""

from __future__ import annotations

from dataclasses import dataclass

from tilery.geo.raster import Bounds, Crs


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A body that can be sent as it is, to anybody who asks for the same."""

    body: bytes
    media_type: str
    bounds: Bounds | None = None
    """Where a picture is, in units of ``crs``."""
    crs: Crs | None = None

"""What is asked for, as values: frozen, hashable, without a word of HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from tilery.geo.crs import WGS84
from tilery.geo.raster import Bounds, Crs
from tilery.geo.tms import TileMatrixSet
from tilery.reading.geometry import Positions, Shape
from tilery.reading.options import ReadOptions
from tilery.rendering.options import RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a picture is to be; nothing given means the raster's own resolution."""

    width: int | None = None
    height: int | None = None
    max_size: int | None = None
    """Longest side; does not count when width or height is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How pixels are read and shown."""

    read: ReadOptions
    render: RenderOptions
    format: str | None = None
    """A suffix: ``png``, ``jpg``… None: PNG where something is missing, else JPEG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRequest:
    """One tile."""

    matrix_set: TileMatrixSet
    z: int
    x: int
    y: int
    image: ImageOptions
    size: int | None = None
    """Pixels along each side. None: what the tile matrix says."""
    buffer: float | None = None
    padding: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRequest:
    """A box."""

    bounds: Bounds
    bounds_crs: Crs
    image: ImageOptions
    size: Size
    dst_crs: Crs | None = None
    """None: the CRS of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """The whole raster."""

    image: ImageOptions
    size: Size
    dst_crs: Crs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRequest:
    """What is inside a geometry."""

    geometry: Shape
    geometry_crs: Crs
    image: ImageOptions
    size: Size
    dst_crs: Crs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRequest:
    """The values at one position."""

    lon: float
    lat: float
    coord_crs: Crs
    image: ImageOptions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineProfileRequest:
    """The values along a line."""

    line: Positions
    coord_crs: Crs
    samples: int
    image: ImageOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsOptions:
    """What is to be counted in statistics."""

    categorical: bool = False
    categories: tuple[float, ...] | None = None
    percentiles: tuple[int, ...] = (2, 98)
    bins: int | tuple[float, ...] = 10
    range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRequest:
    """Statistics of the whole raster, or of what is inside each of some geometries."""

    image: ImageOptions
    size: Size
    statistics: StatisticsOptions
    features: tuple[Shape, ...] = ()
    coord_crs: Crs = WGS84
    dst_crs: Crs | None = None
    cover_scale: int = 10

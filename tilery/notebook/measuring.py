"""Statistics, points and pixels of an open raster: what a notebook asks for, done by the library alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tilery.errors import TooMuchWork
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Point, Raster
from tilery.reading import coverage
from tilery.reading import geometry as geometry_
from tilery.reading.options import ReadLimits, ReadOptions
from tilery.reading.reader import Reader
from tilery.rendering import expression as expression_
from tilery.rendering import pipeline
from tilery.rendering import statistics as statistics_
from tilery.rendering.options import RenderOptions
from tilery.rendering.validity import valid

Statistics = dict[str, dict[str, Any]]
"""By the name of a band, ``b1``, ``b2``…: what the service's ``/statistics`` answers."""

OVERVIEW = 1024
"""Pixels along the longest side of what statistics of a whole raster are made of, as the service has it."""
_HALVINGS = 12
"""How often what is looked at of a large mosaic is made smaller."""


class HasGeometry(Protocol):
    """A geometry of shapely and its like."""

    @property
    def __geo_interface__(self) -> Mapping[str, Any]:
        """The geometry as GeoJSON."""
        ...


Geometry = Mapping[str, Any] | HasGeometry
"""A GeoJSON geometry or Feature, or what can become one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is made of the bands before it is counted or handed out."""

    bands: tuple[int, ...] | None = None
    """Numbers from 1. None: all but alpha, or those of the expression."""
    expression: str | None = None
    resampling: str = "nearest"
    unscale: bool = False
    limits: ReadLimits = field(default_factory=ReadLimits)

    def options(self) -> ReadOptions:
        """Return how the bands are read.

        Raises:
            InvalidExpression: the expression does not parse.
        """
        bands = expression_.parse(self.expression).bands if self.expression else self.bands
        return ReadOptions(
            bands=bands,
            unscale=self.unscale,
            resampling=self.resampling,
            reproject=self.resampling,
            limits=self.limits,
        )

    def made(self, raster: Raster) -> Raster:
        """Return the raster after the band maths."""
        return pipeline.calculated(raster, RenderOptions(expression=self.expression))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What is counted in statistics: the arguments of `tilery.rendering.statistics.statistics`."""

    percentiles: Sequence[float] = (2, 98)
    bins: int | Sequence[float] = 10
    range: tuple[float, float] | None = None
    categorical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A geometry to measure inside of."""

    shape: geometry_.Shape
    crs: Crs
    cover_scale: int
    """Parts that a pixel on its border is cut into, along each side."""


def place(geometry: Geometry, crs: str, cover_scale: int) -> Place:
    """Return a geometry of GeoJSON, a Feature, or whatever has a ``__geo_interface__``.

    Raises:
        InvalidGeometry, InvalidParameter: it is none.
    """
    found = getattr(geometry, "__geo_interface__", geometry)  # of shapely and its like
    if isinstance(found, Mapping) and found.get("type") == "Feature":
        found = found.get("geometry")
    return Place(shape=geometry_.parse(found), crs=crs_.parse(crs, "geometry_crs"), cover_scale=cover_scale)


def statistics(
    reader: Reader, measured: Measured, counted: Counted, where: Place | None, max_size: int | None
) -> Statistics:
    """Return statistics by band, of the whole raster or inside of a place."""
    options = measured.options()
    if where is None:
        raster = measured.made(reader.preview(options=options, max_size=max_size or OVERVIEW))
        shares = None
    else:
        raster = measured.made(
            reader.feature(where.shape, shape_crs=where.crs, options=options, max_size=max_size, align=True)
        )
        shares = coverage.of(where.shape, where.crs, raster, where.cover_scale)
    return statistics_.statistics(
        pipeline.real(raster),
        coverage=shares,
        percentiles=counted.percentiles,
        bins=counted.bins,
        range=counted.range,
        categorical=counted.categorical,
    )


def sample(reader: Reader, measured: Measured, max_size: int) -> Raster:
    """Return the whole raster thinned out, or what is around its middle where the whole is more than may be read, as of
    a mosaic of many rasters.

    Raises:
        TooMuchWork: that is too much as well.
    """
    options = measured.options()
    try:
        return measured.made(reader.preview(options=options, max_size=max_size))
    except TooMuchWork as error:
        problem = error
    west, south, east, north = reader.geographic_bounds()
    across, down = ((east - west) % 360 or 360) / 2, (north - south) / 2  # from the middle to the edges
    x, y = west + across, south + down
    for halvings in range(1, _HALVINGS):
        aside, above = across / 2**halvings, down / 2**halvings
        box = (x - aside, y - above, x + aside, y + above)
        try:
            return measured.made(reader.part(box, bounds_crs=crs_.WGS84, options=options, max_size=max_size))
        except TooMuchWork as error:
            problem = error
    raise problem


def for_display(reader: Reader, measured: Measured, bins: int) -> Statistics:
    """Return statistics by band of a `sample`, by which colours are chosen."""
    return statistics_.statistics(pipeline.real(sample(reader, measured, OVERVIEW)), bins=bins)


def point(reader: Reader, measured: Measured, lon: float, lat: float, crs: Crs) -> Point:
    """Return the values at a position, None where there are none."""
    raster = pipeline.real(measured.made(reader.point(lon, lat, coord_crs=crs, options=measured.options())))
    known = valid(raster)
    there = [True] * raster.count if known is None else known[:, 0, 0].tolist() * (raster.count // len(known))
    values = raster.data[:, 0, 0].tolist()
    return Point(
        coordinates=(lon, lat),
        values=tuple(
            value if is_there and value == value else None  # noqa: PLR0124 - NaN is the value that is not itself
            for value, is_there in zip(values, there, strict=True)
        ),
        band_names=raster.band_names,
        band_descriptions=raster.band_descriptions,
    )


def pixels(
    reader: Reader,
    measured: Measured,
    bounds: Bounds | None,
    bounds_crs: Crs,
    crs: Crs | None,
    size: tuple[int | None, int | None, int | None],
) -> Raster:
    """Return the pixels of a box, or of the whole raster.

    Args:
        reader: of the raster.
        measured: what is made of its bands.
        bounds: the box.
        bounds_crs: its CRS.
        crs: of the result. None: the raster's.
        size: width, height and longest side.
    """
    width, height, max_size = size
    options = measured.options()
    if bounds is None:
        found = reader.preview(options=options, dst_crs=crs, width=width, height=height, max_size=max_size)
    else:
        found = reader.part(
            bounds,
            bounds_crs=bounds_crs,
            options=options,
            dst_crs=crs or reader.profile.crs,
            width=width,
            height=height,
            max_size=max_size,
        )
    return measured.made(found)

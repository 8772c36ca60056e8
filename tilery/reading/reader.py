"""Reading in the field's own verbs: tile, part, preview, feature, point, info.

Every verb ends as one `Grid` to fill. Here it is decided which engine fills it, with which resampling, within which
budget, and here all is done that is not sampling: scale and offset, names, statistics, cut lines. The behaviour that
clients know is rio-tiler's (https://cogeotiff.github.io/rio-tiler/readers/); where ours differs,
docs/compatibility.md says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tilery.errors import (
    InvalidGeometry,
    InvalidParameter,
    PointOutsideBounds,
    TileOutsideBounds,
    TooMuchWork,
    UnsupportedRaster,
)
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Grid, Raster
from tilery.geo.tms import TileMatrixSet
from tilery.reading import drawing, footprint, geographic_extent, pixel_sizes, stored_order, touching
from tilery.reading import geometry as shape
from tilery.reading.dataset import Composite, Dataset
from tilery.reading.filling import bands_of, fill
from tilery.reading.grid.reader import rows_of
from tilery.reading.info import info
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile
from tilery.reading.sizes import deepest_overview, output_size

_T = TypeVar("_T")

_PART = 8 << 20
"""Bytes of pixels of a part of a grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What `Reader.refuse_tile` found of a tile that surely touches the raster."""

    opened: OpenDataset
    """The raster as it was open then: of one opened anew nothing is known."""
    bounds: Bounds
    """Of the tile."""


class Reader:
    """The verbs, for one open raster. Made anew for each request; holds nothing of its own.

    What is read is of shape (bands, rows, columns), in the raster's data type. Bounds are left, bottom, right, top in
    the units of the CRS that goes with them. Arguments that several verbs have:

        tms, z, x, y: tile matrix set, and a tile's zoom, column and row; row 0 is in the north.
        options: which bands are read, how they are resampled, and what the read may take.
        dst_crs: CRS of the output. None: that of the box, the geometry or the raster.
        width, height: columns and rows of the output; one alone keeps the proportions. None: the raster's resolution.
        max_size: pixels along the longest side at most; does not count where width or height is given.
        buffer: pixels of the output to add on each side. padding: pixels to read around it, and cut off again.
        align: grow the box to the borders of the raster's pixels.
    """

    def __init__(self, opened: OpenDataset) -> None:
        """Read from an open dataset."""
        self._opened = opened
        self._dataset = opened.dataset
        self.profile: Profile = self._dataset.profile
        self.identity: str = self._dataset.identity
        """What tells this state of the source from any other: part of every cache key."""
        self._parts: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> Dataset:
        """The open dataset, for verbs that only one kind of source has."""
        return self._dataset

    @property
    def pixel_identity(self) -> str:
        """Identity of all pixels: where those are of other rasters, which may change unseen, it lasts a while."""
        dataset = self._dataset
        return dataset.identity_of_all() if isinstance(dataset, Composite) else self.identity

    @property
    def is_local(self) -> bool:
        """False where pixels come from elsewhere though the source is a file: the rasters of a mosaic."""
        return self._dataset.is_local if isinstance(self._dataset, Composite) else True

    def geographic_bounds(self, crs: Crs = crs_.WGS84) -> Bounds:
        """Return bounds in a geographic ``crs``, inside of one turn around the world: west > east across the
        antimeridian.

        Raises:
            UnsupportedRaster: the raster has no CRS, or no place in that one.
        """
        return self._derive(("bounds", crs), lambda: geographic_extent.geographic_bounds(self.profile, crs))

    def has_outline(self) -> bool:
        """Return True when every edge of the raster lies on the globe."""
        return geographic_extent.outline_is_known(self.profile, self._need_crs())

    def whereabouts(self) -> tuple[Bounds, tuple[float, float]]:
        """Return (bounds, middle) in degrees, those of its own globe where the raster is not on the Earth.

        Raises:
            UnsupportedRaster: the raster has no CRS, or one that leads to no globe.
        """
        crs = self._need_crs()
        bounds = self.geographic_bounds(crs_.geodetic(crs))
        return bounds, self._derive(("middle",), lambda: geographic_extent.middle(self.profile, bounds))

    def can_show(self, tms: TileMatrixSet) -> bool:
        """Return True when the raster has a place in a tile matrix set's CRS, though perhaps not on the set."""
        crs = self.profile.crs
        return crs is not None and self._derive(("way", tms.crs), lambda: crs_.have_a_way(crs, tms.crs))

    def zooms(self, tms: TileMatrixSet) -> tuple[int, int]:
        """Return shallowest and deepest zoom that show the raster in a tile matrix set.

        The deepest is the one nearest to its resolution, the shallowest the one at which it is about as large as a
        tile.
        """
        if isinstance(self._dataset, Composite):
            return self._dataset.zooms(tms)
        return self._derive(("zooms", tms.id), lambda: self._zooms(tms))

    def _zooms(self, tms: TileMatrixSet) -> tuple[int, int]:
        self._need_crs()
        if not self.can_show(tms):
            raise UnsupportedRaster(
                f"The raster's coordinate reference system and that of {tms.id} have nothing in common.",
                parameter="tileMatrixSetId",
            )
        tile = min(tms.matrices[0].tile_width, tms.matrices[0].tile_height)
        if self._one_scale():
            with suppress(UnsupportedRaster):
                transform, width, height = self._transform_in(tms.crs)
                resolution = max(abs(transform[0]), abs(transform[4]))
                level = deepest_overview(width, height, tile)
                return (tms.zoom_for_resolution(resolution * 2**level), tms.zoom_for_resolution(resolution))
        own = pixel_sizes.in_middle(self.profile, tms.crs, tms.bounds)
        if own is None:
            return (tms.minzoom, tms.maxzoom)
        level = deepest_overview(self.profile.width, self.profile.height, tile)
        return (tms.zoom_for_resolution(own * 2**level), tms.zoom_for_resolution(own))

    def _one_scale(self) -> bool:
        """Return True when what GDAL suggests for all of the raster in another CRS tells of each place on it."""

        def found() -> bool:
            try:
                return not geographic_extent.is_wide(self.geographic_bounds())
            except UnsupportedRaster:
                return True

        return self._derive(("one scale",), found)

    def refuse_tile(self, tms: TileMatrixSet, z: int, x: int, y: int) -> Touched | None:
        """Refuse a tile that surely does not touch the raster, by what is known of it already: never asks PROJ, which
        takes too long for the event loop. Return what `tile` need not find out again, where it surely does touch.

        Raises:
            TileOutsideBounds: the tile does not touch the raster, or the matrix has no such tile.
        """
        bounds = tms.tile_bounds(z, x, y)
        if isinstance(self._dataset, Composite):
            if not self._dataset.may_touch(tms.crs, bounds):
                raise _outside(tms, z, x, y)
            return Touched(opened=self._opened, bounds=bounds)
        extent = self._opened.derived.get(("extent", tms.crs))
        touches = footprint.surely(bounds, extent) if extent else None
        if touches is False:
            raise _outside(tms, z, x, y)
        return Touched(opened=self._opened, bounds=bounds) if touches else None

    def tile_identity(self, tms: TileMatrixSet, z: int, x: int, y: int) -> str:
        """Return the identity of what a tile is made of: of the whole source, or of the parts that it touches."""
        dataset = self._dataset
        composite = dataset if isinstance(dataset, Composite) else None
        if composite is None and dataset.identity_for is None:
            return self.identity
        matrix = tms.matrix(z)
        bounds = tms.tile_bounds(z, x, y)
        grid = Grid(crs=tms.crs, bounds=bounds, width=matrix.tile_width, height=matrix.tile_height)
        if composite is not None:
            return composite.identity_of(grid, self._parts)
        return self.identity if dataset.identity_for is None else dataset.identity_for(grid)

    def resolution(self, crs: Crs, bounds: Bounds) -> tuple[float, float]:
        """Return the size of a pixel in a CRS (``crs``) around a box (``bounds``), across and down, in its units."""
        self._need_crs()
        return self._resolution_in(crs, bounds)

    def check_tile(self, tms: TileMatrixSet, z: int, x: int, y: int) -> Bounds:
        """Return the bounds of a tile that touches the raster; found without reading.

        Raises:
            TileOutsideBounds: the tile does not touch the raster, or the matrix has no such tile.
        """
        self._need_crs()
        bounds = tms.tile_bounds(z, x, y)
        if not touching.touches(self._opened, tms.crs, bounds):
            raise _outside(tms, z, x, y)
        return bounds

    def tile(
        self,
        tms: TileMatrixSet,
        z: int,
        x: int,
        y: int,
        options: ReadOptions,
        *,
        width: int | None = None,
        height: int | None = None,
        buffer: float | None = None,
        padding: int | None = None,
        touched: Touched | None = None,
    ) -> Raster:
        """Return the pixels of a tile, of the size that its matrix says where none is given, plus twice the buffer.

        `touched` is what `refuse_tile` returned.

        Raises:
            TileOutsideBounds: the tile does not touch the raster, or the matrix has no such tile.
        """
        if touched is not None and touched.opened is self._opened:
            bounds = touched.bounds
        else:
            bounds = self.check_tile(tms, z, x, y)
        matrix = tms.matrix(z)
        grid = Grid(crs=tms.crs, bounds=bounds, width=width or matrix.tile_width, height=height or matrix.tile_height)
        raster = fill(self._dataset, grid, options, buffer=buffer, padding=padding)
        if isinstance(self._dataset, Composite):
            if not raster.parts:
                raise _outside(tms, z, x, y)
            self._parts = raster.parts
        return raster

    def part(
        self,
        bounds: Bounds,
        *,
        bounds_crs: Crs,
        options: ReadOptions,
        dst_crs: Crs | None = None,
        width: int | None = None,
        height: int | None = None,
        max_size: int | None = None,
        buffer: float | None = None,
        padding: int | None = None,
        align: bool = False,
    ) -> Raster:
        """Return the pixels inside of ``bounds``, in ``dst_crs`` (``bounds_crs`` where none is given), at the raster's
        own resolution unless a size says otherwise. One side alone keeps the proportions. With ``align`` the box grows
        to the borders of the raster's pixels.

        Raises:
            InvalidParameter: the box has no area, or no place in the output's CRS.
        """
        self._need_crs()
        left, bottom, right, top = bounds
        if not all(map(math.isfinite, bounds)) or left >= right or bottom >= top:
            raise InvalidParameter("The bounding box must be minx,miny,maxx,maxy with an area.", parameter="bbox")
        target = dst_crs or bounds_crs
        placed = crs_.transform_bounds(bounds_crs, target, bounds)
        if not all(map(math.isfinite, placed)) or placed[0] >= placed[2] or placed[1] >= placed[3]:
            raise InvalidParameter("The bounding box has no place in the output's CRS.", parameter="bbox")
        across, down = self._resolution_in(target, placed)
        if align:
            placed = self._on_pixels(target, placed)
        native = ((placed[2] - placed[0]) / across, (placed[3] - placed[1]) / down)
        if not all(map(math.isfinite, native)):
            raise InvalidParameter("The bounding box is too large to be counted in pixels.", parameter="bbox")
        if target != self.profile.crs:
            native = (float(max(1, round(native[0]))), float(max(1, round(native[1]))))
        width, height = output_size(native, width=width, height=height, max_size=max_size)
        grid = Grid(crs=target, bounds=placed, width=width, height=height)
        return fill(self._dataset, grid, options, buffer=buffer, padding=padding)

    def preview(
        self,
        *,
        options: ReadOptions,
        dst_crs: Crs | None = None,
        width: int | None = None,
        height: int | None = None,
        max_size: int | None = 1024,
    ) -> Raster:
        """Return the pixels of the whole raster in ``dst_crs`` (its own where none is given), thinned out to a size."""
        grid = self.whole(dst_crs=dst_crs, width=width, height=height, max_size=max_size)
        return stored_order.restored(self.profile, fill(self._dataset, grid, options))

    def in_parts(self, grid: Grid, options: ReadOptions) -> Iterator[Raster]:
        """Yield a grid that has more pixels than a picture may have, some rows at a time.

        Raises:
            TooMuchWork: its pixels are more than one request may need.
        """
        limits = options.limits
        size = len(bands_of(self.profile, options)) * self.profile.dtype.itemsize
        needed = grid.width * grid.height * size
        if needed > limits.decoded_bytes:
            raise TooMuchWork(
                f"This would take about {needed >> 20} MB of pixels; the limit is {limits.decoded_bytes >> 20} MB. "
                "Give a max_size.",
                parameter="max_size",
                limit=limits.decoded_bytes,
            )
        rows = max(1, min(limits.pixels, _PART // size) // grid.width)
        for row in range(0, grid.height, rows):
            yield fill(self._dataset, rows_of(grid, row, min(grid.height, row + rows)), options)

    def whole(self, *, dst_crs: Crs | None, width: int | None, height: int | None, max_size: int | None) -> Grid:
        """Return the grid that holds the whole raster, thinned out to a size."""
        profile = self.profile
        target = dst_crs or profile.crs
        if target is None or target == profile.crs:
            size = (float(profile.upright_size[0]), float(profile.upright_size[1]))
            bounds = profile.bounds
        elif (around := self._beyond_in(target)) is not None:
            bounds = around
            side = pixel_sizes.in_middle(profile, target, bounds) or (bounds[2] - bounds[0]) / profile.width
            size = ((bounds[2] - bounds[0]) / side, (bounds[3] - bounds[1]) / side)
        else:
            (a, _, c, _, e, f), across, down = self._transform_in(target)
            size = (float(across), float(down))
            bounds = (c, f + e * down, c + a * across, f)
        width, height = output_size(size, width=width, height=height, max_size=max_size)
        return Grid(crs=target, bounds=bounds, width=width, height=height)

    def feature(
        self,
        geometry: Mapping[str, Any] | shape.Shape,
        *,
        shape_crs: Crs,
        options: ReadOptions,
        dst_crs: Crs | None = None,
        width: int | None = None,
        height: int | None = None,
        max_size: int | None = None,
        buffer: float | None = None,
        padding: int | None = None,
        align: bool = False,
    ) -> Raster:
        """Return the pixels of the box of a geometry (in ``shape_crs``), masked outside of it; each that it touches is
        inside.

        A line or a point lies on pixels of the raster: the box of what is not of polygons alone grows to their borders.

        Raises:
            InvalidGeometry: it is not a geometry that can be cut out.
        """
        outline = shape.parse(geometry, most=options.limits.vertices)
        bounds, bounds_crs = outline.bounds, shape_crs
        if not outline.is_areal:
            self._need_crs()
            bounds_crs = dst_crs or shape_crs
            bounds, align = self._touched(bounds_crs, outline.placed(shape_crs, bounds_crs).bounds), False
        raster = self.part(
            bounds,
            bounds_crs=bounds_crs,
            options=options,
            dst_crs=dst_crs,
            width=width,
            height=height,
            max_size=max_size,
            buffer=buffer,
            padding=padding,
            align=align,
        )
        placed = outline.placed(shape_crs, raster.crs or shape_crs)
        inside = drawing.touched(placed, raster.bounds, raster.height, raster.width).view(np.bool_)
        mask = inside[None] if raster.mask is None else raster.mask & inside
        return replace(raster, mask=mask, cutline=inside)

    def point(self, lon: float, lat: float, *, coord_crs: Crs, options: ReadOptions) -> Raster:
        """Return the one pixel at ``lon`` (x) and ``lat`` (y) in ``coord_crs``, as a raster of one row and one column.

        Raises:
            PointOutsideBounds: the position is not on the raster.
        """
        profile = self.profile
        x, y = lon, lat
        if profile.crs is not None and coord_crs != profile.crs:
            xs, ys = crs_.transform_points(coord_crs, profile.crs, [lon], [lat])
            x, y = float(xs[0]), float(ys[0])
        x = footprint.turned(profile, x)
        a, b, c, d, e, f = profile.transform
        determinant = a * e - b * d
        if math.isfinite(x) and math.isfinite(y) and determinant:
            across = (e * (x - c) - b * (y - f)) / determinant
            down = (a * (y - f) - d * (x - c)) / determinant
            if 0 <= across < profile.width and 0 <= down < profile.height:
                if profile.composed:  # each of its rasters has a pixel there
                    return self._at(x, y, options)
                return self._pixel(math.floor(across), math.floor(down), options)
        raise PointOutsideBounds

    def _pixel(self, column: int, row: int, options: ReadOptions) -> Raster:
        a, b, c, d, e, f = self.profile.transform
        if self.profile.north_up:
            xs, ys = sorted((c + a * column, c + a * (column + 1))), sorted((f + e * row, f + e * (row + 1)))
            bounds = (xs[0], ys[0], xs[1], ys[1])
        else:
            x, y = c + a * (column + 0.5) + b * (row + 0.5), f + d * (column + 0.5) + e * (row + 0.5)
            return self._at(x, y, options)
        return self._nearest(bounds, options)

    def _at(self, x: float, y: float, options: ReadOptions) -> Raster:
        half = 0.01 * min(self.profile.resolution)
        return self._nearest((x - half, y - half, x + half, y + half), options)

    def _nearest(self, bounds: Bounds, options: ReadOptions) -> Raster:
        nearest = replace(options, resampling="nearest", reproject="nearest", max_answer_pixels=None)
        return fill(self._dataset, Grid(crs=self.profile.crs, bounds=bounds, width=1, height=1), nearest)

    @contextmanager
    def dataset(self, overview: int | None = None) -> Iterator[Any]:
        """An open GDAL dataset of the raster, or of one ``overview`` of it (from 0), for libraries that take one."""
        with self._dataset.gdal(overview) as handle:
            yield handle

    def info(self) -> dict[str, Any]:
        """Return what TiTiler's ``/info`` answers: bounds, CRS, bands, data type, nodata, overviews and so on."""
        return info(self.profile)

    def _derive(self, key: tuple[Any, ...], work_out: Callable[[], _T]) -> _T:
        """Return what was worked out before from the profile, or is now."""
        return self._opened.derive(key, work_out)

    def _need_crs(self) -> Crs:
        if self.profile.crs is None:
            raise UnsupportedRaster("The raster has no coordinate reference system.", parameter="url")
        return self.profile.crs

    def _transform_in(self, crs: Crs) -> tuple[tuple[float, ...], int, int]:
        """Return transform and size of the whole raster in a CRS."""
        profile = self.profile
        if crs == profile.crs and profile.north_up:
            return (profile.transform, profile.width, profile.height)

        def suggested() -> tuple[tuple[float, ...], int, int]:
            from tilery.reading.gdal_facts import default_transform

            return default_transform(profile, crs)

        return self._derive(("transform", crs), suggested)

    def _resolution_in(self, crs: Crs, bounds: Bounds) -> tuple[float, float]:
        """Return size of the raster's pixels in a CRS, across and down.

        Where the raster goes far around the world or across the antimeridian, what GDAL suggests for all of it tells of
        no place on it; the resolution is then taken at the place that is asked for.
        """
        if crs != self.profile.crs and not self._one_scale():
            side = footprint.resolution_at(self.profile, crs, (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
            return (side, side)
        transform = self._transform_in(crs)[0]
        return (abs(transform[0]), abs(transform[4]))

    def _beyond_in(self, crs: Crs) -> Bounds | None:
        """Return bounds in another CRS of a raster that crosses its seam, in one piece that goes on beyond it. None
        where the raster does not, or the CRS has no seam.
        """
        if self._one_scale():
            return None
        return self._derive(("beyond", crs), lambda: geographic_extent.beyond_seam(crs, self.geographic_bounds()))

    def _on_pixels(self, crs: Crs, bounds: Bounds) -> Bounds:
        """Return bounds grown to the borders of the raster's pixels, as these lie in a CRS."""
        return self._grown(crs, bounds, math.ceil)

    def _touched(self, crs: Crs, bounds: Bounds) -> Bounds:
        """Return bounds of the raster's pixels that hold any position within bounds, which may have no area. A position
        on the border of two pixels is in the latter.
        """
        if not all(map(math.isfinite, bounds)):
            raise InvalidGeometry("The geometry has no place in the output's coordinate reference system.")
        return self._grown(crs, bounds, lambda last: math.floor(last) + 1)

    def _grown(self, crs: Crs, bounds: Bounds, end: Callable[[float], int]) -> Bounds:
        a, _, c, _, e, f = self._transform_in(crs)[0]
        columns = sorted(((bounds[0] - c) / a, (bounds[2] - c) / a))
        rows = sorted(((bounds[1] - f) / e, (bounds[3] - f) / e))
        xs = sorted((c + a * math.floor(columns[0]), c + a * end(columns[1])))
        ys = sorted((f + e * math.floor(rows[0]), f + e * end(rows[1])))
        return (xs[0], ys[0], xs[1], ys[1])


def _outside(tms: TileMatrixSet, z: int, x: int, y: int) -> TileOutsideBounds:
    return TileOutsideBounds(f"Tile {z}/{x}/{y} of {tms.id} does not touch the raster.")

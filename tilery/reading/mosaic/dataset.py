"""A mosaic, open: its document is read, its rasters are opened where a grid needs them, by the engine that keeps them.

A grid is filled as rio-tiler's `mosaic_reader` fills it: each raster by itself, with everything that was asked for
(bands, nodata, scale, expression), then pixel by pixel as the selection says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from tilery.errors import AnswerTooLarge, RequestError, SourceError, UnsupportedRaster, UpstreamError
from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.raster import Bounds, Crs, Grid, Raster
from tilery.geo.tms import TileMatrixSet
from tilery.limits import deadline, memory
from tilery.reading import footprint
from tilery.reading.band_math import BandMath
from tilery.reading.dataset import Composite, Resources
from tilery.reading.grid_reader import GridReader
from tilery.reading.mosaic import document, lookup
from tilery.reading.mosaic.document import Mosaic
from tilery.reading.mosaic.filling import FillRequest, each, filled, too_many
from tilery.reading.mosaic.lookup_cache import LookedUp
from tilery.reading.mosaic.parts import OVERVIEW, Parts
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile
from tilery.reading.source import Source
from tilery.storage.bytes.protocol import ByteSource, identity_of
from tilery.storage.locations import Location

T = TypeVar("T")

_IDENTIFIED = 256
"""Rasters that the identity of a grid depends on: the first of those that may be needed."""
MOST_LISTED = 16 << 20
"""Characters of all addresses that one answer lists."""
_BYTES_LISTED = 12
"""What a character takes: as text, as JSON where it may be escaped, and as bytes."""


class MosaicDataset(Composite):
    """A mosaic, open. Safe under threads."""

    identity_for: Callable[[Grid], str] | None = None
    """It knows better: `identity_of`."""

    def __init__(
        self,
        engine: Resources,
        source: ByteSource,
        base: Location,
        mosaic: Mosaic,
        formula_of: Callable[[str], BandMath],
    ) -> None:
        """Hold what was read from a byte source; learn of the bands from the first raster, where that can be opened."""
        self._source = source
        self._formula_of = formula_of
        self.mosaic = mosaic
        self.parts = Parts(engine, base, mosaic)
        self.identity = source.identity
        self.profile = _profile(mosaic, self._sample())
        self._shallowest = mosaic.minzoom
        if mosaic.overview is not None:
            self._shallowest = min(mosaic.minzoom, _zoom_of_all(mosaic, self.profile))
        self._looked_up = LookedUp(mosaic)

    @property
    def held_bytes(self) -> int:
        """Bytes of the index, of the other fields, and of what was looked up."""
        return self.mosaic.index.size + self.mosaic.fields_size + self._looked_up.held

    @property
    def is_local(self) -> bool:
        """True as long as every raster that was met is a file of this machine."""
        return self.parts.is_local

    def fill(self, grid: Grid, options: ReadOptions, *, buffer: float | None, padding: int | None) -> Raster:
        """Return a grid filled; see `tilery.reading.dataset.Composite.fill`.

        Raises:
            TooMuchWork: it would open more rasters than one request may.
        """
        formula = None if options.expression is None else self._formula_of(options.expression)
        request = FillRequest(grid=grid, options=options, formula=formula, buffer=buffer, padding=padding)
        found = filled(self.parts, self._needed(grid, options), request)
        return self._nothing(request) if found is None else found

    def _needed(self, grid: Grid, options: ReadOptions) -> Sequence[int]:
        """Return the rasters that may be needed, in their order: the overview alone where that is fine enough."""
        if self.mosaic.overview is not None and self._is_coarse(grid):
            return [OVERVIEW]
        numbers, limit = self._looked_up.numbers(grid.crs, grid.bounds), options.limits.assets
        if len(numbers) <= limit or (options.pixel_selection == "first" and self._is_inside_tile(grid)):
            return numbers
        if self.mosaic.overview is not None:
            return [OVERVIEW]
        raise too_many(len(numbers), limit)

    def _is_coarse(self, grid: Grid) -> bool:
        """Return True when the pixels of a grid are larger than those of the mosaic's shallowest zoom."""
        finest, shallowest = self.mosaic.maxzoom, self.mosaic.minzoom
        return footprint.scale(self.profile, grid) > 2.0 ** (finest - shallowest) * 1.2

    def _is_inside_tile(self, grid: Grid) -> bool:
        """Return True when a grid is no larger than a tile of the document: its rasters lie one over the other."""
        return grid.crs == self.mosaic.matrix_set.crs and self._tiles_along(grid.bounds) <= 1.01

    def _tiles_along(self, bounds: Bounds) -> float:
        matrix = self.mosaic.matrix_set.matrix(self.mosaic.index.zoom)
        return max(
            (bounds[2] - bounds[0]) / (matrix.cell_size * matrix.tile_width),
            (bounds[3] - bounds[1]) / (matrix.cell_size * matrix.tile_height),
        )

    def assets_for(self, crs: Crs, bounds: Bounds) -> list[str]:
        """Return the addresses of the rasters that bounds in a CRS may touch.

        Raises:
            AnswerTooLarge: they are longer together than an answer may be; so of those below.
        """
        return self._addresses(self._looked_up.numbers(crs, bounds))

    def assets_in(self, box: Bounds, crs: Crs) -> list[str]:
        """Return the same, of a box, with those of tiles that it only touches at their edges."""
        return self._addresses(lookup.for_box(self.mosaic, box, crs))

    def assets_at(self, lon: float, lat: float, crs: Crs) -> list[str]:
        """Return the addresses of the rasters that a position may lie on."""
        return self._addresses(lookup.for_position(self.mosaic, lon, lat, crs))

    def _addresses(self, numbers: Sequence[int]) -> list[str]:
        """Return the addresses of rasters, each with the prefix of all: they may be many times as long as
        the document.
        """
        names, prefix = self.mosaic.index.names, len(self.mosaic.prefix)
        total = sum(prefix + len(names[number]) for number in deadline.paced(numbers, every=1024))
        if total > MOST_LISTED:
            raise AnswerTooLarge(
                f"The addresses of {len(numbers)} rasters have {total} characters; at most {MOST_LISTED} are listed. "
                "Ask for a smaller place.",
                limit=MOST_LISTED,
            )
        memory.need(_BYTES_LISTED * total + 120 * len(numbers))
        return [self.parts.name(number) for number in deadline.paced(numbers, every=1024)]

    def each_at(
        self, lon: float, lat: float, crs: Crs, work: Callable[[OpenDataset], T], *, most: int, skip_missing: bool
    ) -> list[tuple[str, T]] | None:
        """Return what work makes of each raster that a position may lie on, by its address; None where there is none.

        Raises:
            TooMuchWork: there are more than ``most``.
            SourceError, UpstreamError: one cannot be opened or read.
        """
        numbers = lookup.for_position(self.mosaic, lon, lat, crs)
        if not numbers:
            return None
        if len(numbers) > most:
            raise too_many(len(numbers), most)
        return [(self.parts.name(number), found) for number, found in each(self.parts, numbers, work, skip_missing)]

    def may_touch(self, crs: Crs, bounds: Bounds) -> bool:
        """Return whether any raster may touch bounds."""
        if self.mosaic.overview is not None:
            return True
        numbers = self._looked_up.at_once(crs, bounds)
        return numbers is None or len(numbers) > 0

    def identity_of(self, grid: Grid, read: tuple[tuple[str, str], ...]) -> str:
        """Return the identity of what a grid is filled from: the document, and of each raster what is known of it."""
        numbers = list((self._looked_up.at_once(grid.crs, grid.bounds) or ())[:_IDENTIFIED])
        if self.mosaic.overview is not None:
            numbers.append(OVERVIEW)
        known = dict(read)
        found = [(number, known.get(self.parts.name(number)) or self.parts.identity(number)) for number in numbers]
        return identity_of(self.identity, *(fact for one in found if one[1] for fact in one))

    def identity_of_all(self) -> str:
        """Return the identity of the document, at this moment."""
        return identity_of(self.identity, self.parts.moment())

    def zooms(self, tms: TileMatrixSet) -> tuple[int, int]:
        """Return the zooms of the document in its own tile matrix set; in any other all that there are."""
        own = self.mosaic.matrix_set
        if tms is own or (tms.crs == own.crs and tms.matrices == own.matrices):
            return (self._shallowest, self.mosaic.maxzoom)
        return (tms.minzoom, tms.maxzoom)

    def _nothing(self, request: FillRequest) -> Raster:
        """Return the grid with nothing in it."""
        around, profile = request.around, self.profile
        bands = (
            request.options.bands or (None if request.formula is None else request.formula.bands) or profile.data_bands
        )
        memory.need(
            around.width * around.height * (len(bands) * profile.dtype.itemsize + request.options.bytes_a_pixel)
        )
        names = tuple(f"b{band}" for band in bands)
        raster = Raster(
            data=np.zeros((len(bands), around.height, around.width), profile.dtype),
            mask=np.zeros((1, around.height, around.width), np.bool_),
            bounds=around.bounds,
            crs=around.crs,
            band_names=names,
            band_descriptions=names,
        )
        return replace(request.calculated(raster), statistics=None)

    def _sample(self) -> Profile | None:
        """Return what the first raster says of itself; None where it cannot be opened."""
        if not self.mosaic.index.names:
            return None
        try:
            return self.parts.get(0).dataset.profile
        except (RequestError, SourceError, UpstreamError):
            return None

    def reader_for(self, method: str) -> GridReader:  # noqa: ARG002 - one of several
        """Refuse: it fills grids by itself."""
        raise UnsupportedRaster("A mosaic is no single raster.")

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:  # noqa: ARG002 - one of several
        """Refuse: there is no file of it."""
        raise UnsupportedRaster("A mosaic is no raster that GDAL opens.")

    def unchanged(self) -> bool:
        """Return whether the document still is what was opened, as far as that costs no request."""
        return self._source.local_path is None or self._source.refresh()

    def refresh(self) -> bool:
        """Return whether the document still is what was opened."""
        return self._source.refresh()

    def close(self) -> None:
        """Close the document; rasters are left to the engine, which keeps them for others."""
        self._source.close()


def open_mosaic(engine: Resources, source: Source, formula_of: Callable[[str], BandMath]) -> MosaicDataset:
    """Open a mosaic.

    Args:
        engine: keeps its rasters open.
        source: from `tilery.reading.mosaic.source.mosaic_source`.
        formula_of: parses expressions.

    Raises:
        NotARaster: it is no MosaicJSON document, or a longer one than may be.
        OverLimit: it has more tiles than may be.
        SourceError, UpstreamError: it cannot be read.
    """
    opened = engine.stores.open(source.location)
    try:
        return MosaicDataset(engine, opened, source.location, document.parse(_content(opened)), formula_of)
    except BaseException:
        opened.close()
        raise


def _content(opened: ByteSource) -> bytes:
    if opened.size > document.MOST_BYTES:
        raise document.too_long()
    memory.need(2 * opened.size)  # one from afar comes in parts
    return document.unpacked(opened.read(0, opened.size))


def _zoom_of_all(mosaic: Mosaic, profile: Profile) -> int:
    """Return the zoom at which the whole mosaic is about as large as a tile."""
    own = mosaic.matrix_set
    box = crs_.transform_bounds(profile.crs or crs_.WGS84, own.crs, profile.bounds)
    sides = [side for side in (box[2] - box[0], box[3] - box[1]) if math.isfinite(side) and side > 0]
    return own.zoom_for_resolution(max(sides) / own.matrices[0].tile_width) if sides else own.minzoom


def _profile(mosaic: Mosaic, sample: Profile | None) -> Profile:
    """Return the mosaic as one raster in degrees, at the resolution of its deepest zoom, with the bands of one of its
    own.
    """
    matrix_set = mosaic.matrix_set
    crs = crs_.geodetic(matrix_set.crs)
    cell = matrix_set.matrix(mosaic.maxzoom).cell_size
    side = cell if crs_.is_geographic(matrix_set.crs) else cell * matrix_set.metres_per_unit / mercator.DEGREE
    west, south, east, north = mosaic.bounds
    if west > east:
        east += 360.0
    width, height = max(1, round((east - west) / side)), max(1, round((north - south) / side))
    facts: dict[str, Any] = {
        "count": 1,
        "dtypes": ("uint8",),
        "colorinterp": ("undefined",),
        "scales": (1.0,),
        "offsets": (0.0,),
        "descriptions": (None,),
        "band_tags": ({},),
        "has_mask": True,
    }
    palette = None
    if sample is not None:
        palette = sample.palette
        names = ("count", "dtypes", "colorinterp", "scales", "offsets", "descriptions")
        facts |= {name: getattr(sample, name) for name in names} | {"band_tags": ({},) * sample.count}
    return Profile(
        driver="MosaicJSON",
        width=width,
        height=height,
        crs=crs,
        transform=((east - west) / width, 0.0, west, 0.0, (south - north) / height, north),
        nodata=None,
        overviews=(),
        block_shapes=((1, width),) * facts["count"],
        palette=palette,
        composed=True,
        **facts,
    )

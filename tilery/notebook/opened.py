"""`OpenedRaster`: one raster, measured and read in this process, and shown by this process's server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tilery.did_you_mean import hint
from tilery.engine import Engine
from tilery.errors import InvalidParameter, SourceNotFound, TileryError, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Point
from tilery.notebook import arrays, choosing, display, html, measuring, publishing, style
from tilery.notebook.arrays import MaskedArray
from tilery.notebook.choosing import Choice
from tilery.notebook.map import HEIGHT, Map, View
from tilery.notebook.measuring import Counted, Geometry, Measured, Statistics
from tilery.notebook.publishing import PublishedLayer
from tilery.notebook.style import Colormap, Query, Range
from tilery.notebook.tiles import Tiles, tiles
from tilery.publishing import kinds
from tilery.reading.options import ReadLimits
from tilery.reading.profile import Profile
from tilery.reading.reader import Reader
from tilery.reading.source import RASTER
from tilery.reading.zarr.source import anchor
from tilery.rendering.validity import valid
from tilery.rio_tiler.shared import default_engine, located, through
from tilery.storage.policy import WrongSourcesError, without_secrets

if TYPE_CHECKING:
    import xarray

_T = TypeVar("_T")

LIMITS = ReadLimits(pixels=1 << 29, decoded_bytes=4 << 30, bands=1 << 31, vertices=1 << 31)
"""What one read may take of a notebook's memory: 4 GB of decoded pixels."""
_SAMPLE = 256
_BINS = 64


def opened(
    source: str | os.PathLike[str], engine: Engine | None = None, limits: ReadLimits = LIMITS, **given: Any
) -> OpenedRaster:
    """Return a raster; see `tilery.open`. ``given`` says what of an item or a store is meant."""
    text = os.fspath(source)
    name = without_secrets(text)
    kinds_ = choosing.kinds_of(text, given)
    if "://" not in text:
        text = str(Path(text).expanduser())
        if not os.path.lexists(text):
            raise SourceNotFound(f"There is no file {name}.{_beside(Path(text))}")
        if Path(text).is_dir() and kinds_ != ("zarr",):
            raise UnsupportedRaster(f"{name} is a folder: open one of the rasters in it.")
    try:
        location = located(anchor(text) if kinds_ == ("zarr",) else text)
        reads = engine or default_engine()
        choice = choosing.chosen(reads, location, kinds_, given, grows=engine is None)
        found = OpenedRaster(choice, reads, limits)
    except TileryError as error:
        raise type(error)(f"{name}: {error.detail}", private=error.private) from None
    except WrongSourcesError as error:
        raise InvalidParameter(f"{name} is no path and no address as s3://bucket/key: it {error.reason}.") from None
    return found


def _beside(missing: Path) -> str:
    """Return a hint at the file that was meant, of those where it should be."""
    try:
        return hint(missing.name, (entry.name for entry in missing.absolute().parent.iterdir()))
    except OSError:
        return ""


class OpenedRaster:
    """A raster that `tilery.open` opened.

    A cell that ends with it shows its facts, a histogram and a map. `stats`, `point` and `read` read in this process;
    `show`, `tile_url`, `tilejson`, `endpoint` and ``|`` start the server that browsers have its tiles from.
    """

    def __init__(self, choice: Choice, engine: Engine, limits: ReadLimits) -> None:
        """Open a source.

        Args:
            choice: what the raster is.
            engine: reads it.
            limits: what one read may take.

        Raises:
            SourceError, UpstreamError: it cannot be opened.
        """
        self._choice = choice
        self._source = choice.source
        self._engine = engine
        self._limits = limits
        self._stats: dict[tuple[str, tuple[int, ...], str | None], Statistics] = {}
        self.profile  # noqa: B018 - what cannot be opened is said now

    # Facts

    @property
    def name(self) -> str:
        """Last part of the address, without its ending: ``dem`` of ``/data/dem.tif``."""
        return Path(self.url.partition("?")[0].rstrip("/")).stem

    @property
    def url(self) -> str:
        """The address as the server's ``url=`` takes it: an absolute path, or ``s3://…``, ``https://…``."""
        return self._choice.url

    @property
    def profile(self) -> Profile:
        """All that the file says of itself; opened anew where it has changed.

        Raises:
            SourceError, UpstreamError: it cannot be opened.
        """
        return self._through(lambda reader: reader.profile)

    @property
    def crs(self) -> Crs | None:
        """Coordinate reference system: ``EPSG:32632``, or WKT where it has no code. None: it has none."""
        return self.profile.crs

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right, top in the units of `crs`."""
        return self.profile.bounds

    @property
    def geographic_bounds(self) -> Bounds:
        """West, south, east, north in degrees; west > east across the antimeridian.

        Raises:
            UnsupportedRaster: it has no CRS, or one that leads to no degrees.
        """
        return self._through(lambda reader: reader.geographic_bounds())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(bands, rows, columns), alpha among the bands."""
        profile = self.profile
        return (profile.count, profile.height, profile.width)

    @property
    def dtype(self) -> str:
        """Data type of the first band: ``uint8``, ``float32``…"""
        return self.profile.dtypes[0]

    @property
    def nodata(self) -> float | None:
        """Value that means missing. None: there is none, a mask may say it."""
        return self.profile.nodata

    def info(self) -> dict[str, Any]:
        """Return the facts as the service's ``/info`` has them: bounds in the raster's CRS, bands, data type, nodata,
        overviews.

        Raises:
            SourceError, UpstreamError: it has gone, or its store does not answer.
        """
        return self._through(lambda reader: reader.info())

    # Measuring and reading: in this process

    def stats(
        self,
        geometry: Geometry | None = None,
        *,
        geometry_crs: str = "EPSG:4326",
        bands: int | Sequence[int] | None = None,
        expression: str | None = None,
        max_size: int | None = None,
        percentiles: Sequence[int] = (2, 98),
        bins: int | Sequence[float] = 10,
        range: tuple[float, float] | None = None,  # noqa: A002 - numpy's name for it
        categorical: bool = False,
        cover_scale: int = 10,
    ) -> Statistics:
        """Return statistics by band: ``{"b1": {"min": …, "max": …, "mean": …, "std": …, "percentile_2": …}}``.

        The names and numbers are those of the service's ``/statistics``.

        Args:
            geometry: GeoJSON geometry or Feature to measure inside of, at the raster's own resolution; pixels on its
                border count by the share that is inside. None: the whole raster, of which an overview of about 1024
                pixels is counted unless ``max_size`` says otherwise.
            geometry_crs: CRS of the geometry.
            bands: numbers from 1. None: all but alpha.
            expression: band maths to count instead, as ``(b2-b1)/(b2+b1)``.
            max_size: pixels along the longest side that are counted at most.
            percentiles: which, from 0 to 100.
            bins: of the histogram: how many, or their edges.
            range: lowest and highest value of the histogram; None: those of the band.
            categorical: count each value in the histogram instead.
            cover_scale: parts that a pixel on the border is cut into, along each side.

        Raises:
            InvalidGeometry, InvalidParameter, InvalidExpression: an argument cannot be meant.
            TooMuchWork: it would take more memory than a notebook has; give ``max_size``.
        """
        where = None if geometry is None else measuring.place(geometry, geometry_crs, cover_scale)
        measured = self._measured(bands=_several(bands), expression=expression)
        counted = Counted(percentiles=percentiles, bins=bins, range=range, categorical=categorical)
        return self._through(lambda reader: measuring.statistics(reader, measured, counted, where, max_size))

    def point(self, lon: float, lat: float, *, crs: str = "EPSG:4326", expression: str | None = None) -> Point:
        """Return the values of the pixel at a position: ``r.point(8.5, 47.4).values``.

        Args:
            lon: longitude, or x in the units of ``crs``.
            lat: latitude, or y.
            crs: of the position.
            expression: band maths to work out instead of the bands.

        Returns:
            coordinates, and a value for each band, None where it has no data, with the bands' names.

        Raises:
            PointOutsideBounds: the raster has no pixel there.
        """
        measured, place = self._measured(expression=expression), crs_.parse(crs)
        return self._through(lambda reader: measuring.point(reader, measured, lon, lat, place))

    def read(
        self,
        bounds: Bounds | None = None,
        *,
        bounds_crs: str = "EPSG:4326",
        crs: str | None = None,
        bands: int | Sequence[int] | None = None,
        expression: str | None = None,
        width: int | None = None,
        height: int | None = None,
        max_size: int | None = None,
        resampling: str = "nearest",
        unscale: bool = False,
        masked: bool = False,
    ) -> xarray.DataArray | MaskedArray:
        """Return pixels, as an `xarray.DataArray` where xarray is installed, else as a masked array of NumPy.

        Args:
            bounds: left, bottom, right, top of the box. None: the whole raster.
            bounds_crs: CRS of the box.
            crs: CRS of the result. None: the raster's.
            bands: numbers from 1. None: all but alpha.
            expression: band maths to work out instead.
            width: columns of the result. None: what the raster's resolution gives.
            height: rows, likewise; one of the two alone keeps the proportions.
            max_size: pixels along the longest side at most.
            resampling: ``nearest``, ``bilinear``, ``cubic``, ``average``, ``mode``… where pixels are thinned out,
                filled in or brought into another CRS.
            unscale: apply the raster's scale and offset.
            masked: a masked array in any case, which keeps the data type.

        Returns:
            (band, y, x). A DataArray is of floating point, NaN where data are missing, has the positions of the pixels'
            middles as coordinates and its CRS where rioxarray finds it (``.rio``).

        Raises:
            InvalidParameter: the box has no area or no place in the CRS, or an argument cannot be meant.
            TooMuchWork: more than 4 GB of pixels would be read; give ``max_size`` or smaller ``bounds``.
        """
        measured = self._measured(bands=_several(bands), expression=expression, resampling=resampling, unscale=unscale)
        box_crs, target, size = (
            crs_.parse(bounds_crs, "bounds_crs"),
            crs_.parse(crs) if crs else None,
            (width, height, max_size),
        )
        found = self._through(lambda reader: measuring.pixels(reader, measured, bounds, box_crs, target, size))
        if masked or find_spec("xarray") is None:
            return arrays.masked(found)
        return arrays.data_array(found, self.name)

    # Showing: by this process's server

    def show(
        self,
        *,
        bidx: int | Sequence[int] | None = None,
        expression: str | None = None,
        rescale: str | Range | Sequence[Range] | None = None,
        colormap: Colormap | None = None,
        name: str | None = None,
        height: int = HEIGHT,
        **parameters: Any,
    ) -> Map:
        """Return a map of the raster, for a cell to end with.

        What is not given is chosen from the data: bands, and the range of values, so that something is seen.

        Args:
            bidx: bands to show, from 1: one, or three as red, green and blue.
            expression: band maths to show, as ``(b2-b1)/(b2+b1)``.
            rescale: (lowest, highest) value of the range that colours are spread over, or such a pair for each band.
            colormap: a name, as ``"viridis"``, or colours: ``{value: colour}``, ``[((lower, upper), colour), …]``.
            name: written on the map.
            height: of the map, in pixels of the screen.
            parameters: any other parameter of the service's tiles: ``algorithm``, ``color_formula``, ``nodata``,
                ``resampling``, ``unscale``…

        Raises:
            RequestError: the service takes no such parameter or value, or it does not fit the raster.
            UnsupportedRaster: the raster does not say where it is.
            UpstreamError: the server does not start.
        """
        given = style.query(bidx=bidx, expression=expression, rescale=rescale, colormap=colormap, **parameters)
        view = self._view(display.completed(given, self.profile, self._counted, self._kind), name)
        return Map((view,), self._serving(), height=height)

    @property
    def tile_url(self) -> str:
        """Address of the tiles as clients take it, ``{z}``, ``{x}`` and ``{y}`` in it, of what `show` shows.

        Raises:
            UnsupportedRaster, UpstreamError: as `show`.
        """
        return self.show().tile_url

    @property
    def tilejson(self) -> dict[str, Any]:
        """TileJSON document (3.0.0) of the same: tiles, bounds in degrees, center, minzoom, maxzoom.

        Raises:
            UnsupportedRaster, UpstreamError: as `show`.
        """
        return self.show().tilejson

    @property
    def endpoint(self) -> str:
        """Address of the server, for clients of TiTiler in Python: leafmap's ``titiler_endpoint``. `url` is what it can
        read. Behind a hub it answers this kernel with addresses that a browser reaches.

        Raises:
            UpstreamError: the server does not start.
        """
        return self._serving().endpoint()

    def __or__(self, other: OpenedRaster | Map) -> Map:
        """Return a map with a swipe: this raster on the left, the other one (``other``) on the right.

        Raises:
            InvalidParameter: the other one has two rasters already.
            UnsupportedRaster, UpstreamError: as `show`.
        """
        return self.show() | other

    def publish(
        self,
        layer_id: str,
        *,
        to: str | os.PathLike[str] | None = None,
        render: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PublishedLayer:
        """Make the raster a layer that the service serves, and return it; see ``tilery publish``.

        Args:
            layer_id: what addresses call it: small letters, digits, ``_`` and ``-``, 64 at most.
            to: the catalog, a directory or ``s3://bucket/prefix/``. None: ``TILERY_CATALOG``.
            render: how it is shown to those who say nothing of it, as arguments of `show`. None: chosen from the data.
            options: of the command, with ``_`` for ``-``: ``name``, ``description``, ``attribution``, ``profile``,
                ``quality``, ``kind``, ``grid``, ``zoom``…

        Raises:
            CatalogError: nothing was published; the text says why.
            InvalidParameter: there is no catalog.
            UnsupportedRaster: it is an item, a mosaic or a variable of a store.
        """
        if self._choice.source.kind != RASTER:
            raise UnsupportedRaster("A single raster is published; tilery layers add makes a layer of this.")
        catalog = publishing.address(to) if to is not None else self._serving().catalog()
        if not catalog:
            raise InvalidParameter("Where to? Give to='DIRECTORY', or set TILERY_CATALOG.", parameter="to")
        return publishing.publish(self.url, layer_id, catalog, style.query(**(render or {})), options)

    def __repr__(self) -> str:
        """Return one line with the facts."""
        bands, rows, columns = self.shape
        return (
            f"<tilery.OpenedRaster {self.name}: {columns} × {rows}, {bands} × {self.dtype}, {html.crs_name(self.crs)}>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        """Return facts, a histogram and a map; the map is left out where there can be none."""
        facts = html.facts(self.name, self.info(), self._degrees())
        try:
            facts += html.histogram(self._counted())
            shown = self.show().html()
        except TileryError as error:  # complex numbers, no place on the Earth: the facts are there all the same
            shown = html.note(error.detail)
        return {"text/plain": repr(self), "text/html": html.page(facts, shown)}

    # Below: what these are made of

    def _through(self, read: Callable[[Reader], _T]) -> _T:
        return through(self._engine, self._source, read)

    def _measured(self, **what: Any) -> Measured:
        return Measured(limits=self._limits, **what)

    def _serving(self) -> Tiles:
        found = tiles()
        found.allow(self.url.partition("?")[0] if "://" in self.url else self.url, *self._choice.named)
        return found

    def _view(self, query: Query, name: str | None) -> View:
        own = (("url", self.url), *self._choice.query, *query)
        return View(name=name or self.name, family=self._choice.family, query=own)

    def _degrees(self) -> Bounds | None:
        try:
            return self.geographic_bounds
        except UnsupportedRaster:
            return None

    def _counted(self, bands: tuple[int, ...] = (), expression: str | None = None) -> Statistics:
        """Return statistics for display, once for each state of the file."""
        key = (self._through(lambda reader: reader.pixel_identity), bands, expression)
        if key not in self._stats:
            measured = self._measured(bands=bands or None, expression=expression)
            self._stats = {key: self._through(lambda reader: measuring.for_display(reader, measured, _BINS))}
        return self._stats[key]

    def _kind(self) -> kinds.Kind:
        measured = self._measured(bands=self.profile.data_bands[:1])
        found = self._through(lambda reader: measuring.sample(reader, measured, _SAMPLE))
        known = valid(found)
        return kinds.guess(self.profile, found.data[0] if known is None else found.data[0][known[0]])


def _several(bands: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if bands is None:
        return None
    return (bands,) if isinstance(bands, int) else tuple(bands)

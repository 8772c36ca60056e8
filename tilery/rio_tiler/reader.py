"""`Reader`: rio-tiler's reader over our engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import attr
import numpy as np
import rio_tiler.io
from affine import Affine
from morecantile import Tile
from rasterio.crs import CRS
from rasterio.windows import Window
from rasterio.windows import bounds as window_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import ExpressionMixingWarning, NoOverviewWarning, PointOutsideBounds
from rio_tiler.expression import parse_expression
from rio_tiler.models import ImageData, Info, PointData
from rio_tiler.utils import CRS_to_uri, cast_to_sequence

from tilery.engine import Engine
from tilery.errors import TileryError
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs, Raster
from tilery.reading import footprint
from tilery.reading.options import NO_LIMITS, ReadOptions
from tilery.reading.reader import Reader as Verbs
from tilery.rio_tiler.crs import name_of, to_crs
from tilery.rio_tiler.shared import OpenRaster, open_, through
from tilery.storage.bytes.protocol import SourceChanged

_T = TypeVar("_T")

_extents: dict[tuple[str, Crs], tuple[Bounds, Bounds] | None] = {}
"""Where rasters lie in the CRSs of tile matrix sets (`footprint.extent`), by their identities: readers come and go."""
_OF_READ = frozenset({"nodata", "resampling_method", "reproject_method", "unscale", "post_process"})
"""Options of a read that are done here."""
_OF_PART = _OF_READ | {"padding", "align_bounds_with_dataset"}
_OF_POINT = _OF_READ - {"resampling_method", "reproject_method"}
_OFF_WHEN_EMPTY = frozenset({"vrt_options", "minimum_overlap", "interpolate"})
_MANY = 256
"""Results that are kept of a kind."""


@attr.s(repr=False, eq=False)
class Reader(rio_tiler.io.Reader):
    """rio-tiler's reader, which reads through an `Engine` where that can read the file.

    Attributes:
        input: a path, or an address as ``s3://bucket/key`` or ``https://host/path``. Whoever calls names the source, so
            any is allowed. What our engine cannot open (other formats and schemes), rio-tiler opens.
        dataset: an open rasterio dataset to read from instead, as a ``WarpedVRT`` or one in memory: rio-tiler does all
            of it then. Where it is not given, asking for it opens the file with rasterio; no other verb needs that.
        tms: tile matrix set; Web Mercator where none is given.
        colormap: takes the place of the file's own.
        options: options for all reads, as ``{"nodata": 0, "unscale": True}``.
        engine: reads the file. By default all readers of a process share one, because what makes it fast is what it
            keeps: open files and decoded blocks outlive a reader, so that the next one for the same file, as notebooks
            and `rio_tiler.mosaic` make them all the time, finds them. It takes credentials and endpoints from the same
            variables as GDAL when it is made, at first use, and is closed at exit. Bring your own for other limits or
            credentials (`EngineOptions`); you close it then.

    Arguments of the verbs are those of `rio_tiler.io.Reader`: ``bbox`` and ``bounds_crs``, ``lon``, ``lat`` and
    ``coord_crs``, ``dst_crs``, ``indexes`` (bands from 1) or ``expression``, ``max_size`` or ``width`` and ``height``,
    ``buffer``, all in pixels, and as ``kwargs`` what ``options`` has too.

    Verbs that are not listed below are rio-tiler's own over these: ``tile(tile_x, tile_y, tile_z, tilesize=256)``,
    ``preview(max_size=1024)``, ``feature(shape)``, ``statistics()``. Pixels come as its ``ImageData``, whose ``array``
    is a masked array of shape (bands, rows, columns) in the file's data type, values of a point as its ``PointData``,
    whose ``array`` has the shape (bands,).

    They raise what rio-tiler raises: ``TileOutsideBounds``, ``PointOutsideBounds``, ``InvalidExpression``… of
    `rio_tiler.errors`, and ``RasterioIOError`` where the file is not there, may not be read, or is damaged.

    Examples:
        >>> with Reader("scene.tif") as src:
        ...     image = src.tile(x, y, z)

    """

    engine: Engine | None = attr.ib(default=None, kw_only=True)

    _rasterio: Any = None
    _opened: OpenRaster | None = None
    _closed: bool = False
    _tags: dict[str, str] | None = None

    def __attrs_post_init__(self) -> None:
        """Open the raster and take over what it says of itself."""
        if self._rasterio is None:
            self._opened = open_(self.input, self.engine)
        if self._opened is None:
            super().__attrs_post_init__()  # type: ignore[no-untyped-call]  # rio-tiler's own has no annotations
            return
        profile = self._opened.profile
        a, _, c, _, e, f = profile.transform
        self.bounds = (c, f + e * profile.height, c + a * profile.width, f)  # rasterio's: south-up stays south-up
        self.crs = crs_.to_rasterio(profile.crs) if profile.crs else None
        self.transform = Affine(*profile.transform)
        self.height, self.width = profile.height, profile.width
        if self.colormap is None:
            self.colormap = dict(profile.palette or {})
        if min(profile.width, profile.height) > 512 and not profile.overviews:
            warnings.warn(
                "The dataset has no Overviews. rio-tiler performances might be impacted.",
                NoOverviewWarning,
                stacklevel=3,
            )

    def __repr__(self) -> str:
        """Return what is read, without opening anything."""
        return f"Reader(input={self.input!r}, tms={self.tms.id!r}, options={self.options!r})"

    @property
    def accelerated(self) -> bool:
        """True when our engine reads the raster, False when rio-tiler does."""
        return self._opened is not None

    @property
    def dataset(self) -> Any:
        """The rasterio dataset, opened when it is first asked for."""
        if self._rasterio is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoOverviewWarning)
                self._rasterio = self._ctx_stack.enter_context(rio_tiler.io.Reader(self.input)).dataset
            if self._closed:
                self._ctx_stack.close()
        return self._rasterio

    @dataset.setter
    def dataset(self, dataset: Any) -> None:
        self._rasterio = dataset

    def close(self) -> None:
        """Close the rasterio dataset, if it was opened. The engine keeps the file open for the next reader."""
        self._closed = True
        super().close()  # type: ignore[no-untyped-call]  # rio-tiler's own has no annotations

    def tile_exists(self, tile_x: int, tile_y: int, tile_z: int) -> bool:
        """Return whether a tile (``tile_x``, ``tile_y``, ``tile_z``) touches the raster."""
        known = None
        if self._opened is not None and self.tms.rasterio_crs != self.crs:
            left, bottom, right, top = self.tms.xy_bounds(Tile(tile_x, tile_y, tile_z))
            with suppress(TileryError):  # no way leads from one CRS to the other: rio-tiler says so
                extent = self._extent(name_of(self.tms.rasterio_crs))
                known = None if extent is None else footprint.surely((left, bottom, right, top), extent)
        return bool(super().tile_exists(tile_x, tile_y, tile_z)) if known is None else known

    def part(
        self,
        bbox: Bounds,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        indexes: Any = None,
        expression: str | None = None,
        max_size: int | None = None,
        height: int | None = None,
        width: int | None = None,
        buffer: float | None = None,
        **kwargs: Any,
    ) -> ImageData:
        """Return the pixels of a bounding box (``bbox``: left, bottom, right, top in the units of ``bounds_crs``), at
        the raster's own resolution unless a size says otherwise; see `rio_tiler.io.Reader.part`.
        """
        options = {**self.options, **kwargs}

        def by_rio_tiler() -> ImageData:
            return rio_tiler.io.Reader.part(
                self, bbox, dst_crs, bounds_crs, indexes, expression, max_size, height, width, buffer, **kwargs
            )

        if not self._takes(options, _OF_PART) or (buffer and (buffer % 0.5 or buffer < 0)):
            return by_rio_tiler()
        given_crs = to_crs(bounds_crs or dst_crs or self.crs)
        target_crs = to_crs(dst_crs or given_crs)
        size = _size(width, height, max_size)

        def read(verbs: Verbs) -> ImageData:
            target = self._name(target_crs)
            found = verbs.part(
                bbox,
                bounds_crs=self._name(given_crs),
                dst_crs=target,
                options=self._options(options, _bands(indexes, expression)),
                buffer=buffer,
                padding=options.get("padding"),
                align=bool(options.get("align_bounds_with_dataset")),
                **size,
            )
            return self._image(found, target_crs, options, self._metadata(verbs, target))

        return self._read_by(read, by_rio_tiler, indexes, expression)

    def read(self, indexes: Any = None, expression: str | None = None, **kwargs: Any) -> ImageData:
        """Return the pixels of the raster, or of a ``window`` of it (a `rasterio.windows.Window`, or ((first row, row
        behind the last), (first column, column behind the last))); see `rio_tiler.io.Reader.read`.
        """
        options = {**self.options, **kwargs}

        def by_rio_tiler() -> ImageData:
            return rio_tiler.io.Reader.read(self, indexes, expression, **kwargs)

        place = {name: options.pop(name, None) for name in ("dst_crs", "window", "width", "height", "max_size")}
        dst_crs, window = place["dst_crs"], place["window"]
        if not self._takes(options, _OF_READ) or (dst_crs is not None and to_crs(dst_crs) != self.crs):
            return by_rio_tiler()
        if self._raster.profile.transform[4] > 0:
            return by_rio_tiler()  # in the order of the file's own rows, where the engine's pictures have north on top
        size = _size(place["width"], place["height"], place["max_size"])

        def read(verbs: Verbs) -> ImageData:
            asked = self._options(options, _bands(indexes, expression))
            crs = self._name(self.crs)
            if window is None:
                found = verbs.preview(options=asked, **size)
            else:
                found = verbs.part(self._bounds_of(window), bounds_crs=crs, options=asked, **size)
            return self._image(found, self.crs, options, self._metadata(verbs, crs))

        return self._read_by(read, by_rio_tiler, indexes, expression)

    def point(
        self,
        lon: float,
        lat: float,
        coord_crs: CRS = WGS84_CRS,
        indexes: Any = None,
        expression: str | None = None,
        **kwargs: Any,
    ) -> PointData:
        """Return the values at a position; see `rio_tiler.io.Reader.point`.

        Raises:
            PointOutsideBounds: the raster has no pixel there.
        """
        options = {**self.options, **kwargs}

        def by_rio_tiler() -> PointData:
            return rio_tiler.io.Reader.point(self, lon, lat, coord_crs, indexes, expression, **kwargs)

        options.pop("reproject_method", None)
        sampled = options.pop("resampling_method", "nearest")
        if not self._takes(options, _OF_POINT) or sampled != "nearest":
            return by_rio_tiler()
        own = self._raster.profile
        if options.get("nodata") is not None and (own.has_mask or own.transform[4] > 0):
            return by_rio_tiler()  # which warps it first: a mask holds beside the value, and south is turned down

        def read(verbs: Verbs) -> PointData:
            profile = verbs.profile
            crs = self._name(self.crs)
            xs, ys = crs_.transform_points(self._name(to_crs(coord_crs)), crs, [lon], [lat])
            x, y = float(xs[0]), float(ys[0])
            left, bottom, right, top = self.bounds
            if bottom > top:
                warnings.warn("BoundingBox of the dataset is inverted (minLat > maxLat).", UserWarning, stacklevel=2)
            if not (left < x < right and min(bottom, top) < y < max(bottom, top)):
                raise PointOutsideBounds("Point is outside dataset bounds")
            transform = Affine(*profile.transform)
            column, row = map(math.floor, ~transform @ (x, y))
            middle_x, middle_y = transform @ (column + 0.5, row + 0.5)  # of the pixel that rasterio finds
            found = verbs.point(
                middle_x, middle_y, coord_crs=crs, options=self._options(options, _bands(indexes, expression))
            )
            metadata = {} if options.get("nodata") is not None else self._metadata(verbs, crs)
            image = self._image(found, self.crs, options, metadata)
            return PointData(
                image.array[:, 0, 0],
                band_names=image.band_names,
                band_descriptions=image.band_descriptions,
                coordinates=(lon, lat),
                crs=coord_crs,
                assets=image.assets,
                pixel_location=(column, row),
                nodata=image.nodata,
                scales=image.scales,
                offsets=image.offsets,
                metadata=image.metadata,
            )

        return self._read_by(read, by_rio_tiler, indexes, expression)

    def info(self) -> Info:
        """Return what the raster says of itself."""
        if self._opened is None:
            return super().info()
        profile = self._opened.profile
        names = [f"b{band}" for band in range(1, profile.count + 1)]
        nodata = self.options.get("nodata", profile.nodata)
        if nodata is not None:
            kind = "Nodata"
        elif profile.alpha_band is not None:
            kind = "Alpha"
        else:
            kind = "Mask" if profile.has_mask else "None"
        found: dict[str, Any] = {
            "bounds": self.bounds,
            "crs": CRS_to_uri(self.crs) or self.crs.to_wkt(),
            "band_metadata": list(zip(names, profile.band_tags, strict=True)),
            "band_descriptions": [(name, text or name) for name, text in zip(names, profile.descriptions, strict=True)],
            "dtype": profile.dtypes[0],
            "colorinterp": list(profile.colorinterp),
            "nodata_type": kind,
            "driver": profile.driver,
            "count": profile.count,
            "width": profile.width,
            "height": profile.height,
            "overviews": list(profile.overviews),
            "scales": profile.scales,
            "offsets": profile.offsets,
        }
        if self.colormap:
            found["colormap"] = self.colormap
        if nodata is not None:
            found["nodata_value"] = nodata
        if known := [ends for band in range(1, profile.count + 1) if (ends := profile.statistics(band))]:
            found["minmax"] = known
        return Info.model_validate(found)

    @property
    def _raster(self) -> OpenRaster:
        """The raster that the engine reads."""
        if self._opened is None:
            raise RuntimeError("rio-tiler reads this raster")
        return self._opened

    def _takes(self, options: Mapping[str, Any], ours: frozenset[str]) -> bool:
        """Return whether the engine has all of these options that say something."""
        return self._opened is not None and all(
            name in ours or value is None or (name in _OFF_WHEN_EMPTY and not value) for name, value in options.items()
        )

    def _read_by(
        self, read: Callable[[Verbs], _T], by_rio_tiler: Callable[[], _T], indexes: Any, expression: str | None
    ) -> _T:
        """Return what the engine reads. What it refuses or fails at is left to rio-tiler, whose errors callers know."""
        try:
            found: Any = through(self._raster.engine, self._raster.source, read)
        except (TileryError, SourceChanged):
            return by_rio_tiler()
        if indexes and expression:
            warnings.warn(
                "Both expression and indexes passed; expression will overwrite indexes parameter.",
                ExpressionMixingWarning,
                stacklevel=3,
            )
        found.assets = [self.input]
        result: _T = found.apply_expression(expression) if expression else found
        return result

    def _options(self, options: Mapping[str, Any], bands: tuple[int, ...] | None) -> ReadOptions:
        return ReadOptions(
            bands=bands,
            nodata=options.get("nodata"),
            resampling=options.get("resampling_method") or "nearest",
            reproject=options.get("reproject_method") or "nearest",
            limits=NO_LIMITS,
        )

    def _image(self, found: Raster, crs: CRS | None, options: Mapping[str, Any], metadata: dict[str, str]) -> ImageData:
        """Return what the engine read as rio-tiler hands it out. Its array is the caller's own, to be written to."""
        values = np.array(found.data, order="C")  # a copy: what the engine keeps must not be written to
        data: Any = np.ma.MaskedArray(values, mask=_masked(found))
        alpha = None if found.alpha is None else np.array(found.alpha)
        statistics = None if found.statistics is None else np.array(found.statistics)
        scales, offsets = list(found.scales), list(found.offsets)
        if options.get("unscale"):
            factor, shift = np.array(scales), np.array(offsets)
            data = data.astype("float32", casting="unsafe")
            np.multiply(data, factor.reshape(-1, 1, 1), out=data, casting="unsafe")
            np.add(data, shift.reshape(-1, 1, 1), out=data, casting="unsafe")
            if statistics is not None:
                statistics = statistics * factor.reshape(-1, 1) + shift.reshape(-1, 1)
            scales, offsets = [1.0] * found.count, [0.0] * found.count
        if post_process := options.get("post_process"):
            data = post_process(data)
        if alpha is not None and alpha.dtype != data.dtype:
            alpha = None  # it says how opaque a pixel is in units of the file's own values
        given = options.get("nodata")
        return ImageData(
            data,
            bounds=found.bounds,
            crs=crs,
            band_names=list(found.band_names),
            band_descriptions=list(found.band_descriptions),
            dataset_statistics=None if statistics is None else [tuple(pair) for pair in statistics.tolist()],
            metadata=metadata,
            nodata=self._raster.profile.nodata if given is None else given,
            alpha_mask=alpha,
            scales=scales,
            offsets=offsets,
        )

    def _metadata(self, verbs: Verbs, crs: Crs | None) -> dict[str, str]:
        """Return the file's tags, which a warp loses. GDAL is asked for them once: some are in no tag of a TIFF."""
        if crs != verbs.profile.crs:
            return {}
        if self._tags is None:
            with verbs.dataset() as dataset:
                self._tags = dict(dataset.tags())
        return dict(self._tags)

    def _bounds_of(self, window: Any) -> Bounds:
        """Return the bounds of a window, or of a pair of slices, in the raster's CRS."""
        if isinstance(window, tuple):
            window = Window.from_slices(*window, height=self.height, width=self.width, boundless=True)
        left, bottom, right, top = window_bounds(window, self.transform)
        return (left, bottom, right, top)

    def _name(self, crs: CRS) -> Crs:
        """Return a CRS as the engine calls it: the raster's own where they are the same."""
        own = self._raster.profile.crs
        return own if own is not None and crs == self.crs else name_of(crs)

    def _extent(self, crs: Crs) -> tuple[Bounds, Bounds] | None:
        """Return where the raster lies in a CRS: see `footprint.extent`."""
        key = (self._raster.identity, crs)
        with suppress(KeyError):
            return _extents[key]
        found = footprint.extent(self._raster.profile, crs)
        if len(_extents) >= _MANY:
            _extents.clear()
        _extents[key] = found
        return found


def _size(width: int | None, height: int | None, max_size: int | None) -> dict[str, Any]:
    if max_size and (width or height):
        warnings.warn("'max_size' will be ignored with with 'height' or 'width' set.", UserWarning, stacklevel=3)
        max_size = None
    return {"width": width, "height": height, "max_size": max_size}


def _bands(indexes: Any, expression: str | None) -> tuple[int, ...] | None:
    found = parse_expression(expression) if expression else cast_to_sequence(indexes)
    return None if found is None else tuple(found)


def _masked(found: Raster) -> Any:
    """Return True where not valid, of the shape of the data."""
    if found.mask is None:
        return np.zeros(found.data.shape, bool)
    if found.mask.shape == found.data.shape:
        return ~found.mask
    return np.repeat(~found.mask, found.count, axis=0)

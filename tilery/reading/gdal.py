"""Rasters through GDAL: the one file that opens one for reading.

Opening is where a raster server is attacked, so it is done with the driver that the first bytes name and no other:
GDAL never guesses, and a VRT, a web-service description or an archive under a harmless name is refused before it can
lead elsewhere. Bytes of remote rasters come through our own source, so GDAL never makes a connection.

Handles stay open. Each belongs to one thread while it is used, and opens the overview that the output needs, so that
a warp runs once, at the output's size, over few pixels: that is where most of the time of a tile goes otherwise.
"""

from __future__ import annotations

import io
import logging
import math
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import rasterio
from rasterio import transform as rasterio_transform
from rasterio._err import CPLE_BaseError
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from tilery.errors import BrokenRaster, NotARaster, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Crs, Grid
from tilery.limits import deadline
from tilery.reading import control_points, footprint, gdal_files, gdal_samples, masks, precheck
from tilery.reading.grid.coordinates import Placer
from tilery.reading.grid.kernels import rounded
from tilery.reading.grid.reader import joined, rows_of
from tilery.reading.grid_reader import Pixels, overlaid
from tilery.reading.precheck import Footing
from tilery.reading.profile import Profile
from tilery.storage.bytes.file_object import SourceFile, file_object
from tilery.storage.bytes.protocol import ByteSource, SourceChanged

logger = logging.getLogger("tilery.reading")

_DRIVERS: tuple[tuple[bytes, str], ...] = (
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
)
"""First bytes of what we open. What is not here is not opened, whatever GDAL could make of it."""

_FAILURES = (RasterioError, CRSError, CPLE_BaseError)
"""What rasterio raises when GDAL fails; the last are GDAL's own, which rasterio passes on here and there."""

_TOO_LONG_FOR_MODE = frozenset({"int32", "uint32", "int64", "uint64", "float64"})
"""Data types whose values GDAL's warps do not keep apart when they count them."""
_SAMPLES = 1 << 22
"""Pixels that are counted at a time."""
_MAX_BANDS = 4096
_MAX_SIDE = 2**31 - 1


def driver_of(head: bytes) -> str:
    """GDAL's name for the format that these first bytes belong to.

    Raises:
        NotARaster: they belong to none that we open.
    """
    for magic, driver in _DRIVERS:
        if head.startswith(magic):
            return driver
    raise NotARaster(
        "This is not a raster that can be served: GeoTIFF, JPEG 2000, PNG and JPEG can be.", parameter="url"
    )


class Handle:
    """One open GDAL dataset and the files it reads from. For one thread at a time."""

    def __init__(
        self,
        source: ByteSource,
        *,
        sidecars: bool = False,
        overview: int | None = None,
        footing: Footing | None = None,
    ) -> None:
        """Open the raster of a byte source.

        Args:
            source: the bytes.
            sidecars: files beside this one have a say, so GDAL has to be given its name.
            overview: an overview level (from 0); None: the full raster.
            footing: what was found before of this very source; None: its header is checked first.

        Raises:
            NotARaster, BrokenRaster, UnsupportedRaster: what the bytes turn out to be.
            SourceChanged: the file was replaced while it was opened.
        """
        driver = driver_of(source.read(0, 16))
        self._source = source
        self._ready: SourceFile | None = file_object(source, quiet=True)
        self._files: list[SourceFile] = []
        self.footing = footing or precheck.check(self._ready, driver)
        self._by_name = source.local_path is not None and sidecars
        path = source.local_path if self._by_name else source.open_path
        if self.footing.deflated is not None and not self._by_name:
            path = None  # its blocks are looked at as they are read
        self._added = path is None
        self._path = path or gdal_files.add(self._file)
        self._check_block: Callable[[int, Callable[[int, int], bytes]], None] | None = None
        try:
            with gdal_files.reachable():
                self.dataset = self._open(driver, overview)
        except BaseException:
            self._release_path()
            raise
        if self.footing.deflated is not None:  # from now on pixels are read
            self._check_block = self.footing.deflated.check
            for file in self._files:
                file.check = self._check_block

    def _open(self, driver: str, overview: int | None) -> DatasetReader:
        options: dict[str, Any] = {"driver": driver, "sharing": False}
        if overview is not None:
            options["overview_level"] = overview
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                dataset = rasterio.open(self._path, **options)
        except _FAILURES as error:
            self.check()
            raise BrokenRaster(
                "The raster is damaged, cut short or of a kind that cannot be read.",
                parameter="url",
                private=str(error),
            ) from None
        try:
            self.check()
            self._agree(dataset)
        except BaseException:
            dataset.close()
            raise
        return dataset

    def _agree(self, dataset: DatasetReader) -> None:
        if self._by_name and not self._source.refresh():
            raise SourceChanged  # it may be another file than the source's
        if not 0 < dataset.count <= _MAX_BANDS or max(dataset.shape) > _MAX_SIDE:
            raise UnsupportedRaster(f"A raster has 1 to {_MAX_BANDS} bands.", parameter="url", limit=_MAX_BANDS)
        need_own_overviews(dataset)

    @contextmanager
    def use(self) -> Iterator[DatasetReader]:
        """The dataset. What is done with it fails when its bytes did not arrive.

        Raises:
            SourceChanged, TileryError: why they did not.
        """
        with gdal_files.reachable():
            try:
                yield self.dataset
            finally:
                self.check()

    def check(self) -> None:
        """Check that all bytes arrived.

        GDAL loses the exceptions of its files, and some drivers paint over what they could not read: this is asked
        after every use of the handle, also after one that seemed to go well.

        Raises:
            SourceChanged, TileryError: why they did not.
        """
        for file in self._files:
            if file.failure is not None:
                failure, file.failure = file.failure, None
                raise failure

    def close(self) -> None:
        """Close the dataset. Whoever closes it is mostly at work for another raster, so a failure is only logged."""
        try:
            try:
                with gdal_files.reachable():
                    self.dataset.close()
            finally:
                self._release_path()
        except Exception:
            logger.warning("a raster could not be closed", exc_info=True)

    def _release_path(self) -> None:
        if self._added:
            gdal_files.remove(self._path)

    def _file(self) -> io.RawIOBase:
        # The first has the bytes of the header already.
        file, self._ready = self._ready or file_object(self._source, quiet=True), None
        file.seek(0)
        file.check = self._check_block
        self._files = [*(other for other in self._files if not other.closed or other.failure), file]
        return file


def need_own_overviews(dataset: DatasetReader) -> None:
    """Check that the overviews of an open dataset are its own.

    GDAL takes them from wherever the raster's metadata say, with any driver: another file of this machine, an address,
    a VRT. It looks there when overviews are first asked for, so this has to be asked before.

    Raises:
        UnsupportedRaster: they are not.
    """
    if dataset.tags(ns="OVERVIEWS"):
        raise UnsupportedRaster("The raster names another file for its overviews.", parameter="url")


def profile_of(dataset: DatasetReader) -> Profile:
    """The facts of an open dataset; of the straightened raster where ground control points place it.

    Raises:
        BrokenRaster: it is placed where no pixel can be found.
    """
    points, points_crs = dataset.gcps
    placed: DatasetReader | WarpedVRT = dataset
    if points:
        try:
            placed = WarpedVRT(
                dataset,
                src_crs=points_crs,
                src_transform=rasterio_transform.from_gcps(points),
                **control_points.warp_options(points),
                **_mask_options(dataset),
            )
        except _FAILURES as error:
            raise BrokenRaster(
                "The ground control points of the raster do not place it.", parameter="url", private=str(error)
            ) from None
    try:
        a, b, c, d, e, f = placed.transform[:6]
        determinant = a * e - b * d
        if not all(map(math.isfinite, (a, b, c, d, e, f, determinant))) or determinant == 0:
            raise BrokenRaster("The transform of the raster places it nowhere.", parameter="url")
        return Profile(
            driver=dataset.driver,
            width=placed.width,
            height=placed.height,
            count=dataset.count,
            dtypes=tuple(dataset.dtypes),
            crs=crs_.from_rasterio(placed.crs) if placed.crs else None,
            transform=(a, b, c, d, e, f),
            nodata=dataset.nodata,
            colorinterp=tuple(meaning.name for meaning in dataset.colorinterp),
            has_mask=any(MaskFlags.per_dataset in band for band in dataset.mask_flag_enums) or bool(points),
            scales=tuple(float(value) for value in dataset.scales),
            offsets=tuple(float(value) for value in dataset.offsets),
            descriptions=tuple(dataset.descriptions),
            overviews=tuple(dataset.overviews(1)),
            block_shapes=tuple((int(rows), int(columns)) for rows, columns in dataset.block_shapes),
            palette=_palette(dataset),
            band_tags=tuple(dict(dataset.tags(band)) for band in dataset.indexes),
            gcps=bool(points),
            compound=bool(placed.crs) and crs_.may_be_compound(placed.crs),
            band_nodata=tuple(dataset.nodatavals) if len(set(map(str, dataset.nodatavals))) > 1 else (),
            bands_apart=dataset.count > 1 and dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND",
        )
    finally:
        if placed is not dataset:
            placed.close()


def _palette(dataset: DatasetReader) -> dict[int, tuple[int, int, int, int]] | None:
    try:
        return {int(value): tuple(colour) for value, colour in dataset.colormap(1).items()}
    except ValueError:
        return None


def _mask_options(dataset: DatasetReader, nodata: float | None = None) -> dict[str, Any]:
    """How a warp is to say what is valid: by nodata where there is one, else by an alpha band of its own."""
    if nodata is not None:
        if isinstance(nodata, int):  # floating point of 64 bits does not hold it: what does and is nearest
            ends = np.iinfo(dataset.dtypes[0])
            nodata = min(float(nodata), float(np.nextafter(float(ends.max), 0.0)))
        return {"nodata": nodata, "src_nodata": nodata, "add_alpha": False}
    return {"add_alpha": not any(meaning.name == "alpha" for meaning in dataset.colorinterp)}


class GdalGridReader:
    """Fills grids through GDAL. Handles are kept, one thread at a time each, a pool an overview level."""

    _most_idle = 4
    """Idle handles kept an overview level: as many as renders run at a time in one worker, and memory stays small."""

    def __init__(self, source: ByteSource, profile: Profile, *, sidecars: bool = False) -> None:
        self._source = source
        self._profile = profile
        self._placer = Placer(profile)
        self._idle: dict[int | None, list[Handle]] = defaultdict(list)
        self._lock = threading.Lock()
        self._closed = False
        self._footing: Footing | None = None
        self._sidecars = sidecars

    @property
    def footing(self) -> Footing:
        """What reading the raster takes at the least."""
        if self._footing is None:
            self._footing = precheck.check(file_object(self._source, quiet=True), driver_of(self._source.read(0, 16)))
        return self._footing

    @contextmanager
    def handle(self, overview: int | None = None) -> Iterator[DatasetReader]:
        """A dataset that no other thread uses meanwhile. What is done with it fails when its bytes did not arrive."""
        with self._lock:
            idle = self._idle[overview]
            handle = idle.pop() if idle else None
        if handle is None:
            handle = Handle(self._source, sidecars=self._sidecars, overview=overview, footing=self._footing)
            self._footing = handle.footing
        healthy = False
        try:
            with handle.use() as dataset:
                yield dataset
            healthy = True
        finally:
            with self._lock:
                keep = healthy and not self._closed and len(self._idle[overview]) < self._most_idle
                if keep:
                    self._idle[overview].append(handle)
            if not keep:
                handle.close()

    def adopt(self, handle: Handle) -> None:
        """Take over a handle of the full raster that is already open."""
        self._footing = handle.footing
        with self._lock:
            self._idle[None].append(handle)

    def close(self) -> None:
        """Close all idle handles, and those in use when they come back."""
        with self._lock:
            self._closed = True
            handles = [handle for idle in self._idle.values() for handle in idle]
            self._idle.clear()
        for handle in handles:
            handle.close()

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """The grid filled with the bands asked for; see `tilery.reading.grid_reader.GridReader.read`."""
        try:
            if method == "nearest" and not self._profile.gcps:
                return self._read_nearest(grid, bands, nodata)
            first, *others = footprint.shifts(self._profile, grid)
            found = self._read(grid, first, bands, nodata, method)
            for turn in others:
                if found.mask is None:
                    break
                found = overlaid(found, self._read(grid, turn, bands, nodata, method))
        except _FAILURES as error:
            raise BrokenRaster(
                "The raster could not be read: it is damaged or cut short.", parameter="url", private=str(error)
            ) from None
        return found

    def _read_nearest(self, grid: Grid, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        profile = self._profile
        with self.handle(footprint.overview(profile, footprint.detail(profile, grid), "nearest")) as dataset:
            return gdal_samples.nearest(dataset, profile, self._placer, grid, bands, nodata)

    def _read(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """The grid filled from the raster moved by ``turn``: GDAL knows of places in one turn around the world only."""
        profile = self._profile
        if nodata is None and not profile.has_mask and _is_inside(profile, grid):
            with self.handle() as dataset:
                return _read_window(dataset, profile, grid, bands, method)
        if method == "gauss":
            return self._read_gauss(grid, turn, bands, nodata)
        if method == "mode" and profile.dtype.name in _TOO_LONG_FOR_MODE:
            return self._read_mode(grid, turn, bands, nodata)
        with self.handle(footprint.overview(profile, footprint.detail(profile, grid), method)) as dataset:
            return _read_warped(dataset, profile, grid, bands, nodata, method, turn=turn)

    def _read_gauss(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        """A gaussian read in another CRS. GDAL has that kernel for reads only, not for warps: warp first at up to twice
        the output's size, then let the read thin out.
        """
        profile = self._profile
        mean, across, down = footprint.scales(profile, grid)
        times = 2 if mean > 1 else 1
        detail = footprint.finer(grid, mean, across, down)
        with self.handle(footprint.overview(profile, detail / times, "nearest")) as dataset:
            finer = Grid(crs=grid.crs, bounds=grid.bounds, width=grid.width * times, height=grid.height * times)
            out = (grid.height, grid.width)
            return _read_warped(dataset, profile, finer, bands, nodata, "nearest", turn=turn, out=out, thin="gauss")

    def _read_mode(self, grid: Grid, turn: float, bands: tuple[int, ...], nodata: float | None) -> Pixels:
        """The most frequent value below each pixel. GDAL's warps count values as floating point of 32 bits, which makes
        numbers of others beyond 2^24: the pixels are taken one by one and counted here, some rows at a time.
        """
        profile = self._profile
        scale = footprint.scale(profile, grid)
        chosen = footprint.overview(profile, scale, "mode")
        left = scale / (1 if chosen is None else profile.overviews[chosen])
        times = max(1, math.ceil(left * 0.999))  # 2 is 2, also where rounding made it a little more
        most = max(1, _SAMPLES // (times * times * grid.width * len(bands)))
        parts = []
        for row in range(0, grid.height, most):
            deadline.check()
            part = rows_of(grid, row, min(grid.height, row + most))
            finer = Grid(crs=grid.crs, bounds=part.bounds, width=part.width * times, height=part.height * times)
            with self.handle(chosen) as dataset:
                if profile.gcps:
                    pixels = _read_warped(dataset, profile, finer, bands, nodata, "nearest", turn=turn)
                else:
                    pixels = gdal_samples.nearest(dataset, profile, self._placer, finer, bands, nodata)
            parts.append(gdal_samples.most_frequent(pixels, times, nodata))
        return parts[0] if len(parts) == 1 else joined(parts, -2)

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Bytes that have to be decoded to fill the grid, from the header alone."""
        return footprint.decoded_bytes(self._profile, grid, bands, least=self.footing.least)

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:  # noqa: ARG002 - the same for all
        """Bytes of memory that filling the grid takes at a time: blocks, which GDAL keeps up to the size of its cache,
        and a copy of the output.
        """
        return self.estimate(grid, bands=bands) + grid.width * grid.height * len(bands) * self._profile.dtype.itemsize


def _is_inside(profile: Profile, grid: Grid) -> bool:
    """True when the grid's rows and columns run along the raster's, and none reaches beyond it."""
    if grid.crs != profile.crs or not profile.north_up or profile.gcps:
        return False
    window, _ = _window(profile, grid)
    spill = 1e-6
    return bool(
        window.col_off >= -spill
        and window.row_off >= -spill
        and window.col_off + window.width <= profile.width + spill
        and window.row_off + window.height <= profile.height + spill
    )


def _window(profile: Profile, grid: Grid) -> tuple[Window, tuple[bool, bool]]:
    """The part of the raster that the grid covers; and whether its columns, and its rows, run as the grid's do: rows of
    a south-up raster run upwards.
    """
    a, _, c, _, e, f = profile.transform
    left, bottom, right, top = grid.bounds
    columns, rows = ((left - c) / a, (right - c) / a), ((top - f) / e, (bottom - f) / e)
    column, row = min(columns), min(rows)
    window = Window(column, row, max(columns) - column, max(rows) - row)
    return window, (column == columns[0], row == rows[0])


def _read_window(dataset: DatasetReader, profile: Profile, grid: Grid, bands: tuple[int, ...], method: str) -> Pixels:
    """A part of a raster of which all is valid, resampled by GDAL's reads (which choose the overview)."""
    window, (rightwards, downwards) = _window(profile, grid)
    data = dataset.read(
        list(bands), out_shape=(len(bands), grid.height, grid.width), window=window, resampling=Resampling[method]
    )
    turned = data[:, :: 1 if downwards else -1, :: 1 if rightwards else -1]
    return Pixels(data=turned, mask=None, alpha=None)


def _read_warped(
    dataset: DatasetReader,
    profile: Profile,
    grid: Grid,
    bands: tuple[int, ...],
    nodata: float | None,
    method: str,
    *,
    turn: float = 0.0,
    out: tuple[int, int] | None = None,
    thin: str = "nearest",
) -> Pixels:
    """The grid filled by one warp at its own size, from the raster moved by ``turn``, then thinned to the size ``out``
    by a read.
    """
    kind = profile.dtype
    missing = nodata
    computed = kind.kind in "iuf" and (thin != "nearest" or (kind.kind == "f" and method != "nearest"))
    if nodata is not None and (computed or isinstance(nodata, int)):
        # Of what is computed some may be nodata by chance: NaN never is.
        missing = math.nan
        if kind.kind != "f":
            kind = np.dtype("float32" if kind.itemsize <= 2 else "float64")
    left, bottom, right, top = grid.bounds
    options: dict[str, Any] = {
        "crs": crs_.to_rasterio(grid.crs) if grid.crs else None,
        "transform": rasterio_transform.from_bounds(left, bottom, right, top, grid.width, grid.height),
        "width": grid.width,
        "height": grid.height,
        "resampling": Resampling[method],
        "dtype": dataset.dtypes[0] if kind == profile.dtype else kind.name,
        **_mask_options(dataset, nodata),
    }
    if profile.compound and profile.crs is not None:
        options["src_crs"] = crs_.to_rasterio(profile.crs)
    if turn:
        options["src_transform"] = rasterio_transform.Affine.translation(turn, 0.0) * dataset.transform
    if missing is not nodata:
        options["nodata"] = missing
    size = out or (grid.height, grid.width)
    with ExitStack() as stack:
        if profile.gcps:
            options["dtype"] = kind.name
            warped = stack.enter_context(control_points.straightened(dataset, profile, grid, bands, options))
            bands = tuple(range(1, len(bands) + 1))
        else:
            warped = stack.enter_context(WarpedVRT(dataset, **options))
        if nodata is not None:
            data = warped.read(list(bands), out_shape=(len(bands), *size), resampling=Resampling[thin])
            if missing is not nodata:
                data = _with_nodata(data, nodata, profile.dtype)
            return Pixels(data=data, mask=masks.valid(data, nodata), alpha=None)
        alpha_band = (None if profile.gcps else profile.alpha_band) or warped.count
        values = warped.read([*bands, alpha_band], out_shape=(len(bands) + 1, *size), resampling=Resampling[thin])
    data, alpha = values[:-1], values[-1]
    if profile.alpha_band is not None:
        return Pixels(data=data, mask=masks.opaque(alpha), alpha=alpha)
    # GDAL writes the alpha of a mask as 0 to 255 whatever the data type, of everything else as the type's maximum.
    top_value = alpha.max()
    mask = alpha == (255 if top_value == 255 else masks.maximum(alpha.dtype))
    return Pixels(data=data, mask=None if mask.all() else mask[None], alpha=None)


def _with_nodata(data: Array, nodata: float, dtype: np.dtype[Any]) -> Array:
    """Computed values as the raster's type, nodata where they are not a number."""
    valid = ~np.isnan(data)
    found = rounded(np.where(valid, data, data.dtype.type(0)), dtype)
    masks.set_nodata(found, nodata, valid)
    return found


def default_transform(
    profile: Profile, target: Crs
) -> tuple[tuple[float, float, float, float, float, float], int, int]:
    """Transform, width and height that GDAL suggests for the raster in another CRS.

    Raises:
        UnsupportedRaster: the raster cannot be placed in that CRS.
    """
    from rasterio.warp import calculate_default_transform

    if profile.crs is None:
        raise UnsupportedRaster("The raster has no coordinate reference system.", parameter="url")
    left, bottom, right, top = profile.bounds
    width, height = profile.upright_size
    if profile.crs in (crs_.WGS84, "OGC:CRS84") and target == crs_.WEB_MERCATOR:
        # The poles are infinitely far away in Web Mercator: the resolution comes from the part it can show.
        south, north = max(bottom, -85.06), min(top, 85.06)
        if south < north and (south, north) != (bottom, top):
            height = max(1, round(height * (north - south) / (top - bottom)))
            bottom, top = south, north
    try:
        affine, width, height = calculate_default_transform(
            crs_.to_rasterio(profile.crs), crs_.to_rasterio(target), width, height, left, bottom, right, top
        )
    except _FAILURES as error:
        raise UnsupportedRaster(
            "The raster cannot be placed in that coordinate reference system.", private=str(error)
        ) from None
    return (tuple(affine)[:6], int(width), int(height))

"""Rasters of the publisher's own: opened for reading whatever their format, and written.

The service opens rasters in `tilery.reading.gdal_handle` only, which takes nothing but the formats that it serves. A
publisher names a file on purpose, so here every format is taken that leads nowhere else, sidecars and all; and with
``trust`` every one that GDAL knows.
"""

from __future__ import annotations

import errno
import io
import os
import queue
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilery.errors import (
    BrokenRaster,
    CatalogError,
    InvalidParameter,
    NotARaster,
    SourceNotFound,
    StoreFull,
    TileryError,
    UnsupportedRaster,
)
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.publishing import allowed_formats
from tilery.publishing.inexact_nodata import known
from tilery.reading.profile import Profile
from tilery.storage import file_errors

if TYPE_CHECKING:
    import rasterio
    from rasterio.io import DatasetReader, DatasetWriter

    from tilery.storage.bytes import ByteSource

BLOCK = 512
CACHE = 16 << 20
"""Bytes of GDAL's own block cache: enough for a row of blocks of a wide raster, and the same whatever the raster's
size. rasterio takes this option in bytes, where GDAL takes a small number as megabytes."""
_NOT_A_RASTER = "GDAL cannot open this as a raster."
_A_FOLDER = "This is a folder and not a raster; name one of the files in it."
_NOT_HARMLESS = (
    "GDAL cannot open this as a raster of a format that holds all of it. What may lead to other files or addresses "
    "(VRT, HDF5, netCDF 4, WMS and others) needs --trust: give it when you trust where the file is from."
)
_NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The transform that GDAL gives a raster without one: a pixel a unit, from 0 downwards, and upside down."""
SPARE_SPACE = 32 << 20
"""Free bytes below which a failed write is put down to a full disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeference:
    """Where a raster is, for one that does not say it."""

    crs: Crs | None = None
    """Its CRS. None: what the raster says."""
    bounds: Bounds | None = None
    """Left, bottom, right, top in that CRS. None: the same."""
    nodata: float | None = None
    """Value that means missing. None: the same."""

    def __bool__(self) -> bool:
        """Return True when it says anything."""
        return self.crs is not None or self.bounds is not None or self.nodata is not None


def environment(**options: Any) -> rasterio.Env:
    """GDAL's settings while publishing: sidecars are read, all cores compress, memory stays bounded.

    Where threads of ours read side by side, one of GDAL's for each takes a tenth less CPU than several.
    """
    import rasterio

    return rasterio.Env(
        **{
            "GDAL_CACHEMAX": CACHE,
            "GDAL_NUM_THREADS": "ALL_CPUS",
            "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
            "GDAL_TIFF_INTERNAL_MASK": False,
            "GDAL_PAM_ENABLED": False,
            "CPL_LOG": os.devnull,  # what GDAL's own threads would write to the terminal
            **options,
        }
    )


@contextmanager
def reading(
    path: Path, overview: int | None = None, *, driver: str | None = None, trust: bool = False
) -> Iterator[DatasetReader]:
    """An open dataset, or one of its overviews.

    Args:
        path: a file that `facts` were taken of, or of our own making.
        overview: counted from 0. None: the raster itself.
        driver: what it was opened as before. None: one of the formats that lead to no other file.
        trust: take any format.

    Raises:
        SourceNotFound, NotARaster, UnsupportedRaster: what the path turned out to be.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
    from rasterio.io import DatasetReader

    if not path.exists():
        raise SourceNotFound("There is no such file.", private=str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            chosen = {} if overview is None else {"overview_level": overview}
            if trust:
                dataset = rasterio.open(path, sharing=False, **chosen)
            else:  # `rasterio.open` takes one driver, what it makes takes several
                drivers = [driver] if driver else allowed_formats.drivers_for(path)
                dataset = DatasetReader(str(path), driver=drivers, sharing=False, **chosen)
    except RasterioIOError as error:
        said = _NOT_A_RASTER if driver or trust else _NOT_HARMLESS
        raise NotARaster(_A_FOLDER if path.is_dir() else said, private=str(error)) from None
    try:  # no `with`: rasterio's belongs to one thread, and a handle may be closed by another than opened it
        if dataset.count == 0:
            raise UnsupportedRaster("The file holds several rasters or none; name one of them.")
        yield dataset
    finally:
        dataset.close()


@contextmanager
def reading_remote(source: ByteSource, *, trust: bool = False) -> Iterator[DatasetReader]:
    """An open dataset over a remote source, of which only the parts are fetched that are asked for.

    Raises:
        NotARaster: GDAL cannot open it in this way.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

    from tilery.storage.bytes import file_object

    def opener(path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
        if path.rsplit("/", 1)[-1] != "source" or mode not in ("r", "rb"):
            raise FileNotFoundError(path)
        return file_object(source)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = _first_of(
                lambda driver: rasterio.open("source", opener=opener, sharing=False, driver=driver),
                (None,) if trust else allowed_formats.DRIVERS,
            )
    except RasterioIOError as error:
        raise NotARaster(_NOT_A_RASTER if trust else _NOT_HARMLESS, private=str(error)) from None
    try:
        if not trust:
            allowed_formats.need_own(dataset)
        yield dataset
    finally:
        dataset.close()


def _first_of(opening: Callable[[str | None], DatasetReader], drivers: Sequence[str | None]) -> DatasetReader:
    """Return the dataset that the first driver opens which can.

    Raises:
        RasterioIOError: none of them can.
    """
    from rasterio.errors import RasterioIOError

    for driver in drivers[:-1]:
        try:
            return opening(driver)
        except RasterioIOError:
            continue
    return opening(drivers[-1])


@contextmanager
def writing(path: Path, **profile: Any) -> Iterator[DatasetWriter]:
    """A new GeoTIFF, of tiles of 512 pixels unless the profile says otherwise."""
    import rasterio

    profile = {
        "driver": "GTiff",
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "bigtiff": "IF_SAFER",
    } | profile
    with rasterio.open(path, "w", **profile) as dataset:
        yield dataset


@contextmanager
def updating(path: Path) -> Iterator[DatasetWriter]:
    """An existing GeoTIFF, to build overviews of."""
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        yield dataset


def discard(path: Path) -> None:
    """Remove the file and what stands beside it."""
    for suffix in ("", ".msk", ".ovr", ".msk.ovr", ".aux.xml"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


@contextmanager
def failures(folder: Path | None) -> Iterator[None]:
    """What GDAL raises while it reads and writes, as errors that say what to do.

    Args:
        folder: that is written to, or what is read was just written to. None: a source is read.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    except TileryError:
        raise
    except (RasterioError, CPLE_BaseError, OSError) as error:
        text = f"{error} {error.__cause__ or ''}".strip()
        if folder is not None and (told := _told_of_disk(folder, text)) is not None:
            raise told from error
        raise BrokenRaster("A part of the raster cannot be read or written.", private=text) from error


def _told_of_disk(folder: Path, text: str) -> CatalogError | None:
    """Return the error that is the folder's or its disk's fault; None where neither can be told to be.

    GDAL has no numbers for what the operating system says, so it is found in the text, or the same is tried again.
    """
    number = file_errors.number_in(text)
    if number is None and (refused := file_errors.refusal(folder)) is not None:
        number = refused.errno
        if number not in file_errors.FULL:
            return CatalogError(file_errors.why_not(folder, refused), private=text)
    if number is None and shutil.disk_usage(folder).free < SPARE_SPACE:
        number = errno.ENOSPC
    if number is None:
        return None
    kind = StoreFull if number in file_errors.FULL else CatalogError
    return kind(file_errors.sentence(number, place="The target folder"), private=text)


def need_output(path: Path) -> None:
    """Check that a file can be written, before an hour's work and not after.

    Raises:
        CatalogError: it cannot; the text says why.
    """
    if path.is_dir():
        raise CatalogError(file_errors.sentence(errno.EISDIR, place="The target"), private=str(path))
    if path.exists() and not path.is_file():
        raise CatalogError("The target is there already, and is not a file.", private=str(path))
    refused = file_errors.refusal(path.parent)
    if refused is not None:
        kind = StoreFull if refused.errno in file_errors.FULL else CatalogError
        raise kind(file_errors.why_not(path.parent, refused), private=str(path.parent))


class Handles:
    """Open datasets over one file, each lent to one thread at a time: GDAL's are not to be shared."""

    def __init__(self, opening: Callable[[], AbstractContextManager[Any]]) -> None:
        """Start with no dataset; ``opening`` opens one more."""
        self._opening = opening
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._all = ExitStack()

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """A dataset for this thread alone."""
        try:
            opened = self._idle.get_nowait()
        except queue.Empty:
            opened = self._all.enter_context(self._opening())
        try:
            yield opened
        finally:
            self._idle.put(opened)

    def close(self) -> None:
        """Close every dataset. No thread may hold one."""
        self._all.close()


def facts(path: Path, placement: Georeference | None = None, *, trust: bool = False, checked: bool = False) -> Profile:
    """Return what the raster says of itself, with the placement taken for what it does not say.

    Args:
        path: a file.
        placement: what it does not say.
        trust: take a file of any format, wherever it leads.
        checked: it was looked at before what stands beside the file and in it, or all is of our own making.

    Raises:
        NotARaster, UnsupportedRaster: complex numbers, or bands of several types.
    """
    from tilery.reading.gdal_facts import profile_of

    if not trust and not checked:
        allowed_formats.need_own_neighbours(path)
    with environment(), reading(path, trust=trust) as dataset:
        if not trust and not checked:
            allowed_formats.need_own(dataset)
        return placed(known(profile_of(dataset), dataset), placement)


def need_harmless(path: Path) -> None:
    """Check that the file is of a format that the service opens, and that nothing in it leads to another.

    Raises:
        NotARaster, UnsupportedRaster: it is not.
    """
    from tilery.reading.gdal_facts import driver_of, need_own_overviews

    with path.open("rb") as file:
        driver = driver_of(file.read(16))
    with environment(), reading(path) as dataset:
        if dataset.driver != driver:  # the first bytes of one format, read as another
            raise NotARaster("The file is not what it begins as.", private=dataset.driver)
        need_own_overviews(dataset)


def placed(found: Profile, placement: Georeference | None = None) -> Profile:
    """Return the facts, with the placement taken for what the raster does not say.

    Raises:
        UnsupportedRaster: complex numbers, or bands of several types.
        InvalidParameter: a nodata value that the type does not have.
    """
    from dataclasses import replace

    from rasterio.dtypes import in_dtype_range

    if any(dtype.startswith("complex") for dtype in found.dtypes):
        raise UnsupportedRaster("Complex numbers cannot be shown; publish their amplitude or phase.")
    if len(set(found.dtypes)) > 1:
        raise UnsupportedRaster("The bands have several data types; publish them apart.")
    if not placement:
        return found
    if placement.nodata is not None and not in_dtype_range(placement.nodata, found.dtypes[0]):
        raise InvalidParameter(f"A raster of {found.dtypes[0]} has no value {placement.nodata:g}.", parameter="nodata")
    transform = found.transform
    if placement.bounds is not None:
        left, bottom, right, top = placement.bounds
        transform = ((right - left) / found.width, 0.0, left, 0.0, (bottom - top) / found.height, top)
    put = replace(
        found,
        crs=placement.crs or found.crs,
        transform=transform,
        nodata=found.nodata if placement.nodata is None else placement.nodata,
        band_nodata=found.band_nodata if placement.nodata is None else (),
    )
    if placement.bounds is not None:
        _need_degrees(put)
    return put


def _need_degrees(profile: Profile) -> None:
    """Check that bounds in degrees can be some; half a pixel may stick out at a pole.

    Raises:
        InvalidParameter: they are metres, or pixels.
    """
    if profile.crs is None or not crs_.is_geographic(profile.crs):
        return
    left, bottom, right, top = profile.bounds
    across, down = profile.resolution
    if bottom < -90 - down or top > 90 + down or right - left > 360 + across or max(-left, right) > 720:
        raise InvalidParameter(
            "The bounds are not degrees, which the CRS counts in: latitudes go from -90 to 90, and no raster is wider "
            "than 360.",
            parameter="bounds",
        )


def identity(path: Path) -> str:
    """Return text that changes when the file does."""
    found = path.stat()
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"


def crs_of(profile: Profile) -> Crs:
    """Return the CRS of a raster that has a place in it.

    Raises:
        UnsupportedRaster: it has none, or has a CRS and no place.
    """
    if profile.crs is None:
        raise UnsupportedRaster(
            "The raster does not say where it is. Give --crs (as EPSG:4326) and, where it has no georeference at all, "
            "--bounds (left,bottom,right,top in that CRS)."
        )
    if profile.transform == _NOWHERE and not profile.gcps:
        raise UnsupportedRaster(
            "The raster has a CRS, but does not say where it lies. Give --bounds (left,bottom,right,top in that CRS)."
        )
    return profile.crs


def rasterio_crs(crs: Crs) -> Any:
    """Return rasterio's object."""
    return crs_.to_rasterio(crs)

"""What GDAL tells of a raster without its pixels: its driver, its profile, its size in another CRS.

Publishing asks this too, in little memory: nothing here loads our own block reader or its codecs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from rasterio import transform as rasterio_transform
from rasterio._err import CPLE_BaseError
from rasterio.enums import MaskFlags
from rasterio.errors import BandOverviewError, CRSError, RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from tilery.errors import BrokenRaster, NotARaster, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs
from tilery.reading import control_points
from tilery.reading.profile import Affine, Profile, can_be_placed

_T = TypeVar("_T")

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

FAILURES = (RasterioError, CRSError, BandOverviewError, UnicodeDecodeError, CPLE_BaseError)
"""What rasterio raises when GDAL fails, or tells of a file in words that are no UTF-8; the last are GDAL's own, which
rasterio passes on here and there.
"""


def driver_of(head: bytes) -> str:
    """Return GDAL's name for the format that these first bytes belong to.

    Raises:
        NotARaster: they belong to none that we open.
    """
    for magic, driver in _DRIVERS:
        if head.startswith(magic):
            return driver
    raise NotARaster(
        "This is not a raster that can be served: GeoTIFF, JPEG 2000, PNG and JPEG can be.", parameter="url"
    )


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
    """Return the facts of an open dataset; of the straightened raster where ground control points place it.

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
                **mask_options(dataset),
            )
        except FAILURES as error:
            raise BrokenRaster(control_points.NOWHERE, parameter="url", private=str(error)) from None
    try:
        transform: Affine = placed.transform[:6]
        if not can_be_placed(transform, placed.width, placed.height):
            raise BrokenRaster("The transform of the raster places it nowhere.", parameter="url")
        colours, flags = tuple(meaning.name for meaning in dataset.colorinterp), dataset.mask_flag_enums
        return Profile(
            driver=dataset.driver,
            width=placed.width,
            height=placed.height,
            count=dataset.count,
            dtypes=tuple(dataset.dtypes),
            crs=crs_.from_rasterio(placed.crs) if placed.crs else None,
            transform=transform,
            nodata=dataset.nodata,
            colorinterp=colours,
            # GDAL takes alpha for a mask in unsigned bands of 8 and 16 bits only
            has_mask="alpha" in colours or bool(points) or any(MaskFlags.per_dataset in band for band in flags),
            scales=tuple(float(value) for value in dataset.scales),
            offsets=tuple(float(value) for value in dataset.offsets),
            descriptions=_told(lambda: tuple(dataset.descriptions), (None,) * dataset.count),
            overviews=tuple(dataset.overviews(1)),
            block_shapes=tuple((int(rows), int(columns)) for rows, columns in dataset.block_shapes),
            palette=_palette(dataset),
            band_tags=_told(lambda: tuple(dict(dataset.tags(band)) for band in dataset.indexes), ({},) * dataset.count),
            gcps=bool(points),
            compound=bool(placed.crs) and crs_.may_be_compound(placed.crs),
            band_nodata=tuple(dataset.nodatavals) if len(set(map(str, dataset.nodatavals))) > 1 else (),
            bands_apart=dataset.count > 1 and dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "BAND",
        )
    finally:
        if placed is not dataset:
            placed.close()


def _told(texts: Callable[[], _T], without: _T) -> _T:
    """Return texts that a file says of itself, or what counts without: older files have them in an encoding of their
    own.
    """
    try:
        return texts()
    except UnicodeDecodeError:
        return without


def _palette(dataset: DatasetReader) -> dict[int, tuple[int, int, int, int]] | None:
    try:
        return {int(value): tuple(colour) for value, colour in dataset.colormap(1).items()}
    except ValueError:
        return None


def mask_options(dataset: DatasetReader, nodata: float | None = None) -> dict[str, Any]:
    """Return how a warp is to say what is valid: by nodata where there is one, else by an alpha band of its own."""
    if nodata is not None:
        if isinstance(nodata, int):  # floating point of 64 bits does not hold it: what does and is nearest
            ends = np.iinfo(dataset.dtypes[0])
            nodata = min(float(nodata), float(np.nextafter(float(ends.max), 0.0)))
        return {"nodata": nodata, "src_nodata": nodata, "add_alpha": False}
    return {"add_alpha": not any(meaning.name == "alpha" for meaning in dataset.colorinterp)}


def default_transform(
    profile: Profile, target: Crs
) -> tuple[tuple[float, float, float, float, float, float], int, int]:
    """Return transform, width and height that GDAL suggests for the raster in another CRS.

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
    except FAILURES as error:
        raise UnsupportedRaster(
            "The raster cannot be placed in that coordinate reference system.", private=str(error)
        ) from None
    return (tuple(affine)[:6], int(width), int(height))

"""Formats that hold a raster themselves, and what else GDAL would open on their behalf.

GDAL knows formats that are nothing but a way to other files and addresses: a VRT names them, one of raw bytes any file
of the machine, and a description of a web service connects out. They go by any name, as first bytes decide. So a source
is opened as one of the formats below, unless the publisher says that it can be trusted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tilery.errors import UnsupportedRaster

DRIVERS = (
    *("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "WEBP", "GIF", "BIGGIF", "BMP", "PNM", "TGA", "SGI", "BSB"),
    *("HFA", "ENVI", "EHdr", "NITF", "RMF", "RST", "SAGA", "PCRaster", "BT", "BYN", "LCP", "HF2", "KRO", "SIGDEM"),
    *("DTED", "SRTMHGT", "USGSDEM", "GRIB", "GTX", "NTv2", "CTable2", "NGSGEOID", "NWT_GRD", "Terragen"),
    *("AAIGrid", "GRASSASCIIGrid", "ISG", "GSAG", "GSBG", "GS7BG", "XYZ", "ZMap"),
    *("GPKG", "MBTiles"),
)
"""GDAL's names. Left out is what may name other files, HDF5 and netCDF 4 with their external storage among them."""

CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""First bytes of netCDF files that are not HDF5."""

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def drivers_for(path: Path) -> list[str]:
    """Return the formats that a file may be opened as."""
    return [*DRIVERS, "netCDF"] if _begins(path, CLASSIC_NETCDF) else list(DRIVERS)


def need_own_neighbours(path: Path) -> None:
    """Check that overviews and masks beside a raster are TIFFs: GDAL takes files of any format for them.

    Raises:
        UnsupportedRaster: one is not.
    """
    for beside in path.parent.glob(f"{_literal(path.name)}.*"):
        if beside.suffix.lower() in (".ovr", ".msk") and not _begins(beside, _TIFF):
            raise UnsupportedRaster(
                f"The {beside.suffix} beside the raster is not a TIFF; give --trust when you trust where it is from."
            )


def need_own(dataset: Any) -> None:
    """Check that nothing in an open dataset names another: its overviews, or arrays of its positions.

    Raises:
        UnsupportedRaster: something does.
    """
    for domain in ("OVERVIEWS", "GEOLOCATION"):
        if dataset.tags(ns=domain):
            raise UnsupportedRaster("The raster names other files; give --trust when you trust where it is from.")


def _literal(name: str) -> str:
    """Return a file's name as a pattern that matches it alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _begins(path: Path, magics: tuple[bytes, ...]) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4).startswith(magics)

"""Media types that a STAC asset may be given: pystac's, as TiTiler lists them."""

from __future__ import annotations

MEDIA_TYPES = (
    "image/tiff; application=geotiff; profile=cloud-optimized",
    "application/vnd.flatgeobuf",
    "application/geo+json",
    "application/geopackage+sqlite3",
    "image/tiff; application=geotiff",
    "application/x-hdf",
    "application/x-hdf5",
    "text/html",
    "image/jpeg",
    "image/jp2",
    "application/json",
    "image/png",
    "text/plain",
    "image/tiff",
    "application/vnd.google-earth.kml+xml",
    "application/xml",
    "application/pdf",
    "application/netcdf",
    "application/vnd.laszip+copc",
    "application/vnd.pmtiles",
    "application/vnd.apache.parquet",
    "application/vnd.zarr",
    "application/x-parquet",
    "application/vnd+zarr",
    "auto",
)

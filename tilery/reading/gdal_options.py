"""GDAL's configuration options: how rasters are opened and read, and what a service must forbid."""

from __future__ import annotations

SECURITY = {
    "GDAL_DRIVER_PATH": "disable",  # no plug-ins from a folder that somebody could write to
    "GDAL_SKIP": "WMS WMTS WCS HTTP GTI STACIT STACTA",  # drivers that follow what a file says to another host
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "CPL_VSIL_CURL_HEADER_FILE_KVP_ENABLED": "NO",  # sends the content of a local file to a host
    "GDAL_JPEG_MAX_ALLOWED_SCAN_NUMBER": "20",  # an encoder makes ten; each is a pass over the whole picture
    "LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER": "20",
}
"""Switches of GDAL's own advice on security. VRT stays: rasterio's warped datasets are made of it."""

ALONE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no side files: neither their requests nor their content
    "GDAL_PAM_ENABLED": "NO",
}
"""How rasters are opened: the file and nothing beside it."""

READING = ALONE | {
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
}
"""How they are read."""

"""Is a raster a Cloud-Optimized GeoTIFF? The same questions and the same document as rio-cogeo's.

The order of things in the file is what counts (https://docs.ogc.org/is/21-026/21-026.html): headers first, from the
largest image to the smallest, then blocks, from the smallest image to the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tilery.errors import UnsupportedRaster
from tilery.geo import tms as tms_
from tilery.reading.profile import Profile
from tilery.reading.reader import Reader

Json = dict[str, Any]

LARGE = 512
"""Pixels along a side from which a raster should be tiled and have overviews."""
FIRST_HEADER = 300
"""Bytes before which the first header should begin: GDAL's own notes may stand before it."""
LOOKED_AT = 4096
"""Blocks that are looked at to find the first that is not empty."""


def validate(reader: Reader, *, path: str, strict: bool = False, unread: Sequence[str] = ()) -> Json:
    """Return what rio-cogeo says of the raster.

    Args:
        reader: of the raster.
        path: what to call it.
        strict: count warnings as errors.
        unread: ends of the names of files that lie beside the raster and are not read.
    """
    profile = reader.profile
    with reader.dataset() as dataset:
        errors, warnings = _problems(dataset, profile)
        warnings += [f"A {suffix} file lies beside the raster and is not read" for suffix in unread]
        tags = _tags(dataset)
        bounds, transform, crs = tuple(dataset.bounds), dataset.transform, dataset.crs
        interleaving = dataset.interleaving
        width, height = dataset.width, dataset.height
        photometric = dataset.photometric
        compression = dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION")
    lowest, highest = _zooms(reader)
    code = crs.to_epsg() if crs else None
    return {
        "Path": path,
        "Driver": profile.driver,
        "COG": not errors and not (strict and warnings),
        "Compression": compression,
        "ColorSpace": photometric.value if photometric else None,
        "COG_errors": errors or None,
        "COG_warnings": warnings or None,
        "Profile": {
            "Bands": profile.count,
            "Width": width,
            "Height": height,
            "Tiled": profile.block_shapes[0][1] != profile.width,
            "Dtype": profile.dtypes[0],
            "Interleave": interleaving.value if interleaving else "UNKNOWN",
            "AlphaBand": profile.alpha_band is not None,
            "InternalMask": profile.has_mask and profile.alpha_band is None,
            "Nodata": profile.nodata,
            "ColorInterp": list(profile.colorinterp),
            "ColorMap": profile.palette is not None,
            "Scales": list(profile.scales),
            "Offsets": list(profile.offsets),
        },
        "GEO": {
            "CRS": f"EPSG:{code}" if code else crs.to_wkt() if crs else None,
            "BoundingBox": list(bounds),
            "Origin": [transform.c, transform.f],
            "Resolution": [transform.a, transform.e],
            "MinZoom": lowest,
            "MaxZoom": highest,
        },
        "Tags": tags,
        "Band Metadata": {
            f"Band {number}": {
                "Description": profile.descriptions[number - 1],
                "ColorInterp": profile.colorinterp[number - 1],
                "Offset": profile.offsets[number - 1],
                "Scale": profile.scales[number - 1],
                "Metadata": profile.band_tags[number - 1] if profile.band_tags else {},
            }
            for number in range(1, profile.count + 1)
        },
        "IFD": _directories(reader),
    }


def _directories(reader: Reader) -> list[Json]:
    found = []
    for level, factor in enumerate((0, *reader.profile.overviews)):
        with reader.dataset(level - 1 if level else None) as dataset:
            found.append(
                {
                    "Level": level,
                    "Width": dataset.width,
                    "Height": dataset.height,
                    "Blocksize": list(dataset.block_shapes[0]),
                    "Decimation": factor,
                }
            )
    return found


def _tags(dataset: Any) -> Json:
    tags: Json = {"Image Metadata": dataset.tags()}
    for namespace in dataset.tag_namespaces():
        if namespace != "DERIVED_SUBDATASETS":
            tags[namespace.title().replace("_", " ")] = dataset.tags(ns=namespace)
    return tags


def _zooms(reader: Reader) -> tuple[int, int]:
    """Return the zooms of the default tile matrix set; all of them for a raster that it cannot show."""
    tms = tms_.get(tms_.DEFAULT)
    try:
        return reader.zooms(tms)
    except UnsupportedRaster:
        return (tms.minzoom, tms.maxzoom)


def _problems(dataset: Any, profile: Profile) -> tuple[list[str], list[str]]:
    """Return what makes it no Cloud-Optimized GeoTIFF, and what only makes it a poor one."""
    if profile.driver != "GTiff":
        return ["The file is not a GeoTIFF"], []
    errors, warnings = [], []
    if any(name.lower().endswith(".ovr") for name in dataset.files):
        errors.append("Overviews found in external .ovr file. They should be internal")
    if max(profile.width, profile.height) > LARGE:
        if profile.block_shapes[0][1] == profile.width:
            errors.append("The file is greater than 512xH or 512xW, but is not tiled")
        if not profile.overviews:
            warnings.append("The file is greater than 512xH or 512xW, it is recommended to include internal overviews")
    return errors + _order(dataset, profile), warnings


def _order(dataset: Any, profile: Profile) -> list[str]:
    """Return what stands in the wrong place of the file."""
    levels = [None, *range(len(profile.overviews))]
    headers = [int(dataset.get_tag_item("IFD_OFFSET", "TIFF", 1, ovr=level) or 0) for level in levels]
    errors = []
    if headers[0] > FIRST_HEADER:
        errors.append(f"The offset of the main IFD should be < 300. It is {headers[0]} instead")
    notes = dataset.get_tag_item("GDAL_STRUCTURAL_METADATA", "TIFF")
    if notes and "KNOWN_INCOMPATIBLE_EDITION=YES" in notes:
        errors.append(
            "This file used to have optimizations in its layout, but those have been, at least partly, "
            "invalidated by later changes"
        )
    if list(profile.overviews) != sorted(profile.overviews):
        errors.append("Overviews should be sorted")
    for index, (before, after) in enumerate(pairwise(headers)):
        if after < before:
            than = f"of the main image, which is at byte {before}" if not index else f"of index {index - 1}"
            errors.append(
                f"The offset of the IFD for overview of index {index} is {after}, whereas it should be greater than "
                f"the one {than}" + ("" if not index else f", which is at byte {before}")
            )
    return errors + _order_of_blocks(dataset, profile, levels, headers[-1])


def _order_of_blocks(dataset: Any, profile: Profile, levels: list[int | None], last_header: int) -> list[str]:
    blocks = [found for level in levels if (found := _first_block(dataset, profile, level))]
    errors = []
    if blocks and blocks[-1] < last_header:
        what = "smallest overview should" if profile.overviews else "image should"
        errors.append(f"The offset of the first block of the {what} be after its IFD")
    errors += [
        f"The offset of the first block of overview of index {index - 1} should be after the one of the overview of "
        f"index {index}"
        for index in range(len(blocks) - 2, 0, -1)
        if blocks[index] < blocks[index + 1]
    ]
    if len(blocks) >= 2 and blocks[0] < blocks[1]:
        errors.append(
            "The offset of the first block of the main resolution image should be after the one of the overview of "
            f"index {len(profile.overviews) - 1}"
        )
    return errors


def _first_block(dataset: Any, profile: Profile, level: int | None) -> int:
    """Return position of the first block of an image that holds anything; 0 where none of those looked at does."""
    factor = 1 if level is None else max(1, profile.overviews[level])
    rows, columns = profile.block_shapes[0]
    across = -(-profile.width // factor // columns) or 1
    down = -(-profile.height // factor // rows) or 1
    for number in range(min(across * down, LOOKED_AT)):
        found = dataset.get_tag_item(f"BLOCK_OFFSET_{number % across}_{number // across}", "TIFF", 1, ovr=level)
        if found and int(found):
            return int(found)
    return 0

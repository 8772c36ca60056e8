"""The profile of a plain GeoTIFF, made of its header alone.

Opening a file through GDAL costs more than making a tile of it: GDAL has to be imported, and it looks at much that no
tile needs. Nearly every Cloud-Optimized GeoTIFF says the same few things in the same few words, though. Those are
understood here, in exactly the way GDAL understands them (``frmts/gtiff`` and OGC 19-008r4); whatever else stands in a
header, from ground control points to a CRS without a code, makes `profile` say None, and GDAL is asked. Tests hold the
two to the same profile for every raster they have.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tilery.geo import crs as crs_
from tilery.geo.raster import Crs
from tilery.reading.profile import Affine, Profile, can_be_placed, can_hold
from tilery.reading.tiff.image import GeoTags, Header, Image

_T = TypeVar("_T")

_MODEL, _RASTER, _CITATION = 1024, 1025, 1026
_GEOGRAPHIC, _GEOGRAPHIC_CITATION, _ANGULAR_UNITS, _MAJOR_AXIS, _FLATTENING = 2048, 2049, 2054, 2057, 2059
_PROJECTED, _PROJECTED_CITATION, _LINEAR_UNITS = 3072, 3073, 3076
_TEXTS = frozenset({_CITATION, _GEOGRAPHIC_CITATION, _PROJECTED_CITATION})
_IN_PLACE, _NUMBERS, _TEXT = 0, 34736, 34737
"""Where the value of a GeoKey stands: in the directory, or in one of the tags of these numbers."""

_PROJECTED_MODEL, _IN_DEGREES = 1, 2
_OF_AREAS, _OF_POINTS = 1, 2
"""Whether a tie point is the corner of a pixel or its middle."""
_DEGREES, _METRES = 9102, 9001
_AXIS, _GRS80_FLATTENING, _WGS84_FLATTENING = 6378137.0, 298.257222101, 298.257223563
_GEOGRAPHIC_CODES = {4326: _WGS84_FLATTENING, 4258: _GRS80_FLATTENING, 4269: _GRS80_FLATTENING}
"""Geographic CRSs that are known here: EPSG code and inverse flattening of the ellipsoid."""
_USER_DEFINED = 32767

_GRAY, _RGB, _YCBCR = 1, 2, 6
_ALPHA = (1, 2)
"""ExtraSamples: opacity, multiplied into the colours or not."""
_JPEG = 7

_LARGEST = 3.4028235e38
"""The largest number of 32 bits, as people write it."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,3})?")
_METADATA = re.compile(r"<GDALMetadata>\s*((?:<Item [^<>&]*>[^<>&]*</Item>\s*)*)</GDALMetadata>\s*")
_ITEM = re.compile(r"<Item ([^<>]*)>([^<>]*)</Item>")
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"(?: |$)')
_MASKS_BY_COLOUR = "NODATA_VALUES"
"""A colour that stands for no data, which is a mask to GDAL."""


class _Unusual(Exception):
    """The header says something that is not understood here."""


def profile(header: Header) -> Profile | None:
    """Return what GDAL would say of the file, or None where only GDAL can tell."""
    try:
        return _profile(header)
    except (_Unusual, ValueError):
        return None


def _profile(header: Header) -> Profile:
    main = header.levels[0].image
    place = _need(header.place)
    known = sum(1 + (level.mask is not None) for level in header.levels)
    _only_if(len(header.directories) == known)
    _only_if(main.subfile == 0 and main.bits >= 8)
    colours = _colours(main)
    nodata = _nodata(header.nodata, main)
    transform = _transform(place)
    _only_if(can_be_placed(transform, main.width, main.height))
    has_mask = header.has_mask or "alpha" in colours
    _only_if(nodata is None or not has_mask)  # GDAL has rules for which of several counts
    scales, offsets, descriptions, tags = _bands(_need(header.metadata), main.samples)
    return Profile(
        driver="GTiff",
        width=main.width,
        height=main.height,
        count=main.samples,
        dtypes=(main.dtype.name,) * main.samples,
        crs=_crs(place),
        transform=transform,
        nodata=nodata,
        colorinterp=colours,
        has_mask=has_mask,
        scales=scales,
        offsets=offsets,
        descriptions=descriptions,
        overviews=tuple(round(main.width / level.image.width) for level in header.levels[1:]),
        block_shapes=((main.tile_height, main.tile_width),) * main.samples,
        palette=None,
        band_tags=tags,
        bands_apart=main.planar and main.samples > 1,
    )


def _need(found: _T | None) -> _T:
    if found is None:
        raise _Unusual
    return found


def _only_if(usual: bool) -> None:
    if not usual:
        raise _Unusual


def _colours(image: Image) -> tuple[str, ...]:
    """Return what each band means."""
    colours: tuple[str, ...] = ("gray",)
    if image.photometric == _RGB or (image.photometric == _YCBCR and image.compression == _JPEG):
        colours = ("red", "green", "blue")
    else:
        _only_if(image.photometric == _GRAY)
    extra = image.samples - len(colours)
    _only_if(extra == len(image.extra_samples) and all(kind in (0, *_ALPHA) for kind in image.extra_samples))
    found = (*colours, *("alpha" if kind in _ALPHA else "undefined" for kind in image.extra_samples))
    _only_if(found.count("alpha") <= 1)
    return found


def _nodata(text: str | None, image: Image) -> float | None:
    """Return the value that stands for no data."""
    if text is None:
        return None
    if text == "nan":
        _only_if(image.dtype.kind == "f")
        return math.nan
    _only_if(_NUMBER.fullmatch(text) is not None)
    value = float(text)
    _only_if(math.isfinite(value) and can_hold(image.dtype.name, value) and image.dtype.itemsize < 8)
    if image.dtype == np.float32:
        _only_if(abs(value) <= _LARGEST)
        return float(np.float32(value))
    return value


def _transform(place: GeoTags) -> Affine:
    """Return the transform from pixels to coordinates, for the corner of the first pixel."""
    _only_if(len(place.scale) == 3 and len(place.ties) == 6 and all(map(math.isfinite, (*place.scale, *place.ties))))
    across, down = place.scale[0], place.scale[1]
    column, row, _, x, y, _ = place.ties
    _only_if(across > 0 and down > 0 and (column, row) == (0.0, 0.0))
    if _value(place, _RASTER) == _OF_POINTS:
        x, y = x - across * 0.5, y + down * 0.5
    return (across, 0.0, x, 0.0, -down, y)


def _crs(place: GeoTags) -> Crs:
    """Return the CRS, where an EPSG code says all of it."""
    _only_if(len(place.keys) >= 4 and place.keys[:2] == (1, 1) and place.keys[2] in (0, 1))
    _only_if(len(place.keys) == 4 + 4 * place.keys[3])
    keys = place.keys[4::4]
    _only_if(len(set(keys)) == len(keys) and _value(place, _RASTER) in (_OF_AREAS, _OF_POINTS))
    for key in _TEXTS.intersection(keys):
        _only_if("=" not in _citation(place, key))
    _only_if(_value(place, _ANGULAR_UNITS, _DEGREES) == _DEGREES)
    model, rest = _value(place, _MODEL), set(keys) - _TEXTS - {_MODEL, _RASTER, _ANGULAR_UNITS}
    if model == _IN_DEGREES:
        code = _value(place, _GEOGRAPHIC)
        _only_if(code in _GEOGRAPHIC_CODES and rest <= {_GEOGRAPHIC, _MAJOR_AXIS, _FLATTENING})
        _only_if(_number(place, _MAJOR_AXIS, _AXIS) == _AXIS)
        _only_if(_number(place, _FLATTENING, _GEOGRAPHIC_CODES[code]) == _GEOGRAPHIC_CODES[code])
        return Crs(f"EPSG:{code}")
    _only_if(model == _PROJECTED_MODEL and rest <= {_PROJECTED, _LINEAR_UNITS})
    code = _value(place, _PROJECTED)
    _only_if(_value(place, _LINEAR_UNITS, _METRES) == _METRES)
    crs = Crs(f"EPSG:{code}")
    _only_if(0 < code < _USER_DEFINED and crs_.is_plain(crs))
    return crs


def _entry(place: GeoTags, key: int) -> tuple[int, int, int] | None:
    """Return where a key's value stands, how many there are, and which is the first, or the value itself."""
    for at in range(4, len(place.keys), 4):
        if place.keys[at] == key:
            return (place.keys[at + 1], place.keys[at + 2], place.keys[at + 3])
    return None


def _value(place: GeoTags, key: int, default: int = 0) -> int:
    """Return the whole number that a key has."""
    entry = _entry(place, key)
    if entry is None:
        return default
    _only_if(entry[:2] == (_IN_PLACE, 1))
    return entry[2]


def _number(place: GeoTags, key: int, default: float) -> float:
    entry = _entry(place, key)
    if entry is None:
        return default
    _only_if(entry[:2] == (_NUMBERS, 1) and entry[2] < len(place.numbers))
    return place.numbers[entry[2]]


def _citation(place: GeoTags, key: int) -> str:
    where, length, start = _need(_entry(place, key))
    _only_if(where == _TEXT and start + length <= len(place.text))
    return place.text[start : start + length]


@dataclass(slots=True)
class _Band:
    scale: float = 1.0
    offset: float = 0.0
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


def _bands(
    metadata: str, count: int
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str | None, ...], tuple[dict[str, str], ...]]:
    """Return scale, offset, description and tags of each band."""
    bands = [_Band() for _ in range(count)]
    if metadata:
        match = _need(_METADATA.fullmatch(metadata))
        for attributes, text in _ITEM.findall(match[1]):
            _note(bands, attributes, text)
    return (
        tuple(band.scale for band in bands),
        tuple(band.offset for band in bands),
        tuple(band.description for band in bands),
        tuple(band.tags for band in bands),
    )


def _note(bands: list[_Band], attributes: str, text: str) -> None:
    """Put down what one item of the metadata says."""
    named = dict(_ATTRIBUTE.findall(attributes))
    _only_if(" ".join(f'{name}="{value}"' for name, value in named.items()) == attributes.strip())
    _only_if("name" in named and named.keys() <= {"name", "sample", "role", "domain"} and text == text.strip())
    if "domain" in named:
        return
    if "sample" not in named:
        _only_if(named["name"] != _MASKS_BY_COLOUR and "role" not in named)
        return
    number = int(named["sample"]) if named["sample"].isdigit() else len(bands)
    _only_if(number < len(bands))
    band = bands[number]
    match named.get("role"):
        case None:
            _only_if("=" not in named["name"] and ":" not in named["name"])
            _only_if(named["name"].lower() not in map(str.lower, band.tags))
            band.tags[named["name"]] = text
        case "scale":
            _only_if(_NUMBER.fullmatch(text) is not None)
            band.scale = float(text)
        case "offset":
            _only_if(_NUMBER.fullmatch(text) is not None)
            band.offset = float(text)
        case "description":
            band.description = text or None
        case "unittype":
            pass
        case _:
            raise _Unusual

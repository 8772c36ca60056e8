"""What a WMS request asks for, read out of its keys and values, in the words and axis orders of its version."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.api.ows import ServiceError
from app.api.params.kinds import Text
from app.api.params.parameter import Group, Parameter
from tilery.errors import InvalidParameter
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.rendering.encoding import formats
from tilery.rendering.pipeline import Color

Version = Literal["1.3.0", "1.1.1"]

WHITE: Color = (255, 255, 255)
FORMATS = ("image/png", "image/jpeg", "image/webp")
"""Media types of maps; the first is that of a request that names none."""
INFO_FORMATS = ("application/json", "text/plain", "text/html")
"""Media types of what a request for the values at a point gets."""

_CRS = re.compile(
    r"[A-Za-z]\w{1,15}:\w{1,15}|urn:ogc:def:crs:[\w:.]{1,40}|https?://www\.opengis\.net/def/crs/[\w./]{1,40}"
)
_COLOR = re.compile(r"(?:0[xX]|#)?([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})")
_WHOLE = re.compile(r"\d{1,9}")


def _key(name: str, description: str, *, hidden: bool = False) -> Parameter:
    return Parameter(name=name, kind=Text(longest=8192), description=description, old=(name.lower(),), hidden=hidden)


KEYS: Group = (
    _key("SERVICE", "`WMS`."),
    _key("REQUEST", "`GetCapabilities`, `GetMap` or `GetFeatureInfo`. The capabilities by default."),
    _key("VERSION", "`1.3.0` or `1.1.1`."),
    _key("LAYERS", "Name of the layer, one at a time."),
    _key("STYLES", "Name of one of the layer's styles, or nothing."),
    _key("CRS", "CRS of the map and of `BBOX`, as `EPSG:3857` or `CRS:84`; `SRS` in version 1.1.1."),
    _key("BBOX", "Box of the map, in the axis order of its CRS from version 1.3.0 on."),
    _key("WIDTH", "Width of the map in pixels."),
    _key("HEIGHT", "Height of the map in pixels."),
    _key("FORMAT", f"Media type of the map: {', '.join(FORMATS)}."),
    _key("TRANSPARENT", "`TRUE`: nothing is shown where data are missing, if the format can say so."),
    _key("BGCOLOR", "Colour where data are missing, as `0xRRGGBB`. White by default."),
    _key("QUERY_LAYERS", "Name of the layer whose values are wanted."),
    _key("INFO_FORMAT", f"Media type of the values: {', '.join(INFO_FORMATS)}."),
    _key("I", "Column of the pixel whose values are wanted; `X` in version 1.1.1."),
    _key("J", "Row of the pixel whose values are wanted; `Y` in version 1.1.1."),
    _key("EXCEPTIONS", "Failures are XML, whatever this says."),
    *(
        _key(name, "Known to clients; changes nothing.", hidden=True)
        for name in (
            *("SRS", "X", "Y", "FEATURE_COUNT", "UPDATESEQUENCE", "DPI", "MAP_RESOLUTION", "FORMAT_OPTIONS"),
            *("TIME", "ELEVATION", "TILED"),
        )
    ),
)
"""Parameters of the service. Names count in any case, and those of this table get no further than here."""
NAMES = frozenset(parameter.name.lower() for parameter in KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """A map that is asked for."""

    crs: Crs
    bounds: Bounds
    """X first, whatever the request has first."""
    width: int
    height: int
    format: str
    """Name of a format."""
    background: Color | None
    """What is shown where data are missing; None: nothing."""


def version(given: Mapping[str, str]) -> Version:
    """Return the version to answer in: the one that is asked for, or the next below it (OGC 06-042, 6.2.4)."""
    text = given.get("version") or given.get("wmtver")
    if not text:
        return "1.1.1" if "srs" in given else "1.3.0"
    numbers = [int(part) for part in re.findall(r"\d{1,3}", text)[:2]]
    return "1.1.1" if numbers < [1, 3] else "1.3.0"


def map_of(given: Mapping[str, str]) -> MapRequest:
    """Return the map that the keys ask for.

    Raises:
        ServiceError: one is missing or wrong.
    """
    spoken = version(given)
    crs = _crs(given, spoken)
    row = formats.by_media_type(given.get("format") or FORMATS[0])
    if row is None or row.media_type not in FORMATS:
        raise ServiceError("InvalidFormat", f"FORMAT is one of {', '.join(FORMATS)}.", parameter="FORMAT")
    clear = given.get("transparent", "").upper() == "TRUE" and row.mask
    return MapRequest(
        crs=crs,
        bounds=_bounds(given, swapped=spoken == "1.3.0" and crs_.northing_first(crs)),
        width=_side(given, "WIDTH"),
        height=_side(given, "HEIGHT"),
        format=row.name,
        background=None if clear else _color(given.get("bgcolor", "")),
    )


def point_of(given: Mapping[str, str], wanted: MapRequest) -> tuple[float, float]:
    """Return the centre of the pixel that the keys name, x first, in the map's CRS.

    Raises:
        ServiceError: they name none, or one that the map does not have.
    """
    old = version(given) == "1.1.1"
    column, row = (
        given.get(names[0]) or given.get(names[1]) or ""
        for names in ((("x", "i"), ("y", "j")) if old else (("i", "x"), ("j", "y")))
    )
    if not (_WHOLE.fullmatch(column) and _WHOLE.fullmatch(row)):
        names = "X and Y" if old else "I and J"
        raise ServiceError("InvalidPoint", f"{names} are the column and row of a pixel.", parameter=names[0])
    if int(column) >= wanted.width or int(row) >= wanted.height:
        raise ServiceError("InvalidPoint", "The map has no such pixel.", parameter="I")
    left, bottom, right, top = wanted.bounds
    across, down = (right - left) / wanted.width, (top - bottom) / wanted.height
    return left + (int(column) + 0.5) * across, top - (int(row) + 0.5) * down


def info_format(given: Mapping[str, str]) -> str:
    """Return the media type of the values that are wanted.

    Raises:
        ServiceError: it is none of ours.
    """
    text = (given.get("info_format") or INFO_FORMATS[0]).partition(";")[0].strip().lower()
    text = {"application/geojson": "application/json", "application/geo+json": "application/json"}.get(text, text)
    if text not in INFO_FORMATS:
        raise ServiceError(
            "InvalidFormat", f"INFO_FORMAT is one of {', '.join(INFO_FORMATS)}.", parameter="INFO_FORMAT"
        )
    return text


def _crs(given: Mapping[str, str], spoken: Version) -> Crs:
    name = "CRS" if spoken == "1.3.0" else "SRS"
    text = given.get(name.lower()) or given.get("crs") or given.get("srs") or ""
    if text.upper() == "CRS:84":
        return Crs("OGC:CRS84")
    detail = f"{name} is the code of a coordinate reference system, as EPSG:3857."
    wrong = ServiceError(f"Invalid{name}", detail, parameter=name)
    if not _CRS.fullmatch(text):
        raise wrong
    try:
        return crs_.parse(text, name)
    except InvalidParameter:
        raise wrong from None


def _bounds(given: Mapping[str, str], *, swapped: bool) -> Bounds:
    parts = given.get("bbox", "").split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ServiceError("", "BBOX is four numbers divided by commas.", parameter="BBOX")
    left, bottom, right, top = (numbers[1], numbers[0], numbers[3], numbers[2]) if swapped else numbers
    if left >= right or bottom >= top:
        order = "latitude or northing first" if swapped else "x first"
        raise ServiceError("", f"BBOX has an area: two minima, then two maxima, {order} in this CRS.", parameter="BBOX")
    return (left, bottom, right, top)


def _side(given: Mapping[str, str], name: str) -> int:
    text = given.get(name.lower(), "")
    if not _WHOLE.fullmatch(text) or int(text) == 0:
        raise ServiceError("", f"{name} is a number of pixels.", parameter=name)
    return int(text)


def _color(text: str) -> Color:
    if not text:
        return WHITE
    match = _COLOR.fullmatch(text)
    if match is None:
        raise ServiceError("", "BGCOLOR is a colour as 0xRRGGBB.", parameter="BGCOLOR")
    red, green, blue = (int(part, 16) for part in match.groups())
    return (red, green, blue)

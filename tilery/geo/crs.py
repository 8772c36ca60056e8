"""Coordinate reference systems: text in, one canonical text out, and the libraries' objects for it when needed.

A `Crs` is ``AUTHORITY:CODE`` or WKT. rasterio's and pyproj's objects are made once for each and kept,
because making one costs more than most of what a tile does with it. pyproj is imported when it is first needed, by
``from pyproj import …`` and not ``from pyproj.exceptions import …``: of two threads one would find it half there.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import numpy as np

from tilery.errors import InvalidParameter, UnsupportedRaster
from tilery.geo import mercator
from tilery.geo.raster import Bounds, Crs

if TYPE_CHECKING:
    import pyproj
    import rasterio.crs

WGS84 = Crs("EPSG:4326")
WEB_MERCATOR = Crs("EPSG:3857")

_CODE = re.compile(r"^\[?(?:(?P<authority>[A-Za-z_][A-Za-z0-9_]{0,31}):)?(?P<code>[A-Za-z0-9]{1,32})\]?$")
_URI = re.compile(r"^\[?https?://www\.opengis\.net/def/crs/(?P<authority>[A-Za-z]+)/[^/]*/(?P<code>[A-Za-z0-9]+)\]?$")
_URN = re.compile(r"^urn:ogc:def:crs:(?P<authority>[A-Za-z]+):[^:]*:(?P<code>[A-Za-z0-9]+)$", re.IGNORECASE)

_WORDS = re.compile(
    r"""(?:GEOGCS|GEOCCS|PROJCS|LOCAL_CS|COMPD_CS|VERT_CS|FITTED_CS|[A-Z]{3,12}CRS)\s*[\[(]
    | \{ | \+?(?:proj|init)\s*= | \+\w | urn: | \w+:\w+\+(?:\w+:)?\w+$""",
    re.IGNORECASE | re.VERBOSE,
)
"""How WKT, PROJJSON, PROJ strings, URNs and compound codes look. What looks otherwise could only be a name."""

_FILE = re.compile(
    r"""(?: init\s*=\s*(?!epsg:[0-9]+(?:[\s+]|$))
    | (?: (?:grids|model|file)\s*= | "PROJ4_GRIDS"\s*,\s*" | PARAMETERFILE\s*\[\s*"(?:[^"]|"")*"\s*,\s*" )
      (?!\s*+[\w@.,-]+(?:["\s+]|$)) )""",
    re.IGNORECASE | re.VERBOSE,
)
"""What makes PROJ open a file by its path. Plain names are those of its own grids."""

_transformers = threading.local()
"""pyproj's transformers are not to be shared by threads: https://pyproj4.github.io/pyproj/stable/advanced_examples.html"""

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

_OWN = 4
"""Threads that have transformers of their own: about as many as compute at a time."""
_threads = itertools.count()
_FEW = 4096
"""Points up to which they are handed to another thread; more take longer than making a transformer."""


LONGEST = 8192
"""Characters of a CRS."""


def parse(text: str, parameter: str = "crs") -> Crs:
    """Return the canonical form of what a caller wrote: ``EPSG:3857``, ``3857``, an OGC URI or URN, ``[EPSG:3857]``,
    WKT, a PROJ string or PROJJSON. Names are not taken: to look for one in all of its database holds the interpreter's
    lock for up to a second.

    Takes up to 40 ms where the text was not asked for lately: not for the event loop.
    ``parameter`` is what errors call it.

    Raises:
        InvalidParameter: the text names no CRS that PROJ knows, or a file.
    """
    if len(text) > LONGEST:
        raise InvalidParameter(f"The CRS is longer than {LONGEST} characters.", parameter=parameter, limit=LONGEST)
    found = _parsed(text.strip())
    if found is None:
        raise InvalidParameter(
            f"'{parameter}' is not a coordinate reference system: give an EPSG code, an OGC URI or WKT.",
            parameter=parameter,
        )
    return found


@lru_cache(maxsize=512)
def _parsed(text: str) -> Crs | None:
    """Return the canonical form of a text, None when it is no CRS: that is remembered too."""
    for pattern in (_CODE, _URI, _URN):
        if match := pattern.match(text):
            authority = (match["authority"] or "EPSG").upper()
            text = f"{authority}:{match['code'].upper()}"
            if text == "OGC:CRS84":
                return Crs(text)
            break
    else:
        if not _WORDS.match(text):
            return None
    import pyproj
    from pyproj import exceptions

    if _FILE.search(text):
        return None
    try:
        made = _horizontal(pyproj.CRS.from_user_input(text))
        found = None if _has_no_plane(made) else from_pyproj(made)
    except exceptions.CRSError:
        return None
    return None if found is None or _FILE.search(found) else found


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the horizontal part of a CRS: heights do not say where a pixel is, and PROJ refuses bounds
    that have one.
    """
    return crs.to_2d() if crs.is_compound or len(crs.axis_info) > 2 else crs


def _has_no_plane(crs: pyproj.CRS) -> bool:
    """True for heights alone and for positions in space: PROJ takes their first axes for x and y without a word."""
    return bool(crs.is_vertical or crs.is_geocentric)


def from_pyproj(crs: pyproj.CRS) -> Crs:
    """Return the canonical text of a pyproj CRS, without its vertical part."""
    crs = _horizontal(crs)
    authority = crs.to_authority(min_confidence=100)
    if authority is not None:
        return Crs(":".join(authority))
    return Crs(crs.to_wkt())


def from_rasterio(crs: rasterio.crs.CRS) -> Crs | None:
    """Return the canonical text of a rasterio CRS, without its vertical part; None where it has no other part.

    Raises:
        UnsupportedRaster: it names files by their paths, which are whatever whoever made the raster wrote.
    """
    authority = crs.to_authority(confidence_threshold=70)
    text = crs.to_wkt()
    if authority is None and _FILE.search(text):
        raise UnsupportedRaster("The coordinate reference system of the raster names files.", parameter="url")
    found = Crs(":".join(authority) if authority is not None else text)
    return _flat(found) if may_be_compound(crs) else found


def may_be_compound(crs: rasterio.crs.CRS) -> bool:
    """Return True when a CRS may have a vertical part, told from how its text begins."""
    return bool(crs.to_wkt().startswith(_PERHAPS_COMPOUND))


_PERHAPS_COMPOUND = ("COMPD_CS", "COMPOUNDCRS", "VERT", "GEOCCS", "GEODCRS", "GEOGCRS", "PROJCRS", "BOUNDCRS")
"""GDAL writes the text of all others in the older WKT."""


@lru_cache(maxsize=256)
def _flat(crs: Crs) -> Crs | None:
    """Return a CRS without its vertical part. None where it has no other part."""
    from pyproj import exceptions

    try:
        found = _horizontal(to_pyproj(crs))
    except exceptions.CRSError:
        return crs
    if _has_no_plane(found):
        return None
    return from_pyproj(found) if found != to_pyproj(crs) else crs


@lru_cache(maxsize=256)
def to_pyproj(crs: Crs) -> pyproj.CRS:
    """Return pyproj's object for a CRS."""
    import pyproj

    return pyproj.CRS.from_user_input(crs)


@lru_cache(maxsize=256)
def to_rasterio(crs: Crs) -> rasterio.crs.CRS:
    """Return rasterio's object for a CRS."""
    from rasterio.crs import CRS

    return CRS.from_user_input(crs)


@lru_cache(maxsize=256)
def uri(crs: Crs) -> str | None:
    """Return the OGC URI of a CRS, ``http://www.opengis.net/def/crs/EPSG/0/4326``, or None where it has no authority
    code.
    """
    match = _CODE.match(crs)
    if match is None or not match["authority"]:
        return None
    authority, code = match["authority"].upper(), match["code"]
    version = "1.3" if authority == "OGC" else "2015" if authority == "IAU_2015" else "0"
    return f"http://www.opengis.net/def/crs/{authority.split('_')[0]}/{version}/{code}"


def is_geographic(crs: Crs) -> bool:
    """Return True when the CRS counts in degrees."""
    return crs in (WGS84, "OGC:CRS84") or (crs != WEB_MERCATOR and bool(to_pyproj(crs).is_geographic))


@lru_cache(maxsize=256)
def northing_first(crs: Crs) -> bool:
    """Return True when the CRS's own definition has latitude or northing before longitude or easting, as EPSG:4326 has.

    Around a pole both axes point the same way, and only their names tell them apart.
    """
    if crs == "OGC:CRS84":
        return False
    axes = to_pyproj(crs).axis_info[:2]
    if len(axes) < 2:
        return False
    first, second = axes
    upright = ("north", "south")
    if first.direction in upright and second.direction in upright:
        return bool(first.name.lower().startswith("north"))
    return first.direction in upright and second.direction in ("east", "west")


@lru_cache(maxsize=256)
def world(crs: Crs) -> tuple[float, float] | None:
    """Return the least and the largest x of one turn around the world, in a CRS that counts degrees or lies on an
    upright cylinder: a place is found again a turn further. None for all others.

    PROJ answers with x between the two; rasters may lie beyond.
    """
    if crs in (WGS84, "OGC:CRS84"):
        return (-180.0, 180.0)
    if crs == WEB_MERCATOR:
        return (-mercator.HALF, mercator.HALF)
    found = to_pyproj(crs)
    if found.is_geographic:
        half = round(math.pi / found.axis_info[0].unit_conversion_factor, 9)
        return (-half, half)
    operation = found.coordinate_operation
    if operation is None or not operation.method_name.startswith(_CYLINDERS):
        return None
    middle = float(next((item.value for item in operation.params if item.name == "Longitude of natural origin"), 0.0))
    base = geodetic(crs)
    x, _ = transform_points(base, crs, [middle - 90.0, middle + 90.0], [0.0, 0.0])
    quarter = float(x[1] - x[0]) / 2
    if not math.isfinite(quarter) or quarter <= 0:
        return None
    return (float(x[0]) - quarter, float(x[1]) + quarter)


_CYLINDERS = ("Popular Visualisation Pseudo Mercator", "Mercator", "Equidistant Cylindrical", "Lambert Cylindrical")


def geodetic(crs: Crs) -> Crs:
    """Return the degrees that a CRS is made from: EPSG:4326 for all that lead there, else those of its own body."""
    if crs in (WGS84, WEB_MERCATOR):
        return WGS84
    with suppress(UnsupportedRaster):
        transformer(crs, WGS84)
        return WGS84
    base = to_pyproj(crs).geodetic_crs
    if base is None:
        raise UnsupportedRaster("The coordinate reference system has no place on a globe.")
    return from_pyproj(base)


def have_a_way(source: Crs, target: Crs) -> bool:
    """Return True when PROJ can lead from one CRS to the other; False between the Earth and Mars, or to a
    floor plan.
    """
    if source == target:
        return True
    try:
        transformer(source, target)
    except UnsupportedRaster:
        return False
    return True


def is_plain(crs: Crs) -> bool:
    """True for a projected CRS in metres that its EPSG code says all about, and is in use."""
    if crs == WEB_MERCATOR:
        return True
    from pyproj import exceptions

    try:
        found = to_pyproj(crs)
    except exceptions.CRSError:
        return False
    in_metres = all(axis.unit_name == "metre" for axis in found.axis_info)
    return found.is_projected and not found.is_deprecated and len(found.axis_info) == 2 and in_metres


def transformer(source: Crs, target: Crs) -> pyproj.Transformer:
    """Return a transformer of this thread's own, x (or longitude) first on both sides.

    Raises:
        UnsupportedRaster: no way leads from one to the other, as from the Earth to Mars.
    """
    cache: dict[tuple[Crs, Crs], Any] = _transformers.__dict__.setdefault("kept", {})
    found = cache.get((source, target))
    if found is None:
        import pyproj
        from pyproj import exceptions

        if len(cache) >= 64:
            cache.clear()
        try:
            found = pyproj.Transformer.from_crs(to_pyproj(source), to_pyproj(target), always_xy=True)
        except exceptions.ProjError:
            raise UnsupportedRaster(
                "The raster's coordinate reference system and the one asked for have nothing in common."
            ) from None
        cache[(source, target)] = found
    return found


def transform_bounds(source: Crs, target: Crs, bounds: Bounds, densify: int = 21) -> Bounds:
    """Return bounds in ``target`` that hold ``bounds`` of ``source``, edges densified.

    May hold infinities, all of them where PROJ finds no answer, and west > east where the antimeridian is crossed.
    """
    if source == target:
        return bounds
    return _by_one(_bounds, source, target, bounds, densify)


def _bounds(source: Crs, target: Crs, bounds: Bounds, densify: int) -> Bounds:
    from pyproj import exceptions

    try:
        left, bottom, right, top = transformer(source, target).transform_bounds(*bounds, densify_pts=densify)
    except exceptions.ProjError:
        return (math.inf, math.inf, math.inf, math.inf)
    return (float(left), float(bottom), float(right), float(top))


def transform_points(source: Crs, target: Crs, xs: Any, ys: Any) -> tuple[Any, Any]:
    """Return coordinates in ``target``, float64 arrays of the input's shape; not finite where there is no answer."""
    if source == target:
        return np.asarray(xs, dtype="float64"), np.asarray(ys, dtype="float64")
    if np.size(xs) > _FEW:
        return _points(source, target, xs, ys)
    return _by_one(_points, source, target, xs, ys)


def _points(source: Crs, target: Crs, xs: Any, ys: Any) -> tuple[Any, Any]:
    from pyproj import exceptions

    try:
        x, y = transformer(source, target).transform(xs, ys)
    except exceptions.ProjError:
        return np.full(np.shape(xs), np.inf), np.full(np.shape(xs), np.inf)
    return np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64")


def _by_one(work: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    """Return what work on few points returns, done by this thread when it is one of the first, else by one for all
    others.

    PROJ wants a transformer for each thread, which takes 3 ms to make and opens the database anew: more than all that
    a thread which mostly waits for a store ever asks of it.

    Raises:
        Whatever the work raises.
    """
    if not hasattr(_transformers, "own"):
        _transformers.own = next(_threads) < _OWN
    if _transformers.own:
        return work(*arguments)
    return _thread_for_all().submit(work, *arguments).result()


@cache
def _thread_for_all() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="proj")


os.register_at_fork(after_in_child=_thread_for_all.cache_clear)

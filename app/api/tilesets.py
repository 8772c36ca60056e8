"""Tileset metadata (OGC API Tiles): which tiles of which tile matrix sets a raster has, and where they are fetched.

Pure functions of values, so that a dataset, a layer and a whole catalog describe themselves with the same words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.geo.tms import TileMatrixSet

Json = dict[str, Any]

DENSIFY = 83
"""Points between two corners of an edge: 84 steps, so that one around the world has a point on each quarter of it."""
WIDE = 60.0
"""Degrees across from which an edge no longer tells what is inside."""

FAR = 60.0
"""Degrees from the area of use of a CRS beyond which a raster is not offered in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where a raster is, in its own CRS and in degrees."""

    bounds: Bounds
    crs: Crs
    geographic: Bounds
    """West, south, east, north in EPSG:4326; west > east across the antimeridian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileLimits:
    """The tiles of one zoom that can hold something, all numbers included."""

    zoom: int
    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts of one tileset are, complete with their queries."""

    tileset: str
    tiles: str
    """With ``{z}``, ``{x}`` and ``{y}`` in it."""
    items: tuple[tuple[str, str], ...] = ()
    """Media type and address of the tiles in each format, with ``{tileMatrix}``, ``{tileRow}`` and ``{tileCol}``."""
    scheme: str
    """The definition of the tile matrix set."""
    viewer: str | None = None
    """The page that shows it on a map."""


def covered(tms: TileMatrixSet, place: Extent) -> Bounds | None:
    """Return the part of a tile matrix set that a raster covers, in the set's CRS; None where the two do not meet, as
    on different planets.

    Exact for what is small. A raster that goes around the world or over a pole is not told by its outline: there,
    points inside it and points of the matrix are looked at as well.
    """
    return _covered(tms.crs, tms.bounds, place) if crs_.have_a_way(place.crs, tms.crs) else None


@lru_cache(maxsize=1024)
def _covered(crs: Crs, whole: Bounds, place: Extent) -> Bounds | None:
    if _is_far(crs, place.geographic):
        return None
    found = _outline(crs, place)
    if found is None:
        found = _samples(crs, whole, place.geographic)
        if found is None:
            return None
    left, bottom, right, top = whole
    cut = (max(found[0], left), max(found[1], bottom), min(found[2], right), min(found[3], top))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] and _shows(crs, cut, place) else None


def _is_far(crs: Crs, geographic: Bounds) -> bool:
    """True for a raster so far from where a CRS is used that its tiles would show nothing but distortion."""
    area = crs_.to_pyproj(crs).area_of_use
    if area is None:
        return False
    west, south, east, north = geographic
    if max(south - area.north, area.south - north) > FAR:
        return True
    width, area_width = (east - west) % 360.0, (area.east - area.west) % 360.0
    if width == 0.0 or area_width == 0.0:  # around the world
        return False
    return min((west - area.east) % 360.0, (area.west - east) % 360.0) > FAR and not (
        (west - area.west) % 360.0 <= area_width or (area.west - west) % 360.0 <= width
    )


def _shows(crs: Crs, cut: Bounds, place: Extent) -> bool:
    """Return True when some point of a rectangle in the set's CRS lies on the raster, the way that a tile looks for it.

    Far from where a projection is meant for, a rectangle around a raster's outline may hold nothing of the raster, and
    a raster's corners may be projected onto places that are others' (UTM, over the pole).
    """
    if place.crs == crs:
        return True
    left, bottom, right, top = cut
    for steps in (9, 65):
        inner = (np.arange(steps) + 0.5) / steps
        x, y = np.meshgrid(left + inner * (right - left), bottom + inner * (top - bottom))
        points = [(x.ravel(), y.ravel())]
        west, south, east, north = place.geographic
        east += 360.0 if west > east else 0.0
        longitude, latitude = np.meshgrid(west + inner * (east - west), south + inner * (north - south))
        longitude = np.where(longitude > 180.0, longitude - 360.0, longitude)
        points.append(crs_.transform_points(crs_.WGS84, crs, longitude.ravel(), latitude.ravel()))
        x, y = (np.concatenate(parts) for parts in zip(*points, strict=True))
        within = np.isfinite(x) & np.isfinite(y) & (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
        if within.any() and _are_on(crs, x[within], y[within], place.geographic):
            return True
    return False


def _are_on(crs: Crs, x: NDArray[np.float64], y: NDArray[np.float64], geographic: Bounds) -> bool:
    """Return True when one of the points of the set's CRS lies within geographic bounds."""
    west, south, east, north = geographic
    longitude, latitude = crs_.transform_points(crs, crs_.WGS84, x, y)
    across = (longitude >= west) | (longitude <= east) if west > east else (longitude >= west) & (longitude <= east)
    return bool((across & (latitude >= south) & (latitude <= north)).any())


def _outline(crs: Crs, place: Extent) -> Bounds | None:
    """Return bounds from the raster's edges, or None where edges do not tell."""
    left, bottom, right, top = place.bounds
    outline = (left, min(bottom, top), right, max(bottom, top))
    world = crs_.world(place.crs)
    if place.crs == crs and (world is None or (left >= world[0] and right <= world[1])):
        return outline
    west, south, east, north = place.geographic
    if not (west < east < west + WIDE and south > -89.0 and north < 89.0):
        return None
    left, bottom, right, top = crs_.transform_bounds(place.crs, crs, outline, DENSIFY)
    bottom, top = min(bottom, top), max(bottom, top)
    if not all(map(math.isfinite, (left, bottom, right, top))) or left > right:
        return None
    return (left, bottom, right, top)


def _samples(crs: Crs, whole: Bounds, geographic: Bounds) -> Bounds | None:
    """Return bounds of what is found of the raster in the set's CRS, sampled from both sides."""
    west, south, east, north = geographic
    if crs in (crs_.WGS84, "OGC:CRS84"):
        return (-180.0 if west > east else west, south, 180.0 if west > east else east, north)
    xs: list[NDArray[np.float64]] = []
    ys: list[NDArray[np.float64]] = []
    pieces = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    for first, last in pieces:
        longitude, latitude = np.meshgrid(np.linspace(first, last, DENSIFY + 2), np.linspace(south, north, DENSIFY + 2))
        x, y = crs_.transform_points(crs_.WGS84, crs, longitude.ravel(), latitude.ravel())
        xs.append(x)
        ys.append(y)
        x, y, longitude, latitude = _matrix_samples(crs, whole)
        inside = (longitude >= first) & (longitude <= last) & (latitude >= south) & (latitude <= north)
        xs.append(x[inside])
        ys.append(y[inside])
    x, y = np.concatenate(xs), np.concatenate(ys)
    left, bottom, right, top = whole
    far = 4 * max(right - left, top - bottom)
    near = np.isfinite(x) & np.isfinite(y) & (np.abs(x - left) < far) & (np.abs(y - bottom) < far)
    if not near.any():
        return None
    x, y = x[near], y[near]
    return (float(x.min()), float(y.min()), float(x.max()), float(y.max()))


@lru_cache(maxsize=64)
def _matrix_samples(crs: Crs, bounds: Bounds) -> tuple[NDArray[np.float64], ...]:
    """Return x, y, longitude and latitude of a grid of points over a tile matrix set, its edges included."""
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 65), np.linspace(bottom, top, 65))
    longitude, latitude = crs_.transform_points(crs, crs_.WGS84, x.ravel(), y.ravel())
    return x.ravel(), y.ravel(), longitude, latitude


def limits(tms: TileMatrixSet, bounds: Bounds | None, minzoom: int, maxzoom: int) -> tuple[TileLimits, ...]:
    """Return the limits of each zoom from ``minzoom`` to ``maxzoom`` that the set defines, for no document may name
    others; empty where there is nothing or zooms are reversed.
    """
    if bounds is None:
        return ()
    left, bottom, right, top = bounds
    found = []
    for zoom in range(max(minzoom, tms.minzoom), min(maxzoom, tms.maxzoom) + 1):
        matrix = tms.matrix(zoom)
        # An edge that lies on the seam of two tiles belongs to the tile inside; float64 puts it on either side.
        hair = matrix.cell_size * 1e-4
        one = tms.tile_at(left + hair, top - hair, zoom)
        other = tms.tile_at(right - hair, bottom + hair, zoom)
        columns, rows = sorted((one[0], other[0])), sorted((one[1], other[1]))
        found.append(
            TileLimits(
                zoom=zoom,
                first_row=rows[0],
                last_row=rows[1],
                first_column=columns[0],
                last_column=columns[1],
            )
        )
    return tuple(found)


def bounding_box(bounds: Bounds, crs: Crs = crs_.WGS84) -> Json:
    """Return the ``boundingBox`` of a tileset."""
    left, bottom, right, top = bounds
    return {"lowerLeft": [left, bottom], "upperRight": [right, top], "crs": _crs_name(crs)}


def _crs_name(crs: Crs) -> str | Json:
    found = crs_.uri(crs)
    return found if found is not None else {"wkt": crs_.to_pyproj(crs).to_json_dict()}


def _tms_crs(tms: TileMatrixSet) -> Any:
    """Return the CRS as the definition writes it."""
    return tms.document["crs"]


def _registered(tms: TileMatrixSet) -> Json:
    """Return the name under which a tile matrix set is known to everybody, if it is one of those."""
    return {"tileMatrixSetURI": tms.uri} if tms.uri else {}


def _links(tms: TileMatrixSet, at: Addresses) -> list[Json]:
    links: list[Json] = [
        {
            "href": at.tileset,
            "rel": "self",
            "type": "application/json",
            "title": f"Tileset tiled using {tms.id} TileMatrixSet",
        },
        {
            "href": at.tiles,
            "rel": "tile",
            "templated": True,
            "title": "Templated link for retrieving Raster tiles",
        },
        *(
            {
                "href": href,
                "rel": "item",
                "type": media_type,
                "templated": True,
                "title": f"Tiles as {media_type}",
            }
            for media_type, href in at.items
        ),
        {
            "href": at.scheme,
            "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme",
            "type": "application/json",
            "title": f"Definition of '{tms.id}' tileMatrixSet",
        },
    ]
    if at.viewer is not None:
        links.append(
            {
                "href": at.viewer,
                "rel": "data",
                "type": "text/html",
                "title": f"Map viewer for '{tms.id}' tileMatrixSet",
            }
        )
    return links


def tileset_list(
    sets: Iterable[TileMatrixSet],
    *,
    addresses: Callable[[TileMatrixSet], Addresses],
    bounds: Bounds,
    crs: Crs = crs_.WGS84,
    attribution: str | None = None,
) -> Json:
    """Return the document at ``…/tiles``: every tile matrix set that the raster's tiles may be asked for in.

    ``bounds`` are the raster's in ``crs``.
    """
    box = bounding_box(bounds, crs)
    return {
        "tilesets": [
            {
                "title": f"tileset tiled using {tms.id} TileMatrixSet",
                **({"attribution": attribution} if attribution else {}),
                "dataType": "map",
                "crs": _tms_crs(tms),
                **_registered(tms),
                "links": _links(tms, addresses(tms)),
                "boundingBox": box,
                "accessConstraints": "unclassified",
            }
            for tms in sets
        ]
    }


def tileset(
    tms: TileMatrixSet,
    *,
    addresses: Addresses,
    place: Extent,
    zooms: tuple[int, int],
    attribution: str | None = None,
) -> Json:
    """Return the document at ``…/tiles/{tileMatrixSetId}``: the limits of each zoom, the bounds and the links."""
    return {
        "title": f"tileset tiled using {tms.id} TileMatrixSet",
        **({"attribution": attribution} if attribution else {}),
        "dataType": "map",
        "crs": _tms_crs(tms),
        **_registered(tms),
        "links": _links(tms, addresses),
        "tileMatrixSetLimits": _limits_document(limits(tms, covered(tms, place), *zooms)),
        "boundingBox": bounding_box(place.geographic),
        "accessConstraints": "unclassified",
    }


def _limits_document(found: Sequence[TileLimits]) -> list[Json]:
    return [
        {
            "tileMatrix": str(item.zoom),
            "minTileRow": item.first_row,
            "maxTileRow": item.last_row,
            "minTileCol": item.first_column,
            "maxTileCol": item.last_column,
        }
        for item in found
    ]

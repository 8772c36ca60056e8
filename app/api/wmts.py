"""WMTS 1.0.0 capabilities documents (OGC 07-057r7), the RESTful kind that QGIS and ArcGIS read.

A document is made from layers, and a layer says all that its part of the document needs: so one document describes one
raster in every tile matrix set, as TiTiler's do, or a whole catalog. Elements stand in the order of the schema, every
text is escaped by the template, and one layer has one tile matrix set, because ArcGIS looks at the first only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app import settings
from app import tms as tms_
from app.api import pages, tilesets
from app.api.tilesets import Limits, Place
from app.crs import WGS84
from app.errors import InvalidParameter
from app.raster import Bounds
from app.tms import TileMatrix, TileMatrixSet

MEDIA_TYPE = "application/xml"

_ZOOMS = re.compile(r"(?P<name>\*|\w+)::(?P<low>-?\d{1,3}),(?P<high>-?\d{1,3})")
_CODE = re.compile(r"(?P<authority>[A-Za-z_]\w*):(?P<code>\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One entry of a capabilities document."""

    identifier: str
    title: str
    tile_matrix_set: str
    limits: tuple[Limits, ...]
    geographic: Bounds
    """West, south, east, north in degrees."""
    tiles: str
    """Address of a tile with ``{TileMatrix}``, ``{TileRow}`` and ``{TileCol}`` in it; ``{Style}`` if it has styles."""
    media_type: str
    styles: tuple[str, ...] = ("default",)
    """The first one is the default."""
    abstract: str | None = None


def layers(
    sets: Iterable[TileMatrixSet],
    *,
    title: str,
    place: Place,
    zooms: Callable[[TileMatrixSet], tuple[int, int]],
    tiles: Callable[[TileMatrixSet], str],
    media_type: str,
    render: str = "default",
    old_names: bool = False,
) -> list[Layer]:
    """A raster's layers, one for each tile matrix set with tiles of it, named ``{title}_{set}_{render}`` as TiTiler's.

    WebMercatorQuad comes first: some clients take the first layer. Sets that merge tiles near the poles have none: WMTS
    1.0.0 cannot say so, and clients would show their tiles squeezed.

    Args:
        sets: the tile matrix sets to look at.
        title: what stands for the raster in names; TiTiler takes the ``url``.
        place: where the raster is.
        zooms: (minzoom, maxzoom) in a set.
        tiles: the template of tile addresses in a set, see `Layer.tiles`.
        media_type: of the tiles.
        render: name of the render parameters.
        old_names: name layers by ``render`` alone, as TiTiler before 1.0 did in its documents of one set.
    """
    found = []
    for tms in sorted(sets, key=lambda tms: tms.id != tms_.DEFAULT):
        if any(matrix.coalesce for matrix in tms.matrices):
            continue
        covered = tilesets.covered(tms, place)
        limits = tilesets.limits(tms, covered, *zooms(tms)) if covered is not None else ()
        if not limits:
            continue
        name = render if old_names else f"{title}_{tms.id}_{render}"
        found.append(
            Layer(
                identifier=name,
                title=name,
                tile_matrix_set=tms.id,
                limits=limits,
                geographic=place.geographic,
                tiles=tiles(tms),
                media_type=media_type,
                styles=("default" if old_names else name,),
            )
        )
    return found


def layer(
    *,
    identifier: str,
    title: str,
    geographic: Bounds,
    zooms: tuple[int, int],
    tiles: str,
    media_type: str,
    styles: Sequence[str] = (),
    abstract: str | None = None,
) -> Layer:
    """The entry of a catalog's layer, whose tiles are in WebMercatorQuad.

    Args:
        identifier: its id.
        title: its name for people.
        geographic: west, south, east, north in degrees.
        zooms: (minzoom, maxzoom).
        tiles: the template of tile addresses, see `Layer.tiles`.
        media_type: of the tiles.
        styles: names of its styles beside the default one.
        abstract: a sentence about it.
    """
    tms = tms_.get(tms_.DEFAULT)
    place = Place(bounds=geographic, crs=WGS84, geographic=geographic)
    return Layer(
        identifier=identifier,
        title=title,
        tile_matrix_set=tms.id,
        limits=tilesets.limits(tms, tilesets.covered(tms, place), *zooms),
        geographic=geographic,
        tiles=tiles,
        media_type=media_type,
        styles=("default", *styles),
        abstract=abstract,
    )


def capabilities(
    layers: Sequence[Layer],
    *,
    address: str,
    title: str,
    provider: str,
    use_epsg: bool = False,
) -> str:
    """The capabilities document of these layers, XML text.

    Args:
        layers: in the order in which clients will list them.
        address: where this document is, its query included.
        title: of the service.
        provider: who serves it.
        use_epsg: write ``EPSG:3857`` instead of the URN, for ArcMap.
    """
    names = dict.fromkeys(layer.tile_matrix_set for layer in layers)
    return (
        pages.environment(settings.get().template_directory)
        .get_template("wmts.xml")
        .render(
            layers=layers,
            address=address,
            title=title,
            provider=provider,
            matrix_sets=[_described(name, use_epsg) for name in names],
            corners=_corners,
        )
    )


def parse_zooms(texts: Iterable[str], known: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Zoom ranges by tile matrix set from ``WebMercatorQuad::5,9`` and ``*::0,12``; a named one wins over ``*``.

    Raises:
        InvalidParameter: not of that form, or not a tile matrix set.
    """
    names = tuple(known)
    given: dict[str, tuple[int, int]] = {}
    for text in texts:
        match = _ZOOMS.fullmatch(text)
        if match is None:
            raise InvalidParameter("'zooms' has the form TileMatrixSetId::minzoom,maxzoom.", parameter="zooms")
        if match["name"] != "*" and match["name"] not in names:
            raise InvalidParameter("'zooms' names a tile matrix set that is not known.", parameter="zooms")
        given[match["name"]] = (int(match["low"]), int(match["high"]))
    return {
        name: given[key] for name in names for key in (name, "*") if key in given and (key == name or name not in given)
    }


def supported_crs(tms: TileMatrixSet, *, use_epsg: bool = False) -> str:
    """``ows:SupportedCRS``: a URN, ``EPSG:code`` when asked for, WKT where the CRS has no code."""
    match = _CODE.fullmatch(tms.crs)
    if match is None:
        return tms.crs
    if use_epsg:
        return tms.crs
    version = "1.3" if match["authority"] == "OGC" else ""
    return f"urn:ogc:def:crs:{match['authority']}:{version}:{match['code']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """A tile matrix set as the document writes it."""

    identifier: str
    crs: str
    matrices: tuple[tuple[TileMatrix, str], ...]
    """Each matrix with its ``TopLeftCorner``."""


@lru_cache(maxsize=128)
def _described(name: str, use_epsg: bool) -> _Described:
    tms = tms_.get(name)
    return _Described(
        identifier=tms.id,
        crs=supported_crs(tms, use_epsg=use_epsg),
        matrices=tuple((matrix, _top_left(tms, matrix)) for matrix in tms.matrices),
    )


def _top_left(tms: TileMatrixSet, matrix: TileMatrix) -> str:
    """The corner in the axis order of the CRS, which is that of the set's definition."""
    x, y = matrix.origin
    written: Mapping[str, list[float]] = {item["id"]: item["pointOfOrigin"] for item in tms.document["tileMatrices"]}
    swapped = tuple(map(float, written[str(matrix.zoom)])) != (x, y)
    if matrix.bottom_left:
        y += matrix.cell_size * matrix.tile_height * matrix.height
    return f"{y} {x}" if swapped else f"{x} {y}"


def _corners(bounds: Bounds) -> tuple[str, str]:
    """Lower and upper corner of ``WGS84BoundingBox``, inside the world.

    No client understands a box across the antimeridian: they get the whole way around.
    """
    west, south, east, north = bounds
    if west > east:
        west, east = -180.0, 180.0
    return f"{max(west, -180.0)} {max(south, -90.0)}", f"{min(east, 180.0)} {min(north, 90.0)}"

"""WMTS 1.0.0 capabilities documents (OGC 07-057r7), the RESTful kind that QGIS and ArcGIS read.

A document is made from layers, and a layer says all that its part of the document needs: so one document describes one
raster in every tile matrix set, as TiTiler's do, or a whole catalog. Elements stand in the order of the schema, every
text is escaped by the template, and one layer has one tile matrix set, because ArcGIS looks at the first only.

A tile matrix set is written with the zooms that its layer has, and no others: clients ask for tiles of every matrix
that they find, whatever the limits say. So layers of a catalog with other zooms have sets with other names,
``WebMercatorQuad_4_7``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from app.api import ows, pages, tilesets
from app.api.tilesets import Extent, TileLimits
from tilery.errors import InvalidParameter
from tilery.geo import tms as tms_
from tilery.geo.crs import WGS84
from tilery.geo.raster import Bounds
from tilery.geo.tms import TileMatrix, TileMatrixSet
from tilery.limits import deadline

if TYPE_CHECKING:
    from markupsafe import Markup

MEDIA_TYPE = "application/xml"

_ZOOMS = re.compile(r"(?P<name>\*|\w+)::(?P<low>-?\d{1,3}),(?P<high>-?\d{1,3})")
_CODE = re.compile(r"(?P<authority>[A-Za-z_]\w*):(?P<code>\w+)")


_RANGED = re.compile(r"(?P<name>\w+?)_\d{1,2}_\d{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSet:
    """A tile matrix set as a document describes it: the matrices of some zooms, under a name."""

    identifier: str
    tms: TileMatrixSet
    """The set that it is a part of."""
    zooms: tuple[int, int]
    """The first and the last."""
    tilesize: int | None = None
    """Pixels along a side of a tile where it is not the set's own number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WmtsLayer:
    """One entry of a capabilities document."""

    identifier: str
    title: str
    matrix_set: OfferedSet
    limits: tuple[TileLimits, ...]
    geographic: Bounds
    """West, south, east, north in degrees."""
    tiles: str
    """Address of a tile with ``{TileMatrix}``, ``{TileRow}`` and ``{TileCol}`` in it; ``{Style}`` if it has styles."""
    media_type: str
    styles: tuple[tuple[str, str], ...] = (("default", "Default"),)
    """Name and title of each; the first one is the default."""
    abstract: str | None = None


def layers(
    sets: Iterable[TileMatrixSet],
    *,
    title: str,
    place: Extent,
    zooms: Callable[[TileMatrixSet], tuple[int, int]],
    tiles: Callable[[TileMatrixSet], str],
    media_type: str,
    render: str = "default",
    old_names: bool = False,
    name: str | None = None,
    abstract: str | None = None,
    tilesize: int | None = None,
) -> list[WmtsLayer]:
    """Return a raster's layers, one for each tile matrix set with tiles of it, identified by ``{title}_{set}_{render}``
    as TiTiler's.

    WebMercatorQuad comes first: some clients take the first layer. Sets that merge tiles near the poles, or count rows
    from below, have none: WMTS 1.0.0 cannot say so, and clients would show their tiles squeezed or in the wrong place.

    Args:
        sets: the tile matrix sets to look at.
        title: what stands for the raster in identifiers; TiTiler takes the ``url``.
        place: where the raster is.
        zooms: (minzoom, maxzoom) in a set.
        tiles: the template of tile addresses in a set, see `Layer.tiles`.
        media_type: of the tiles.
        render: name of the render parameters.
        old_names: name layers by ``render`` alone, as TiTiler before 1.0 did in its documents of one set.
        name: what people call the raster; None: ``title``.
        abstract: a sentence about it.
        tilesize: pixels along a side of the tiles; None: as each set has it.
    """
    found = []
    chosen = sorted(sets, key=lambda tms: tms.id != tms_.DEFAULT)
    for tms in chosen:
        if any(matrix.coalesce or matrix.bottom_left for matrix in tms.matrices):
            continue
        covered = tilesets.covered(tms, place)
        limits = tilesets.limits(tms, covered, *zooms(tms)) if covered is not None else ()
        if not limits:
            continue
        identifier = render if old_names else f"{title}_{tms.id}_{render}"
        called = name or title
        found.append(
            WmtsLayer(
                identifier=identifier,
                title=called if len(chosen) == 1 else f"{called} ({tms.id})",
                matrix_set=OfferedSet(identifier=tms.id, tms=tms, zooms=_zooms(limits), tilesize=tilesize),
                limits=limits,
                geographic=place.geographic,
                tiles=tiles(tms),
                media_type=media_type,
                styles=(("default" if old_names else identifier, render.capitalize()),),
                abstract=abstract,
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
    styles: Sequence[tuple[str, str]] = (),
    abstract: str | None = None,
    tilesize: int | None = None,
    ranged: bool = False,
) -> WmtsLayer | None:
    """Return the entry of a catalog's layer, whose tiles are in WebMercatorQuad; None where nothing of it is there.

    Args:
        identifier: its id.
        title: its name for people.
        geographic: west, south, east, north in degrees.
        zooms: (minzoom, maxzoom).
        tiles: the template of tile addresses, see `Layer.tiles`.
        media_type: of the tiles.
        styles: name and title of its styles beside the default one.
        abstract: a sentence about it.
        tilesize: pixels along a side of the tiles; None: as the set has it.
        ranged: name the set after its zooms, for documents with layers of other zooms.
    """
    tms = tms_.get(tms_.DEFAULT)
    place = Extent(bounds=geographic, crs=WGS84, geographic=geographic)
    limits = tilesets.limits(tms, tilesets.covered(tms, place), *zooms)
    if not limits:
        return None
    low, high = _zooms(limits)
    name = f"{tms.id}_{low}_{high}" if ranged else tms.id
    return WmtsLayer(
        identifier=identifier,
        title=title,
        matrix_set=OfferedSet(identifier=name, tms=tms, zooms=(low, high), tilesize=tilesize),
        limits=limits,
        geographic=geographic,
        tiles=tiles,
        media_type=media_type,
        styles=(("default", "Default"), *styles),
        abstract=abstract,
    )


def _zooms(limits: Sequence[TileLimits]) -> tuple[int, int]:
    return limits[0].zoom, limits[-1].zoom


def known_set(name: str, known: Container[str]) -> str:
    """Return the id of the tile matrix set that a document calls so."""
    match = _RANGED.fullmatch(name)
    return match["name"] if match is not None and name not in known else name


def capabilities(
    layers: Sequence[WmtsLayer],
    *,
    address: str,
    title: str,
    provider: str,
    use_epsg: bool = False,
    abstract: str | None = None,
    templates: str | None = None,
) -> str:
    """Return the capabilities document of these layers, XML text.

    Args:
        layers: in the order in which clients will list them.
        address: where this document is, its query included.
        title: of the service.
        provider: who serves it.
        use_epsg: write ``EPSG:3857`` instead of the URN, for ArcMap.
        abstract: a sentence about the service.
        templates: the operator's folder of templates.
    """
    sets = {layer.matrix_set.identifier: layer.matrix_set for layer in layers}
    parts = (
        pages.environment(templates)
        .get_template("wmts.xml")
        .generate(
            layers=layers,
            address=address,
            title=title,
            provider=provider,
            abstract=abstract,
            matrix_sets=[_matrix_set_element(matrix_set, use_epsg) for matrix_set in sets.values()],
            corners=_corners,
            limits=_limits,
            said=ows.sayable,
        )
    )
    return "".join(deadline.paced(parts, 256))


def parse_zooms(texts: Iterable[str], known: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return zoom ranges by tile matrix set from ``WebMercatorQuad::5,9`` and ``*::0,12``; a named one wins over ``*``.

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
    """Return ``ows:SupportedCRS``: a URN, ``EPSG:code`` when asked for, WKT where the CRS has no code."""
    match = _CODE.fullmatch(tms.crs)
    if match is None:
        return tms.crs
    if use_epsg:
        return tms.crs
    version = "1.3" if match["authority"] == "OGC" else ""
    return f"urn:ogc:def:crs:{match['authority']}:{version}:{match['code']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    """A tile matrix as the document writes it."""

    zoom: int
    scale_denominator: float
    corner: str
    tile_width: int
    tile_height: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _MatrixSetElement:
    """A tile matrix set as the document writes it."""

    identifier: str
    crs: str
    matrices: tuple[_Matrix, ...]


@lru_cache(maxsize=512)
def _matrix_set_element(matrix_set: OfferedSet, use_epsg: bool) -> _MatrixSetElement:
    tms, size = matrix_set.tms, matrix_set.tilesize
    low, high = matrix_set.zooms
    return _MatrixSetElement(
        identifier=matrix_set.identifier,
        crs=supported_crs(tms, use_epsg=use_epsg),
        matrices=tuple(
            _Matrix(
                zoom=matrix.zoom,
                # A tile shows the same piece of the Earth, in however many pixels.
                scale_denominator=tms.scale_denominator(matrix.cell_size)
                * matrix.tile_width
                / (size or matrix.tile_width),
                corner=_top_left(tms, matrix),
                tile_width=size or matrix.tile_width,
                tile_height=size or matrix.tile_height,
                width=matrix.width,
                height=matrix.height,
            )
            for matrix in tms.matrices
            if low <= matrix.zoom <= high
        ),
    )


def _top_left(tms: TileMatrixSet, matrix: TileMatrix) -> str:
    """Return the corner in the axis order of the CRS, which is that of the set's definition."""
    x, y = matrix.origin
    written: Mapping[str, list[float]] = {item["id"]: item["pointOfOrigin"] for item in tms.document["tileMatrices"]}
    swapped = tuple(map(float, written[str(matrix.zoom)])) != (x, y)
    return f"{y} {x}" if swapped else f"{x} {y}"


def _limits(limits: Sequence[TileLimits]) -> Markup:
    """Return the ``TileMatrixLimits`` of each zoom. They are nearly all of a long document, and numbers need no
    escaping.
    """
    from markupsafe import Markup  # comes with the templates, which tiles need not

    return Markup(  # noqa: S704 - numbers only
        "\n          ".join(
            f"<TileMatrixLimits><TileMatrix>{limit.zoom}</TileMatrix>"
            f"<MinTileRow>{limit.first_row}</MinTileRow><MaxTileRow>{limit.last_row}</MaxTileRow>"
            f"<MinTileCol>{limit.first_column}</MinTileCol><MaxTileCol>{limit.last_column}</MaxTileCol>"
            "</TileMatrixLimits>"
            for limit in limits
        )
    )


def _corners(bounds: Bounds) -> tuple[str, str]:
    """Return lower and upper corner of ``WGS84BoundingBox``, inside the world.

    No client understands a box across the antimeridian: they get the whole way around.
    """
    west, south, east, north = bounds
    if west > east:
        west, east = -180.0, 180.0
    return f"{max(west, -180.0)} {max(south, -90.0)}", f"{min(east, 180.0)} {min(north, 90.0)}"

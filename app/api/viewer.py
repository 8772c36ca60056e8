"""The maps: the whole catalog, one raster with all its controls, one raster in one tile matrix set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api import pages, tilesets
from app.api.static_files import static_file
from app.api.tilesets import Extent
from app.config.settings import Settings
from tilery.geo import crs as crs_
from tilery.geo import tms as tms_
from tilery.geo.raster import Crs
from tilery.geo.tms import TileMatrixSet

Query = Sequence[tuple[str, str]]

_OF_VALUES = (
    *("url", "bidx", "expression", "nodata", "unscale"),
    *("assets", "asset_as_band", "skip_missing"),
    *("variable", "sel", "group", "decode_times"),
)
"""What a point's values depend on."""


def map_of_layers(request: Request, layer: str | None = None) -> Response:
    """Return the page that shows the catalog's layers on one map; with ``layer`` only that one is on at first."""
    return pages.page(request, "map.html", data={"layer": layer} if layer else {})


def viewer_of_raster(
    request: Request,
    base: str = "cog",
    *,
    needs_url: bool = True,
    has_assets: bool = False,
    has_variables: bool = False,
    has_dimensions: bool = False,
) -> Response:
    """Return the page on which one decides how a raster is shown.

    Args:
        request: what asked for it.
        base: path of the routes that it asks, below the root: ``cog``, ``layers/{id}``.
        needs_url: False where ``base`` says which raster it is.
        has_assets: True where what the address names is an item, of whose assets some are shown.
        has_variables: True where it is a store, of whose variables one is shown.
        has_dimensions: True where it is a variable of a store, of which one moment is shown.
    """
    settings: Settings = request.app.state.context.settings
    data = {
        "base": base,
        "needs_url": needs_url,
        "has_assets": has_assets,
        "has_variables": has_variables,
        "has_dimensions": has_dimensions,
        "max_bands": settings.max_bands,
    }
    return pages.page(request, "viewer.html", data=data)


def map_of_raster(
    request: Request,
    tms: TileMatrixSet,
    *,
    title: str,
    base: str,
    query: Query,
    place: Extent,
    zooms: tuple[int, int],
    fallback_zooms: tuple[int, int] | None = None,
    suffix: str = "",
    attribution: str | None = None,
) -> Response:
    """Return the page that shows one raster in one tile matrix set.

    Args:
        request: what asked for it.
        tms: the tile matrix set.
        title: of the page.
        base: path of the raster's routes, below the root: ``cog``, ``layers/{id}``.
        query: what every tile is asked for with, decoded.
        place: where the raster is.
        zooms: shallowest and deepest zoom that there are tiles of.
        fallback_zooms: the same in WebMercatorQuad, for sets that Leaflet cannot show. None: ``zooms``.
        suffix: of a tile, as ``.png``.
        attribution: credits.
    """
    note = None
    if not _is_even(tms):
        note = f"The tiles of {tms.id} are not all of one width, which this page cannot show. This is {tms_.DEFAULT}."
        tms, zooms = tms_.get(tms_.DEFAULT), fallback_zooms or zooms
    covered = tilesets.covered(tms, place)
    return pages.page(
        request,
        "leaflet.html",
        title=title,
        data={
            "set": described(tms),
            "tiles": {"path": f"{base}/tiles/{tms.id}/{{z}}/{{x}}/{{y}}{suffix}", "query": list(query)},
            "point": {"path": f"{base}/point", "query": [pair for pair in query if pair[0] in _OF_VALUES]},
            "extent": covered or tms.bounds,
            "limits": {
                limit.zoom: (limit.first_column, limit.first_row, limit.last_column, limit.last_row)
                for limit in tilesets.limits(tms, covered, *zooms)
            },
            "minzoom": zooms[0],
            "maxzoom": zooms[1],
            "attribution": attribution,
            "note": note,
        },
    )


def _is_even(tms: TileMatrixSet) -> bool:
    """Return True when all tiles have one size and all matrices one corner: what Leaflet can show."""
    first = tms.matrices[0]
    return all(
        not matrix.coalesce
        and not matrix.bottom_left
        and (matrix.tile_width, matrix.tile_height) == (first.tile_width, first.tile_height)
        and matrix.origin == first.origin
        for matrix in tms.matrices
    )


def described(tms: TileMatrixSet) -> dict[str, Any]:
    """Return what the page's script needs to know of a tile matrix set."""
    first = tms.matrices[0]
    return {
        "id": tms.id,
        "proj4": _proj4(tms.crs),
        "left": first.origin[0],
        "top": first.origin[1],
        "minzoom": tms.minzoom,
        "cells": [matrix.cell_size for matrix in tms.matrices],
        "tileWidth": first.tile_width,
        "tileHeight": first.tile_height,
    }


@lru_cache(maxsize=64)
def _proj4(crs: Crs) -> str:
    """Return a CRS in PROJ's old words, the only ones that the browser's library knows."""
    with warnings.catch_warnings():
        # pyproj warns that these words cannot say everything: for a map on a screen they say enough.
        warnings.simplefilter("ignore", UserWarning)
        return str(crs_.to_pyproj(crs).to_proj4())


async def _map(request: Request) -> Response:
    return map_of_layers(request)


ROUTES = (
    Route("/map", _map, methods=["GET"]),
    Route("/static/{version}/{name:path}", static_file, methods=["GET"]),
)

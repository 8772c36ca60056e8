"""``REQUEST=GetTile`` by keys and values (OGC 07-057r7, 8.2): the tile of the RESTful address, by the same route.

The documents do not offer it: QGIS would then ask for every tile that way. It is there for clients that know no other.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from app.api import kvp, ows, wmts
from app.api.access import credentials
from app.api.links import query_of
from app.api.operation import Operation, RequestContext
from app.api.ows import ServiceError
from tilery.errors import TileryError
from tilery.geo import tms as tms_
from tilery.rendering.encoding import formats

DEFAULT_STYLE = "default"
"""What WMTS clients call the rendering without a style."""

_OF_TILES = frozenset(("style", "format"))


async def answer(
    context: RequestContext[Any],
    operation: Operation[Any],
    *,
    styles: Iterable[str] | None,
    path: Mapping[str, str | None] | None = None,
    without: Iterable[str] = (),
    only: str | None = None,
) -> Response | None:
    """Return the answer to a request for something else than the document, None where the document is wanted.

    Args:
        context: the request for the document.
        operation: the route of tiles.
        styles: names that ``STYLE`` may have; others are the route's to refuse where there are None.
        path: what the path of the tile says beside its place.
        without: names in the query that are the document's own.
        only: the tile matrix set that all tiles of the document are in, if it is one.
    """
    given = kvp.given(context.request.scope["query_string"])
    wanted = given.get("request", "").lower()
    if wanted in ("", "getcapabilities"):
        return None
    try:
        if wanted != "gettile":
            message = "This service answers GetCapabilities and GetTile."
            raise ServiceError("OperationNotSupported", message, parameter="request")
        texts = {
            "layer": given.get("layer"),
            **(path or {}),
            **_place(given, only, context.app.tile_matrix_sets.names()),
        }
        query = [
            *((name, value) for name, value in _own(context, without) if name.lower() not in _OF_TILES),
            *_style(context, styles),
        ]
        query += credentials.carried(context.request.scope["query_string"])
        return await kvp.handed_on(context.request, context.app, operation, texts, urlencode(query).encode("ascii"))
    except TileryError as error:
        return ows.exception_report(error, context.request)


def _own(context: RequestContext[Any], without: Iterable[str]) -> kvp.Pairs:
    return kvp.without(query_of(context.request.scope, without=without))


def _place(given: Mapping[str, str], only: str | None, known: Container[str]) -> dict[str, str | None]:
    """Return where the tile is and of which format, as the path of its address says it.

    Raises:
        ServiceError: a name is missing, or the set or the format is none of ours.
    """
    missing = [name for name in ("TileMatrix", "TileRow", "TileCol") if not given.get(name.lower())]
    if missing:
        detail = f"The request names no {' and no '.join(missing)}."
        raise ServiceError("MissingParameterValue", detail, parameter=missing[0])
    matrix_set = wmts.known_set(given.get("tilematrixset") or only or tms_.DEFAULT, known)
    if only is not None and matrix_set != only:
        detail = f"The tiles of this layer are in {only}."
        raise ServiceError("InvalidParameterValue", detail, parameter="TileMatrixSet")
    row = formats.by_media_type(given.get("format") or "image/png")
    if row is None:
        raise ServiceError("InvalidParameterValue", "There are no tiles of this format.", parameter="Format")
    return {
        "tileMatrixSetId": matrix_set,
        "z": given["tilematrix"].rpartition(":")[2],  # as some clients write it, behind the name of its set
        "x": given["tilecol"],
        "y": given["tilerow"],
        "format": row.name,
    }


def _style(context: RequestContext[Any], styles: Iterable[str] | None) -> kvp.Pairs:
    """Return the style that is meant: the client's, unless that is the default one, else the document's."""
    known = None if styles is None else frozenset(styles)
    named = [value for name, value in query_of(context.request.scope) if name.lower() == "style"]
    chosen = [name for name in named if name not in ("", DEFAULT_STYLE) and (known is None or name in known)]
    return [("style", chosen[-1])] if chosen else []

"""Requests by keys and values in the query, as OGC's older services have them: names in any case (OGC 06-121r9).

Clients put such names behind addresses of ours that know nothing of them, QGIS behind that of every WMTS document. They
say nothing about a tile, so no link repeats them and no key holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.api.context import AppContext
from app.api.operation import Operation, endpoint
from app.api.params.parse import pairs

Pairs = list[tuple[str, str]]

NAMES = frozenset(
    (
        *("service", "request", "version", "acceptversions", "acceptformats", "sections", "updatesequence"),
        *("layer", "layers", "styles", "tilematrixset", "tilematrix", "tilerow", "tilecol"),
    )
)
"""Names that belong to the protocol and mean nothing to a route of ours, in lower case."""


def given(query: bytes) -> dict[str, str]:
    """Return the values of a query by their names in lower case; of one that is repeated, the last counts.

    Raises:
        OverLimit: the query is longer than any real one.
    """
    return {name.lower(): value for name, value in pairs(query)}


def without(query: Iterable[tuple[str, str]]) -> Pairs:
    """Return the pairs of a query whose names are not the protocol's."""
    return [pair for pair in query if pair[0].lower() not in NAMES]


async def handed_on(
    request: Request, app: AppContext, operation: Operation[Any], path: Mapping[str, str | None], query: bytes
) -> Response:
    """Return the answer of another route to what a request by keys and values means.

    Args:
        request: as it came.
        app: of the application.
        operation: the route.
        path: the texts of its path's parameters.
        query: what is to stand in its query.
    """
    scope = {**request.scope, "path_params": dict(path), "query_string": query}
    return await endpoint(operation, app)(Request(scope, request.receive))

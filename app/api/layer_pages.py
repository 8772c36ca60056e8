"""The list of layers in pages: however many layers there are, a request reads and writes one page of them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import kvp
from app.api.links import query_of
from app.api.operation import RequestContext
from app.api.params.groups import Paging
from app.api.params.table import MOST_LAYERS
from tilery.catalog.listing import LayerPage, Query

CARDS = 100
"""Layers of one page for people."""

_NONE = LayerPage(layers=(), total=0, state="none")


async def page(context: RequestContext[Any], query: Query) -> LayerPage:
    """Return a part of the list."""
    catalog = context.app.catalog
    if catalog is None:
        return _NONE
    found = catalog.fresh_page(query)
    if found is None:
        found = await context.app.service.run_shared(f"page {query}", lambda: catalog.page(query))
    return found


async def requested_page(context: RequestContext[Any], most: int = MOST_LAYERS) -> tuple[LayerPage, dict[str, str]]:
    """Return the page that a request asks for, and the addresses of it and of those beside it; ``most``
    layers at most.
    """
    asked = context.values.to(Paging)
    offset, limit = asked.offset, min(asked.limit, most)
    found = await page(context, Query(offset=offset, limit=limit, folder=asked.folder, words=asked.words))
    return found, _links(context, found, offset, limit)


def _links(context: RequestContext[Any], found: LayerPage, offset: int, limit: int) -> dict[str, str]:
    """Return addresses of the page itself, and of the ``next`` and ``prev`` ones where there are such."""
    wanted = {"self": offset}
    if offset + limit < found.total:
        wanted["next"] = offset + limit
    if offset > 0:
        wanted["prev"] = max(offset - limit, 0)
    scope = context.request.scope
    to, query = context.app.links.to, kvp.without(query_of(scope, without=("offset",)))
    return {
        relation: to(scope, scope["path"], [*query, *([("offset", str(start))] if start else [])])
        for relation, start in wanted.items()
    }


def with_links(response: Response, found: dict[str, str]) -> Response:
    """Return the response with a ``Link`` header (RFC 8288) of the pages beside it."""
    text = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in found.items() if relation != "self")
    if text:
        response.headers["Link"] = text
    return response

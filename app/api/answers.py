"""The two shapes of a document's answer: JSON for programs, a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.api import json_documents, negotiation, pages
from app.api.operation import RequestContext
from app.api.params import groups

JSON = "application/json"
HTML = "text/html"

PRODUCES: Mapping[int | str, Mapping[str, Any]] = {
    200: {"description": "Successful Response", "content": {JSON: {}, HTML: {"schema": {"type": "string"}}}}
}
"""Responses of a route with a document and a page, as the OpenAPI document has them."""


def link(context: RequestContext[Any], path: str) -> str:
    """Return the address of a path of ours, as the caller of this request can reach it."""
    return context.app.links.to(context.request.scope, path)


def wants_page(context: RequestContext[Any]) -> bool:
    """Return True when the caller prefers HTML: by ``f``, else by the Accept header."""
    given = groups.page_format(context.values)
    if given is not None:
        return given == "html"
    return negotiation.preferred(context.request.headers.get("accept", ""), (JSON, HTML)) == HTML


def as_json(body: Any) -> Response:
    """Return a document as JSON."""
    return Response(json_documents.encode(body), media_type=JSON, headers={"Vary": "Accept"})


def document(
    context: RequestContext[Any],
    body: Mapping[str, Any],
    *,
    title: str,
    description: str | None = None,
    entries: Sequence[Mapping[str, str]] | None = None,
    template: str = "document.html",
    **shown: Any,
) -> Response:
    """Return a document, as JSON or as a page.

    Args:
        context: the request.
        body: the document.
        title: of the page.
        description: a sentence under the title.
        entries: for a list of things, ``name`` of each and ``path`` below the root, or ``href`` elsewhere; the page
            shows these instead of the document.
        template: of the page.
        shown: what else the template shows.
    """
    if not wants_page(context):
        return as_json(body)
    return pages.page(
        context.request,
        template,
        title=title,
        description=description,
        document=body,
        entries=entries,
        json_address=json_address(context.request),
        **shown,
    )


def json_address(request: Request) -> str:
    """Return where the same document is as JSON, relative to the page."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "f"]
    return f"?{urlencode([*query, ('f', 'json')])}"

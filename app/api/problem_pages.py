"""Problems as pages: a person who follows a link reads what went wrong, and a program gets the document."""

from __future__ import annotations

import json
import logging
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from app.api import negotiation
from app.api.links import Scope
from app.config.settings import Settings

logger = logging.getLogger("tilery.request")

_JSON, _HTML = "application/json", "text/html"
_KEPT = ("retry-after", "www-authenticate", "allow")
"""Headers of a problem that a page of it has too."""
_TITLES = {
    400: "The address is not right",
    401: "An access token is needed",
    403: "This may not be shown",
    404: "Nothing is here",
    405: "This is not for browsers",
    413: "This is too much at once",
    415: "This is not a raster for maps",
    422: "The address is not right",
    429: "Too many requests",
    503: "The server is busy",
    504: "This took too long",
}


def for_caller(problem: Response, scope: Scope, settings: Settings) -> Response:
    """Return a problem document as it is, or as a page where the caller prefers one, as browsers do."""
    if scope["method"] != "GET" or not _wants_page(scope):
        return problem
    import jinja2

    from app.api import pages

    body = json.loads(bytes(problem.body))
    try:
        page = pages.page(
            Request(dict(scope)),
            "problem.html",
            status=problem.status_code,
            settings=settings,
            title=_TITLES.get(problem.status_code, "Something went wrong"),
            problem=body,
        )
    except jinja2.TemplateError:  # an operator's own template
        logger.exception("%s the page of a problem could not be made", body.get("request_id"))
        return problem
    page.headers["Cache-Control"] = "no-store"
    for name in _KEPT:
        if name in problem.headers:
            page.headers[name] = problem.headers[name]
    return page


def _wants_page(scope: Scope) -> bool:
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if b"html" not in accept:
        return False
    if "json" in parse_qs(scope["query_string"][:8192].decode("latin-1")).get("f", ()):
        return False
    return negotiation.preferred(accept.decode("latin-1"), (_JSON, _HTML)) == _HTML

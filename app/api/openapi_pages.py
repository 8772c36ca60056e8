"""The API's description and the pages that show it: ``/api``, ``/api.html`` (Swagger UI), ``/redoc``, and old names."""

from __future__ import annotations

from functools import lru_cache

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from app.api import answers, json_documents, openapi, pages
from app.api.links import Links

_STYLED = {"style-src": "'self' 'unsafe-inline'"}
"""Both pages' own scripts write style elements."""


def router(links: Links) -> APIRouter:
    """Return the routes; ``links`` makes the address that the description's paths are relative to."""
    found = APIRouter(include_in_schema=False)

    async def description(request: Request) -> Response:
        """Return the API's description, as its media type says."""
        return Response(_description(request.app, links.base(request.scope)), media_type=openapi.MEDIA_TYPE)

    async def description_as_json(request: Request) -> Response:
        """Return the same under the name that TiTiler gave it before 0.13, as plain JSON."""
        return Response(_description(request.app, links.base(request.scope)), media_type=answers.JSON)

    found.add_api_route("/api", description, methods=["GET"])
    found.add_api_route("/openapi.json", description_as_json, methods=["GET"])
    found.add_api_route("/api.html", swagger, methods=["GET"])
    found.add_api_route("/docs", swagger, methods=["GET"])
    found.add_api_route("/redoc", redoc, methods=["GET"])
    return found


@lru_cache(maxsize=16)
def _description(app: FastAPI, base: str) -> bytes:
    """Return the OpenAPI document, with the address that its paths are relative to."""
    return json_documents.encode(app.openapi() | ({"servers": [{"url": base}]} if base else {}))


async def swagger(request: Request) -> Response:
    """Return the API's description as a page to try things out on."""
    return pages.page(request, "swagger.html", policy=_STYLED)


async def redoc(request: Request) -> Response:
    """Return the API's description as a page to read."""
    return pages.page(request, "redoc.html", policy=_STYLED)

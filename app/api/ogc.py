"""What OGC API Common asks for: the landing page and the list of standards that are kept."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import answers, openapi
from app.api.families import layers
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.table import PAGE_FORMAT

TAG = "OGC Common"

_COMMON = "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf"
_COLLECTIONS = "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections"
_TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf"
_MAPS = "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf"

CONFORMS_TO = (
    *(f"{_COMMON}/{name}" for name in ("core", "html", "json", "landing-page")),
    _COLLECTIONS,
    *(f"{_TILES}/{name}" for name in ("core", "jpeg", "png", "tiff", "tileset", "tilesets-list")),
    *(f"{_MAPS}/{name}" for name in ("core", "crs", "jpeg", "png", "scaling", "spatial-subsetting", "tiff")),
)

_LINKS = (
    ("/", "self", "application/json", "Landing page"),
    ("/api", "service-desc", openapi.MEDIA_TYPE, "The API definition (JSON)"),
    ("/api.html", "service-doc", "text/html", "The API documentation"),
    (
        "/conformance",
        "http://www.opengis.net/def/rel/ogc/1.0/conformance",
        "application/json",
        "Conformance Declaration",
    ),
    (
        "/tileMatrixSets",
        "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes",
        "application/json",
        "List of Available TileMatrixSets",
    ),
    ("/collections", "data", "application/json", "Layers as Collections"),
    ("/collections", "http://www.opengis.net/def/rel/ogc/1.0/data", "application/json", "Layers as Collections"),
    ("/algorithms", "data", "application/json", "List of Available Algorithms"),
    ("/colorMaps", "data", "application/json", "List of Available ColorMaps"),
    ("/layers", "data", "application/json", "List of Available Layers"),
    ("/wmts", "data", "application/xml", "WMTS of all Layers"),
    ("/wms", "data", "text/xml", "WMS of all Layers"),
    ("/map", "preview", "text/html", "Map of all Layers"),
    ("/redoc", "doc", "text/html", "The API documentation (ReDoc)"),
)

_DOCS = frozenset(("/api", "/api.html", "/redoc"))
"""Those of the API's description, which settings may close."""
_FILES = ("/sources", "data", "application/json", "List of What May Be Read")


async def landing(context: RequestContext[None]) -> Response:
    """Return the landing page: links to everything else."""
    settings = context.app.settings
    body: dict[str, Any] = {
        "title": settings.name,
        "description": settings.description,
        "links": [
            {"href": answers.link(context, path), "rel": relation, "type": media_type, "title": title}
            for path, relation, media_type, title in (*_LINKS, *([_FILES] if settings.lists_sources else []))
            if settings.api_docs != "off" or path not in _DOCS
        ],
    }
    if not answers.wants_page(context):
        return answers.as_json(body)
    shown = await layers.first(context)
    return await context.app.service.run(
        lambda: answers.document(
            context,
            body,
            title=settings.name,
            description=settings.description,
            template="landing.html",
            links=body["links"][1:],
            layers=shown,
        )
    )


async def conformance(context: RequestContext[None]) -> Response:
    """Return the parts of OGC's standards that are kept."""
    body = {"conformsTo": list(CONFORMS_TO)}
    entries = [{"name": address.partition("/spec/")[2], "href": address} for address in CONFORMS_TO]
    return answers.document(context, body, title="Conformance", entries=entries)


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="landing__get",
        paths=("/",),
        parameters=(PAGE_FORMAT,),
        answer=landing,
        plan=no_plan,
        tag=TAG,
        summary="Landing",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="conformance_conformance_get",
        paths=("/conformance",),
        parameters=(PAGE_FORMAT,),
        answer=conformance,
        plan=no_plan,
        tag=TAG,
        summary="Conformance",
        produces=answers.PRODUCES,
    ),
)

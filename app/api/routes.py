"""Every route but the fast ones to tiles, as one FastAPI application.

FastAPI and all that these routes import take longer to load than a tile takes to make, so this module is loaded when
the first of them is asked for (see `app.api.app`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from app.api import (
    algorithms,
    collections,
    colormaps,
    health,
    layer_editing,
    ogc,
    openapi,
    openapi_pages,
    problem_pages,
    problems,
    sources,
    tms,
    viewer,
)
from app.api.context import AppContext
from app.api.families import cog, layers
from app.api.operation import Handler, Operation, endpoint, known_to
from app.api.raster import verbs
from app.config import access
from tilery import __version__
from tilery.catalog import ids


def build(context: AppContext) -> FastAPI:
    """Return the application with all routes and the OpenAPI document of them."""
    settings = context.settings
    app = FastAPI(
        title=settings.name,
        description=settings.description,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={HTTPException: _no_route, Exception: _reraise},
    )
    app.state.context = context
    operations = _operations(context)
    _mount(app, context, operations)
    if settings.api_docs != "off":
        app.include_router(openapi_pages.router(context.links))
    app.router.routes.extend(viewer.ROUTES)
    _mount(app, context, layers.SHORT)
    described = [known_to(context, operation) for operation in (*operations, *layers.SHORT)]
    app.openapi = lambda: openapi.describe(app, described)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


async def _reraise(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler gets both
    """Raise the error again: failures are answered in one place, the middleware."""
    raise error


def _operations(context: AppContext) -> list[Operation[Any]]:
    operations: list[Operation[Any]] = []
    if not context.settings.disable_cog:
        operations += cog.OPERATIONS
    if context.settings.lists_sources:
        operations += sources.OPERATIONS
    for family in context.families:
        operations += verbs.operations(family)
    if access.rules_of(context.settings).has_admins and context.catalog is not None:
        operations += layer_editing.OPERATIONS
    return [
        *health.OPERATIONS,
        *operations,
        *tms.OPERATIONS,
        *algorithms.OPERATIONS,
        *colormaps.OPERATIONS,
        *ogc.OPERATIONS,
        *collections.OPERATIONS,
        *layers.OPERATIONS,
    ]


def _mount(app: FastAPI, context: AppContext, operations: Iterable[Operation[Any]]) -> None:
    """Add every operation under all its paths.

    As plain routes: parameters are parsed by ours, and FastAPI's own would take a millisecond each to set up.
    """
    for operation in operations:
        handler = endpoint(operation, context)
        for path in operation.paths:
            app.router.routes.append(_route(path, handler, operation.method, context))


class _Zoom(Convertor[str]):
    """A number in a path, as text: the route checks it."""

    regex = "-?[0-9]+"

    def convert(self, value: str) -> str:
        """Return the text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the same."""
        return value


register_url_convertor("zoom", _Zoom())


def _route(path: str, handler: Handler, method: str, context: AppContext) -> Route:
    """Return the path as the router has it.

    Where no tile matrix set is named only a number is a zoom: a path that names a set and lacks a part is none of ours,
    and says nothing wrong about ``z``. A layer may have folders, and a word behind it is a set's name before it is the
    last part of an id.
    """
    route = Route(
        path if "{tileMatrixSetId}" in path else path.replace("/{z}/", "/{z:zoom}/"), handler, methods=[method]
    )
    if "{layer}" in path:
        sets = [name for name in context.tile_matrix_sets.names() if re.fullmatch(ids.PART, name)]
        text = route.path_regex.pattern.replace("(?P<layer>[^/]+)", f"(?P<layer>[^/]+|{ids.pattern(sets)})")
        if "{layer}/{tileMatrixSetId}" in path:
            known = "".join(f"|{re.escape(name)}(?=/)" for name in sets)
            own = rf"(?P<tileMatrixSetId>(?!{ids.PART}/)[^/]+{known})"
            text = text.replace("(?P<tileMatrixSetId>[^/]+)", own)
        if path == "/{layer}/{z}/{x}/{y}":  # a row that is no number is the last part of an id
            text = text.replace("(?P<y>[^/]+)", rf"(?P<y>-?[0-9]+|(?!{ids.PART}$)[^/]+)")
        route.path_regex = re.compile(text)
    return route


async def _no_route(request: Request, error: Exception) -> Response:
    """Return the answer where no route was found; a path that only has a slash too many is led to the right one."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    path: str = request.scope["path"]
    context: AppContext = request.app.state.context
    if status == 404 and path.endswith("/") and path.strip("/"):
        query = request.scope["query_string"].decode("latin-1")
        address = context.links.prefix(request.scope) + "/" + path.strip("/")
        return RedirectResponse(f"{address}?{query}" if query else address, status_code=307)
    detail = {404: "There is nothing at this path.", 405: "This path does not take that method."}.get(status, "No.")
    headers = {"Allow": _allowed(request)} if status == 405 else {}
    problem = problems.of_status(status, detail, request.state.request_id, headers)
    return problem_pages.for_caller(problem, request.scope, context.settings)


def _allowed(request: Request) -> str:
    """Return the methods that any route takes at this path; the router knows those of the first one only."""
    fitting = (route for route in request.app.router.routes if route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in fitting for method in getattr(route, "methods", None) or ()}))

"""The parts put together into one ASGI application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app import __version__
from app import settings as settings_
from app.api import algorithms, colormaps, health, layers, ogc, openapi, openapi_pages, problems, tms, viewer
from app.api.cog import routes as cog
from app.api.compression import Compression
from app.api.desk import Desk, Locations
from app.api.links import Links
from app.api.middleware import Door, Lanes
from app.api.operation import Lane, Operation, endpoint
from app.catalog.catalog import open_catalog
from app.errors import InvalidParameter
from app.observing import redaction
from app.reading.policy import Policy
from app.serving.service import Service
from app.serving.tile_store import open_tile_store
from app.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, ready to serve, for these settings or those of the environment."""
    chosen = settings or settings_.get()
    redaction.install("uvicorn.access", "tilery.request")
    desk = _desk(chosen)
    app = FastAPI(
        title=chosen.name,
        description=chosen.description,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Door, settings=chosen),
            Middleware(Compression),
            Middleware(Lanes, lanes=_lanes(desk)),
        ],
        exception_handlers={HTTPException: _no_route, RequestValidationError: _not_valid},
    )
    app.state.desk = desk
    operations = _operations(chosen)
    _mount(app, desk, operations)
    app.include_router(openapi_pages.router(desk.links))
    app.include_router(viewer.router)
    _mount(app, desk, layers.SHORT)
    described = (*operations, *layers.SHORT)
    app.openapi = lambda: openapi.describe(app, described)  # type: ignore[method-assign]
    return app


def _desk(settings: Settings) -> Desk:
    catalog = open_catalog(settings.catalog, revalidate=settings.revalidate_seconds) if settings.catalog else None
    of_layers = [*settings.sources, *([catalog.address] if catalog else [])]
    return Desk(
        settings=settings,
        locations=Locations(Policy.from_sources(settings.sources), settings.revalidate_seconds),
        links=Links(settings),
        service=Service(settings),
        catalog=catalog,
        layer_locations=Locations(Policy.from_sources(of_layers), settings.revalidate_seconds),
        tile_store=open_tile_store(settings),
    )


def _operations(settings: Settings) -> list[Operation[Any]]:
    operations: list[Operation[Any]] = []
    if not settings.disable_cog:
        operations += cog.OPERATIONS
    return [
        *health.OPERATIONS,
        *operations,
        *tms.OPERATIONS,
        *algorithms.OPERATIONS,
        *colormaps.OPERATIONS,
        *ogc.OPERATIONS,
        *layers.OPERATIONS,
    ]


def _mount(app: FastAPI, desk: Desk, operations: Iterable[Operation[Any]]) -> None:
    """Add every operation under all its paths.

    As plain routes: parameters are parsed by ours, and FastAPI's own would take a millisecond each to set up.
    """
    for operation in operations:
        handler = endpoint(operation, desk)
        for path in operation.paths:
            app.router.routes.append(Route(path, handler, methods=[operation.method]))


def _lanes(desk: Desk) -> list[Lane]:
    return [*([] if desk.settings.disable_cog else cog.lanes(desk)), *layers.lanes(desk)]


async def _no_route(request: Request, error: Exception) -> Response:
    """The answer where no route was found; a path that only has a slash too many is led to the right one."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    path: str = request.scope["path"]
    desk: Desk = request.app.state.desk
    if status == 404 and path.endswith("/") and path.strip("/"):
        query = request.scope["query_string"].decode("latin-1")
        address = desk.links.prefix(request.scope) + "/" + path.strip("/")
        return RedirectResponse(f"{address}?{query}" if query else address, status_code=307)
    detail = {404: "There is nothing at this path.", 405: "This path does not take that method."}.get(status, "No.")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return problems.of_status(status, detail, request.state.request_id, headers)


async def _not_valid(request: Request, error: Exception) -> Response:
    """Validation errors of routes that leave their parameters to FastAPI, in our shape."""
    items = error.errors() if isinstance(error, RequestValidationError) else ()
    problem = InvalidParameter("; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in items))
    problem.errors = tuple({key: item[key] for key in ("type", "loc", "msg", "input")} for item in items)
    return problems.of_error(problem, request.state.request_id)

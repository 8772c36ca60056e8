"""The parts put together into one ASGI application."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from app.api import health
from app.api.access.guard import Guard
from app.api.compression import CompressionMiddleware
from app.api.context import AppContext, Locations
from app.api.families import cog, layers, mosaic, stac, zarr
from app.api.links import Links
from app.api.middleware import FastRouter, RequestMiddleware
from app.api.operation import Family, FastRoute
from app.api.raster import verbs
from app.config import access, advice
from app.config import settings as settings_
from app.config.engine_options import engine_options, read_limits, source_policy
from app.config.settings import Settings
from app.observing import redaction
from app.serving import monitoring
from app.serving.readiness import Readiness
from app.serving.service import Service
from app.serving.tile_store import open_tile_store
from tilery import arena
from tilery.catalog.catalog import open_catalog
from tilery.engine import Engine
from tilery.geo.tms import TileMatrixSets
from tilery.limits.memory import Memory
from tilery.rendering.colormap import Colormaps

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.observing.traces import Traces

logger = logging.getLogger("tilery.links")


def create_app(settings: Settings | None = None, families: Sequence[Family] = ()) -> Application:
    """Return the application, ready to serve, for these settings or those of the environment.

    ``families`` are further ways to name a raster, each with the routes of its verbs.
    """
    chosen = settings or settings_.get()
    redaction.install("uvicorn.access", "uvicorn.error", "tilery.request", "tilery.tile_store")
    return Application(_context(chosen, tuple(families)))


class Application:
    """The ASGI application: the middleware, the fast routes to tiles, and behind them every other route.

    FastAPI, and all that only documents and pages need, is loaded when the first of them is asked for: it takes longer
    than a new process needs until its first tile, and a fifth of the memory of a worker that makes nothing but tiles.
    """

    def __init__(self, context: AppContext) -> None:
        """Serve with what an application is made of."""
        self.context = context
        self._fastapi: FastAPI | None = None
        self._building = threading.Lock()
        self._middleware = RequestMiddleware(
            CompressionMiddleware(FastRouter(self._route, routes=_fast_routes(context))),
            settings=context.settings,
            guard=guard_of(context),
            memory=context.service.memory,
            metrics=context.metrics,
            traces=context.traces,
        )
        self.watch = monitoring.Monitor(context.settings, context.service, context.catalog)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._middleware(scope, receive, send)

    def routes(self) -> FastAPI:
        """Return the FastAPI application with every route, loaded by the first call."""
        with self._building:
            if self._fastapi is None:
                from app.api import routes

                self._fastapi = routes.build(self.context)
            return self._fastapi

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return self.routes().openapi()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        fastapi = self._fastapi
        if fastapi is None:
            fastapi = await asyncio.to_thread(self.routes)
        await fastapi(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say yes to the server's start and stop, and hand it what it looks at meanwhile."""
        state = scope.get("state", {})
        state["tilery.service"] = self.context.service
        state[Memory.STATE] = self.context.service.memory
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                advice.advise(self.context.settings, logger.warning)
                self.watch.start()
                self._middleware.reports.may_wait()
                await self._prepare()
            elif message["type"] == "lifespan.shutdown":
                self._middleware.reports.close()
                self.watch.stop()
                if self.context.traces is not None:
                    await asyncio.to_thread(self.context.traces.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _prepare(self) -> None:
        """Look up the credentials of what may be read, before a tile has to wait for them."""
        buckets, stores = self.context.layer_locations.policy.buckets(), self.context.engine.stores
        if buckets or stores.signs:
            try:
                await asyncio.to_thread(stores.prepare, buckets)
            except Exception:  # whoever reads from there is told, and all others can be served
                logger.exception("The credentials of the sources could not be looked up.")


def guard_of(context: AppContext) -> Guard | None:
    """Return what decides who may ask; None where everybody may, as often as they like."""
    rules = access.rules_of(context.settings)
    if not (rules.guarded or rules.limited or rules.has_admins):
        return None
    families = {family.path.strip("/") for family in (cog.FAMILY, *context.families)}
    verifier = None
    if rules.issuer is not None:
        from app.api.access import oidc

        verifier = oidc.Verifier(rules.issuer)
    sets = context.tile_matrix_sets.names()
    return Guard(context.settings, rules, families, matrix_sets=sets, verifier=verifier)


def _traces(settings: Settings) -> tuple[Traces | None, Callable[[], str] | None]:
    """Return what makes traces, and tells others of them; nothing of it is loaded where none are wanted."""
    if not settings.telemetry:
        return None, None
    from app.observing import traces

    return traces.Traces(settings), traces.of_upstream


def _context(settings: Settings, families: tuple[Family, ...]) -> AppContext:
    metrics = monitoring.metrics_of(settings)
    observe = partial(monitoring.count_exchange, metrics) if metrics.wanted else None
    traces, trace_headers = _traces(settings)
    engine = Engine(
        engine_options(settings, observe, trace_headers),
        block_arena=arena.shared.blocks if arena.shared is not None else None,
    )
    catalog = (
        open_catalog(settings.catalog, revalidate=settings.revalidate_seconds, options=engine.options.stores)
        if settings.catalog
        else None
    )
    if not settings.disable_zarr:
        families = (zarr.FAMILY, *families)
    if not settings.disable_mosaic:
        families = (mosaic.FAMILY, *families)
    if not settings.disable_stac:
        families = (stac.FAMILY, *families)
    for family in families:
        engine.openers |= family.openers
    tile_store = open_tile_store(settings, metrics)
    service = Service(settings, engine, tile_store, metrics)
    policy = source_policy(settings)
    of_catalog = [catalog.address] if catalog else []
    return AppContext(
        settings=settings,
        engine=engine,
        read_limits=read_limits(settings),
        locations=Locations(policy, settings.revalidate_seconds),
        links=Links(settings),
        service=service,
        readiness=Readiness(catalog=catalog, policy=policy, engine=engine, hanging=lambda: service.hanging),
        metrics=metrics,
        traces=traces,
        tile_matrix_sets=TileMatrixSets(settings.tile_matrix_set_directory),
        colormaps=Colormaps(settings.colormap_directory),
        catalog=catalog,
        layer_locations=Locations(source_policy(settings, *of_catalog), settings.revalidate_seconds),
        families=families,
    )


def _fast_routes(context: AppContext) -> list[FastRoute]:
    return [
        *([] if context.settings.disable_cog else verbs.fast_routes(cog.FAMILY, context)),
        *(route for family in context.families for route in verbs.fast_routes(family, context)),
        *layers.fast_routes(context),
        *health.fast_routes(context),
    ]

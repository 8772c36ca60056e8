"""The parts put together into one ASGI application."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from app.api import health, links
from app.api.compression import CompressionMiddleware
from app.api.context import AppContext, Locations
from app.api.families import cog, layers
from app.api.links import Links
from app.api.middleware import FastRouter, RequestMiddleware
from app.api.operation import FastRoute
from app.config import settings as settings_
from app.config.settings import Settings
from app.observing import redaction
from app.serving.service import Service
from app.serving.tile_store import open_tile_store
from tilery.catalog.catalog import open_catalog
from tilery.limits.memory import Memory
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("tilery.links")


def create_app(settings: Settings | None = None) -> Application:
    """The application, ready to serve, for these settings or those of the environment."""
    chosen = settings or settings_.get()
    redaction.install("uvicorn.access", "uvicorn.error", "tilery.request", "tilery.tile_store")
    return Application(_desk(chosen))


class Application:
    """The ASGI application: the door, the short ways to tiles, and behind them the rooms.

    FastAPI, and all that only documents and pages need, is loaded when the first of them is asked for: it takes longer
    than a new process needs until its first tile, and a fifth of the memory of a worker that makes nothing but tiles.
    """

    def __init__(self, context: AppContext) -> None:
        """Serve what is on the desk."""
        self.context = context
        self._rooms: FastAPI | None = None
        self._building = threading.Lock()
        self._entrance = RequestMiddleware(
            CompressionMiddleware(FastRouter(self._enter_rooms, lanes=_lanes(context))),
            settings=context.settings,
            memory=context.service.memory,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._entrance(scope, receive, send)

    def rooms(self) -> FastAPI:
        """The FastAPI application with every route, loaded by the first call."""
        with self._building:
            if self._rooms is None:
                from app.api import routes as rooms

                self._rooms = rooms.build(self.context)
            return self._rooms

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return self.rooms().openapi()

    async def _enter_rooms(self, scope: Scope, receive: Receive, send: Send) -> None:
        rooms = self._rooms
        if rooms is None:
            rooms = await asyncio.to_thread(self.rooms)
        await rooms(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say yes to the server's start and stop, and hand it what it looks at meanwhile."""
        state = scope.get("state", {})
        state["tilery.service"] = self.context.service
        state[Memory.STATE] = self.context.service.memory
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                links.advise(self.context.settings, logger.warning)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _desk(settings: Settings) -> AppContext:
    catalog = open_catalog(settings.catalog, revalidate=settings.revalidate_seconds) if settings.catalog else None
    of_layers = [*settings.sources, *([catalog.address] if catalog else [])]
    return AppContext(
        settings=settings,
        locations=Locations(Policy.from_sources(settings.sources), settings.revalidate_seconds),
        links=Links(settings),
        service=Service(settings),
        catalog=catalog,
        layer_locations=Locations(Policy.from_sources(of_layers), settings.revalidate_seconds),
        tile_store=open_tile_store(settings),
    )


def _lanes(context: AppContext) -> list[FastRoute]:
    return [
        *([] if context.settings.disable_cog else cog.fast_routes(context)),
        *layers.fast_routes(context),
        *health.lanes(context),
    ]

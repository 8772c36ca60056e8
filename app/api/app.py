"""The parts put together into one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from app.api import health


def create_app() -> FastAPI:
    """The application, ready to serve."""
    app = FastAPI()
    app.add_api_route("/healthz", health.healthz, methods=["GET", "HEAD"], tags=["Health Check"])
    return app

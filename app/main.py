"""The ASGI application, ``app.main:app``."""

from __future__ import annotations

from app.api.app import create_app

app = create_app()

"""The ASGI application, ``app.main:app``."""

from __future__ import annotations

from app.config import settings
from app.process import native

native.prepare(settings.process())

from app.api.app import create_app  # noqa: E402 - the libraries it loads have to be told before
from app.observing import logs  # noqa: E402 - the same

app = create_app()
logs.start(app.context.settings.log_level, app.context.settings.log_format)

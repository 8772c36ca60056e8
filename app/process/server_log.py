"""The log of the process that forks and of the server, in JSON as all other lines."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from app.observing import logs


class JsonLog(Logger):  # type: ignore[misc]  # comes without types
    """gunicorn's log with lines for programs. Its handlers are uvicorn's too."""

    def setup(self, cfg: Any) -> None:
        """Set the handlers up, and have them write JSON."""
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            logs.prepare(handler, "json")

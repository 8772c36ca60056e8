"""The log of the process that forks and of the server, in the form of all other lines."""

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


class TextLog(Logger):  # type: ignore[misc]  # comes without types
    """gunicorn's log for people: no text of others has a line of its own. Its handlers are uvicorn's too."""

    def setup(self, cfg: Any) -> None:
        """Set the handlers up, and have those of errors write our lines. The access log has its own form."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            logs.prepare(handler, "text")

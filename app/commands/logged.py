"""What a person at a terminal is told of what the parts of a command log."""

from __future__ import annotations

import logging

import click

_TOLD_ANYWAY = "tilery.catalog"
"""The logger of what the command itself says: that layers cannot be listed, and which are broken."""


class _Told(logging.Handler):
    """Writes warnings to standard error, without an origin or a trace."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        if record.name != _TOLD_ANYWAY:
            prefix = "Warning: " if record.name.startswith("tilery.") else ""
            click.echo(f"{prefix}{record.getMessage()}", err=True)


def tell_warnings() -> None:
    """Write warnings in that way, where nobody has set up a log."""
    logging.lastResort = _Told(logging.WARNING)

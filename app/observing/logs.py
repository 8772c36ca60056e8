"""Where the log of the service goes, and how much there is of it."""

from __future__ import annotations

import logging

NAME = "tilery"
"""The logger above all of ours."""
_FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
_TIME = "%Y-%m-%d %H:%M:%S %z"


def start(level: str) -> None:
    """Log from this level on: to standard error, in gunicorn's form, where nobody has set another way."""
    logger = logging.getLogger(NAME)
    logger.setLevel(level.upper())
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
        logger.addHandler(handler)

"""Variables of gunicorn that are whole seconds."""

from __future__ import annotations

from collections.abc import Mapping

_USUAL = {"TIMEOUT": 60, "KEEP_ALIVE": 75, "DRAIN_DELAY": 0, "GRACEFUL_TIMEOUT": 30}


class WrongPeriod(ValueError):
    """What a variable says is no number of seconds."""


def seconds(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the seconds of each variable, by its name.

    Raises:
        WrongPeriod: one is none; the text says which.
    """
    found = {}
    for name, usual in _USUAL.items():
        text = environ.get(name, "").strip() or str(usual)
        if not (text.isascii() and text.isdigit()):
            raise WrongPeriod(f"{name}={text} has to be a whole number of seconds.")
        found[name] = int(text)
    return found

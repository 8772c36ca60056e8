"""Every setting with its value and where that came from: what ``tilery settings`` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from app.config import settings
from app.config.environment import EnvironmentVariable, written
from app.config.settings import Settings

_MASK = "********"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting."""

    variable: str
    """Our own name for it."""
    fallbacks: tuple[str, ...]
    """Names that are read when ours is not set."""
    value: str
    """As text; secrets are masked."""
    origin: str
    """``default``, ``environment NAME`` or ``.env NAME``."""
    explanation: str


def rows() -> tuple[Row, ...]:
    """Return all settings in the order in which `app.config.settings` declares them.

    Raises:
        WrongVariables: a value is not what its setting takes.
    """
    found = settings.get()
    file = written()
    return tuple(_row(variable, getattr(found, variable.field), file) for variable in Settings.variables())


def _row(variable: EnvironmentVariable, value: Any, file: dict[str, str]) -> Row:
    origin = "default"
    for place, found in (("environment", settings.process()), (".env", file)):
        name = variable.name_in(found)
        if name is not None:
            origin = f"{place} {name}"
            break
    ours, *others = variable.names
    return Row(
        variable=ours,
        fallbacks=tuple(dict.fromkeys(name for name in others if name != ours)),
        value=_text(value, secret=variable.secret or settings.is_whole_file(variable.field, value)),
        origin=origin,
        explanation=" ".join(cleandoc(variable.explanation).split()),
    )


def _text(value: Any, *, secret: bool) -> str:
    if value is None or value == ():
        return "(not set)"
    if secret:
        return _MASK
    if isinstance(value, tuple):
        return ", ".join(_text(item, secret=False) for item in value)
    return _CREDENTIALS.sub(f"{_MASK}@", str(value))

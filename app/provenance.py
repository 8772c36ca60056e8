"""Every setting with its value and where that came from: what ``tilery settings`` prints."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from dotenv import dotenv_values
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from app import settings
from app.settings import Settings

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
    """All settings in the order in which `app.settings` declares them.

    Raises:
        pydantic.ValidationError: a value is not what its setting takes.
    """
    found = settings.get()
    written = dotenv_values(".env")
    return tuple(_row(name, field, found, written) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo, found: Settings, written: dict[str, str | None]) -> Row:
    alias = field.validation_alias
    variables = tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else (name.upper(),)
    origin = "default"
    for place, lookup in (("environment", settings.environment), (".env", written.get)):
        variable = next((v for v in variables if lookup(v) is not None), None)
        if variable is not None:
            origin = f"{place} {variable}"
            break
    return Row(
        variable=variables[0],
        fallbacks=tuple(dict.fromkeys(v for v in variables[1:] if v != variables[0])),
        value=_text(getattr(found, name), secret=not field.repr),
        origin=origin,
        explanation=" ".join(inspect.cleandoc(field.description or "").split()),
    )


def _text(value: Any, *, secret: bool) -> str:
    if value is None or value == ():
        return "(not set)"
    if secret:
        return _MASK
    if isinstance(value, tuple):
        return ", ".join(_text(item, secret=False) for item in value)
    return _CREDENTIALS.sub(f"{_MASK}@", str(value))

"""The settings that the service and its stacks both have: names, defaults and explanations, once.

`cdk` has an environment of its own without the service's libraries, so this needs pydantic and no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, Field


def split(value: Any) -> Any:
    """Return the parts of a text with commas, or of a JSON list of texts; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith('["'):
        with suppress(ValueError):
            return tuple(json.loads(value))
    return tuple(part.strip() for part in value.split(",") if part.strip())


def joined(parts: Iterable[str]) -> str:
    """Return the text that a variable has for a list."""
    found = list(parts)
    plain = ",".join(found)
    return plain if split(plain) == tuple(found) else json.dumps(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSetting:
    """One setting that the service has, and that a stack hands to it or draws conclusions from."""

    names: tuple[str, ...]
    """Its variable, then those that are read when that is not set."""
    default: Any = None
    explanation: str
    secret: bool = False
    """Whether its value must not be shown."""

    def field(self, *names: str, more: str = "") -> Any:
        """Return the field of a settings class.

        Args:
            names: variables that are read before those of the service.
            more: what the setting does there besides.
        """
        return Field(
            self.default,
            validation_alias=AliasChoices(*names, *self.names),
            description=f"{self.explanation} {more}".rstrip(),
            repr=not self.secret,
        )


SOURCES = SharedSetting(
    names=("TILERY_SOURCES",),
    default=(),
    explanation="Comma list of what ``url=`` may name: ``s3://bucket/prefix/`` (or ``gs://``, ``az://``), "
    "``https://host/path/``, ``https://*`` (any public address), ``http://127.0.0.1:9000/`` (exactly this host and "
    "port), ``/directory/``, ``/a/single/file.tif``. Redirects are followed to what is listed. Empty: layers of the "
    "catalog only.",
)
CATALOG = SharedSetting(
    names=("TILERY_CATALOG",),
    explanation="Where the layers are: a directory or ``s3://bucket/sources/``.",
)
ACCESS_TOKEN = SharedSetting(
    names=("TILERY_ACCESS_TOKEN", "TITILER_API_GLOBAL_ACCESS_TOKEN"),
    explanation="Secret that every request must carry, as ``?access_token=`` or ``Authorization: Bearer``. Health "
    "checks need none.",
    secret=True,
)
ACCESS = SharedSetting(
    names=("TILERY_ACCESS",),
    explanation="Who may ask for what: tokens with scopes and rates, keys that sign addresses, the issuer of JSON Web "
    "Tokens. A document in JSON or TOML, or the path of its file; see ``docs/operations.md``.",
    secret=True,
)
CORS_ORIGINS = SharedSetting(
    names=("TILERY_CORS_ORIGINS", "TITILER_API_CORS_ORIGINS"),
    default=("*",),
    explanation="Origins whose pages may call the API.",
)
CORS_ALLOW_METHODS = SharedSetting(
    names=("TILERY_CORS_ALLOW_METHODS", "TITILER_API_CORS_ALLOW_METHODS"),
    default=("GET", "HEAD", "POST", "OPTIONS"),
    explanation="Methods that those pages may use.",
)

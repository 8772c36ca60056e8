"""Who may ask for what, as ``TILERY_ACCESS`` says it: tokens with scopes and rates, keys that sign addresses, and the
issuer of JSON Web Tokens.

The setting is a document in JSON or TOML, or the path of a file with one (JSON by its name, else TOML). Secrets need
not be in it: ``${NAME}`` stands for a variable.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.config import documents
from app.config.environment import WrongVariables, written

if TYPE_CHECKING:
    from app.config.settings import Settings

VARIABLE = "TILERY_ACCESS"
READ, ADMIN = "read", "admin"
"""Scopes. ``read``: rasters and layers, in every way that there is. ``admin``: change layers, and see what is closed to
others, besides."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""What an issuer may sign with: only what has a public key, so that nobody can sign with what everybody knows."""
SECONDS_OF_BURST = 10
"""A burst that is not said is as many requests as the rate allows in this time."""

_LEAST_TOKEN, _LEAST_KEY = 16, 32
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast requests may come."""

    a_second: float
    burst: int
    """Requests that may come at once, after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """One access token."""

    name: str
    """What the log calls it."""
    digest: bytes
    """SHA-256 of the token."""
    scopes: frozenset[str]
    by_header: bool = False
    """It lets nobody in who has it in an address."""
    rate: Rate | None = None
    """Of all who carry it together."""
    client_rate: Rate | None = None
    """Of each address that carries it, in place of ``TILERY_CLIENT_RATE``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key that signs addresses."""

    id: str
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whose JSON Web Tokens count."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks: str | None = None
    """Address of its keys; None: as its discovery document says."""
    read: str | None = None
    """Scope that reading needs; None: none, any token for the audience may read."""
    admin: str | None = None
    """Scope of admins; None: nobody is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Everything that settings say of who may ask for what."""

    tokens: tuple[TokenEntry, ...] = ()
    keys: tuple[SigningKey, ...] = ()
    """The first one signs; all are good."""
    issuer: Issuer | None = None
    client_rate: Rate | None = None
    """Of each address."""

    @property
    def guarded(self) -> bool:
        """True when requests must say who sends them. Where there is nothing but ``TILERY_ADMIN_TOKEN``,
        everybody may read.
        """
        readers = any(not entry.by_header for entry in self.tokens)
        return bool(readers or self.keys or self.issuer)

    @property
    def has_admins(self) -> bool:
        """True when somebody may change things."""
        return any(ADMIN in entry.scopes for entry in self.tokens) or bool(self.issuer and self.issuer.admin)

    @property
    def limited(self) -> bool:
        """True when requests may come too fast."""
        return self.client_rate is not None or any(entry.rate or entry.client_rate for entry in self.tokens)


def rules_of(settings: Settings) -> AccessRules:
    """Return what the settings say.

    Raises:
        WrongVariables: `TILERY_ACCESS` has no meaning.
    """
    tokens: tuple[TokenEntry, ...] = ()
    if settings.access_token:
        digest = hashlib.sha256(settings.access_token.encode()).digest()
        tokens = (TokenEntry(name="TILERY_ACCESS_TOKEN", digest=digest, scopes=frozenset((READ,))),)
    if settings.admin_token:
        digest, scopes = hashlib.sha256(settings.admin_token.encode()).digest(), frozenset((READ, ADMIN))
        tokens += (TokenEntry(name="TILERY_ADMIN_TOKEN", digest=digest, scopes=scopes, by_header=True),)
    found = read(settings.access) if settings.access else AccessRules()
    return AccessRules(
        tokens=(*tokens, *found.tokens),
        keys=found.keys,
        issuer=found.issuer,
        client_rate=_rate(settings.client_rate, settings.client_burst),
    )


def read(text: str, variables: Mapping[str, str] | None = None) -> AccessRules:
    """Return what the setting says.

    Args:
        text: the document, as JSON or TOML, or the path of its file.
        variables: what ``${NAME}`` stands for. None: the process's environment, then ``.env``.

    Raises:
        WrongVariables: it cannot be read, or says something that has no meaning. No value is in the message.
    """
    if variables is None:
        variables = written() | dict(os.environ)
    with documents.failures(VARIABLE):
        found = _Document.model_validate(documents.filled_in(documents.read(text.strip()), variables))
    if found.oidc and importlib.util.find_spec("joserfc") is None:
        raise WrongVariables({VARIABLE: "an issuer needs the package joserfc: pip install 'tilery[oidc]'"})
    return AccessRules(
        tokens=tuple(entry.value() for entry in found.tokens),
        keys=tuple(SigningKey(id=key.id, secret=key.secret.encode()) for key in found.keys),
        issuer=found.oidc.value() if found.oidc else None,
    )


def _rate(a_second: float | None, burst: int | None) -> Rate | None:
    if a_second is None:
        return None
    return Rate(a_second=a_second, burst=burst or max(1, round(SECONDS_OF_BURST * a_second)))


_Rate = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
_Burst = Annotated[int, Field(gt=0, le=10**7)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)


class _Token(_Part):
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
    token: Annotated[str, Field(min_length=_LEAST_TOKEN, max_length=4096)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    scopes: list[Literal["read", "admin"]] = Field(["read"], min_length=1)
    rate: _Rate | None = None
    burst: _Burst | None = None
    client_rate: _Rate | None = None
    client_burst: _Burst | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.token is None) == (self.sha256 is None):
            raise ValueError("give 'token' or the 'sha256' of it")
        return self

    def value(self) -> TokenEntry:
        """Return it as a value, without the token itself."""
        digest = hashlib.sha256((self.token or "").encode()).digest()
        return TokenEntry(
            name=self.name,
            digest=bytes.fromhex(self.sha256) if self.sha256 else digest,
            scopes=frozenset(self.scopes),
            rate=_rate(self.rate, self.burst),
            client_rate=_rate(self.client_rate, self.client_burst),
        )


class _Key(_Part):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    secret: Annotated[str, Field(min_length=_LEAST_KEY, max_length=4096)]


class _Oidc(_Part):
    issuer: str
    audience: Annotated[str, Field(min_length=1)]
    jwks: str | None = None
    algorithms: list[str] = Field(default_factory=lambda: ["RS256", "ES256"], min_length=1)
    read: Annotated[str, Field(min_length=1)] | None = None
    admin: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("issuer", "jwks")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value):
            raise ValueError("it is an address that begins with https:// or http://, without a user and a query")
        return value

    @field_validator("algorithms")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in ALGORITHMS:
                raise ValueError(f"it lists some of {', '.join(ALGORITHMS)}")
        return value

    def value(self) -> Issuer:
        """Return it as a value."""
        return Issuer(
            issuer=self.issuer,
            audience=self.audience,
            algorithms=tuple(self.algorithms),
            jwks=self.jwks,
            read=self.read,
            admin=self.admin,
        )


class _Document(_Part):
    tokens: list[_Token] = Field(default_factory=list, max_length=1000)
    keys: list[_Key] = Field(default_factory=list, max_length=100)
    oidc: _Oidc | None = None

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        _differ("tokens", (entry.name for entry in self.tokens))
        _differ("keys", (key.id for key in self.keys))
        if not (self.tokens or self.keys or self.oidc):
            raise ValueError("it names no tokens, no keys and no issuer: everybody would be let in")
        return self


def _differ(kind: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"two {kind} are called {twice[0]!r}")


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[\x21-\x7e]+", text):
        return False
    parts = urlsplit(text)
    return bool(parts.hostname) and parts.username is None and not parts.query and not parts.fragment

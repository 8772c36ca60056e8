"""What an entry of the sources allows, as values: `tilery.storage.policy` reads them and goes by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Service = Literal["s3", "gs", "az"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The files below a directory of this machine."""

    given: str
    """As it was written, in its normal form."""
    real: str
    """Where links lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermittedFile:
    """A single file of this machine."""

    given: str
    real: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermittedBucket:
    """The objects of a bucket, or those below a prefix."""

    service: Service
    bucket: str
    prefix: str
    """A folder with a slash at its end, or a single object or the folder of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The resources below a path of one server."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyPublicHost:
    """``https://*``"""


Entry = Directory | PermittedFile | PermittedBucket | Host | AnyPublicHost

"""Where a source is, after the policy has agreed to it.

A location is only made by `tilery.storage.policy`: whatever holds one may be opened. Locations are values, so that they
can be keys of caches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLocation:
    """A regular file."""

    kind: ClassVar[Literal["file"]] = "file"

    path: str
    """Absolute, without symbolic links: a real path inside a listed directory."""

    @property
    def url(self) -> str:
        """The path."""
        return self.path

    @property
    def private_name(self) -> str:
        """What the log may call it."""
        return self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Location:
    """An object in a bucket."""

    kind: ClassVar[Literal["s3"]] = "s3"

    bucket: str
    key: str
    """The literal key: nothing in it is percent-encoded."""

    @property
    def url(self) -> str:
        """As ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def private_name(self) -> str:
        """What the log may call it."""
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudLocation:
    """An object in a bucket of Google Cloud Storage, or in a container of Azure Blob Storage."""

    kind: ClassVar[Literal["cloud"]] = "cloud"

    service: Literal["gs", "az"]
    bucket: str
    key: str
    """The literal key: nothing in it is percent-encoded."""

    @property
    def url(self) -> str:
        """As ``gs://bucket/key`` or ``az://container/key``."""
        return f"{self.service}://{self.bucket}/{self.key}"

    @property
    def private_name(self) -> str:
        """What the log may call it."""
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLocation:
    """A resource of an HTTP server."""

    kind: ClassVar[Literal["http"]] = "http"

    scheme: Literal["http", "https"]
    host: str
    """Lower case: a DNS name, or an address without brackets."""
    port: int
    path: str
    """Begins with a slash, percent-encoded."""
    query: str
    """Without the question mark, as it was given: it may be part of a signature. Empty: there is none."""
    listed: bool
    """Whether an entry of the sources names this very host, which then may have an address of a private network.
    Otherwise only public addresses are connected to."""

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port; what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query; what the request line asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        """The whole address. It may hold a signature: not for logs."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def private_name(self) -> str:
        """What the log may call it: the query, which may be a credential, is left out."""
        query = "?…" if self.query else ""
        return f"{self.scheme}://{self.authority}{self.path}{query}"


Location = FileLocation | S3Location | CloudLocation | HttpLocation

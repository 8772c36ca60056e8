"""How one source is reached, where that differs from the others: by a prefix of its addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilery.storage.bytes.proxy import Proxy
from tilery.storage.locations import HttpLocation, Location
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from obstore.store import ClientConfig

QUERY = re.compile(r"[A-Za-z0-9/?:@!$&'()*+,;=._~%-]{1,4096}")
"""What a query can have that is a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys of S3."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What is said of the sources whose addresses begin with one. Secrets are in no text that is made of it."""

    address: str
    """``s3://bucket/prefix/``, ``gs://…``, ``az://…`` or ``https://host/path/``, as an entry of the sources."""
    where: Policy
    """What the address allows: it tells which locations are meant."""
    region: str | None = None
    """Of S3, as ``eu-central-1``. None: what AWS's variables say."""
    endpoint: str | None = None
    """Address of another server of S3, as ``http://127.0.0.1:9000``. None: that of `StoreOptions`."""
    anonymous: bool | None = None
    """Send requests without a signature. None: as `StoreOptions` says."""
    requester_pays: bool = False
    """Let AWS charge whoever asks, where the bucket's owner wants it so."""
    profile: str | None = None
    """Profile of AWS's command line whose keys sign."""
    keys: Keys | None = None
    """Keys of AWS that sign."""
    role: str | None = None
    """ARN of a role that is assumed."""
    external_id: str | None = field(default=None, repr=False)
    """What the role's owner asks to be told."""
    service_account: str | None = None
    """Path of the file with a service account's key, of Google."""
    account: str | None = None
    """Name of the storage account, of Azure."""
    account_key: str | None = field(default=None, repr=False)
    """Its key."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Lines of each HTTP request, by name."""
    query: str = field(default="", repr=False)
    """What each HTTP request's query ends with, as a signature; of Azure too."""
    query_from: str | None = field(default=None, repr=False)
    """Address of a service that hands out what ``query`` would be, for a while each time."""
    proxy: Proxy | None = None
    """What leads to it. The keys of a role or a profile are asked for without."""


def chosen(options: Sequence[SourceOptions], location: Location) -> SourceOptions | None:
    """Return the options whose address is the longest that a location begins with."""
    if not options:
        return None
    reach, number = max((one.where.reach(location), -number) for number, one in enumerate(options))
    return options[-number] if reach >= 0 else None


def proxied(own: SourceOptions | None) -> ClientConfig:
    """Return what obstore has to be told of the proxy of a source."""
    return {} if own is None or own.proxy is None else {"proxy_url": own.proxy.url}


def request_head(location: HttpLocation, own: SourceOptions | None, query: str) -> str:
    """Return the lines with which every request for a location begins, and what only its own host may see in them.

    Args:
        location: what is asked for.
        own: what is said of its source, where something is.
        query: what its query ends with, as a signature; empty: nothing.
    """
    target = location.target
    if query:
        target += ("&" if location.query else "?") + query
    lines = {"Host": location.authority, "User-Agent": "Tilery", "Accept": "*/*", "Accept-Encoding": "identity"}
    if own is not None and own.headers:
        given = {name.lower() for name in own.headers}
        lines = {name: value for name, value in lines.items() if name.lower() not in given} | dict(own.headers)
    return f"GET {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())

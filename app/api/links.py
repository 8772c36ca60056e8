"""Links that are right behind any proxy, and into which no forged header gets.

An address of our own is made from the setting ``public_url``. Without it, from the request: the scheme and prefix that
a trusted proxy says, and a host that may be believed: one of ``allowed_hosts``, ``localhost``, or an address that
nobody could forge to any use (loopback, private, the very one that was connected to). For any other Host header links
have none and begin with a slash.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from app.settings import Settings

Scope = Mapping[str, Any]

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?")
_PREFIX = re.compile(r"/[A-Za-z0-9._~/-]{1,256}")


class Links:
    """Makes addresses of our own, for one set of settings."""

    def __init__(self, settings: Settings) -> None:
        """Believe whom the settings trust."""
        self._public_url = settings.public_url
        self._prefix = settings.root_path
        self._proxies = settings.trusted_proxies
        self._hosts = tuple(host.lower() for host in settings.allowed_hosts)

    def base(self, scope: Scope) -> str:
        """What every link begins with, without a slash at its end.

        As ``https://tiles.example.com/maps``; ``/maps`` or nothing where no host can be believed.
        """
        if self._public_url is not None:
            return self._public_url
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name == b"host" or name.startswith(b"x-forwarded-"):
                headers.setdefault(name, value)
        scheme, host = scope.get("scheme", "http"), headers.get(b"host")
        prefix = self._prefix or scope.get("state", {}).get("prefix", "")
        if self.trusts(scope):
            forwarded = _first(headers.get(b"x-forwarded-proto"))
            if forwarded in ("http", "https"):
                scheme = forwarded
            host = headers.get(b"x-forwarded-host", host)
            prefix = prefix or _path_prefix(_first(headers.get(b"x-forwarded-prefix")))
        name = self._host(_first(host), scope)
        return f"{scheme}://{name}{prefix}" if name else prefix

    def prefix(self, scope: Scope) -> str:
        """The path that all of ours are below, as the caller sees it; nothing, or ``/maps``."""
        base = self.base(scope)
        return urlsplit(base).path if "://" in base else base

    def trusts(self, scope: Scope) -> bool:
        """True when the request came through a proxy that may be believed."""
        client = scope.get("client")
        return bool(self._proxies) and client is not None and _is_in(client[0], self._proxies)

    def to(
        self, scope: Scope, path: str, query: Iterable[tuple[str, str]] = (), *, template: Iterable[str] = ()
    ) -> str:
        """The address of a path of ours.

        Args:
            scope: of the request that wants it.
            path: begins with a slash, not encoded; may hold ``{z}`` and the like, which stay as they are.
            query: decoded pairs; an access token of the request's own query is carried along.
            template: further names in braces that stay as they are in the query.
        """
        pairs = list(query)
        token = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("access_token")
        if token is not None and not any(name == "access_token" for name, _ in pairs):
            pairs.append(("access_token", token))
        address = self.base(scope) + quote(path, safe="/{}@,:*~")
        if pairs:
            encoded = urlencode(pairs)
            for name in template:
                encoded = encoded.replace(quote(f"{{{name}}}"), f"{{{name}}}")
            address += f"?{encoded}"
        return address

    def _host(self, text: str, scope: Scope) -> str | None:
        """The host and port of a header, if they may be put into a link."""
        match = _HOST.fullmatch(text)
        if match is None:
            return None
        name = match["name"].lower()
        if _is_listed(name, self._hosts):
            return text
        server = scope.get("server")
        if name == "localhost" or _is_harmless(name) or (server is not None and name.strip("[]") == server[0]):
            return text
        return None


def query_of(scope: Scope, *, without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The decoded pairs of a request's query but those that are named; the access token is left to `Links.to`."""
    left_out = {*without, "access_token"}
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name not in left_out]


def _first(header: bytes | None) -> str:
    """The first of a list of values: what the proxy nearest to the user says."""
    return "" if header is None else header.decode("latin-1").split(",", maxsplit=1)[0].strip()


def _path_prefix(text: str) -> str:
    text = text.rstrip("/")
    return text if _PREFIX.fullmatch(text) and "//" not in text else ""


def _is_listed(name: str, hosts: tuple[str, ...]) -> bool:
    """True for a listed name; ``*.example.com`` lists every name below it, ``*`` every name there is."""
    return any(host in (name, "*") or (host.startswith("*.") and name.endswith(host[1:])) for host in hosts)


@lru_cache(maxsize=1024)
def _is_harmless(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_private


@lru_cache(maxsize=4096)
def _is_in(client: str, networks: tuple[str, ...]) -> bool:
    if "*" in networks:
        return True
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client in networks
    if address.version == 6 and address.ipv4_mapped is not None:  # what a socket for both calls an IPv4 address
        address = address.ipv4_mapped
    for text in networks:
        try:
            if address in ipaddress.ip_network(text, strict=False):
                return True
        except ValueError:
            continue
    return False

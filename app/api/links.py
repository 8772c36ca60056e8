"""Links that are right behind any proxy, and a note of those that no shared cache may hand to somebody else.

An address of our own is made from the setting ``public_url``. Without it, from the request: the scheme and prefix that
a trusted proxy says, and the host that was asked for. Whoever asks may write any host, so an answer with such a link is
for nobody but him: the request's state says so (`FOR_CALLER`), and the answer gets ``Cache-Control: private``. Where
``allowed_hosts`` lists the host, or AWS says in its event by which name it was reached, everybody may have the answer;
with a port behind it that is neither ours nor listed, nobody else.
With a list, links for hosts that are not on it have no host and begin with a slash; addresses of the machine and of
private networks are let through.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from app.api.access import credentials
from app.config.settings import Settings

Scope = Mapping[str, Any]

FOR_CALLER = "links_for_caller"
"""In the state of a request: the answer has links in it that only its caller may get."""
PROXIED = "links_of_proxy"
"""In the state of a request: what a proxy said of it is in the links."""
VARY = (b"vary", b"X-Forwarded-Host, X-Forwarded-Proto")
"""What else than the address an answer varies by then."""

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?")
_PREFIX = re.compile(r"/[A-Za-z0-9._~/-]{1,256}")


class Links:
    """Makes addresses of our own, for one set of settings."""

    def __init__(self, settings: Settings) -> None:
        """Believe whom the settings trust."""
        self._public_url = settings.public_url
        self._prefix = settings.root_path
        self._proxies = settings.trusted_proxies
        self._hosts = tuple(host.lower() for host in settings.allowed_hosts)
        self._named = tuple(host for host in self._hosts if host != "*")

    def base(self, scope: Scope) -> str:
        """Return what every link begins with, without a slash at its end; notes in the scope's state whom the answer is
        for.

        As ``https://tiles.example.com/maps``; ``/maps`` or nothing where the host must not get into a link.
        """
        if self._public_url is not None:
            return self._public_url
        headers = _headers(scope)
        scheme, host = scope.get("scheme", "http"), headers.get(b"host")
        prefix, forged = self._prefix_of(scope, headers)
        trusts = self.trusts(scope)
        if trusts:
            forwarded = _first(headers.get(b"x-forwarded-proto"))
            if forwarded in ("http", "https"):
                scheme = forwarded
            host = headers.get(b"x-forwarded-host", host)
        name, listed = self._host(_first(host), scope)
        state = scope.get("state")
        if state is not None:
            if forged or not listed:
                state[FOR_CALLER] = True
            if trusts:
                state[PROXIED] = True
        return f"{scheme}://{name}{prefix}" if name else prefix

    def prefix(self, scope: Scope) -> str:
        """Return the path that all of ours are below, as the caller sees it; nothing, or ``/maps``."""
        if self._public_url is not None:
            return urlsplit(self._public_url).path
        return self._prefix_of(scope, _headers(scope))[0]

    def _prefix_of(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[str, bool]:
        """Return that path, and True when nothing but a header says it, which a proxy may have let through."""
        prefix = self._prefix or scope.get("state", {}).get("prefix", "")
        if prefix or not self.trusts(scope):
            return prefix, False
        prefix = _path_prefix(_first(headers.get(b"x-forwarded-prefix")))
        return prefix, bool(prefix)

    def trusts(self, scope: Scope) -> bool:
        """Return True when the request came through a proxy that may be believed."""
        client = scope.get("client")
        return bool(self._proxies) and client is not None and _is_in(client[0], self._proxies)

    def client(self, scope: Scope) -> str:
        """Return the address that a request came from: the nearest one that is no trusted proxy's."""
        address = scope["client"][0] if scope.get("client") else "?"
        if not self.trusts(scope):
            return str(address)
        passed = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for text in reversed([part.strip() for value in passed for part in value.split(",")]):
            address = text
            if not _is_in(text[:64], self._proxies):
                break
        return str(address)[:64]

    def to(
        self, scope: Scope, path: str, query: Iterable[tuple[str, str]] = (), *, template: Iterable[str] = ()
    ) -> str:
        """Return the address of a path of ours.

        Args:
            scope: of the request that wants it.
            path: begins with a slash, not encoded; may hold ``{z}`` and the like, which stay as they are.
            query: decoded pairs; what lets the request in is carried along.
            template: further names in braces that stay as they are in the query.
        """
        pairs = list(query)
        names = {name for name, _ in pairs}
        pairs += (pair for pair in credentials.carried(scope["query_string"]) if pair[0] not in names)
        address = self.base(scope) + quote(path, safe="/{}@,:*~")
        if pairs:
            encoded = urlencode(pairs)
            for name in template:
                encoded = encoded.replace(quote(f"{{{name}}}"), f"{{{name}}}")
            address += f"?{encoded}"
        return address

    def _host(self, text: str, scope: Scope) -> tuple[str | None, bool]:
        """Return the host and port of a header, if they may be put into a link; True when for everybody."""
        match = _HOST.fullmatch(text)
        if match is None:
            return None, False
        name, full = match["name"].lower(), text.lower()
        server, number = scope.get("server"), _number(name)
        # A shared cache may take answers for another port for those of the host, and a caller chooses the port.
        usual = match["port"] is None or (server is not None and match["port"] == str(server[1]))
        if _is_listed(name, self._hosts) or _is_listed(full, self._hosts):
            return text, _is_listed(full, self._named) or (usual and _is_listed(name, self._named))
        connected = server is not None and name.strip("[]") == server[0]
        if connected and number is None and name != "localhost":
            return text, usual  # AWS leads by this name
        near = connected or name == "localhost" or (number is not None and not number.is_global)
        return (text if near or not self._hosts else None), False


def query_of(scope: Scope, *, without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the decoded pairs of a request's query but those that are named; what lets it in is left to `Links.to`."""
    left_out = {*without, *credentials.NAMES}
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name not in left_out]


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers that say where we are, each as it came first."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name == b"host" or name.startswith(b"x-forwarded-"):
            found.setdefault(name, value)
    return found


def _first(header: bytes | None) -> str:
    """Return the first of a list of values: what the proxy nearest to the user says."""
    return "" if header is None else header.decode("latin-1").split(",", maxsplit=1)[0].strip()


def _path_prefix(text: str) -> str:
    text = text.rstrip("/")
    return text if _PREFIX.fullmatch(text) and "//" not in text else ""


def _is_listed(name: str, hosts: tuple[str, ...]) -> bool:
    """True for a listed name; ``*.example.com`` lists every name below it, ``*`` every name there is."""
    return any(host in (name, "*") or (host.startswith("*.") and name.endswith(host[1:])) for host in hosts)


@lru_cache(maxsize=1024)
def _number(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host's name is, or None for a real name."""
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


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

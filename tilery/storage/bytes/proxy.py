"""Proxies: connections to a host that another one makes for us (CONNECT, RFC 9110, section 9.3.6)."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from tilery.errors import UpstreamError
from tilery.limits import deadline
from tilery.storage.locations import HttpLocation

_HEAD = 16 << 10
"""Bytes of the answer at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that makes tunnels."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its whole address. It may hold a password: not for logs."""
        login = ""
        if self.user is not None:
            login = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{login}{host}:{self.port}"


def parse(address: str) -> Proxy:
    """Return the proxy of an address, as ``http://user:password@proxy.example.com:3128``.

    Raises:
        ValueError: it is none. The message has no part of it.
    """
    wrong = ValueError("not the address of a proxy, as http://proxy.example.com:3128")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "http" or not parts.hostname or port is None or parts.path.strip("/") or parts.query:
        raise wrong
    user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
    if any(sign in (user or "") + (password or "") for sign in "\r\n\0") or ":" in (user or ""):
        raise wrong
    return Proxy(host=parts.hostname, port=port, user=user, password=password)


def tunnel(connected: socket.socket, proxy: Proxy, location: HttpLocation) -> None:
    """Have a proxy that is connected to lead to the server of a location.

    Raises:
        UpstreamError: it does not.
        OSError, DeadlineExceeded: it does not answer.
    """
    host = f"[{location.host}]" if ":" in location.host else location.host
    place = f"{host}:{location.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", "User-Agent: Tilery"]
    if proxy.user is not None:
        login = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {login}")
    connected.settimeout(deadline.remaining())
    connected.sendall("\r\n".join((*lines, "", "")).encode("ascii"))
    status = _status(connected)
    if status != 200:
        raise UpstreamError(
            "The proxy of this source lets nobody through.", private=f"{location.private_name}: the proxy says {status}"
        )


def _status(connected: socket.socket) -> int | None:
    """Read the head of an answer, and not a byte more: what follows is the server's. None: it is no answer of HTTP."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        connected.settimeout(deadline.remaining())
        piece = connected.recv(1)
        head += piece
        if not piece or len(head) > _HEAD:
            return None
    version, _, rest = head.partition(b" ")
    return int(rest[:3]) if version in {b"HTTP/1.1", b"HTTP/1.0"} and rest[:3].isdigit() else None

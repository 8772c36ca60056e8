"""Where a server can listen: found out before it is started."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

_NEXT = 100
"""Ports after the usual one that are tried."""


def problem(host: str, port: int) -> str | None:
    """Return why nobody can listen there, None where one can."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except OSError:
        return f"this machine knows no host '{host}'"
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    return f"something listens at {host}:{port} already"
                case errno.EADDRNOTAVAIL:
                    return f"{host} is no address of this machine"
                case errno.EACCES:
                    return f"this user may not listen at port {port}; those from 1024 are free for all"
            return f"nobody can listen at {host}:{port}: {os.strerror(error.errno or 0)}"
    return None


def is_taken(host: str, port: int) -> bool:
    """Return whether something listens there already."""
    return "already" in (problem(host, port) or "")


def free_after(host: str, port: int) -> int | None:
    """Return the first of the next ports at which nothing listens, None where there is none."""
    last = min(port + _NEXT, 65535)
    return next((number for number in range(port + 1, last + 1) if problem(host, number) is None), None)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens at a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

"""Answers that pages of other sites must not read, though they may show our maps: lists of files.

A browser lets any site ask a server on its user's own machine. It says whose page asks (``Origin``), and a site that
makes its name mean that machine still gives its own name as the host that is asked for (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from app.api.context import AppContext
from app.api.links import Scope
from tilery.errors import Forbidden


def need_own_page(app: AppContext, scope: Scope) -> None:
    """Check that no page of another site asks.

    Raises:
        Forbidden: one does; or this machine is asked by a name that it need not have.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"origin", b"host")}
    base = app.links.base(scope)
    own = urlsplit(base)
    origin = headers.get(b"origin")
    if origin is not None and origin != f"{own.scheme}://{own.netloc}" and origin not in app.settings.cors_origins:
        raise Forbidden("Only our own pages, and sites that TILERY_CORS_ORIGINS names, may ask for lists of files.")
    if _is_local(scope) and not _is_known(app, headers.get(b"host", "")):
        raise Forbidden(
            "This machine was asked by a name that nobody gave it. Ask for localhost, or set TILERY_PUBLIC_URL or "
            "TILERY_ALLOWED_HOSTS."
        )
    if _is_local(scope) and _is_forwarded(scope) and not (app.settings.public_url or app.links.trusts(scope)):
        raise Forbidden(
            "A proxy asks for somebody else. Set TILERY_PUBLIC_URL or TILERY_TRUSTED_PROXIES where he may see lists of "
            "files."
        )


def _is_local(scope: Scope) -> bool:
    """Return whether a request came from this machine to an address that only it can reach."""
    ends = (scope.get("server"), scope.get("client"))
    return all(end is not None and _is_loopback(str(end[0])) for end in ends)


def _is_forwarded(scope: Scope) -> bool:
    """Return whether a proxy says that it asks for somebody else."""
    return any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name, _ in scope["headers"])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_known(app: AppContext, host: str) -> bool:
    """Return whether a Host header names this machine, or is one of those that the settings list."""
    name = (urlsplit(f"//{host}").hostname or "") if host.isascii() else ""
    if name == "localhost" or name.endswith(".localhost") or _is_number(name):
        return True
    listed = app.settings.allowed_hosts
    public = urlsplit(app.settings.public_url or "").hostname
    return name == public or any(
        one in (name, host, "*") or (one.startswith("*.") and name.endswith(one[1:])) for one in map(str.lower, listed)
    )


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

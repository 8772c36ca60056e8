"""The ASGI application of a kernel's server: the routes of rasters for what was opened, below a token in the
path.

Other users of the machine can connect to loopback too, so whoever does not know the token finds nothing. It stands in
the path and not in the query, because clients such as leafmap append theirs to an address that they are given.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.api import pages
from app.api.app import Application, create_app
from app.config.isolated import isolated
from tilery.notebook.choosing import FAMILIES
from tilery.reading import sidecars
from tilery.reading.source import RASTER
from tilery.storage.policy import Policy

_PREFIX = re.compile(r"/[A-Za-z0-9._~/@%-]{1,512}")
_PROXY = b"x-forwarded-prefix"
"""Header by which jupyter-server-proxy says what it took off the path: ``/user/ada/proxy/41231``."""
_FRAMES = "* vscode-webview: vscode-file:"
"""Whose pages may show ours in a frame: a star stands for no editor's own schemes."""
_MOST_VIEWS = 2


class NotebookApplication:
    """What a kernel's server answers with."""

    def __init__(self, token: str, prefix: str | None = None) -> None:
        """Read nothing yet.

        Args:
            token: first part of every path.
            prefix: path of the proxy by which a browser comes here, where the kernel's variables say it. What asks
                without a proxy is then the kernel itself, for a browser.
        """
        self._token = token.encode()
        self._behind = prefix
        self._sources: tuple[str, ...] = ()
        self._app = _application()

    def allow(self, sources: Iterable[str]) -> None:
        """Let further rasters be read, each by its address.

        Raises:
            WrongSourcesError: one is no address, or no file of this machine.
        """
        found = tuple(dict.fromkeys((*self._sources, *sources)))
        policy = Policy.from_sources(found, variable="tilery.open")
        context = self._app.context
        context.locations.policy = policy  # what is being answered goes on with the one before
        context.engine.policy = context.engine.options.policy.also(policy)  # what items and mosaics name is among them
        self._sources = found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inner = self._within(scope)
        if inner is None:
            await PlainTextResponse("There is nothing here.", status_code=404)(scope, receive, send)
            return
        await self._app(inner, receive, send)

    def _within(self, scope: Scope) -> Scope | None:
        """Return the request without the token, and with what stood before it as the root. None: it has not got it."""
        given, slash, rest = scope["path"][1:].partition("/")
        if not slash or not hmac.compare_digest(given.encode(), self._token):
            return None
        headers = [(name, value) for name, value in scope["headers"] if name != _PROXY]
        proxied = next((value.decode("latin-1") for name, value in scope["headers"] if name == _PROXY), None)
        if proxied is not None and not _PREFIX.fullmatch(proxied):
            proxied = None
        before = proxied
        if proxied is None and self._behind is not None and not _is_from_a_browser_here(scope):
            before = self._behind
            headers = [(name, value) for name, value in headers if name != b"host"]  # links begin with a slash then
        return {
            **scope,
            "headers": headers,
            "path": f"/{rest}",
            "raw_path": f"/{rest}".encode(),
            "root_path": f"{(before or '').rstrip('/')}/{given}",
        }


def _is_from_a_browser_here(scope: Scope) -> bool:
    """Return whether a browser on this machine asks at the port itself: what it is told leads there again."""
    headers, port = dict(scope["headers"]), (scope.get("server") or ("", 0))[1]
    return b"sec-fetch-mode" in headers and headers.get(b"host") == f"127.0.0.1:{port}".encode()


def _application() -> Application:
    """Return the service with what a notebook needs, and nothing that could be read."""
    app = create_app(
        isolated(
            ("https://*",),  # whereto the server of a raster that was opened may redirect
            trusted_proxies=("127.0.0.1",),
            cors_origins=("*",),
            cache_control="private, no-cache",  # a raster may be written anew at any moment
        )
    )
    context = app.context
    context.locations.policy = context.layer_locations.policy = Policy()
    context.engine.sidecars = sidecars.local  # as for the kernel's own reads
    app.routes().router.routes.insert(0, Route("/notebook/map", _map, methods=["GET"]))
    return app


async def _map(request: Request) -> Response:
    """Return the page inside of a cell's output: one raster, or two with a swipe between them."""
    views = [parse_qsl(text) for text in request.query_params.getlist("view")[:_MOST_VIEWS]]
    return pages.page(
        request,
        "notebook.html",
        policy={"frame-ancestors": _FRAMES},
        data={"views": [_described(view) for view in views]},
    )


def _described(view: Sequence[tuple[str, str]]) -> dict[str, object]:
    named = dict(view)
    family = named.get("family", "")
    return {
        "name": named.get("name", ""),
        "family": family if family in FAMILIES.values() else FAMILIES[RASTER],
        "query": [pair for pair in view if pair[0] not in ("name", "family")],
    }

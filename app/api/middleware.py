"""The outermost middleware: every request comes in here, every answer goes out here.

One plain ASGI layer instead of many, because each costs every tile a little: request id, path prefix, access token,
CORS, HEAD, the headers that all answers have, and failures turned into problem documents.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import links, problem_pages, problems
from app.api.access.guard import GUARD, HEALTH, Guard
from app.api.access.rates import Limited
from app.api.operation import FastRoute
from app.api.request_body import Incoming
from app.api.sending import PIECE, in_pieces
from app.config.settings import Settings
from app.observing import redaction, request
from app.observing.logs import RequestLog
from app.observing.metrics import Metrics
from app.observing.request import RequestRecord
from app.serving.reports import Reports
from app.serving.service import CallerGone
from tilery.errors import TileryError
from tilery.limits import deadline
from tilery.limits.memory import Memory

if TYPE_CHECKING:
    from app.observing.traces import Traces

E = TypeVar("E", bound=Exception)

Headers = list[tuple[bytes, bytes]]

EXPOSED = (
    b"Content-Bbox, Content-Crs, ETag, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Cache, "
    b"X-Ignored-Parameters, X-Request-ID"
)
PREFLIGHT_SECONDS = b"86400"

GONE = 499
"""Status in the log where the caller went away before there was an answer, as nginx has it."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_SANE_TRACE = re.compile(rb"[A-Za-z0-9=;:._-]{1,256}")
_WANTED = frozenset((b"origin", b"x-request-id", b"x-amzn-trace-id", b"authorization"))
_LONGEST_QUERY = 16 << 10
"""Bytes of a query that are looked through for the raster that was asked for."""
_LONGEST_PATH = 1024
"""Characters of a path that the log has."""
_AGE = re.compile(r"(?i)\b(s-maxage|max-age|stale-while-revalidate|stale-if-error)(\s*=\s*)\"?(\d+)\"?")
"""What says in Cache-Control for how many seconds an answer may be kept."""


class RequestMiddleware:
    """The outermost layer of ours."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        guard: Guard | None = None,
        memory: Memory | None = None,
        metrics: Metrics | None = None,
        traces: Traces | None = None,
    ) -> None:
        """Lead into ``app``.

        Args:
            app: what answers.
            settings: of the service.
            guard: decides who may ask; without one everybody may.
            memory: counts what waits to be sent.
            metrics: counts the requests.
            traces: tells OpenTelemetry of them.
        """
        self.app = app
        self.guard = guard
        self.memory = memory
        self._traces = traces
        self._settings = settings
        self._cors = _Cors(settings)
        log = RequestLog(settings.logged_requests, settings.log_format)
        self.reports = Reports(metrics or Metrics(), log, links.Links(settings).client)
        self._cacheable = (b"cache-control", settings.cache_control.encode("latin-1"))
        self._private = (b"cache-control", _private(settings.cache_control).encode("latin-1"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        incoming = Incoming(scope, receive)
        receive = incoming.receive
        visit = _RequestState(self, scope, send, incoming)
        if self._traces is not None and not HEALTH.fullmatch(visit.scope["path"]):
            begun = visit.record.trace = self._traces.begin(scope["method"], scope["headers"])
            visit.record.trace_id = begun.id
        token = request.begin(visit.record)
        try:
            await self._enter(visit, receive)
        except CallerGone as error:
            problems.let_go(error)
            visit.status = GONE
        except TileryError as error:
            if visit.begun:
                raise
            if isinstance(error, Limited):
                visit.beside = error.headers
            await self._refuse(problems.of_error, error, visit, receive)
        except Exception as error:
            if visit.begun:
                raise
            await self._refuse(problems.of_surprise, error, visit, receive)
        finally:
            self._note(visit)
            request.end(token)

    async def _refuse(
        self, answer: Callable[[E, str], Response], error: E, visit: _RequestState, receive: Receive
    ) -> None:
        """Answer a request that failed."""
        visit.name_source()
        response = problem_pages.for_caller(answer(error, visit.request_id), visit.scope, self._settings)
        await response(visit.scope, receive, visit.send)

    async def _enter(self, visit: _RequestState, receive: Receive) -> None:
        scope, headers = visit.scope, visit.headers
        if scope["method"] == "OPTIONS" and b"origin" in headers:
            preflight = self._cors.preflight(scope, headers[b"origin"])
            if preflight is not None:
                await preflight(scope, receive, visit.send)
                return
        if self.guard is not None:
            caller, visit.beside = await self.guard.admit(scope, headers.get(b"authorization"))
            visit.expires = caller.expires
        with deadline.limit(self._settings.deadline):
            await self.app(scope, receive, visit.send)

    def path(self, scope: Scope) -> str:
        """Return the path of a request without the prefix that a proxy or the server added."""
        path: str = scope["path"]
        for prefix in dict.fromkeys((self._settings.root_path, scope.get("root_path", ""))):
            if prefix and (path == prefix or path.startswith(f"{prefix}/")):
                path = path[len(prefix) :] or "/"
        return path

    def query(self, scope: Scope) -> bytes:
        """Return the query of a request, its names in lower case where the settings say that case does not count."""
        query: bytes = scope["query_string"]
        if not self._settings.lower_case_query_parameters:
            return query
        pairs = (pair.partition(b"=") for pair in query.split(b"&"))
        return b"&".join(name.lower() + equals + value for name, equals, value in pairs)

    def common(self, request_id: str, origin: bytes | None) -> Headers:
        """Return headers that every answer has, whatever it is."""
        return [
            (b"x-request-id", request_id.encode()),
            *self._cors.headers(origin),
        ]

    def _note(self, visit: _RequestState) -> None:
        """Count a request and write its line; never its query, which may hold secrets."""
        status = visit.status or GONE
        if status >= self.reports.least:
            if status >= 400:
                visit.name_source()
            self.reports.add(visit.record, visit.scope, status, visit.size, time.perf_counter() - visit.started)
        if visit.record.trace is not None:
            visit.name_source()
            visit.record.trace.end(visit.record, status, visit.size)

    def caching(self, scope: Scope, status: int, headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
        """Return how long an answer may be kept that does not say it itself: success as set, failure never.

        What a token in a header was needed for is the caller's own, and so are links with a host that he wrote: a cache
        on the way may know an answer by its path alone, and would give it to everybody.
        """
        if scope["method"] != "GET" or status >= 400 or HEALTH.fullmatch(scope["path"]):
            return (b"cache-control", b"no-store")
        guarded = self.guard is not None and self.guard.guarded
        own = (guarded and b"authorization" in headers) or links.FOR_CALLER in scope["state"]
        return self._private if own else self._cacheable


class _RequestState:
    """One request on its way through the middleware."""

    __slots__ = (
        "_head_only",
        "_incoming",
        "_middleware",
        "_send",
        "begun",
        "beside",
        "expires",
        "headers",
        "record",
        "request_id",
        "scope",
        "size",
        "started",
        "status",
    )

    def __init__(self, middleware: RequestMiddleware, scope: Scope, send: Send, incoming: Incoming) -> None:
        self.started = time.perf_counter()
        self._incoming = incoming
        self._middleware = middleware
        self._send = send
        self.begun = False
        """The answer is on its way: nothing else can be said any more."""
        self.status = 0
        """Of the answer; 0 before there is one."""
        self.size = 0
        """Bytes of the body that were sent."""
        self.beside: Headers = []
        """Further headers of the answer."""
        self.expires: float | None = None
        """When nobody may keep the answer any more, in seconds since 1970; None where nothing says so."""
        self.headers = {name: value for name, value in scope["headers"] if name in _WANTED}
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.scope = dict(scope)  # the server goes on using its own
        self.scope["path"] = middleware.path(scope)
        self.scope["root_path"] = ""
        self.scope["query_string"] = middleware.query(scope)
        self.scope["state"] = {
            **scope.get("state", {}),
            "request_id": self.request_id,
            GUARD: middleware.guard,
            "prefix": scope.get("root_path", ""),
        }
        self.record = RequestRecord(
            request_id=self.request_id,
            trace_id=_trace_id(self.headers.get(b"x-amzn-trace-id")),
            method=scope["method"],
            path=self.scope["path"][:_LONGEST_PATH],
        )
        self._head_only = scope["method"] == "HEAD"
        if self._head_only:
            self.scope["method"] = "GET"

    def name_source(self) -> None:
        """Note which raster was asked for, where that is not known yet because of what went wrong."""
        if self.record.source is None and b"url=" in self.scope["query_string"]:
            found = parse_qs(self.scope["query_string"][:_LONGEST_QUERY].decode("latin-1")).get("url")
            if found:
                self.record.source = redaction.address(found[0])

    async def send(self, message: Message) -> None:
        """Send a part of the answer, with the headers that all answers have, and without a body for HEAD."""
        if message["type"] == "http.response.start":
            if not self._incoming.is_read:
                await self._incoming.drain()
            self.begun = True
            self.status = message["status"]
            headers = [
                *message.get("headers", ()),
                *self._middleware.common(self.request_id, self.headers.get(b"origin")),
                *self.beside,
            ]
            names = {name for name, _ in headers}
            if b"cache-control" not in names:
                headers.append(self._middleware.caching(self.scope, message["status"], self.headers))
                if links.PROXIED in self.scope["state"]:
                    headers.append(links.VARY)
            if b"x-content-type-options" not in names:
                headers.append((b"x-content-type-options", b"nosniff"))
            if self.expires is not None:
                headers = _until(self.expires, headers)
            milliseconds = (time.perf_counter() - self.started) * 1000
            headers.append((b"server-timing", b"total;dur=%.1f" % milliseconds))
            message["headers"] = headers
        elif self._head_only:
            if message.get("more_body"):
                return
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        else:
            self.size += len(message.get("body", b""))
        if len(message.get("body", b"")) > PIECE:
            await in_pieces(message, self._send, self._middleware.memory)
        else:
            await self._send(message)


class _Cors:
    """Which pages of other origins may call us. Credentials are never allowed: the API has no cookies."""

    def __init__(self, settings: Settings) -> None:
        self._anybody = "*" in settings.cors_origins
        self._origins = frozenset(origin.encode() for origin in settings.cors_origins)
        methods = settings.cors_allow_methods
        if "*" in methods:
            methods = ("GET", "HEAD", "POST", "OPTIONS")
        self._methods = ", ".join(methods).encode()
        self._for_anybody: Headers = [
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", EXPOSED),
        ]

    def headers(self, origin: bytes | None) -> Headers:
        """Return what every answer says about other origins."""
        if self._anybody:
            return self._for_anybody
        varies = (b"vary", b"Origin")
        if origin is None or origin not in self._origins:
            return [varies]
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED), varies]

    def preflight(self, scope: Scope, origin: bytes) -> Response | None:
        """Return the answer to a preflight request, or None when it is none."""
        preflight = {name: value for name, value in scope["headers"] if name.startswith(b"access-control-request-")}
        if b"access-control-request-method" not in preflight:
            return None
        if not self._anybody and origin not in self._origins:
            request_id: str = scope["state"]["request_id"]
            return problems.of_status(400, "This origin may not call the API.", request_id)
        response = Response(status_code=204)
        allowed: dict[str, bytes] = {
            "access-control-allow-methods": self._methods,
            "access-control-max-age": PREFLIGHT_SECONDS,
        }
        wanted = preflight.get(b"access-control-request-headers")
        if wanted is not None and len(wanted) < 4096:
            allowed["access-control-allow-headers"] = wanted
        for name, value in allowed.items():
            response.headers[name] = value.decode("latin-1")
        response.headers["vary"] = "Access-Control-Request-Headers"
        return response


def _until(expires: float, headers: Headers) -> Headers:
    """Return headers by which nobody keeps an answer for longer than until a moment, in seconds since 1970."""
    left = max(0, int(expires - time.time()))

    def shortened(text: str) -> str:
        found = _AGE.sub(lambda age: f"{age[1]}{age[2]}{min(left, int(age[3]))}", text)
        if re.search(r"(?i)no-store|\bmax-age", found):
            return found
        return f"{found}, max-age={left}"

    return [
        (name, shortened(value.decode("latin-1")).encode("latin-1") if name == b"cache-control" else value)
        for name, value in headers
    ]


def _private(cache_control: str) -> str:
    """Return the same for the caller's own cache, and for no cache on the way."""
    wishes = (wish.strip() for wish in cache_control.split(","))
    shared = ("public", "s-maxage", "private")
    return ", ".join(["private", *(wish for wish in wishes if not wish.lower().startswith(shared))])


def _request_id(given: bytes | None) -> str:
    """Return the caller's own id where it is harmless, else a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode("ascii")
    return f"{random.getrandbits(64):016x}"  # it tells requests apart and keeps no secret


def _trace_id(given: bytes | None) -> str | None:
    """Return what AWS's load balancer calls the request, where it is harmless."""
    return given.decode("ascii") if given is not None and _SANE_TRACE.fullmatch(given) else None


class FastRouter:
    """The short way to the routes that are asked for thousands of times: one regular expression, then the handler.

    The handlers are those of the router, which also has these routes: for the document, and for what fits no pattern.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[FastRoute]) -> None:
        """Lead into ``app`` where none fits."""
        self.app = app
        self.routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "GET":
            path = scope["path"]
            for route in self.routes:
                match = route.pattern.fullmatch(path)
                if match is not None:
                    scope["path_params"] = match.groupdict()
                    response = await route.handler(Request(scope, receive))
                    await response(scope, receive, send)
                    return
        await self.app(scope, receive, send)

"""A route as one value: its path, parameters, handler and documentation; and how it becomes part of the application."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Generic, Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from app.api.access import credentials
from app.api.context import AppContext
from app.api.params import parameter as parameter_
from app.api.params import table
from app.api.params.parameter import Group
from app.api.params.parse import ParameterParser, Values
from app.api.params.path import PathValues
from app.observing import redaction
from app.observing import request as request_
from app.observing.request import RequestRecord
from tilery.catalog.layer import Layer
from tilery.errors import InvalidParameter, TileryError
from tilery.limits.weighted_cache import WeightedCache
from tilery.reading.dataset import Opener
from tilery.reading.reader import Reader
from tilery.reading.source import Source

P = TypeVar("P")
T = TypeVar("T")

Query = list[tuple[str, str]]

Handler = Callable[[Request], Awaitable[Response]]

KEPT_QUERIES = 128
"""Parsed queries that each fast route keeps: the tiles of one map all have the same."""
LONGEST_KEPT_QUERY = 4096
KEPT_BYTES = 4 << 20
"""Bytes that they may take together."""
_PARSED = 25
"""How often its own bytes a parsed query takes."""
LONG_QUERY = 1024
"""Bytes from which to parse a query takes too long for the event loop, as whatever asks PROJ does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The raster that a request is about."""

    source: Source
    base: str
    """Path of its routes: ``/cog``, ``/layers/dem``."""
    address: str
    """Its address as far as callers may know it: what they wrote, or that of the layer."""
    name: str
    """What it is called: the last part of its address, or the layer's id."""
    title: str
    """What stands for it in documents."""
    key: str = ""
    """What else than source and parameters decides the answers: the revision of a layer."""
    layer: Layer | None = None


Resolved = tuple[bytes, Callable[[Values], Subject]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way to name a raster, and so one set of routes for it."""

    name: str
    """In operation ids: ``cog``."""
    path: str
    """What its routes begin with: ``/cog``."""
    tag: str
    parameters: Group
    """What names the raster."""
    bands: Group = table.BANDS
    """What chooses bands in verbs that read pixels."""
    resolve: Callable[[AppContext, PathValues, bytes], Awaitable[Resolved]]
    """From the path's parameters and the query: the query to parse, and what then tells the subject."""
    verbs: tuple[Operation[Any], ...] | None = None
    """What can be asked. None: all that can be asked about a raster."""
    renders: Callable[[Reader], Mapping[str, Any]] = lambda _: {}
    """The ways in which the raster says that it is meant to be shown, by name."""
    layers: Callable[[RequestContext[Any], Reader, Query], list[tuple[str, Query]]] = lambda _, __, query: [
        ("default", query)
    ]
    """The layers of its WMTS document by name, each with what its tiles are asked for with; from the reader and what
    the request says."""
    openers: Mapping[str, Opener] = field(default_factory=dict)
    """What opens its sources, by their kind, where the engine does not know it."""
    beside: tuple[Operation[Any], ...] = ()
    """Routes below the same path that are about no raster."""
    admits: Callable[[RequestContext[Any]], Awaitable[None]] | None = None
    """Raises where a tile is not to be made though it could be."""
    empty_tile: Literal["404", "204"] = "404"
    """TiTiler's answer for a tile with nothing in it."""
    documented: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext(Generic[P]):
    """One request, taken apart."""

    request: Request
    app: AppContext
    values: Values
    """The parameters of the query."""
    path: PathValues
    """The parameters of the path."""
    plan: P
    """What the route made of the query alone."""
    found: Subject | None
    family: Family | None = None
    """Whose route it is."""

    @property
    def subject(self) -> Subject:
        """The raster that this is about."""
        if self.found is None:
            raise RuntimeError("this route is about no raster")
        return self.found


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[P]):
    """One route."""

    id: str
    """``getTile``, and ``.cog.getTile`` once it is bound to a family: generated clients are named after it."""
    paths: tuple[str, ...]
    """The first is the one in the document; the others are older spellings. Below the family's path, if it has one."""
    parameters: Group
    answer: Callable[[RequestContext[P]], Awaitable[Response]]
    plan: Callable[[AppContext, Values], P]
    """What can be made of the query alone; made once for many tiles with the same query."""
    method: str = "GET"
    tag: str = ""
    summary: str = ""
    description: str = ""
    produces: Mapping[int | str, Mapping[str, Any]] = field(default_factory=dict)
    """Responses as the OpenAPI document has them."""
    body: Mapping[str, Any] | None = None
    """Request body as the OpenAPI document has it."""
    documented: bool = True
    """In the OpenAPI document."""
    family: Family | None = None
    """None: it is about no raster."""
    failure: Callable[[TileryError, Request], Response] | None = None
    """How failures are said to clients that do not read problem documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastRoute:
    """A path, as one regular expression, that leads straight to a handler, past the router."""

    pattern: re.Pattern[str]
    handler: Handler


def known_to(app: AppContext, operation: Operation[P]) -> Operation[P]:
    """Return the operation with the names that an application knows as choices of its parameters."""
    return replace(operation, parameters=parameter_.known_to(app, operation.parameters))


def fast_route(path: str, operation: Operation[Any], app: AppContext) -> FastRoute:
    """Return the short way to an operation, which remembers the queries that it was asked with."""
    return FastRoute(pattern=re.compile(path), handler=endpoint(operation, app, keep=KEPT_QUERIES))


def bound(family: Family, operation: Operation[P]) -> Operation[P]:
    """Return the operation as one of a family's: with its paths, names and parameters."""
    return replace(
        operation,
        id=f".{family.name}.{operation.id}",
        paths=tuple(f"{family.path}{path}" for path in operation.paths),
        parameters=(*family.parameters, *with_bands(family, operation.parameters)),
        tag=family.tag,
        documented=operation.documented and family.documented,
        family=family,
    )


def with_bands(family: Family, parameters: Group) -> Group:
    """Return the parameters with the family's way to choose bands in place of that of rasters; of a verb that has
    chosen from these itself, as they are.
    """
    if family.bands is table.BANDS or table.BIDX not in parameters:
        return parameters
    if any(parameter in parameters for parameter in family.bands if parameter not in table.BANDS):
        return parameters
    return (*family.bands, *(parameter for parameter in parameters if parameter not in table.BANDS))


def no_plan(app: AppContext, values: Values) -> None:
    """Plan nothing, for a route that has no plan."""


class _Queries(Generic[P]):
    """What the queries of a route mean. The last of them are remembered where tiles ask with the same thousands of
    times.
    """

    def __init__(self, operation: Operation[P], app: AppContext, parser: ParameterParser, keep: int) -> None:
        self._operation = operation
        self._app = app
        self._parser = parser
        self._plans: WeightedCache[bytes, tuple[Values, P]] | None = WeightedCache(KEPT_BYTES, keep) if keep else None

    async def understood(self, query: bytes) -> tuple[Values, P]:
        """Return the values of a query, and what the route makes of them alone."""
        found = None if self._plans is None else self._plans.get(query)
        if found is not None:
            return found
        found = await _off_the_loop(query, self._plan, query)
        if self._plans is not None and len(query) <= LONGEST_KEPT_QUERY:
            self._plans.put(query, found, _PARSED * len(query) + 1024)
        return found

    async def complain(self, query: bytes, path: Mapping[str, str | None]) -> None:
        """Raise everything that is wrong, in path and query, at once."""
        await _off_the_loop(query, self._parser.parse, query, path)

    def _plan(self, query: bytes) -> tuple[Values, P]:
        values = self._parser.query(query)
        return values, self._operation.plan(self._app, values)


async def _off_the_loop(query: bytes, work: Callable[..., T], *arguments: Any) -> T:
    """Return the result of work on a query; done in a thread where it may take more than a millisecond: the query is
    long, or names a CRS, perhaps in disguise.
    """
    long = len(query) > LONG_QUERY or b"crs" in query.lower()
    if long or (b"%" in query and any(b"%" in pair.partition(b"=")[0] for pair in query.split(b"&"))):
        return await in_parsing_thread(work, *arguments)
    return work(*arguments)


async def in_parsing_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Return the result of work that takes too long for the event loop and is no render: what asks PROJ."""
    return await asyncio.get_running_loop().run_in_executor(_parsing(), partial(work, *arguments))


@cache
def _parsing() -> ThreadPoolExecutor:
    """Return the thread in which such queries are parsed: one, because the interpreter's lock would let no
    more at it.
    """
    return ThreadPoolExecutor(1, thread_name_prefix="parse")


def endpoint(operation: Operation[P], app: AppContext, *, keep: int = 0) -> Handler:
    """Return the handler of a route: parse, then answer. The last ``keep`` different queries are parsed once."""
    operation = known_to(app, operation)
    parser = ParameterParser(operation.parameters, lower_case=app.settings.lower_case_query_parameters)
    queries = _Queries(operation, app, parser, keep)
    route = route_name(operation)

    async def handle(request: Request) -> Response:
        record = request_.current()
        if record is not None:
            record.route = route
        query = credentials.without(request.scope["query_string"])
        texts: Mapping[str, str | None] = request.path_params
        subject_of: Callable[[Values], Subject] | None = None
        try:
            path = PathValues(parser.path(texts))
            if operation.family is not None:
                query, subject_of = await operation.family.resolve(app, path, query)
            values, plan = await queries.understood(query)
        except InvalidParameter:
            await queries.complain(query, texts)
            raise
        subject = None if subject_of is None else subject_of(values)
        if record is not None and subject is not None:
            _note_raster(record, subject)
        context = RequestContext(
            request=request,
            app=app,
            values=values,
            path=path,
            plan=plan,
            found=subject,
            family=operation.family,
        )
        response = await operation.answer(context)
        if values.ignored:
            response.headers["X-Ignored-Parameters"] = _names(values.ignored)
        return response

    if operation.failure is not None:
        handle = _saying(operation.failure, handle)
    handle.__name__ = operation.id.rpartition(".")[2]
    handle.__doc__ = operation.description or operation.summary
    return handle


def route_name(operation: Operation[Any]) -> str:
    """Return what logs and metrics call a route: ``cog.getTile``, whatever the spelling of the path."""
    family, _, name = operation.id.strip(".").rpartition(".")
    name = {"anyTile": "getTile", "getTileWithFormat": "getTile"}.get(name, name)
    return f"{family}.{name}" if family else name


def _note_raster(record: RequestRecord, subject: Subject) -> None:
    """Note with a request which raster it is about."""
    layer = subject.layer
    if layer is None:
        record.source = redaction.address(subject.address)
    else:
        record.layer, record.source = layer.id, redaction.address(layer.source)


def _saying(failure: Callable[[TileryError, Request], Response], handle: Any) -> Any:
    async def said(request: Request) -> Response:
        try:
            response: Response = await handle(request)
        except TileryError as error:
            return failure(error, request)
        return response

    return said


def _names(ignored: tuple[str, ...]) -> str:
    """Return names of unknown parameters as a header can hold them."""
    return ", ".join(re.sub(r"[^\x21-\x2b\x2d-\x7e]", "?", name)[:64] for name in ignored)

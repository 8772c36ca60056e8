"""What the service made becomes an HTTP response: entity tag, 304, where the picture is, how the answer came about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from app.api import compression, json_documents
from app.api.context import AppContext
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.parameter import Parameter
from app.api.params.parse import Values
from app.observing.request import Timing
from app.serving import render
from app.serving.encoded import Encoded
from app.serving.served import Served
from app.serving.tile_store import StoredTile
from tilery.geo import crs as crs_
from tilery.reading.reader import Reader

GEOJSON = "application/geo+json"
JSON = "application/json"
HOW = "X-Cache"
"""Header that says how an answer came about."""


def produces(media_type: str = JSON) -> dict[int | str, Any]:
    """Return responses of a route with one kind of document, as the OpenAPI document has them."""
    return {200: {"description": "Successful Response", "content": {media_type: {"schema": {}}}}}


def document_operation(
    id_: str,
    paths: tuple[str, ...],
    answer: Any,
    summary: str,
    *parameters: Parameter,
    plan: Callable[[AppContext, Values], Any] = no_plan,
    media_type: str = JSON,
    documented: bool = True,
) -> Operation[Any]:
    """Return a route of a family that answers with one kind of document.

    Args:
        id_: of the operation, as the OpenAPI document has it.
        paths: below the family's; the first is the one that is described.
        answer: answers a request.
        summary: what it gives.
        parameters: beside those of the family.
        plan: see `app.api.operation.Operation`.
        media_type: of the document.
        documented: whether the OpenAPI document has it.
    """
    return Operation(
        id=id_,
        paths=paths,
        parameters=parameters,
        plan=plan,
        answer=answer,
        summary=summary,
        description=f"{summary}.",
        produces=produces(media_type),
        documented=documented,
    )


async def document(
    context: RequestContext[Any],
    place: str,
    work: Callable[[Reader], Any],
    *,
    media_type: str = JSON,
    links: bool = False,
    identify: Callable[[Reader], str] = render.whole,
) -> Response:
    """Return the response to a request for a JSON document about the raster.

    Args:
        context: the request.
        place: name of the verb and canonical text of what the path says.
        work: makes the document.
        media_type: of the answer.
        links: the document has links in it, so their beginning and the query as written are part of the key.
        identify: see `app.serving.service.Service.answer`.
    """
    if links:
        place = f"{place} {context.app.links.base(context.request.scope)} {context.request.scope['query_string']!r}"

    def encode(reader: Reader) -> Encoded:
        return Encoded(body=json_documents.encode(work(reader)), media_type=media_type)

    return await made(context, place, encode, media_type=media_type, identify=identify)


async def made(
    context: RequestContext[Any],
    place: str,
    work: Callable[[Reader], Encoded],
    *,
    media_type: str | None = None,
    check: Callable[[Reader], None] | None = None,
    identify: Callable[[Reader], str] = render.whole,
    stored: StoredTile | None = None,
    missed: bool = False,
) -> Response:
    """Return the response to a request for something made of the raster.

    Args:
        context: the request.
        place: name of the verb and canonical text of what the path says; with the query's it makes the answer's key.
        work: makes the answer.
        media_type: of the answer, where it is known before.
        check: see `app.serving.service.Service.answer`.
        identify: the same.
        stored: the same.
        missed: the same.
    """
    served = await context.app.service.answer(
        context.subject.source,
        f"{place} {context.subject.key} {context.values.canonical}",
        work,
        known=if_none_match(context.request),
        check=check,
        identify=identify,
        stored=stored,
        missed=missed,
        gone=gone(context.request.receive),
    )
    return response(served, media_type)


def response(served: Served, media_type: str | None = None) -> Response:
    """Return what was served, as a response; a 304 varies as the 200 of that media type would (RFC 9110, 15.4.5)."""
    if served.address is not None:
        # Not to be kept: a cache that did could send callers in circles, between a store that has lost the tile and
        # sends them here, and this answer.
        return Response(status_code=302, headers={"Location": served.address, "Cache-Control": "no-store"})
    encoded = served.encoded
    if encoded is None:
        known = Response(status_code=304, headers={"ETag": served.etag})
        if media_type is not None and compression.takes(media_type.encode()):
            known.headers["Vary"] = "Accept-Encoding"
        return known
    headers = {"ETag": served.etag, HOW: served.how, **described(encoded)}
    if served.timing is not None:
        headers["Server-Timing"] = _stages(served.timing)
    return Response(encoded.body, headers=headers)


def described(encoded: Encoded) -> dict[str, str]:
    """Return the headers that say what a body is, and where a picture is."""
    # The type is a header like others: given as media type, Starlette would add a character set to some.
    headers = {"Content-Type": encoded.media_type}
    if encoded.bounds is not None:
        headers["Content-Bbox"] = ",".join(map(str, encoded.bounds))
        uri = crs_.uri(encoded.crs) if encoded.crs is not None else None
        if uri is not None:  # a CRS without a code is left out: its WKT would be a header of kilobytes
            headers["Content-Crs"] = f"<{uri}>"
    return headers


def if_none_match(request: Request) -> str | None:
    """Return the entity tags that the caller knows."""
    for name, value in request.scope["headers"]:
        if name == b"if-none-match":
            return str(value.decode("latin-1"))
    return None


def gone(receive: Receive) -> Callable[[], Awaitable[None]]:
    """Return a function that returns when the client has gone; for requests whose body nobody wants any more."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return watch


def _stages(timing: Timing) -> str:
    return f"queue;dur={timing.queue * 1000:.1f}, render;dur={timing.work * 1000:.1f}"

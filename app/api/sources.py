"""``/sources``: what may be read, as lists: folders, rasters, documents of STAC. Only where the settings want it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from app.api import answers, pages
from app.api.access import credentials
from app.api.links import query_of
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.groups import SourceQuery
from app.api.params.source_lists import SOURCE_LIST
from app.api.same_origin import need_own_page
from tilery.errors import TileryError
from tilery.reading import browsing
from tilery.reading.browsing import Found, Listing
from tilery.storage.listing import Bounds, roots

Json = dict[str, Any]

TAG = "Sources"
SECONDS = 5.0
"""For one list."""
THUMBNAIL = 240
"""Pixels along the longest side of a small picture."""
_HEADERS = {"Cache-Control": "private, no-store", "Cross-Origin-Resource-Policy": "same-origin"}
_DOCUMENTS = frozenset(("folder", "stac-catalog", "stac-collection", "stac-item", "stac-items"))
"""Kinds of what has a list of its own."""
KINDS = {
    "folder": "Folder",
    "raster": "Raster",
    "mosaic": "Mosaic",
    "server": "Web server",
    "stac-catalog": "STAC catalog",
    "stac-collection": "STAC collection",
    "stac-item": "STAC item",
    "stac-items": "STAC items",
}
"""What each kind is called on pages."""


async def listing(context: RequestContext[None]) -> Response:
    """Return what there is at an address, as a document or a page."""
    need_own_page(context.app, context.request.scope)
    asked = context.values.to(SourceQuery)
    is_page = answers.wants_page(context)
    try:
        found = await _found(context, asked)
    except TileryError as error:
        if not is_page or error.status >= 500:
            raise
        return _page(context, asked, Listing(url=asked.url, kind=None), problem=error)
    if is_page:
        viewer = _viewer(context, found)
        return RedirectResponse(viewer, 303, headers=_HEADERS) if viewer else _page(context, asked, found)
    response = answers.as_json(_document(context, found))
    response.headers.update(_HEADERS)
    return response


async def _found(context: RequestContext[None], asked: SourceQuery) -> Listing:
    app = context.app
    bounds = Bounds(limit=asked.limit, seconds=min(SECONDS, app.settings.deadline / 2))

    def work() -> Listing:
        return browsing.find(
            asked.url, app.locations.policy, app.engine.stores, bounds, after=asked.after, words=asked.words
        )

    return await app.service.run_io(work, key=repr(asked))


def _document(context: RequestContext[None], found: Listing) -> Json:
    links = [{"href": href, "rel": rel, "type": answers.JSON} for rel, href in _around(context, found).items()]
    return {
        "url": found.url,
        "kind": found.kind,
        "title": found.title,
        "description": found.description,
        "complete": found.complete,
        "refused": found.refused,
        "entries": [_entry(context, one) for one in found.found],
        "links": [*links, *_of_raster(context, found)],
    }


def _entry(context: RequestContext[None], one: Found) -> Json:
    modified = None if one.modified is None else datetime.fromtimestamp(one.modified, UTC).isoformat(timespec="seconds")
    return {
        "name": one.name,
        "kind": one.kind,
        "url": one.url,
        "size": one.size,
        "modified": modified,
        "links": _leading(context, one.kind, one.url),
    }


def _of_raster(context: RequestContext[None], found: Listing) -> list[Json]:
    """Return where more is said of what has no list: a raster, a mosaic."""
    if found.url is None or found.kind is None or found.kind in _DOCUMENTS:
        return []
    return _leading(context, found.kind, found.url)


def _leading(context: RequestContext[None], kind: str, url: str) -> list[Json]:
    """Return where an entry leads."""
    address = [("url", url)]
    ways: list[tuple[str, str, list[tuple[str, str]], str]] = []
    if kind in _DOCUMENTS:
        ways.append(("/sources", "children", address, answers.JSON))
    if kind == "raster":
        ways += [
            ("/cog/info", "describedby", address, answers.JSON),
            ("/cog/preview.webp", "preview", [*address, ("max_size", str(THUMBNAIL))], "image/webp"),
            ("/cog/viewer", "alternate", address, answers.HTML),
        ]
    elif kind == "mosaic":
        ways.append(("/mosaicjson/info", "describedby", address, answers.JSON))
    elif kind == "stac-item":
        ways.append(("/stac/assets", "describedby", address, answers.JSON))
    to, scope = context.app.links.to, context.request.scope
    return [
        {"href": to(scope, path, query), "rel": relation, "type": media_type}
        for path, relation, query, media_type in ways
    ]


def _around(context: RequestContext[None], found: Listing) -> dict[str, str]:
    """Return the addresses of the list itself, of what it is in, and of its next part."""
    to, scope = context.app.links.to, context.request.scope
    query = query_of(scope, without=("after", "url", "f"))
    asked = [("url", found.url)] if found.url else []
    around = {"self": to(scope, "/sources", [*asked, *query_of(scope, without=("url", "f"))])}
    if found.parent is not None:
        around["up"] = to(scope, "/sources", [("url", found.parent)] if found.parent else [])
    if found.after is not None:
        around["next"] = to(scope, "/sources", [*asked, *query, ("after", found.after)])
    elif found.next_url is not None:
        around["next"] = to(scope, "/sources", [("url", found.next_url), *query])
    return around


def _viewer(context: RequestContext[None], found: Listing) -> str | None:
    """Return the page of what has no list of its own, relative to the one that was asked for."""
    if found.kind != "raster" or found.url is None:
        return None
    token = query_token(context)
    return f"{pages.root(context.request)}cog/viewer?{urlencode([('url', found.url), *token])}"


def query_token(context: RequestContext[None]) -> list[tuple[str, str]]:
    """Return what the page itself was let in by."""
    return credentials.carried(context.request.scope["query_string"])


def _page(
    context: RequestContext[None], asked: SourceQuery, found: Listing, problem: TileryError | None = None
) -> Response:
    token = query_token(context)

    def way(**query: str | None) -> str:
        """Return the address of another list, relative to this one."""
        given = [(name, value) for name, value in query.items() if value]
        return f"?{urlencode([*given, *token])}" if given or token else "?"

    more = None
    if found.after is not None:
        more = way(url=found.url, q=asked.q, limit=str(asked.limit), after=found.after)
    elif found.next_url is not None:
        more = way(url=found.next_url)
    response = pages.page(
        context.request,
        "sources.html",
        status=200 if problem is None else problem.status,
        listing=found,
        entries=[_shown(one) for one in found.found],
        kinds=KINDS,
        lists=_DOCUMENTS,
        query=asked.q or "",
        carried=token,
        way=way,
        more=more,
        problem=None if problem is None else problem.detail,
        allowed=tuple(root.url for root in roots(context.app.locations.policy)) if problem is not None else (),
        json_address=answers.json_address(context.request),
    )
    response.headers.update(_HEADERS)
    return response


def _shown(one: Found) -> Mapping[str, Any]:
    """Return what a page says of an entry."""
    return {
        "name": one.name,
        "url": one.url,
        "kind": one.kind,
        "size": None if one.size is None else bytes_in_words(one.size),
        "modified": None
        if one.modified is None
        else datetime.fromtimestamp(one.modified, UTC).strftime("%Y-%m-%d %H:%M"),
    }


def bytes_in_words(size: int) -> str:
    """Return a number of bytes as people read it: ``812 B``, ``1.4 GB``."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if value >= 100 else f"{value:.1f} {units[0]}"


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getSources",
        paths=("/sources",),
        parameters=SOURCE_LIST,
        answer=listing,
        plan=no_plan,
        tag=TAG,
        summary="What may be read",
        description="Folders, rasters and STAC documents that this server may read, a page at a time: what "
        "`TILERY_SOURCES` names, or what is at `url`. Files are told by their names.",
        produces=answers.PRODUCES,
    ),
)

"""Routes that add, change and remove layers, for admins. Each change is of the very document that the caller knows."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.responses import Response

from app.api import answers, layer_bodies, request_body
from app.api.admin import need_admin
from app.api.context import AppContext
from app.api.families import layer_styles
from app.api.families.layers import LAYER
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params import groups
from app.api.params.kinds import Flag, Text
from app.api.params.merging import over
from app.api.params.parameter import Group, Parameter
from app.serving import etag
from tilery.catalog import document, editing, ids
from tilery.catalog.catalog import Catalog
from tilery.catalog.layer import Layer, Query
from tilery.errors import BrokenDocument, InvalidParameter, LayerNotFound, PreconditionNeeded, RequestError
from tilery.publishing import adding
from tilery.storage.objects import Store

logger = logging.getLogger("tilery.catalog")

Json = dict[str, Any]
T = TypeVar("T")

TAG = "Changing layers"
_SHOWN = ("kind", "source", "revision", "render", "styles")
"""Fields of a document that decide what pictures of the layer are made of."""
DEFAULT = "default"
"""The name that stands for what is used when a request says nothing."""

_STYLE = Parameter(
    name="style",
    kind=Text(longest=64),
    description="Name of the style; `default` stands for what is used when a request says nothing.",
    where="path",
    required=True,
)
CHECK = Parameter(
    name="check",
    kind=Flag(),
    default=True,
    description="Check that the render parameters make a picture of the raster. `false` where it cannot be read now.",
)
IF_MATCH = Parameter(
    name="If-Match",
    kind=Text(longest=1024),
    description="`ETag` of the document that is to be changed, or `*` for whatever there is.",
    where="header",
    required=True,
)


async def show(context: RequestContext[None]) -> Response:
    """Return a layer's document as it is written, with its entity tag."""
    await need_admin(context.request.scope)
    store, layer_id = _catalog(context).store, context.path.name("layer")
    found, version = await context.app.service.run_io(lambda: editing.read(store, layer_id))
    return _answer(layer_id, found, version)


async def add(context: RequestContext[None]) -> Response:
    """Return a layer of what lies somewhere already."""
    await need_admin(context.request.scope)
    content = await request_body.read(context.request, context.app.settings)
    check = groups.is_checked(context.values)

    def work() -> tuple[str, Json, str]:
        given = layer_bodies.parsed(content, layer_bodies.NewLayer)
        layer_id, render = ids.check(given.id), layer_bodies.render_of(given.render)
        if "://" not in given.source and not given.source.startswith("/"):
            raise InvalidParameter("The source is an address, as s3://bucket/key or /path.", parameter="source")
        with context.app.service.memory.work():
            found = adding.described(
                context.app.engine,
                layer_id,
                given.source,
                render=render,
                kind=given.kind,
                name=given.name,
                description=given.description,
                attribution=given.attribution,
            )
        if given.styles:
            styles = given.styles.items()
            found["styles"] = {
                name: {"render": layer_bodies.render_of(style.render)} | ({"title": style.title} if style.title else {})
                for name, style in styles
            }
        catalog = _catalog(context)
        _check(context.app, _parsed(catalog.store, layer_id, found), check=check)
        return layer_id, found, editing.add(catalog.store, layer_id, found)

    layer_id, found, version = await context.app.service.run_io(work)
    _changed(context, layer_id, "added")
    response = _answer(layer_id, found, version, status=201)
    response.headers["Location"] = answers.link(context, f"/layers/{layer_id}")
    return response


async def replace(context: RequestContext[None]) -> Response:
    """Return another document in the place of a layer's."""
    return await _write(context, lambda given: lambda _: given, "replaced")


async def patch(context: RequestContext[None]) -> Response:
    """Return a part of a layer's document changed: its name, for one."""
    return await _write(context, lambda given: lambda before: layer_bodies.merged(before, given), "changed")


async def _write(context: RequestContext[None], change_of: Callable[[Json], editing.Change], what: str) -> Response:
    await need_admin(context.request.scope)
    holds, layer_id = _holds(context), context.path.name("layer")
    content = await request_body.read(context.request, context.app.settings)
    check, store = groups.is_checked(context.values), _catalog(context).store

    def work() -> tuple[Json, str]:
        change = change_of(layer_bodies.json_object(content))

        def checked(before: Json) -> Json:
            after = change(before)
            if after.get("id", layer_id) != layer_id:
                raise InvalidParameter("A layer keeps its id: its addresses are made of it.", parameter="id")
            shown_alike = all(before.get(name) == after.get(name) for name in _SHOWN)
            _check(context.app, _parsed(store, layer_id, after), check=check and not shown_alike)
            return after

        return editing.edited(store, layer_id, checked, holds=holds)

    found, version = await context.app.service.run_io(work)
    _changed(context, layer_id, what)
    return _answer(layer_id, found, version)


async def remove(context: RequestContext[None]) -> Response:
    """Return a layer taken away, with its files in the catalog."""
    await need_admin(context.request.scope)
    holds, layer_id, store = _holds(context), context.path.name("layer"), _catalog(context).store
    await context.app.service.run_io(lambda: editing.remove(store, layer_id, holds=holds))
    _changed(context, layer_id, "removed")
    return Response(status_code=204)


async def put_style(context: RequestContext[None]) -> Response:
    """Return a style of a layer, added or replaced."""
    await need_admin(context.request.scope)
    content = await request_body.read(context.request, context.app.settings)
    name, check = context.path.name("style"), groups.is_checked(context.values)

    def change(store: Store, layer_id: str) -> editing.Change:
        given = layer_bodies.parsed(content, layer_bodies.StyleBody)
        render = layer_bodies.render_of(given.render)
        setting = editing.with_render(render) if name == DEFAULT else editing.with_style(name, render, given.title)

        def checked(before: Json) -> Json:
            after = setting(before)
            _check(context.app, _parsed(store, layer_id, after), check=check, only=name)
            return after

        return checked

    return await _edit_style(context, change, f"given the style {name}")


async def drop_style(context: RequestContext[None]) -> Response:
    """Return a style of a layer taken away."""
    await need_admin(context.request.scope)
    name = context.path.name("style")
    setting = editing.with_render({}) if name == DEFAULT else editing.without_style(name)
    return await _edit_style(context, lambda _store, _id: setting, f"relieved of the style {name}")


async def _edit_style(
    context: RequestContext[None], change: Callable[[Store, str], editing.Change], what: str
) -> Response:
    holds, layer_id, store = _holds(context), context.path.name("layer"), _catalog(context).store
    found, version = await context.app.service.run_io(
        lambda: editing.edited(store, layer_id, change(store, layer_id), holds=holds)
    )
    _changed(context, layer_id, what)
    return _answer(layer_id, found, version)


def _catalog(context: RequestContext[None]) -> Catalog:
    if context.app.catalog is None:
        raise LayerNotFound(parameter="layer")
    return context.app.catalog


def _tag(version: str) -> str:
    return f'"{hashlib.blake2b(version.encode(), digest_size=16).hexdigest()}"'


def _holds(context: RequestContext[None]) -> editing.Holds:
    """Return what the request says of the document that it means to change.

    Raises:
        PreconditionNeeded: nothing.
    """
    given = context.request.headers.get("if-match")
    if not given:
        raise PreconditionNeeded(
            "Say with If-Match which document is to be changed: its ETag, or * for whatever there is.",
            parameter="If-Match",
        )
    if etag.is_any(given):
        return lambda _: True
    return lambda version: etag.matches(given, _tag(version))


def _parsed(store: Store, layer_id: str, found: Json) -> Layer:
    """Return the layer that a document would be.

    Raises:
        InvalidParameter: it would be none.
    """
    try:
        content = document.encode(found)
        return document.parse(layer_id, content, version="new", folder=f"{store.address}{layer_id}/")
    except BrokenDocument as error:
        raise InvalidParameter(error.detail, parameter=error.parameter or "body") from None
    except ValueError:
        raise InvalidParameter("The document holds a number that JSON has not.", parameter="body") from None


def _check(app: AppContext, layer: Layer, *, check: bool, only: str | None = None) -> None:
    """Check that a layer's source may be read, and that its styles make pictures of it.

    Args:
        app: what reads.
        layer: the layer.
        check: open the raster; else only what is written is looked at.
        only: name of the only style to be looked at.

    Raises:
        SourceRefused: the source may not be read.
        RequestError: a style makes none; the text says which.
        SourceError, UpstreamError: the raster cannot be read.
    """
    app.layer_locations.policy.locate(layer.source)
    bands = None
    if check and layer.kind == "raster":
        with app.service.memory.work():
            bands = layer_styles.bands_of(app, layer)
    named: list[tuple[str, Query]] = [(DEFAULT, layer.render), *((one.name, one.render) for one in layer.styles)]
    for name, render in named:
        if only is None or name == only:
            try:
                layer_styles.check(app, over(render, layer.render), bands)
            except RequestError as error:
                said = f"The style '{name}': {error.detail}"
                raise type(error)(said, parameter=error.parameter, limit=error.limit) from None


def _changed(context: RequestContext[None], layer_id: str, what: str) -> None:
    _catalog(context).changed(layer_id)
    logger.info("%s the layer %s was %s", context.request.scope["state"]["request_id"], layer_id, what)


def _answer(layer_id: str, found: Json, version: str, *, status: int = 200) -> Response:
    response = answers.as_json({"id": layer_id} | found)
    response.status_code = status
    response.headers.update({"ETag": _tag(version), "Cache-Control": "private, no-store"})
    return response


def _operation(
    name: str,
    method: str,
    path: str,
    answer: Any,
    summary: str,
    *parameters: Parameter,
    content: Any = None,
    status: int = 200,
) -> Operation[None]:
    """Return a route for admins, as the OpenAPI document has it."""
    produces: Json = {"description": summary}
    if status != 204:
        produces["content"] = {answers.JSON: {"schema": {"type": "object"}}}
        produces["headers"] = {"ETag": {"description": "Of the document.", "schema": {"type": "string"}}}
    return Operation(
        id=name,
        paths=(path,),
        parameters=parameters,
        plan=no_plan,
        answer=answer,
        method=method,
        tag=TAG,
        summary=summary,
        description=f"{summary}. Needs `Authorization: Bearer` with the token of `TILERY_ADMIN_TOKEN`.",
        produces={status: produces},
        body=content,
    )


_LAYER: Group = (LAYER, IF_MATCH)
_DOCUMENT, _OF_STYLE = "/layers/{layer}/document", "/layers/{layer}/styles/{style}"
OPERATIONS: tuple[Operation[None], ...] = (
    _operation("getLayerDocument", "GET", _DOCUMENT, show, "A layer's document", LAYER),
    _operation(
        "addLayer", "POST", "/layers", add, "Add a layer of a source", CHECK, content=layer_bodies.NEW_LAYER, status=201
    ),
    _operation(
        "replaceLayer",
        "PUT",
        "/layers/{layer}",
        replace,
        "Replace a layer's document",
        *_LAYER,
        CHECK,
        content=layer_bodies.DOCUMENT,
    ),
    _operation(
        "changeLayer", "PATCH", "/layers/{layer}", patch, "Change a layer", *_LAYER, CHECK, content=layer_bodies.PATCH
    ),
    _operation(
        "removeLayer",
        "DELETE",
        "/layers/{layer}",
        remove,
        "Remove a layer and its files in the catalog",
        *_LAYER,
        status=204,
    ),
    _operation(
        "putStyle",
        "PUT",
        _OF_STYLE,
        put_style,
        "Add or replace a layer's style",
        LAYER,
        _STYLE,
        IF_MATCH,
        CHECK,
        content=layer_bodies.STYLE,
    ),
    _operation("dropStyle", "DELETE", _OF_STYLE, drop_style, "Remove a layer's style", LAYER, _STYLE, IF_MATCH),
)
"""Routes that there are only where there is an admin token, and a catalog."""

"""Bodies of requests that change layers: JSON, checked field by field, and their schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tilery.catalog import document, editing
from tilery.errors import BrokenDocument, InvalidParameter
from tilery.limits import nesting

Json = dict[str, Any]

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=4000)]
Render = str | dict[str, Any]
"""Render parameters: an object as in a layer's document, or a text as in an address."""

B = TypeVar("B", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StyleBody(_Body):
    """A style."""

    title: _Name | None = None
    render: Render = Field(default_factory=dict)


class NewLayer(_Body):
    """A layer of what lies somewhere already."""

    id: Annotated[str, Field(max_length=256)]
    source: Annotated[str, Field(min_length=1, max_length=8192)]
    kind: Literal["raster", "mosaic", "stac", "zarr"] | None = None
    name: _Name | None = None
    description: _Text | None = None
    attribution: _Text | None = None
    render: Render = Field(default_factory=dict)
    styles: dict[str, StyleBody] = Field(default_factory=dict, max_length=1000)


def parsed(content: bytes, model: type[B]) -> B:
    """Return what a body says.

    Raises:
        InvalidParameter: it is no JSON, or not of that shape.
    """
    try:
        return model.model_validate(json_object(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise InvalidParameter(f"body.{where}: {first['msg']}.", parameter="body") from None


def json_object(content: bytes) -> Json:
    """Return the JSON object that a body is.

    Raises:
        InvalidParameter: it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidParameter("The body is not JSON.", parameter="body") from None
    if not isinstance(found, dict) or nesting.is_deeper(found, document.MAX_DEPTH):
        raise InvalidParameter(
            f"The body is a JSON object, nested {document.MAX_DEPTH} levels deep at most.", parameter="body"
        )
    return found


def render_of(given: Render) -> Json:
    """Return render parameters as a layer's document has them.

    Raises:
        InvalidParameter: one may not be set there.
    """
    if isinstance(given, str):
        return editing.render_of(given)
    try:
        document.query(given)
    except BrokenDocument as error:
        raise InvalidParameter(error.detail, parameter="render") from None
    return given


def merged(below: Json, patch: Mapping[str, Any]) -> Json:
    """Return a document after a JSON Merge Patch (RFC 7396): null takes away, objects are merged."""
    after = dict(below)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            before = after.get(name)
            after[name] = merged(before if isinstance(before, dict) else {}, value)
        else:
            after[name] = value
    return after


def _described(schema: Json, description: str, media_type: str = "application/json") -> Json:
    return {"required": True, "description": description, "content": {media_type: {"schema": schema}}}


_RENDER: Json = {
    "description": 'Render parameters, as `{"rescale": [[0, 3000]], "colormap_name": "viridis"}` or as '
    "`rescale=0,3000&colormap_name=viridis`.",
    "anyOf": [{"type": "object"}, {"type": "string"}],
}
_STYLE: Json = {"type": "object", "properties": {"title": {"type": "string"}, "render": _RENDER}}
STYLE = _described(_STYLE, "The style.")
NEW_LAYER = _described(
    {
        "type": "object",
        "required": ["id", "source"],
        "properties": {
            "id": {"type": "string"},
            "source": {"type": "string", "description": "Address that the sources allow."},
            "kind": {"type": "string", "enum": ["raster", "mosaic", "stac", "zarr"]},
            "name": {"type": "string"},
            "description": {"type": "string"},
            "attribution": {"type": "string"},
            "render": _RENDER,
            "styles": {"type": "object", "additionalProperties": _STYLE},
        },
    },
    "The layer.",
)
DOCUMENT = _described({"type": "object"}, "The layer's document, as `GET /layers/{layer}/document` has it.")
PATCH = _described(
    {"type": "object"},
    'What is to be another, as a JSON Merge Patch (RFC 7396): `{"name": "Alps", "description": null}`.',
    "application/merge-patch+json",
)

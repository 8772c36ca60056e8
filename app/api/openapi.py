"""The OpenAPI document: what FastAPI knows of the routes, and the components that ours refer to."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.rendering.encoding.formats import FORMATS

Json = dict[str, Any]

PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}

_PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request failed.",
    "required": ["code", "detail", "request_id"],
    "properties": {
        "code": {"type": "string", "description": "A name that does not change, for programs."},
        "detail": {"type": "string", "description": "A sentence for people."},
        "parameter": {"type": "string", "description": "What has to change."},
        "limit": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}},
        "request_id": {"type": "string", "description": "What to tell the operator."},
    },
}
_VALIDATION_ERROR: Json = {
    "type": "object",
    "title": "ValidationError",
    "required": ["loc", "msg", "type"],
    "properties": {
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "msg": {"type": "string"},
        "type": {"type": "string"},
        "input": {},
        "ctx": {"type": "object"},
    },
}


def describe(app: FastAPI) -> Json:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ImageType"] = {
            "type": "string",
            "title": "ImageType",
            "description": "Format of a picture.",
            "enum": list(FORMATS),
        }
        schemas["Problem"] = _PROBLEM
        schemas["ValidationError"] = _VALIDATION_ERROR
        app.openapi_schema = document
    return app.openapi_schema


def problem(description: str) -> Json:
    """A response that says why a request failed."""
    return {"description": description, "content": {"application/json": {"schema": PROBLEM_REFERENCE}}}

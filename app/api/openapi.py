"""The OpenAPI document, made from the same operations and parameters as the routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from app.api import geojson
from app.api.operation import Operation
from app.api.params.parameter import Parameter
from tilery.rendering.encoding.formats import FORMATS

Json = dict[str, Any]

VERSION = "3.1.0"
MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.1"

_NAMED = re.compile(r"\{(\w+)\}")
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


def describe(app: FastAPI, operations: Iterable[Operation[Any]]) -> Json:
    """Return the document, made once."""
    if app.openapi_schema is None:
        paths: dict[str, Json] = {}
        shared = _Shared()
        for operation in operations:
            if operation.documented:
                paths.setdefault(operation.paths[0], {})[operation.method.lower()] = _operation(operation, shared)
        app.openapi_schema = {
            "openapi": VERSION,
            "info": {"title": app.title, "description": app.description, "version": app.version},
            "paths": paths,
            "components": {
                "parameters": shared.found,
                "schemas": {
                    "ImageType": _image_type(),
                    "Problem": _PROBLEM,
                    "ValidationError": _VALIDATION_ERROR,
                    **geojson.SCHEMAS,
                },
            },
        }
    return app.openapi_schema


class _Shared:
    """Parameters that operations have in common: written once, or the document would be five times as long."""

    def __init__(self) -> None:
        self.found: dict[str, Json] = {}
        self._names: dict[str, str] = {}
        """By what they say."""

    def reference(self, parameter: Json) -> Json:
        """Return the reference to a parameter, which is listed from then on."""
        said = json.dumps(parameter, sort_keys=True)
        name = self._names.get(said)
        if name is None:
            same = sum(one["name"] == parameter["name"] for one in self.found.values())
            name = self._names[said] = f"{parameter['name']}-{same + 1}" if same else parameter["name"]
            self.found[name] = parameter
        return {"$ref": f"#/components/parameters/{name}"}


def _operation(operation: Operation[Any], shared: _Shared) -> Json:
    document: Json = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "operationId": operation.id,
        "parameters": [shared.reference(parameter.document()) for parameter in _parameters(operation)],
        "responses": {str(status): dict(answer) for status, answer in operation.produces.items()},
    }
    if operation.parameters:
        document["responses"]["422"] = _problem("Validation Error")
    document["responses"]["default"] = _problem("Why the request failed.")
    if operation.body is not None:
        document["requestBody"] = dict(operation.body)
    return document


def _parameters(operation: Operation[Any]) -> list[Parameter]:
    """Return those of the path that is in the document: all that it names, and none beside it that has the
    same name.
    """
    named = set(_NAMED.findall(operation.paths[0]))
    return [
        replace(parameter, required=True) if parameter.where == "path" else parameter
        for parameter in operation.parameters
        if not parameter.hidden and (parameter.where == "path") == (parameter.name in named)
    ]


def _image_type() -> Json:
    return {"type": "string", "title": "ImageType", "description": "Format of a picture.", "enum": list(FORMATS)}


def _problem(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }

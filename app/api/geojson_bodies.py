"""Request bodies with geometries, which are GeoJSON: looked through before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.api import geojson, json_documents
from app.api.params.kinds import Wrong
from app.config.settings import Settings
from tilery.errors import InvalidParameter, OverLimit
from tilery.limits import untrusted_json
from tilery.reading import geometry
from tilery.reading.geometry import Shape

Json = dict[str, Any]

_ECHOED = 256
"""Characters of a wrong value that are said again; all of a body would be written on the event loop."""
_DEEPEST = 64
"""Levels of lists and objects in a body, part of which goes into the answer: what writes that knows no end of them."""

FEATURE: Mapping[str, Any] = {
    "required": True,
    "description": "GeoJSON Feature.",
    "content": {"application/json": {"schema": geojson.reference("Feature")}},
}
FEATURES: Mapping[str, Any] = {
    "required": True,
    "description": "GeoJSON Feature or FeatureCollection.",
    "content": {
        "application/json": {
            "schema": {"oneOf": [geojson.reference("FeatureCollection"), geojson.reference("Feature")]},
        }
    },
}
LINES: Mapping[str, Any] = {
    **FEATURES,
    "description": "GeoJSON Feature of a LineString, or FeatureCollection of such.",
}


def feature(body: bytes, settings: Settings) -> Shape:
    """Return the geometry of the Feature that is a request's body.

    Raises:
        InvalidParameter: the body is no Feature.
        InvalidGeometry: its geometry is none.
        OverLimit: it has too many vertices.
    """
    found = _document(body)
    _check(found, "Feature")
    return _shapes([found], settings)[0]


def features(body: bytes, settings: Settings) -> tuple[Json, list[Json], list[Shape]]:
    """Return the Feature or FeatureCollection of a request's body, its features and their geometries.

    Raises:
        InvalidParameter, InvalidGeometry, OverLimit: as `feature`.
    """
    found = _document(body)
    if found.get("type") != "FeatureCollection":
        _check(found, "Feature")
        return found, [found], _shapes([found], settings)
    items = found.get("features")
    if not isinstance(items, list):
        raise _wrong(["features"], Wrong("missing", "Field required"), None)
    if len(items) > settings.max_features:
        raise OverLimit(
            f"At most {settings.max_features} features at a time.", parameter="body", limit=settings.max_features
        )
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise _wrong(["features", position], Wrong("model_type", "Input should be an object"), None)
        _check(item, "Feature", "features", position)
    return found, items, _shapes(items, settings)


def _document(body: bytes) -> Json:
    if not body:
        raise _wrong([], Wrong("missing", "Field required"), None)
    try:
        found = untrusted_json.parse(body, deepest=_DEEPEST)
    except untrusted_json.TooDeep:
        raise _wrong([], Wrong("json_invalid", f"JSON is nested more than {_DEEPEST} deep"), None) from None
    except ValueError:
        raise _wrong([], Wrong("json_invalid", "JSON decode error"), None) from None
    found = json_documents.finite(found)
    if not isinstance(found, dict):
        raise _wrong([], Wrong("model_attributes_type", "Input should be a GeoJSON object"), None)
    return found


def _check(item: Json, kind: str, *place: str | int) -> None:
    """Check that this is a Feature, or a collection, with what one must have."""
    if item.get("type") != kind:
        expected = f"'{kind}'"
        wrong = Wrong("literal_error", f"Input should be {expected}", {"expected": expected})
        raise _wrong([*place, "type"], wrong, item.get("type"))
    if "geometry" not in item:
        raise _wrong([*place, "geometry"], Wrong("missing", "Field required"), None)
    if not isinstance(item.get("properties", {}), dict | None):
        raise _wrong([*place, "properties"], Wrong("dict_type", "Input should be a valid dictionary"), None)


def _shapes(items: list[Json], settings: Settings) -> list[Shape]:
    """Return the geometries of features, which together have no more vertices than one request may have."""
    left = settings.max_vertices
    shapes = []
    for item in items:
        try:
            shapes.append(geometry.parse(item["geometry"], most=left))
        except OverLimit:
            raise OverLimit(
                f"The geometries have more than {settings.max_vertices} vertices.",
                parameter="body",
                limit=settings.max_vertices,
            ) from None
        left -= shapes[-1].vertices
    return shapes


def _wrong(place: list[str | int], wrong: Wrong, given: object) -> InvalidParameter:
    """Return the problem with a place in the body, in FastAPI's shape."""
    name = ".".join(map(str, ["body", *place]))
    problem = InvalidParameter(f"{name}: {wrong.message}.", parameter="body")
    short = given if not isinstance(given, dict | list) and len(str(given)) <= _ECHOED else None
    item: Json = {"type": wrong.kind, "loc": ["body", *place], "msg": wrong.message, "input": short}
    if wrong.context:
        item["ctx"] = wrong.context
    problem.errors = (item,)
    return problem

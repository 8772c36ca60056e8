"""Request bodies: GeoJSON with a polygon in it, read up to a limit and looked through before it is used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from app import deadline
from app.api import documents, geojson
from app.api.params.kinds import Wrong
from app.errors import InvalidGeometry, InvalidParameter, OverLimit
from app.serving.service import CallerGone
from app.settings import Settings

Json = dict[str, Any]

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


async def read(request: Request, settings: Settings) -> bytes:
    """The body of a request; who sends it too slowly or goes away meanwhile is not waited for.

    It is looked through by `feature` and `features`, in a render slot: what it says takes 25 times its bytes.

    Raises:
        OverLimit: it is too long.
        DeadlineExceeded: it did not come in time.
        CallerGone: it will never come.
    """
    limit = settings.max_body_bytes
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(deadline.remaining()):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise OverLimit(f"The body has more than {limit} bytes.", parameter="body", limit=limit)
                parts.append(part)
    except TimeoutError:
        raise deadline.exceeded() from None
    except ClientDisconnect:
        raise CallerGone from None
    return b"".join(parts)


def feature(body: bytes, settings: Settings) -> Json:
    """The Feature of a request's body.

    Raises:
        InvalidParameter: the body is no Feature.
        InvalidGeometry: its geometry is no polygon.
        OverLimit: it has too many vertices.
    """
    found = _document(body)
    _check(found, "Feature")
    _check_vertices([found], settings)
    return found


def features(body: bytes, settings: Settings) -> tuple[Json, list[Json]]:
    """The Feature or FeatureCollection of a request's body, and its features.

    Raises:
        InvalidParameter, InvalidGeometry, OverLimit: as `feature`.
    """
    found = _document(body)
    if found.get("type") != "FeatureCollection":
        _check(found, "Feature")
        _check_vertices([found], settings)
        return found, [found]
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
    _check_vertices(items, settings)
    return found, items


def _document(body: bytes) -> Json:
    if not body:
        raise _wrong([], Wrong("missing", "Field required"), None)
    try:
        found = documents.finite(json.loads(body))
    except (ValueError, RecursionError):
        raise _wrong([], Wrong("json_invalid", "JSON decode error"), None) from None
    if not isinstance(found, dict):
        raise _wrong([], Wrong("model_attributes_type", "Input should be a GeoJSON object"), None)
    return found


def _check(item: Json, kind: str, *place: str | int) -> None:
    """Nothing, when this is a Feature with a geometry."""
    if item.get("type") != kind:
        expected = f"'{kind}'"
        wrong = Wrong("literal_error", f"Input should be {expected}", {"expected": expected})
        raise _wrong([*place, "type"], wrong, item.get("type"))
    if "geometry" not in item:
        raise _wrong([*place, "geometry"], Wrong("missing", "Field required"), None)
    geometry = item["geometry"]
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise InvalidGeometry("The geometry must be a Polygon or a MultiPolygon.", parameter="body")
    if not isinstance(item.get("properties", {}), dict | None):
        raise _wrong([*place, "properties"], Wrong("dict_type", "Input should be a valid dictionary"), None)


def _check_vertices(items: list[Json], settings: Settings) -> None:
    """Nothing, when every ring is closed, finite and the whole is not too long."""
    left = settings.max_vertices
    for item in items:
        geometry = item["geometry"]
        coordinates = geometry.get("coordinates")
        polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
        if not isinstance(polygons, list) or not polygons:
            raise InvalidGeometry("The geometry has no coordinates.", parameter="body")
        for polygon in polygons:
            if not isinstance(polygon, list) or not polygon:
                raise InvalidGeometry("A polygon is a list of rings.", parameter="body")
            for ring in polygon:
                if not isinstance(ring, list) or len(ring) < 4:
                    raise InvalidGeometry("A ring has at least four positions.", parameter="body")
                left -= len(ring)
                if left < 0:
                    raise OverLimit(
                        f"The geometries have more than {settings.max_vertices} vertices.",
                        parameter="body",
                        limit=settings.max_vertices,
                    )
                if not all(map(_is_position, ring)) or ring[0] != ring[-1]:
                    raise InvalidGeometry("A ring is a list of positions and ends where it begins.", parameter="body")


def _is_position(position: object) -> bool:
    return (
        isinstance(position, list)
        and 2 <= len(position) <= 4
        and all(type(number) in (int, float) and abs(number) < 1e12 for number in position)
    )


def _wrong(place: list[str | int], wrong: Wrong, given: object) -> InvalidParameter:
    """The problem with a place in the body, in FastAPI's shape."""
    name = ".".join(map(str, ["body", *place]))
    problem = InvalidParameter(f"{name}: {wrong.message}.", parameter="body")
    item: Json = {"type": wrong.kind, "loc": ["body", *place], "msg": wrong.message, "input": given}
    if wrong.context:
        item["ctx"] = wrong.context
    problem.errors = (item,)
    return problem

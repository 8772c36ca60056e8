"""GeoJSON (RFC 7946) as the OpenAPI document describes it: complete, so that generated clients have classes for it."""

from __future__ import annotations

from typing import Any

from tilery.reading.geometry import TYPES

Json = dict[str, Any]


def reference(name: str) -> Json:
    """Return a reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _geometry(name: str, coordinates: Json) -> Json:
    return {
        "type": "object",
        "title": name,
        "required": ["type", "coordinates"],
        "properties": {
            "type": {"type": "string", "enum": [name]},
            "coordinates": coordinates,
            "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        },
    }


_POSITION: Json = {
    "type": "array",
    "title": "Position",
    "description": "Longitude and latitude, or x and y in the CRS that the request names.",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 4,
}
_RING: Json = {
    "type": "array",
    "title": "LinearRing",
    "description": "Positions, of which the last is the first.",
    "items": reference("Position"),
    "minItems": 4,
}
_LINE: Json = {"type": "array", "items": reference("Position"), "minItems": 2}
_RINGS: Json = {"type": "array", "items": reference("LinearRing"), "minItems": 1}

SCHEMAS: dict[str, Json] = {
    "Position": _POSITION,
    "LinearRing": _RING,
    "Point": _geometry("Point", reference("Position")),
    "MultiPoint": _geometry("MultiPoint", {"type": "array", "items": reference("Position"), "minItems": 1}),
    "LineString": _geometry("LineString", _LINE),
    "MultiLineString": _geometry("MultiLineString", {"type": "array", "items": _LINE, "minItems": 1}),
    "Polygon": _geometry("Polygon", _RINGS),
    "MultiPolygon": _geometry("MultiPolygon", {"type": "array", "items": _RINGS, "minItems": 1}),
    "GeometryCollection": {
        "type": "object",
        "title": "GeometryCollection",
        "required": ["type", "geometries"],
        "properties": {
            "type": {"type": "string", "enum": ["GeometryCollection"]},
            "geometries": {"type": "array", "items": reference("Geometry"), "minItems": 1},
        },
    },
    "Geometry": {"title": "Geometry", "oneOf": [reference(name) for name in TYPES]},
    "Feature": {
        "type": "object",
        "title": "Feature",
        "required": ["type", "geometry"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "geometry": reference("Geometry"),
            "properties": {"type": ["object", "null"], "additionalProperties": True},
            "id": {"type": ["string", "integer"]},
        },
    },
    "FeatureCollection": {
        "type": "object",
        "title": "FeatureCollection",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "items": reference("Feature")},
        },
    },
}
"""The components of the document by name."""

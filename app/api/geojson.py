"""GeoJSON (RFC 7946) as the OpenAPI document describes it: complete, so that generated clients have classes for it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def reference(name: str) -> Json:
    """A reference to one of `SCHEMAS`."""
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
_RINGS: Json = {"type": "array", "items": reference("LinearRing"), "minItems": 1}

SCHEMAS: dict[str, Json] = {
    "Position": _POSITION,
    "LinearRing": _RING,
    "Polygon": _geometry("Polygon", _RINGS),
    "MultiPolygon": _geometry("MultiPolygon", {"type": "array", "items": _RINGS, "minItems": 1}),
    "Feature": {
        "type": "object",
        "title": "Feature",
        "required": ["type", "geometry"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "geometry": {"oneOf": [reference("Polygon"), reference("MultiPolygon")]},
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

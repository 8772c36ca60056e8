"""STAC Items made by the tests themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(
    *names: str, assets: dict[str, Any] | None = None, version: str = "1.0.0", **properties: Any
) -> dict[str, Any]:
    """Return an item in the Alps whose assets ``names`` are ``./name.tif`` beside it; ``assets`` are further ones, in
    full.
    """
    return {
        "type": "Feature",
        "stac_version": version,
        "id": "item",
        "geometry": {"type": "Polygon", "coordinates": [[[8, 46], [9, 46], [9, 47], [8, 47], [8, 46]]]},
        "bbox": [8.0, 46.0, 9.0, 47.0],
        "properties": {"datetime": "2026-01-01T00:00:00Z", **properties},
        "links": [],
        "assets": {**{name: {"href": f"./{name}.tif", "type": COG} for name in names}, **(assets or {})},
    }


def encoded(*names: str, **more: Any) -> bytes:
    """Return the same as JSON."""
    return json.dumps(item(*names, **more)).encode()


def write(path: Path, *names: str, **more: Any) -> Path:
    """Return the path of a file with the same."""
    path.write_bytes(encoded(*names, **more))
    return path

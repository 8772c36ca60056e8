"""The document of a layer, as it is written: TileJSON 3, the Lambda tiler's ``meta``, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilery.catalog.schema import FORMAT
from tilery.geo.mercator import LATITUDE
from tilery.geo.raster import Bounds

PRESERVED = ("name", "description", "attribution", "order", "render", "styles")
"""What a new revision takes over from the document before it, unless the publisher says otherwise."""


def document(
    *,
    layer_id: str,
    bounds: Bounds,
    minzoom: int,
    maxzoom: int,
    bands: int,
    width: int,
    height: int,
    source: str,
    meta_source: str,
    revision: str,
    published: str,
    statistics: Mapping[str, Any],
    given: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of a layer's new revision.

    Args:
        layer_id: the id.
        bounds: of the data in degrees.
        minzoom: shallowest zoom to offer.
        maxzoom: deepest.
        bands: of the published raster, alpha left out.
        width: columns of the published raster.
        height: its rows.
        source: where the raster is, relative to the document.
        meta_source: what the Lambda tiler would read, relative too.
        revision: of the data.
        published: when, ISO 8601.
        statistics: of each band.
        given: what the publisher said: any of `PRESERVED`.
        before: the document that this one takes the place of.
    """
    west, south, east, north = bounds
    south, north = max(south, -LATITUDE), min(north, LATITUDE)
    middle = (west + (east if east >= west else east + 360)) / 2
    fields: dict[str, Any] = {name: before[name] for name in PRESERVED if before and name in before}
    fields |= {name: value for name, value in given.items() if value is not None}
    return {
        "tilejson": "3.0.0",
        "format": FORMAT,
        "id": layer_id,
        "name": fields.pop("name", None) or layer_id.rpartition("/")[2],
        **{name: fields[name] for name in ("description", "attribution") if fields.get(name)},
        "scheme": "xyz",
        "tiles": [f"/{layer_id}/{{z}}/{{x}}/{{y}}.png"],
        "bounds": [round(value, 9) for value in (west, south, east, north)],
        "center": [round(middle - 360 if middle > 180 else middle, 9), round((south + north) / 2, 9), minzoom],
        "minzoom": minzoom,
        "maxzoom": maxzoom,
        "meta": {
            "approximateZoom": maxzoom,
            "bandCount": bands,
            "width": width,
            "height": height,
            "source": meta_source,
        },
        "source": source,
        "revision": revision,
        "published": published,
        "history": _history(before or {}, revision)[-16:],
        "render": fields.get("render") or {},
        "styles": fields.get("styles") or {},
        "statistics": dict(statistics),
    }


def _history(before: Mapping[str, Any], revision: str) -> list[str]:
    """Return revisions before this one, which a publish that is gone on with may have written already."""
    written = before.get("history")
    earlier = [*(written if isinstance(written, list) else []), before.get("revision")]
    return [one for one in earlier if isinstance(one, str) and one != revision]

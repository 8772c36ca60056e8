"""What a layer may be called.

An id is the first part of the layer's address, ``/{id}/{z}/{x}/{y}.png``. So it is short, has one spelling only (lower
case), cannot climb out of a folder, and is none of the words that routes begin with.
"""

from __future__ import annotations

import re

from tilery.errors import InvalidParameter, LayerNotFound

PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
_ID = re.compile(PATTERN)

RESERVED = frozenset(
    {
        # what routes begin with today
        "algorithms",
        "api",
        "bbox",
        "bounds",
        "cog",
        "colormaps",
        "conformance",
        "crop",
        "docs",
        "feature",
        "health",
        "healthz",
        "info",
        "layers",
        "livez",
        "map",
        "metrics",
        "mosaicjson",
        "mosaics",
        "openapi",
        "ping",
        "point",
        "preview",
        "readyz",
        "redoc",
        "static",
        "statistics",
        "stac",
        "tilejson",
        "tilematrixsets",
        "tiles",
        "unstored",
        "validate",
        "viewer",
        "wmts",
        "zarr",
        # what they may begin with one day, and the folders beside the catalog in a bucket
        "admin",
        "assets",
        "catalog",
        "collections",
        "favicon",
        "incoming",
        "robots",
        "search",
        "settings",
        "sources",
        "styles",
        "version",
        "wms",
    }
)
"""Ids that no layer gets, because a route has the name."""


def is_id(text: str) -> bool:
    """True when a layer may be called so."""
    return _ID.fullmatch(text) is not None and text not in RESERVED


def check(text: str) -> str:
    """The id, as it is.

    Raises:
        InvalidParameter: a layer cannot be called so; the message says why.
    """
    if text in RESERVED:
        raise InvalidParameter(f"'{text}' is the name of a route; call the layer something else.", parameter="id")
    if _ID.fullmatch(text) is None:
        raise InvalidParameter(
            "A layer's id has 1 to 64 lower-case letters, digits, '-' and '_', and begins with a letter or a digit.",
            parameter="id",
        )
    return text


def requested(text: str) -> str:
    """The id that a request asks for.

    Raises:
        LayerNotFound: no layer can be called so, and no store is asked.
    """
    if not is_id(text):
        raise LayerNotFound(parameter="layer")
    return text

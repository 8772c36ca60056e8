"""What a layer may be called.

An id is the first part of the layer's address, ``/{id}/{z}/{x}/{y}.png``. So it is short, has one spelling only (lower
case), cannot climb out of a folder, and is none of the words that routes begin with.

A layer may lie in folders: ``alps/2024/ortho``. So that an address always tells where the id ends, no part behind the
first is a word that stands behind ids in addresses (``tiles``, ``info``, ``map``…), and the last of several parts is no
number, as the row of a tile is one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile

from tilery.errors import InvalidParameter, LayerNotFound

PART = r"[a-z0-9][a-z0-9_-]{0,63}"
"""A folder's name, or the last part of an id."""
MOST_PARTS = 8
LONGEST = 200
"""Characters of an id with its folders."""

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
"""What no id is or begins with, because a route has the name."""

_BEHIND = RESERVED | {
    "asset_statistics",
    "available_assets",
    "coordinates",
    "dimensions",
    "document",
    "legend",
    "metadata",
    "part",
    "profile",
    "tile",
    "tilesets",
}
"""What no part behind the first is: routes have these names behind an id, or may have them one day."""


def pattern(also: Iterable[str] = ()) -> str:
    """Return the regular expression of ids in addresses; what it lets through, `is_id` still has to look at.

    Args:
        also: further words that stand behind ids, as the names of tile matrix sets that could be folders' too.
    """
    first, behind = ("|".join(sorted(words)) for words in (RESERVED, _BEHIND.union(also)))
    return rf"(?:(?!(?:{first})(?:/|$)){PART}(?:/(?!(?:{behind})(?:/|$)){PART}){{0,{MOST_PARTS - 1}}})"


_ID = re.compile(pattern())
_PART = re.compile(PART)
_TILE = 3
"""Parts that say where a tile is."""
_NUMBER = re.compile(r"-?[0-9]+(?:$|[@.])")
_REVISION = re.compile(r"[0-9]{8}t[0-9]{6}-[0-9a-f]{6}")
"""The folder of a published raster, below its layer's."""


def is_id(text: str) -> bool:
    """Return True when a layer may be called so."""
    if len(text) > LONGEST or _ID.fullmatch(text) is None:
        return False
    _, *behind = text.split("/")
    return not behind or not (behind[-1].isdigit() or any(map(_REVISION.fullmatch, behind)))


def is_folder(text: str) -> bool:
    """Return True when layers may lie in a folder of that path."""
    return is_id(f"{text}/layer")


def of_parts(parts: Sequence[str], *, tiles: bool, also: Collection[str] = ()) -> str | None:
    """Return the id that an address begins with, as its routes take it; None where there is none.

    Args:
        parts: of the address, from the id on.
        tiles: whether three numbers at its end are a tile of the layer before them.
        also: as `pattern` has it.
    """
    if tiles and len(parts) > _TILE and all(map(_NUMBER.match, parts[-_TILE:])):
        parts = parts[:-_TILE]
    first, *behind = parts or ("",)
    found = [first, *takewhile(lambda part: _PART.fullmatch(part) and part not in _BEHIND and part not in also, behind)]
    text = "/".join(found)
    return text if is_id(text) else None


def check(text: str) -> str:
    """Return the id, as it is.

    Raises:
        InvalidParameter: a layer cannot be called so; the message says why.
    """
    first, *behind = parts = text.split("/")
    for word in (*({first} & RESERVED), *(part for part in behind if part in _BEHIND)):
        raise InvalidParameter(f"'{word}' is the name of a route; call the layer something else.", parameter="id")
    if any(re.fullmatch(PART, part) is None for part in parts):
        raise InvalidParameter(
            "A layer's id has 1 to 64 lower-case letters, digits, '-' and '_', and begins with a letter or a digit; "
            "so has each folder before it, as in alps/2024/ortho.",
            parameter="id",
        )
    if len(parts) > MOST_PARTS or len(text) > LONGEST:
        raise InvalidParameter(
            f"A layer's id has at most {MOST_PARTS - 1} folders and {LONGEST} characters.", parameter="id"
        )
    if not is_id(text):
        raise InvalidParameter(
            "In a folder a layer is not called by a number alone, which would be the row of a tile, nor anything like "
            "a revision.",
            parameter="id",
        )
    return text


def requested(text: str) -> str:
    """Return the id that a request asks for.

    Raises:
        LayerNotFound: no layer can be called so, and no store is asked.
    """
    if not is_id(text):
        raise LayerNotFound(parameter="layer")
    return text

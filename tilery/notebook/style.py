"""How a raster is shown, as the service's parameters have it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tilery.catalog.document import RENDER_PARAMETERS
from tilery.did_you_mean import hint
from tilery.errors import InvalidParameter

PARAMETERS = RENDER_PARAMETERS | frozenset(
    ("resampling_method", "format", "ext", "tilesize", "minzoom", "maxzoom", "tile_format", "tile_scale")
)
"""What a map may be shown with: parameters of the service's tiles and TileJSON, but those that name a raster."""

Query = tuple[tuple[str, str], ...]
"""Parameters of a request, decoded."""
Range = tuple[float, float]
Colormap = str | Mapping[Any, Any] | Sequence[Any]
"""The name of a colormap, or its colours as TiTiler's ``colormap`` has them: ``{0: "#fff", 1: (255, 0, 0)}``, or a list
of ``((lower, upper), colour)``."""


def query(
    *,
    bidx: int | Sequence[int] | None = None,
    expression: str | None = None,
    rescale: str | Range | Sequence[Range] | None = None,
    colormap: Colormap | None = None,
    **parameters: Any,
) -> Query:
    """Return the parameters of a request for a picture.

    Args:
        bidx: bands to show, from 1.
        expression: band maths, as ``(b2-b1)/(b2+b1)``.
        rescale: the values that become black and white: (lowest, highest) of all bands, a pair for each, or
            ``"0,3000"``.
        colormap: a name, or colours.
        parameters: any other of the service's; None leaves one out.

    Raises:
        InvalidParameter: a value cannot be written as a parameter, or there is none of a name.
    """
    for name in parameters:
        if name not in PARAMETERS:
            meant = hint(name, {"bidx", "expression", "rescale", "colormap", *PARAMETERS})
            raise InvalidParameter(f"A map has no parameter '{name}'.{meant}", parameter=name)
    found: list[tuple[str, str]] = []
    if bidx is not None:
        found += [("bidx", text) for text in _bands(bidx)]
    if expression is not None:
        found.append(("expression", expression))
    if rescale is not None:
        found += [("rescale", text) for text in _ranges(rescale)]
    if colormap is not None:
        found.append(_colormap(colormap))
    for name, value in parameters.items():
        found += [(name, _text(one)) for one in _several(value)]
    return tuple(found)


def _bands(bidx: int | Sequence[int]) -> list[str]:
    try:
        return [str(band) for band in ([bidx] if isinstance(bidx, int) else bidx)]
    except TypeError:
        raise InvalidParameter("bidx is the number of a band, from 1, or a list of them.", parameter="bidx") from None


def _ranges(rescale: str | Range | Sequence[Range]) -> list[str]:
    if isinstance(rescale, str):
        return [rescale]
    try:
        found: list[Any] = list(rescale)
        pairs = found if found and isinstance(found[0], list | tuple) else [found]
        return [f"{float(low)!r},{float(high)!r}" for low, high in pairs]
    except (TypeError, ValueError):
        raise InvalidParameter(
            "rescale is (lowest, highest), or a list with such a pair for each band.", parameter="rescale"
        ) from None


def _colormap(colormap: Colormap) -> tuple[str, str]:
    if isinstance(colormap, str):
        return ("colormap_name", colormap)
    try:
        return ("colormap", json.dumps(colormap, separators=(",", ":")))
    except (TypeError, ValueError):
        raise InvalidParameter(
            "colormap is a name, {value: colour} or [((lower, upper), colour), …].", parameter="colormap"
        ) from None


def _several(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, Mapping) else str(value)

"""How pixels become a picture: the part of a request that rendering understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tilery.rendering.colormap import Colormap


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Everything between a `Raster` and its bytes, in the order in which it is applied."""

    expression: str | None = None
    """Band maths, blocks separated by ``;``. Applied first; the raster then has a band a block."""
    algorithm: str | None = None
    """Name of an algorithm of `tilery.rendering.algorithms`."""
    algorithm_params: Mapping[str, Any] = field(default_factory=dict)
    """Its parameters by name."""
    rescale: tuple[tuple[float, float], ...] | None = None
    """(minimum, maximum): one for all bands or one a band; fewer than bands: the first serves all."""
    color_formula: str | None = None
    """rio-color's: ``gamma RGB 1.2, saturation 1.1``."""
    colormap: Colormap | None = None
    """None: the source's own palette, if it has one."""
    return_mask: bool = True
    """Give the picture an alpha channel (mask band) where the format can hold one."""

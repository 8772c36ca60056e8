"""The 18 algorithms that ``algorithm=`` names, in TiTiler's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilery.errors import InvalidParameter
from tilery.geo.raster import Raster
from tilery.rendering.algorithms import across, casts, image, index, terrain
from tilery.rendering.algorithms.declaration import Algorithm

_TABLES = (
    terrain.SURFACES,
    index.ALGORITHMS,
    terrain.PACKED,
    casts.ALGORITHMS,
    across.ALGORITHMS,
    image.ALGORITHMS,
)
_KNOWN: dict[str, Algorithm] = {algorithm.name: algorithm for table in _TABLES for algorithm in table}
"""Every algorithm by name, in the order in which they are listed."""


def names() -> tuple[str, ...]:
    """Return every name, in the order in which they are listed."""
    return tuple(_KNOWN)


def describe(name: str) -> dict[str, Any]:
    """Return the JSON document at ``/algorithms/{id}``: title, description, inputs, outputs, parameters."""
    return _get(name).document()


def check(name: str, params: Mapping[str, Any]) -> None:
    """Check that there is such an algorithm and that it takes these parameters, else raise InvalidParameter."""
    _get(name).values(params)


def apply(name: str, params: Mapping[str, Any], raster: Raster) -> Raster:
    """Return the raster after the algorithm.

    Raises:
        InvalidParameter: there is no such algorithm, or it does not take these parameters.
        InvalidBand: the raster has too few bands for it.
    """
    return _get(name).apply(params, raster)


def cut_off(name: str, params: Mapping[str, Any]) -> int:
    """Return pixels that the algorithm cuts off on each side of what it gets.

    Raises:
        InvalidParameter: as `check`.
    """
    return int(_get(name).values(params).get("buffer") or 0)


def memory_of(name: str, bands: int, kind: np.dtype[np.generic]) -> int:
    """Return bytes a pixel that the algorithm takes at most with that many bands of that type, what it gives included.

    Raises:
        InvalidParameter: there is no such algorithm.
    """
    return _get(name).memory_of(bands, kind)


def output_of(name: str, bands: int) -> tuple[int, np.dtype[np.generic]]:
    """Return number and type of the bands that the algorithm makes of so many; 64 bits where the type depends on
    theirs.

    Raises:
        InvalidParameter: there is no such algorithm.
    """
    return _get(name).output_of(bands)


def packs(name: str | None) -> bool:
    """Return True where the algorithm packs a number into the bytes of several bands: no format may change
    any of them.
    """
    return name is not None and name in _KNOWN and _KNOWN[name].packs


def _get(name: str) -> Algorithm:
    algorithm = _KNOWN.get(name)
    if algorithm is None:
        raise InvalidParameter(f"algorithm must be one of {', '.join(_KNOWN)}.", parameter="algorithm")
    return algorithm

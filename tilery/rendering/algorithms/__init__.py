"""The 18 algorithms that ``algorithm=`` names, in TiTiler's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilery.errors import InvalidParameter
from tilery.geo.raster import Raster
from tilery.rendering.algorithms import across, casts, image, index, terrain
from tilery.rendering.algorithms.declaration import Algorithm

_ORDER = (
    "hillshade", "slope", "contours", "normalizedIndex", "terrarium", "terrainrgb", "cast", "ceil", "floor", "min",
    "max", "median", "mean", "std", "var", "sum", "grayscale", "bitonal",
)  # fmt: skip
_KNOWN: dict[str, Algorithm] = {
    algorithm.name: algorithm for module in (terrain, index, casts, across, image) for algorithm in module.ALGORITHMS
}


def names() -> tuple[str, ...]:
    """Every name, in the order in which they are listed."""
    return _ORDER


def describe(name: str) -> dict[str, Any]:
    """The JSON document at ``/algorithms/{id}``: title, description, inputs, outputs, parameters."""
    return _get(name).document()


def check(name: str, params: Mapping[str, Any]) -> None:
    """Check that there is such an algorithm and that it takes these parameters, else raise InvalidParameter."""
    _get(name).values(params)


def apply(name: str, params: Mapping[str, Any], raster: Raster) -> Raster:
    """The raster after the algorithm.

    Raises:
        InvalidParameter: there is no such algorithm, or it does not take these parameters.
        InvalidBand: the raster has too few bands for it.
    """
    return _get(name).apply(params, raster)


def cut_off(name: str, params: Mapping[str, Any]) -> int:
    """Pixels that the algorithm cuts off on each side of what it gets.

    Raises:
        InvalidParameter: as `check`.
    """
    return int(_get(name).values(params).get("buffer") or 0)


def packs(name: str | None) -> bool:
    """True where the algorithm packs a number into the bytes of several bands: no format may change any of them."""
    return name is not None and name in _KNOWN and _KNOWN[name].packs


def _get(name: str) -> Algorithm:
    algorithm = _KNOWN.get(name)
    if algorithm is None:
        raise InvalidParameter(f"algorithm must be one of {', '.join(_ORDER)}.", parameter="algorithm")
    return algorithm

"""Algorithms that make bytes of values: cast, ceil, floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tilery.geo.raster import Array, Raster
from tilery.rendering.algorithms.declaration import Algorithm, Run
from tilery.rendering.algorithms.results import result, to_bytes
from tilery.rendering.validity import valid


def _each(function: Callable[[Array], Array] | None) -> Run:
    def run(raster: Raster, _values: Mapping[str, Any]) -> Raster:
        data = raster.data
        if function is not None and data.dtype.kind == "f":
            data = function(data)
        return result(raster, to_bytes(data), valid(raster), raster.band_descriptions)

    return run


def _cast(name: str, title: str, function: Callable[[Array], Array] | None) -> Algorithm:
    return Algorithm(
        name=name,
        title=title,
        description=f"{title}.",
        run=_each(function),
        output_dtype="uint8",
        output_min=(0,),
        output_max=(255,),
    )


ALGORITHMS = (
    _cast("cast", "Cast data to Integer", None),
    _cast("ceil", "Round data to the smallest integer", np.ceil),
    _cast("floor", "Round data to the largest integer", np.floor),
)

"""What an algorithm declares of itself: the document that clients read, and the parameters that are taken.

The documents are TiTiler's word for word, nulls included; parameters are checked against them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tilery.errors import InvalidBand, InvalidParameter
from tilery.geo.raster import Raster

Run = Callable[[Raster, Mapping[str, Any]], Raster]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmParameter:
    """One key of ``algorithm_params``."""

    name: str
    kind: Literal["integer", "number"]
    default: float | None
    minimum: float
    maximum: float
    nullable: bool = False
    description: str | None = None

    def schema(self) -> dict[str, Any]:
        """Return the parameter's JSON schema."""
        bounds = {"maximum": self.maximum, "minimum": self.minimum}
        title = self.name.replace("_", " ").title()
        if self.nullable:
            return {
                "anyOf": [{**bounds, "type": self.kind}, {"type": "null"}],
                "default": self.default,
                "title": title,
            }
        described = {} if self.description is None else {"description": self.description}
        return {"default": self.default, **described, **bounds, "title": title, "type": self.kind}

    def value(self, given: object) -> float | None:
        """Return the given value as a number of the parameter's kind. InvalidParameter when it is none or
        out of range.
        """
        if given is None and self.nullable:
            return None
        number = _number(given)
        if number is None or (self.kind == "integer" and not number.is_integer()):
            kind = "a whole number" if self.kind == "integer" else "a number"
            raise InvalidParameter(f"algorithm_params: {self.name} must be {kind}.", parameter="algorithm_params")
        if not self.minimum <= number <= self.maximum:
            raise InvalidParameter(
                f"algorithm_params: {self.name} must be from {self.minimum} to {self.maximum}.",
                parameter="algorithm_params",
            )
        return int(number) if self.kind == "integer" else number


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm: what it says of itself, and the function that does it."""

    name: str
    title: str
    description: str
    run: Run
    parameters: tuple[AlgorithmParameter, ...] = ()
    input_bands: int | None = None
    output_bands: int | None = None
    output_dtype: str | None = None
    output_min: tuple[float, ...] | None = None
    output_max: tuple[float, ...] | None = None
    least_bands: int = 1
    """Bands without which it cannot work."""
    packs: bool = False
    """True where the bytes of its bands make up one number, which a lossy format would destroy."""
    memory: int | None = None
    """Bytes a pixel that it takes at a time, what it gives included; None: it depends on the bands that it gets."""

    def document(self) -> dict[str, Any]:
        """Return the JSON document at ``/algorithms/{id}``."""
        return {
            "title": self.title,
            "description": self.description,
            "inputs": {"nbands": self.input_bands},
            "outputs": {
                "nbands": self.output_bands,
                "dtype": self.output_dtype,
                "min": None if self.output_min is None else list(self.output_min),
                "max": None if self.output_max is None else list(self.output_max),
            },
            "parameters": {parameter.name: parameter.schema() for parameter in self.parameters},
        }

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return every parameter's value: as given, else its default. InvalidParameter for a wrong or unknown one."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                takes = f"It takes {', '.join(known)}." if known else "It takes none."
                raise InvalidParameter(
                    f"algorithm_params: {self.name} has no parameter '{name[:40]}'. {takes}",
                    parameter="algorithm_params",
                )
        return {
            name: parameter.value(given[name]) if name in given else parameter.default
            for name, parameter in known.items()
        }

    def memory_of(self, bands: int, kind: np.dtype[np.generic]) -> int:
        """Return bytes a pixel that it takes at most with that many bands of that type, what it gives included."""
        return 40 + 2 * bands * max(8, kind.itemsize) if self.memory is None else self.memory

    def output_of(self, bands: int) -> tuple[int, np.dtype[np.generic]]:
        """Return number and type of the bands that it makes of so many; 64 bits where the type depends on theirs."""
        return self.output_bands or bands, np.dtype(self.output_dtype or "float64")

    def apply(self, given: Mapping[str, Any], raster: Raster) -> Raster:
        """Return the raster after the algorithm. InvalidBand when it has too few bands."""
        values = self.values(given)
        if raster.count < self.least_bands:
            raise InvalidBand(
                f"{self.name} needs {self.least_bands} bands, and there "
                f"{'is' if raster.count == 1 else 'are'} {raster.count}. Choose bands with bidx or expression.",
                parameter="algorithm",
            )
        return self.run(raster, values)


def _number(given: object) -> float | None:
    if isinstance(given, str | int | float):
        try:
            number = float(given)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None
    return None

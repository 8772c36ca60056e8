"""Band maths as a value that readers can be handed, for what is worked out before bands are stacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tilery.geo.raster import Raster
from tilery.rendering import expression
from tilery.rendering.expression.steps import Expression


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed expression that can be applied."""

    expression: Expression

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the formula that a caller wrote.

        Raises:
            InvalidExpression: it does not parse.
            OverLimit: it is longer or deeper than may be.
        """
        return cls(expression.parse(text))

    @property
    def bands(self) -> tuple[int, ...]:
        """Numbers of the bands that it uses, sorted."""
        return self.expression.bands

    def apply(self, raster: Raster) -> Raster:
        """Return a raster with a band a block; see `tilery.rendering.expression.apply`."""
        return expression.apply(self.expression, raster)

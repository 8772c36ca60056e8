"""What a legend is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rgba = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """One colour and what it stands for."""

    color: Rgba
    label: str
    value: float | None = None
    """The value that it stands for, or the least of them."""
    upper: float | None = None
    """Of an interval: the value before which it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A place along the colours of a continuous legend."""

    position: float
    """0 at the left, 1 at the right."""
    label: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """The colours of a picture, and what they stand for."""

    kind: Literal["continuous", "classes", "intervals", "bands", "none"]
    title: str | None = None
    ramp: tuple[Rgba, ...] = ()
    """Of a continuous one: colours of values at even distances, from the least to the greatest."""
    ticks: tuple[Tick, ...] = ()
    swatches: tuple[Swatch, ...] = ()
    left_out: int = 0
    """Classes that there are besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours of the legend itself."""

    text: Rgba
    line: Rgba
    background: Rgba


THEMES = {
    "light": Theme(text=(22, 38, 45, 255), line=(150, 164, 170, 255), background=(255, 255, 255, 255)),
    "dark": Theme(text=(232, 238, 240, 255), line=(104, 122, 130, 255), background=(22, 30, 34, 255)),
}

"""Parameters of legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from app.api.params.kinds import Choice, Flag, Integer, Text
from app.api.params.parameter import Group, Parameter
from app.api.params.parse import Values

FORMAT = Parameter(
    name="format",
    kind=Choice(names=lambda: ("png", "svg", "json")),
    description="Format of the legend.",
    where="path",
    required=True,
)
LEGEND: Group = (
    Parameter(
        name="labels",
        kind=Text(),
        description="Names of classes: a JSON object by value, or a list in the order of the colormap.",
        examples=('{"1": "Forest", "2": "Water"}',),
    ),
    Parameter(name="title", kind=Text(longest=200), description="Line above the legend."),
    Parameter(
        name="theme",
        kind=Choice(names=lambda: ("light", "dark")),
        default="light",
        description="For pages of which colour.",
    ),
    Parameter(name="transparent", kind=Flag(), default=False, description="Without a background."),
    Parameter(
        name="width", kind=Integer(least=80, most=1024), default=256, description="Width in pixels, of lists at most."
    ),
    Parameter(
        name="scale", kind=Integer(least=1, most=2), default=1, description="2 for screens of twice as many pixels."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendQuery:
    """How a legend is to look."""

    labels: str | None
    title: str | None
    theme: Literal["light", "dark"]
    transparent: bool
    width: int
    scale: int

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the legend that a request asks for."""
        return cls(
            labels=values["labels"],
            title=values["title"],
            theme=values["theme"],
            transparent=values["transparent"],
            width=values["width"],
            scale=values["scale"],
        )

"""The parameters of Zarr stores: which variable, and what of it. The others are in `app.api.params.table`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from app.api.params import table
from app.api.params.kinds import Flag, Text
from app.api.params.parameter import Group, Parameter
from app.api.params.parse import Values
from tilery.reading.zarr import selecting
from tilery.reading.zarr.selecting import Selector

VARIABLE = Parameter(name="variable", kind=Text(longest=512), description="Name of the variable.", required=True)
SEL = Parameter(
    name="sel",
    kind=Text(longest=1024, pattern=selecting.PATTERN),
    description="What is chosen along a dimension, as `dimension=value` or `dimension=method::value`; repeat it for "
    "several values, which become bands, or dimensions. Methods: nearest, pad, ffill, backfill, bfill.",
    repeat=True,
    most=selecting.MOST,
    examples=("time=2020-01-01", "level=nearest::500"),
)
GROUP = Parameter(
    name="group", kind=Text(longest=512), description="Path of a group in the store, as a zoom or a part of the data."
)
DECODE_TIMES = Parameter(
    name="decode_times", kind=Flag(), description="Make times of numbers as CF writes them. Defaults to `True`.",
    implied=True,
)  # fmt: skip
STORE: Group = (GROUP, DECODE_TIMES)
VARIABLE_PARAMETERS: Group = (VARIABLE, SEL, *STORE)
BANDS: Group = (table.BIDX,)
SHOW_TIMES = Parameter(
    name="show_times", kind=Flag(), description="Add the values of the dimension `time`.", implied=False
)
VARIABLES = Parameter(
    name="variables", kind=Text(longest=512), description="Name of a variable; repeat it for several.", repeat=True
)
NAME = replace(VARIABLE, name="name", where="path", description="Name of the coordinate.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What of a store a request names."""

    variable: str | None
    select: tuple[Selector, ...]
    group: str | None
    decode_times: bool

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the variable that a request names, and what is selected of it.

        Raises:
            InvalidParameter: the selection makes no sense.
        """
        return cls(
            variable=values.get("variable"),
            select=selecting.parse(values.get("sel", ())),
            group=values.get("group"),
            decode_times=values.of(DECODE_TIMES),
        )


def shows_times(values: Values) -> bool:
    """Return True where the values of the dimension ``time`` are wanted too."""
    found: bool = values.of(SHOW_TIMES)
    return found


def variables(values: Values) -> tuple[str, ...]:
    """Return the names of several variables, none where all are meant."""
    found: tuple[str, ...] = values.get("variables", ())
    return found

"""Values from environment variables: a dataclass says which, of what type and within which limits, and is filled.

pydantic-settings does the same and more. Importing it takes a fifth of a second, which would be a third of the time
until a new process has made its first tile, so the service's own settings are read here.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))
_NOT_GIVEN: Any = object()


class WrongVariables(ValueError):
    """What is wrong with the environment, a line for each variable."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        """``problems``: what is wrong, by the variable's name."""
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


class _Wrong(Exception):
    """A text that is not of its type."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One field of a class of settings."""

    field: str
    names: tuple[str, ...]
    """Ours, then those that are read when it is not set."""
    kind: Any
    """The type of its values."""
    default: Any
    above: float | None
    least: float | None
    secret: bool

    def name_in(self, place: Mapping[str, str]) -> str | None:
        """The first of its names that is set in that place. An empty variable is not, unless it is an empty list."""
        return next(
            (name for name in self.names if name in place and (place[name].strip() or get_origin(self.kind) is tuple)),
            None,
        )


def Field(  # noqa: N802 - it says what a field is, as pydantic's does
    default: Any,
    *,
    validation_alias: tuple[str, ...],
    gt: float | None = None,
    ge: float | None = None,
    secret: bool = False,
) -> Any:
    """A field that is read from the first of these variables that is set, and greater than ``gt`` or at least ``ge``.

    A variable is set when it is not empty; that of a list may be, and the list then is: whoever empties a list of what
    is allowed does not want the default. Secrets are never printed.
    """
    metadata = {"names": validation_alias, "default": default, "gt": gt, "ge": ge}
    return dataclasses.field(default=_NOT_GIVEN, metadata=metadata, repr=not secret)


def variables(cls: type[Any]) -> tuple[Variable, ...]:
    """The variables of a dataclass, in the order of its fields."""
    return _variables(cls)  # type: ignore[arg-type]  # a type is hashable


@lru_cache(maxsize=4)
def _variables(cls: Any) -> tuple[Variable, ...]:
    hints = get_type_hints(cls)
    return tuple(
        Variable(
            field=each.name,
            names=each.metadata["names"],
            kind=hints[each.name],
            default=each.metadata["default"],
            above=each.metadata["gt"],
            least=each.metadata["ge"],
            secret=not each.repr,
        )
        for each in dataclasses.fields(cls)
        if "names" in each.metadata
    )


def explanations(cls: type[Any]) -> dict[str, str]:
    """The docstring under each field of a class."""
    body = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body[0]
    found: dict[str, str] = {}
    name = ""
    for statement in body.body if isinstance(body, ast.ClassDef) else ():
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and name:
            found[name] = str(statement.value.value)
            name = ""
        else:
            name = ""
    return found


def written(path: str | None = ".env") -> dict[str, str]:
    """The variables in a file, none where there is no such file."""
    if path is None or not Path(path).is_file():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def fill(settings: Any, places: Sequence[Mapping[str, str]]) -> None:
    """Nothing: fields that were not given are filled from the first place that has a variable of theirs.

    Raises:
        WrongVariables: a value is not what its field takes.
    """
    problems: dict[str, str] = {}
    for variable in variables(type(settings)):
        value = getattr(settings, variable.field)
        name = variable.field
        if value is _NOT_GIVEN:
            name, value = next(
                ((found, place[found]) for place in places if (found := variable.name_in(place)) is not None),
                (variable.names[0], variable.default),
            )
        try:
            value = _checked(variable, value)
        except _Wrong as wrong:
            problems[name] = str(wrong)
        object.__setattr__(settings, variable.field, value)  # it is frozen
    if problems:
        raise WrongVariables(problems)


def _checked(variable: Variable, value: Any) -> Any:
    """The value as its field takes it."""
    if isinstance(value, str):
        value = _read(value, variable.kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if variable.above is not None and not value > variable.above:
            raise _Wrong(f"Input should be greater than {variable.above:g}")
        if variable.least is not None and not value >= variable.least:
            raise _Wrong(f"Input should be greater than or equal to {variable.least:g}")
    return value


def _read(text: str, kind: Any) -> Any:
    """A text as a value of a type."""
    choices = get_args(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        (kind,) = (choice for choice in choices if choice is not NoneType)
        return _read(text, kind)
    if origin is Literal:
        if text.lower() not in choices:
            raise _Wrong(f"Input should be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}")
        return text.lower()
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind is bool:
        if text.strip().lower() not in _TRUE | _FALSE:
            raise _Wrong("Input should be a valid boolean, unable to interpret input")
        return text.strip().lower() in _TRUE
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError:
            raise _Wrong(f"Input should be a valid {'integer' if kind is int else 'number'}") from None
    return text

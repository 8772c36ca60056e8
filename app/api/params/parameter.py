"""What a parameter of a route is, and how one is made of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from app.api.params.kinds import Kind, NameOf
from tilery.geo.tms import TileMatrixSets
from tilery.rendering.colormap import Colormaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a route."""

    name: str
    kind: Kind
    description: str
    where: Literal["query", "path", "header"] = "query"
    """``header``: for the document alone; the route reads it by itself."""
    default: Any = None
    implied: Any = None
    """What counts where it is not given and has no default: one that the document tells in words, as TiTiler's does."""
    required: bool = False
    repeat: bool = False
    """May be given several times; the value is then a tuple."""
    flat: bool = False
    """One text may hold several values, which are strung together."""
    nullable: bool = True
    """The document says that null is allowed where there is no default."""
    most: int = 1024
    """How many values at most."""
    old: tuple[str, ...] = ()
    """Spellings of older TiTilers, taken as this one."""
    hidden: bool = False
    """Not in the OpenAPI document: it is itself an older spelling."""
    examples: tuple[Any, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the parameter object of the OpenAPI document."""
        schema = self.kind.schema()
        if self.repeat:
            schema = {"type": "array", "items": schema}
        if self.default is not None:
            shown = list(self.default) if isinstance(self.default, tuple) else self.default
            schema = schema | {"default": shown}
        elif self.nullable and not self.required:
            schema = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
        schema = schema | {"title": self.name.replace("_", " ").replace("-", " ").title()}
        if self.examples:
            schema = schema | {"examples": list(self.examples)}
        return {
            "name": self.name,
            "in": self.where,
            "required": self.required,
            "schema": schema | {"description": self.description},
            "description": self.description,
        }


Group = tuple[Parameter, ...]


class Known(Protocol):
    """What an application knows by name."""

    @property
    def tile_matrix_sets(self) -> TileMatrixSets:
        """Its tile matrix sets."""

    @property
    def colormaps(self) -> Colormaps:
        """Its colormaps."""


def known_to(known: Known, parameters: Iterable[Parameter]) -> Group:
    """Return the parameters with the names that an application knows as their choices."""
    return tuple(_known_to(known, parameter) for parameter in parameters)


def _known_to(known: Known, parameter: Parameter) -> Parameter:
    kind = parameter.kind
    if not isinstance(kind, NameOf):
        return parameter
    names = known.colormaps.names if kind.known == "colormaps" else known.tile_matrix_sets.names
    return replace(parameter, kind=kind.bound(names))


def optional(parameter: Parameter) -> Parameter:
    """Return the parameter as one that need not be given."""
    return replace(parameter, required=False)


def with_default(parameter: Parameter, default: Any) -> Parameter:
    """Return the parameter with another default."""
    return replace(parameter, default=default)

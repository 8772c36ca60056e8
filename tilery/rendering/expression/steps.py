"""What a parsed expression is: steps for a stack, block by block."""

from __future__ import annotations

from dataclasses import dataclass

from tilery.errors import InvalidExpression, OverLimit

Number = int | float


@dataclass(frozen=True, slots=True)
class Constant:
    """Put a number on the stack."""

    value: Number


@dataclass(frozen=True, slots=True)
class Band:
    """Put a band on the stack."""

    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """Take ``arity`` values from the stack and put the result there."""

    name: str
    arity: int


Step = Constant | Band | Call


@dataclass(frozen=True, slots=True)
class Block:
    """What makes one output band."""

    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: a value that can be kept and compared."""

    blocks: tuple[Block, ...]

    @property
    def bands(self) -> tuple[int, ...]:
        """Numbers of the bands that it uses, sorted."""
        return tuple(sorted({step.number for block in self.blocks for step in block.steps if isinstance(step, Band)}))


def invalid(detail: str) -> InvalidExpression:
    """Return the error for an expression that cannot be meant."""
    return InvalidExpression(detail, parameter="expression")


def over(detail: str, limit: int) -> OverLimit:
    """Return the error for an expression beyond a limit."""
    return OverLimit(detail, parameter="expression", limit=limit)

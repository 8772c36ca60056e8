"""Steps to values: numpy for numexpr, with numexpr's types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilery.geo.raster import Array
from tilery.limits import deadline
from tilery.rendering.expression.steps import Band, Block, Constant, Expression, Number, invalid

_CHUNK = 1 << 14
"""Pixels that are worked on at a time. What lies between two steps stays in the processor's cache, and is too small for
the C library to take it from the system and give it back each time, which costs four times what the sums do."""

Value = Any
"""A numpy array, or a numpy scalar for a constant."""
_RANKS: tuple[np.dtype[Any], ...] = tuple(np.dtype(kind) for kind in ("bool", "int32", "int64", "float32", "float64"))
_BOOL, _INT, _LONG, _FLOAT, _DOUBLE = range(5)
_RANK_OF = {kind: rank for rank, kind in enumerate(_RANKS)}


@dataclass(frozen=True, slots=True)
class _Function:
    """A function's numpy counterpart and numexpr's rule for its type."""

    ufunc: Callable[..., Value]
    arity: int = 1
    least: int = _FLOAT
    """Lowest rank of type that it is worked out in, whole numbers aside."""
    whole: bool = False
    """True where whole numbers stay whole; else they are worked out as float64."""


FUNCTIONS: dict[str, _Function] = {
    **{
        name: _Function(getattr(np, name))
        for name in (
            "sqrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh",
            "arctanh", "log", "log1p", "log10", "log2", "exp", "expm1", "abs", "ceil", "floor",
        )
    },
    "fmod": _Function(np.fmod, 2),
    "arctan2": _Function(np.arctan2, 2),
    **{
        name: _Function(getattr(np, name), 2, least=_DOUBLE)
        for name in ("hypot", "nextafter", "copysign", "maximum", "minimum")
    },
    "trunc": _Function(np.trunc, least=_DOUBLE),
    "round": _Function(np.round, least=_DOUBLE, whole=True),
    "sign": _Function(np.sign, least=_DOUBLE, whole=True),
    "copy": _Function(np.positive, least=_INT, whole=True),
    "ones_like": _Function(np.ones_like, least=_BOOL, whole=True),
    **{
        name: _Function(getattr(np, name), least=_DOUBLE)
        for name in ("isnan", "isfinite", "isinf", "signbit")
    },
    "where": _Function(np.where, 3),
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Value]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "//": np.floor_divide,
    "%": np.mod,
    "negative": np.negative,
}
_COMPARE: dict[str, Callable[..., Value]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_BITS: dict[str, Callable[..., Value]] = {
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
    "invert": np.invert,
}
_TABLE_OF_POWERS = 50
"""Whole and half powers up to this one are made of multiplications and a root, as numexpr makes them."""


def evaluate(expression: Expression, bands: dict[int, Array]) -> Array:
    """Return results of all blocks, shape (blocks, rows, columns), of a type that holds those of each.

    Args:
        expression: parsed.
        bands: by number from 1, each of shape (rows, columns); those that the expression uses, one at the least.

    Raises:
        InvalidExpression: an operator that this data type does not know.
        DeadlineExceeded: the time is up before they are there.
    """
    with np.errstate(all="ignore"):
        nothing = {number: values[:0] for number, values in bands.items()}
        kinds = [_run(block, nothing).dtype for block in expression.blocks]
        rows, columns = next(iter(bands.values())).shape
        out = np.empty((len(kinds), rows, columns), dtype=np.result_type(*kinds))
        step = max(1, _CHUNK // max(columns, 1))
        for start in range(0, rows, step):
            part = {number: _numeric(values[start : start + step]) for number, values in bands.items()}
            deadline.check()
            for position, block in enumerate(expression.blocks):
                result = _run(block, part)
                if result.dtype.kind == "f" and not np.isfinite(result).all():
                    result = _finite(result)
                out[position, start : start + step] = result
    return out


def _finite(values: Array) -> Array:
    """Return what ``nan_to_num`` gives, in half its time."""
    most = np.finfo(values.dtype).max
    bounded = np.clip(values, -most, most)
    np.copyto(bounded, 0, where=np.isnan(values))
    return bounded


def _numeric(values: Array) -> Array:
    """Return values in one of the five types that are worked in."""
    if values.dtype in _RANK_OF:
        return values
    if values.dtype.kind in "iu":
        small = values.dtype.itemsize <= 2
        return values.astype(np.int32 if small else np.int64)
    return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)


def _run(block: Block, bands: dict[int, Array]) -> Array:
    stack: list[Value] = []
    for step in block.steps:
        if isinstance(step, Band):
            stack.append(_numeric(bands[step.number]))
        elif isinstance(step, Constant):
            stack.append(_scalar(step.value))
        else:
            arguments = stack[-step.arity :]
            del stack[-step.arity :]
            stack.append(apply_step(step.name, arguments))
    result: Array = np.asarray(stack.pop())
    return result


def _scalar(value: Number) -> Value:
    if isinstance(value, float):
        return np.float64(value)
    return np.int32(value) if -(2**31) <= value < 2**31 else np.int64(value)


def _rank(values: Sequence[Value]) -> int:
    return max(_RANK_OF[value.dtype] for value in values)


def _cast(values: Sequence[Value], rank: int) -> list[Value]:
    kind = _RANKS[rank]
    return [value.astype(kind, copy=False) for value in values]


def apply_step(name: str, values: list[Value]) -> Value:
    """Return the result of one step, in the type that numexpr would give it."""
    rank = _rank(values)
    if name in _COMPARE:
        return _COMPARE[name](*_cast(values, rank))
    if name in _BITS:
        if rank > _LONG:
            raise invalid(f"'{'~' if name == 'invert' else name}' works on whole numbers and comparisons only.")
        return _BITS[name](*_cast(values, rank))
    if name == "/":
        return np.divide(*_cast(values, _DOUBLE if rank <= _LONG else rank))
    if name == "**":
        return _power(values[0], values[1])
    if name in _ARITHMETIC:
        if rank == _BOOL and name in "+*":
            return (np.logical_or if name == "+" else np.logical_and)(*values)
        return _ARITHMETIC[name](*_cast(values, max(rank, _INT)))
    return _call(name, values, rank)


def _call(name: str, values: list[Value], rank: int) -> Value:
    if name == "where":
        condition, *branches = values
        if condition.dtype != np.bool_ and condition.ndim:
            raise invalid("the first value of where() must be a comparison.")
        return np.where(condition.astype(bool), *_cast(branches, _rank(branches)))
    function = FUNCTIONS[name]
    if rank not in (_INT, _LONG):
        rank = max(rank, function.least)
    elif not function.whole:
        rank = _DOUBLE
    return function.ufunc(*_cast(values, rank))


def _power(base: Value, exponent: Value) -> Value:
    rank = _rank([base])
    if not np.ndim(exponent) and abs(exponent) <= _TABLE_OF_POWERS and float(2 * exponent).is_integer():
        return _multiplied(base, abs(float(exponent)), inverse=bool(exponent < 0))
    rank = max(_rank([base, exponent]), _INT)
    if rank <= _LONG:
        # numexpr takes powers of whole numbers as float64 and cuts them
        return np.power(*_cast([base, exponent], _DOUBLE)).astype(_RANKS[rank])
    return np.power(*_cast([base, exponent], rank))


def _multiplied(base: Value, exponent: float, *, inverse: bool) -> Value:
    """Return the base times itself, a root for the half."""
    rank = _rank([base])
    if rank == _BOOL:
        base = base.astype(np.int32)
    result: Value = None
    factor, left = base, int(exponent)
    while left:
        if left & 1:
            result = factor if result is None else result * factor
        left >>= 1
        if left:
            factor = factor * factor
    if not exponent.is_integer():
        root = np.sqrt(base if rank >= _FLOAT else base.astype(np.float64))
        result = root if result is None else result * root
    if result is None:
        result = np.ones_like(base)
    if inverse:
        (result,) = _cast([result], rank if rank >= _FLOAT else _DOUBLE)
        return result.dtype.type(1) / result
    return result

"""Text to steps: a lexer and a recursive-descent parser of bounded depth, constants folded as they come."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from tilery.errors import InvalidExpression
from tilery.rendering.expression.evaluate import FUNCTIONS, apply_step
from tilery.rendering.expression.steps import Band, Call, Constant, Number, Step, invalid, over

MAX_STEPS = 1024
"""Constants, bands, operators and function calls of one expression."""
MAX_DEPTH = 64
"""Parentheses, calls and signs inside each other."""
MAX_EXPONENT = 128
"""Largest constant exponent."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-f]+|0b[01]+|0o[0-7]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:e[+-]?[0-9]+)?)"
    r"|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|[-+*/%<>&|^~(),]))"
)
_REDUCTIONS = {"min": "minimum(a, b)", "max": "maximum(a, b)", "sum": "a + b", "prod": "a * b"}
"""What people mean who write numexpr's reductions, which would make a number of a whole band."""
_BAND = re.compile(r"b([1-9][0-9]{0,5})")
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
_PRECEDENCE = {
    **dict.fromkeys(_COMPARISONS, 1),
    "|": 2,
    "^": 3,
    "&": 4,
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
}
"""Python's: the higher binds the tighter. Signs and powers bind tighter than all of these."""


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise invalid(f"expression cannot be read at character {position + 1} of a block.")
        kind = match.lastgroup or ""
        position = match.end()
        if kind == "number" and position < len(text) and (text[position].isalnum() or text[position] in "._"):
            raise invalid("expression holds something that begins like a number and is none.")
        found.append((kind, match[kind]))
    found.append(("end", ""))
    return found


class Parser:
    """One block of text, to be parsed once, into at most ``most`` steps."""

    def __init__(self, text: str, most: int) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0
        self.steps: list[Step] = []
        self.most = most

    def parse(self) -> tuple[Step, ...]:
        """Return the steps of the whole block."""
        self._binary(0)
        if self.tokens[self.position][0] != "end":
            raise invalid(f"expression has '{self.tokens[self.position][1]}' where an operator or the end should be.")
        if not any(isinstance(step, Band) for step in self.steps):
            raise invalid("expression has a block that uses no band: name bands as b1, b2, ….")
        return tuple(self.steps)

    def _peek(self) -> str:
        return self.tokens[self.position][1]

    def _take(self, expected: str | None = None) -> tuple[str, str]:
        token = self.tokens[self.position]
        if expected is not None and token[1] != expected:
            raise invalid(
                f"expression has '{token[1]}' where '{expected}' should be."
                if token[1]
                else (f"expression ends where '{expected}' should be.")
            )
        self.position += 1
        return token

    def _binary(self, level: int) -> None:
        """Operators that bind tighter than ``level``, from left to right."""
        self._unary()
        compared = False
        while (precedence := _PRECEDENCE.get(self._peek(), 0)) > level:
            _, operator = self._take()
            if operator in _COMPARISONS:
                if compared:
                    raise invalid("expression chains comparisons: write (a < b) & (b < c).")
                compared = True
            self._binary(precedence)
            self._emit(operator, 2)

    def _unary(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise over(f"expression may be {MAX_DEPTH} levels deep at most.", MAX_DEPTH)
        if self._peek() in {"+", "-", "~"}:
            _, operator = self._take()
            self._unary()
            if operator != "+":
                self._emit("negative" if operator == "-" else "invert", 1)
        else:
            self._primary()
            if self._peek() == "**":
                self._take()
                self._unary()
                self._emit("**", 2)
        self.depth -= 1

    def _primary(self) -> None:
        kind, text = self._take()
        if kind == "number":
            self._push(Constant(_number(text)))
        elif kind == "name" and self._peek() == "(":
            self._call(text)
        elif kind == "name":
            band = _BAND.fullmatch(text)
            if band is None:
                raise invalid(f"expression names '{_short(text)}', which is neither a band (b1, b2, …) nor a function.")
            self._push(Band(int(band[1])))
        elif text == "(":
            self._binary(0)
            self._take(")")
        else:
            raise invalid(
                f"expression has '{text}' where a value should be."
                if text
                else "expression ends where a value should be."
            )

    def _call(self, name: str) -> None:
        if name in _REDUCTIONS:
            raise invalid(
                f"{name}() would make one number of a band. For the {name} of two bands use {_REDUCTIONS[name]}."
            )
        function = FUNCTIONS.get(name)
        if function is None:
            raise invalid(f"expression calls '{_short(name)}', which is not one of its functions.")
        self._take("(")
        count = 0
        if self._peek() != ")":
            self._binary(0)
            count = 1
            while self._peek() == ",":
                self._take()
                self._binary(0)
                count += 1
        self._take(")")
        if count != function.arity:
            raise invalid(f"{name}() takes {function.arity} values, not {count}.")
        self._emit(name, count)

    def _push(self, step: Step) -> None:
        if len(self.steps) >= self.most:
            raise over(f"expression may have {MAX_STEPS} steps at most.", MAX_STEPS)
        self.steps.append(step)

    def _emit(self, name: str, arity: int) -> None:
        """Add a step, or its result when all it works on is constant."""
        last = self.steps[-arity:]
        exponent = last[-1]
        if name == "**" and isinstance(exponent, Constant) and abs(exponent.value) > MAX_EXPONENT:
            raise over(f"expression may have exponents up to {MAX_EXPONENT}.", MAX_EXPONENT)
        values = [step.value for step in last if isinstance(step, Constant)]
        if len(values) == arity:
            del self.steps[-arity:]
            self._push(Constant(_fold(name, values)))
        else:
            self._push(Call(name, arity))


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:24]}…"


def _number(text: str) -> Number:
    try:
        value: Number = int(text, 0) if text[:2] in {"0x", "0b", "0o"} or text.isdecimal() else _decimal(text)
    except ValueError:
        raise invalid(f"expression has a number that cannot be read: '{_short(text)}'.") from None
    return _checked(value)


def _decimal(text: str) -> Number:
    plain = text.replace("_", "")
    if plain.isdecimal():
        return int(plain)
    return float(plain)


def _checked(value: Number) -> Number:
    """Return a constant that numpy can hold: whole numbers of 64 bits, finite floats."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) < 2**1023 else math.inf
    if not math.isfinite(value):
        raise invalid("expression has a constant that is infinite or not a number.")
    return value


def _fold(name: str, values: list[Number]) -> Number:
    """Return the value of a step on constants. Whole numbers stay whole only where the result is exact."""
    if all(isinstance(value, int) for value in values) and name in _WHOLE:
        if name in {"//", "%"} and values[-1] == 0:
            raise invalid("expression divides a constant by zero.")
        return _checked(int(_WHOLE[name](*values)))
    arrays = [np.float64(value) for value in values]
    try:
        with np.errstate(all="ignore"):
            result = apply_step(name, arrays)
    except InvalidExpression:
        raise invalid(f"expression applies '{name}' to constants that it does not fit.") from None
    if result.dtype == np.bool_:
        return int(result)
    folded = float(result)
    if name == "**" and folded.is_integer() and abs(folded) < 2**53 and all(isinstance(value, int) for value in values):
        return int(folded)
    return _checked(folded)


_WHOLE: dict[str, Callable[..., int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "negative": lambda a: -a,
    "invert": lambda a: ~a,
}
"""Steps on two whole constants that give a whole number; each operand has 64 bits at most, so none takes long."""

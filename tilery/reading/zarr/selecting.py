"""What callers choose along the dimensions of a variable, as ``dimension=value`` or ``dimension=method::value``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilery.errors import InvalidParameter
from tilery.geo.raster import Array

METHODS = ("nearest", "pad", "ffill", "backfill", "bfill")
"""How a value finds its neighbour: pandas' names, which TiTiler takes."""
PATTERN = r"^[^=]+=((nearest|pad|ffill|backfill|bfill)::)?([^=:]|:[^:])+$"
"""How one is written: TiTiler's pattern."""
MOST = 1024
"""Values that can be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Values chosen along one dimension."""

    dimension: str
    values: tuple[str, ...]
    """As they are written. One takes the dimension away, several keep it, in their order."""
    method: str | None = None
    """One of `METHODS`. None: a value is there exactly."""


def parse(texts: Sequence[str]) -> tuple[Selector, ...]:
    """Return what texts choose, dimension by dimension.

    Raises:
        InvalidParameter: a dimension is given two methods, or too many values.
    """
    values: dict[str, list[str]] = {}
    methods: dict[str, set[str]] = {}
    for text in texts:
        dimension, _, value = text.partition("=")
        method, mark, rest = value.partition("::")
        if mark:
            methods.setdefault(dimension, set()).add(method)
            value = rest
        values.setdefault(dimension, []).append(value)
    for dimension, found in methods.items():
        if len(found) > 1:
            raise InvalidParameter(
                f"The dimension {dimension[:64]!r} is given several methods: {', '.join(sorted(found))}.",
                parameter="sel",
            )
    return tuple(
        Selector(dimension=dimension, values=tuple(found), method=next(iter(methods.get(dimension, ())), None))
        for dimension, found in values.items()
    )


def positions(selector: Selector, index: Array, *, labelled: bool) -> tuple[int, ...]:
    """Return where the chosen values are along a dimension, from 0.

    Args:
        selector: what is chosen.
        index: the values of the dimension: numbers, moments, or texts of these where they fit no type of NumPy's.
        labelled: whether the dimension has values of its own; else they are the positions themselves.

    Raises:
        InvalidParameter: a value is none of this dimension's, or has no neighbour.
    """
    if selector.method is not None and not labelled:
        raise _wrong(selector, "has no values of its own, so that a method could find the nearest")
    return tuple(_position(selector, _typed(selector, value, index), value, index) for value in selector.values)


def _typed(selector: Selector, text: str, index: Array) -> Any:
    """Return the value that a text means, of the type of the dimension's."""
    kind = index.dtype.kind
    if kind == "O":
        return text
    value: Any = None
    if kind != "m" and text.strip().lower() != "nat":
        with np.errstate(all="ignore"), suppress(ValueError, OverflowError, TypeError):
            made = index.dtype.type(text)
            value = made.astype(index.dtype) if kind == "M" else made  # which newer NumPys refuse where it is too far
    if value is None or (kind == "M" and np.isnat(value)):
        meant = "a time, as 2020-01-01 or 2020-01-01T12:00" if kind == "M" else "a number"
        raise _wrong(selector, f"has no value {text[:64]!r}: give {meant}")
    return value


def _position(selector: Selector, value: Any, text: str, index: Array) -> int:
    if index.dtype.kind == "O":
        found = [place for place, one in enumerate(index.tolist()) if str(one) == value or _iso(one) == _iso(value)]
    else:
        found = np.flatnonzero(index == value).tolist()
    if len(found) > 1:
        raise _wrong(selector, f"has the value {text[:64]!r} more than once")
    if found:
        return int(found[0])
    if selector.method is None:
        raise _wrong(selector, f"has no value {text[:64]!r}; sel={selector.dimension}=nearest::… takes the nearest")
    if index.dtype.kind not in "iufM":
        raise _wrong(selector, "has values among which none is the nearest")
    if selector.method != "nearest" and not _is_sorted(index):
        raise _wrong(selector, "has values in no order, so that none comes before or after another: take nearest")
    place = _neighbour(selector.method, value, index)
    if place is None:
        raise _wrong(selector, f"has no value {'before' if _is_pad(selector.method) else 'after'} {text[:64]!r}")
    return place


def _is_pad(method: str) -> bool:
    return method in ("pad", "ffill")


def _is_sorted(index: Array) -> bool:
    return bool((index[1:] > index[:-1]).all() or (index[1:] < index[:-1]).all())


def _neighbour(method: str, value: Any, index: Array) -> int | None:
    """Return where the neighbour of a value is: the one before it (``pad``) or after it in the order of the dimension,
    or the nearest, of two that are equally near the larger. As in pandas.
    """
    known = index == index  # noqa: PLR0124 - NaN and NaT are the values that are not themselves
    below, above = np.flatnonzero(known & (index < value)), np.flatnonzero(known & (index > value))
    low = int(below[np.argmax(index[below])]) if below.size else None
    high = int(above[np.argmin(index[above])]) if above.size else None
    if method != "nearest":
        falls = len(index) > 1 and bool((index[1:] < index[:-1]).all())
        return low if _is_pad(method) != falls else high
    if low is None or high is None:
        return high if low is None else low
    return low if value - index[low] < index[high] - value else high


def _iso(value: Any) -> str:
    """Return a moment of another calendar than ours as the same text, however it is written."""
    text = str(value).replace("T", " ")
    return text if " " in text else f"{text} 00:00:00"


def _wrong(selector: Selector, what: str) -> InvalidParameter:
    return InvalidParameter(f"The dimension {selector.dimension[:64]!r} {what}.", parameter="sel")

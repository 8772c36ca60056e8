"""A few threads that help to decode when cores would be idle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


def in_parallel(work: Callable[[*_Arguments], _Result], jobs: Sequence[tuple[*_Arguments]]) -> Iterator[_Result]:
    """The result of each job, in their order."""
    for job in jobs:
        yield work(*job)

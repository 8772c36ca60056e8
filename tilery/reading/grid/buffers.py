"""Memory that a thread works in, kept from one read to the next.

Fresh memory is handed out by the system page by page, at a cost above that of what a tile computes in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from tilery.geo.raster import Array

AT_A_TIME = 1 << 16
"""Pixels that are worked on at a time: those of a tile. It bounds the buffers."""


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.parts: dict[str, Array] = {}


_buffers = _Buffers()


def buffer(name: str, shape: tuple[int, int], dtype: Any) -> Array:
    """Return an array of some shape, good until the same thread asks for one of the same name; what it
    holds is chance.
    """
    size = shape[0] * shape[1]
    if size > AT_A_TIME:
        return np.empty(shape, dtype)
    part = _buffers.parts.get(name)
    if part is None:
        part = _buffers.parts[name] = np.empty(AT_A_TIME, np.float64)
    return cast("Array", part.view(dtype)[:size].reshape(shape))


def strips(height: int, width: int) -> Iterator[slice]:
    """Return rows to work on at a time, so that buffers hold them."""
    step = max(1, AT_A_TIME // width)
    return (slice(start, min(start + step, height)) for start in range(0, height, step))

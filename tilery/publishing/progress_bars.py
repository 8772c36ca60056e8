"""Progress bars with an estimate, a line a step, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from tilery.publishing.progress import Advance

_WIDTH = 10
_AT_ONCE = frozenset({"document", "file"})
"""Units of steps that are over before anybody has read their title."""


class Bars:
    """Steps as bars. Where nobody looks, as in a log file, each step is a line when it is over."""

    def __init__(self, prefix: str = "") -> None:
        """Begin the titles of the bars with a prefix."""
        self._prefix = prefix

    @contextmanager
    def step(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        """A bar while the step runs."""
        watched = sys.stderr.isatty()
        counted = unit not in ("B", "px")
        began = time.monotonic()
        with tqdm(
            total=total,
            desc=f"{self._prefix}{title:<{_WIDTH}}",
            unit=f" {unit}" if counted else unit,
            unit_scale=not counted,
            unit_divisor=1024 if unit == "B" else 1000,
            file=sys.stderr,
            disable=not watched or unit in _AT_ONCE,
        ) as bar:

            def advance(amount: int) -> None:
                bar.update(amount)

            yield advance
        if not watched and unit not in _AT_ONCE:
            sys.stderr.write(f"{self._prefix}{title:<{_WIDTH}} {time.monotonic() - began:.1f} s\n")

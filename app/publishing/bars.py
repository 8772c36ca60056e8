"""Progress bars with an estimate, a line a step, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from app.publishing.progress import Advance

_WIDTH = 10


class Bars:
    """Steps as bars. Where nobody looks (a log file) a step is a line every ten seconds."""

    def __init__(self, prefix: str = "") -> None:
        """Bars whose titles begin with a prefix."""
        self._prefix = prefix

    @contextmanager
    def step(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        """A bar while the step runs."""
        counted = unit not in ("B", "px")
        with tqdm(
            total=total,
            desc=f"{self._prefix}{title:<{_WIDTH}}",
            unit=f" {unit}" if counted else unit,
            unit_scale=not counted,
            unit_divisor=1024 if unit == "B" else 1000,
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
            file=sys.stderr,
            leave=True,
        ) as bar:

            def advance(amount: int) -> None:
                bar.update(amount)

            yield advance

"""When a worker that died is started again, and when it is not worth another try.

gunicorn starts a dead worker again at once and for ever. Where every worker dies soon after its start, that is a loop
which costs money and which nobody sees: the process stays, so ECS believes the task to be well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class CrashGuard:
    """Counts the deaths of the last minute."""

    most: int = 5
    """Deaths within ``window`` after which the next is one too many."""
    window: float = 60.0
    """Seconds."""
    longest: float = 4.0
    """Seconds to wait at most before a worker is started again."""
    deaths: deque[float] = field(default_factory=deque)

    def died(self, now: float) -> float | None:
        """Return seconds to wait before the worker is started again: 0 for the first death, then 1, 2, 4; None: give
        up.
        """
        self.deaths.append(now)
        while self.deaths[0] <= now - self.window:
            self.deaths.popleft()
        count = len(self.deaths)
        if count > self.most:
            return None
        return 0.0 if count == 1 else min(self.longest, 2.0 ** (count - 2))

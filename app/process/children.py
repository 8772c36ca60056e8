"""Processes that this one has started and waits for."""

from __future__ import annotations

import subprocess
import time

_SECONDS = 0.05


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait until a process ends; return its status.

    Looked for again and again, so that handlers of signals run meanwhile: one that comes as a wait without end begins,
    or that another thread takes, would be handled only when that wait is over.
    """
    while (status := process.poll()) is None:
        time.sleep(_SECONDS)
    return status

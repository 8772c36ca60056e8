"""What a worker tells the process that forked it, and is told: flags in memory that both share.

A worker that wants to be replaced asks for a successor, the process that forks starts one, and the worker ends when
the successor serves: a task of one worker is never without one.
"""

from __future__ import annotations

import mmap

_EXITS, _WANTS, _SERVES, _SUCCEEDED = range(4)


class WorkerFlags:
    """Four yes or no, each written by one side and read by the other."""

    def __init__(self) -> None:
        """Make it before forking."""
        self._flags = mmap.mmap(-1, 4)

    def serve(self) -> None:
        """Say that the worker answers requests."""
        self._flags[_SERVES] = 1

    def want_successor(self) -> None:
        """Ask for another worker to take the place of this one."""
        self._flags[_WANTS] = 1

    def succeed(self) -> None:
        """Tell the worker that its successor serves."""
        self._flags[_SUCCEEDED] = 1

    def announce_exit(self) -> None:
        """Say that the end which follows is meant."""
        self._flags[_EXITS] = 1

    @property
    def serves(self) -> bool:
        """True once the worker answers requests."""
        return bool(self._flags[_SERVES])

    @property
    def wants_successor(self) -> bool:
        """True once the worker has asked for a successor."""
        return bool(self._flags[_WANTS])

    @property
    def is_succeeded(self) -> bool:
        """True once the successor serves."""
        return bool(self._flags[_SUCCEEDED])

    @property
    def has_announced_exit(self) -> bool:
        """True when the worker meant to end."""
        return bool(self._flags[_EXITS])

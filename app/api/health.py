"""Is the process alive? Answers at once, under any load, and touches nothing else."""

from __future__ import annotations

from app import __version__


async def healthz() -> dict[str, dict[str, str]]:
    """The versions that are running."""
    return {"versions": {"tilery": __version__}}

"""Sizes that a Fargate task can have (Linux, platform 1.4.0 and later).

Source: Amazon ECS developer guide, "Task CPU and memory", read in November 2026. A pair that is not in the table fails
only when the task definition is registered, minutes into a deployment: so it is checked before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterable

GIB = 1024

MEMORY_FOR_CPU: dict[int, tuple[int, ...]] = {
    256: (512, 1 * GIB, 2 * GIB),
    512: tuple(n * GIB for n in range(1, 5)),
    1024: tuple(n * GIB for n in range(2, 9)),
    2048: tuple(n * GIB for n in range(4, 17)),
    4096: tuple(n * GIB for n in range(8, 31)),
    8192: tuple(n * GIB for n in range(16, 61, 4)),
    16384: tuple(n * GIB for n in range(32, 121, 8)),
}
"""MiB of memory that go with CPU units; 1,024 units are one vCPU."""


def wrong_size(cpu: int, memory: int) -> str | None:
    """Return what is wrong with a task of this size, and which sizes there are; None when it is one."""
    if cpu not in MEMORY_FOR_CPU:
        return f"Fargate has no tasks of {cpu} CPU units; it has {_words(MEMORY_FOR_CPU)}"
    if memory not in MEMORY_FOR_CPU[cpu]:
        return (
            f"Fargate has no tasks of {cpu} CPU units with {memory} MiB of memory; "
            f"with {cpu} units go {_words(MEMORY_FOR_CPU[cpu])} MiB"
        )
    return None


def _words(numbers: Iterable[int]) -> str:
    found = [str(number) for number in numbers]
    return f"{', '.join(found[:-1])} and {found[-1]}"

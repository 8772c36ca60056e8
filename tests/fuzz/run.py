"""One target for a while: inputs are made, written, asked about and judged."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tests.fuzz import judge
from tests.fuzz.service import FuzzRequest, Service
from tests.fuzz.targets import TARGETS, Case
from tests.fuzz.world import World

SLOW = 1.5
"""How much longer than the deadline an answer may take."""
HELD = 0.005
"""Seconds that a callback may compute on the event loop."""
MEMORY = 320 << 20
"""Bytes that one request may add to the memory of the process at its highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong."""

    fault: str
    case: Case
    ask: FuzzRequest


@dataclass(slots=True)
class Seen:
    """What a run has seen."""

    statuses: Counter[int] = field(default_factory=Counter)
    inputs: int = 0
    slowest: tuple[float, str] = (0.0, "")
    longest_held: tuple[float, str] = (0.0, "")
    highest: tuple[int, str] = (0, "")


def run(
    name: str,
    world: World,
    service: Service,
    *,
    seed: int,
    number: int | None = None,
    until: float | None = None,
    measured: bool = False,
    before: Callable[[Case], None] = lambda _: None,
    seen: Seen | None = None,
) -> Iterator[Finding]:
    """Return what was wrong, as it is found.

    Args:
        name: of the target.
        world: what is asked about.
        service: who is asked.
        seed: of the inputs.
        number: of inputs at most.
        until: when to end, as `time.monotonic` says it.
        measured: also look at time, memory and the event loop; for runs that have a machine of their own.
        before: called with each input before it is tried.
        seen: what is counted, if it is wanted.
    """
    seen = seen or Seen()
    target = TARGETS[name](world, service)
    secrets = (str(world.catalog).encode(), str(world.folder).encode())
    for case in islice(target.cases(random.Random(seed)), number):
        if until is not None and time.monotonic() > until:
            return
        before(case)
        write(case)
        for ask in case.asks:
            yield from (
                Finding(fault=fault, case=case, ask=ask) for fault in _ask(service, ask, secrets, measured, seen)
            )
        seen.inputs += 1


def faults(service: Service, world: World, ask: FuzzRequest, seen: Seen) -> list[str]:
    """Return what is wrong with one request, time and memory looked at."""
    return _ask(service, ask, (str(world.catalog).encode(), str(world.folder).encode()), True, seen)


def write(case: Case) -> None:
    """Write the files of an input."""
    for path, content in case.files:
        place = Path(path)
        place.parent.mkdir(exist_ok=True, parents=True)
        place.unlink(missing_ok=True)  # one that is written over in place could be read half
        place.write_bytes(content)


def _ask(service: Service, ask: FuzzRequest, secrets: tuple[bytes, ...], measured: bool, seen: Seen) -> list[str]:
    if not measured:
        return judge.faults(ask, service.ask(ask), secrets)
    base = _forget_highest()
    try:
        answer = service.ask(ask)
    except TimeoutError:
        return ["no answer at all"]
    taken = _memory("VmHWM") - base
    seen.statuses[answer.status] += 1
    seen.slowest = max(seen.slowest, (answer.seconds, str(ask)[:300]))
    found = judge.faults(ask, answer, secrets)
    if answer.seconds > service.app.context.settings.deadline + SLOW:
        found.append(f"takes {answer.seconds:.1f} s")
    if taken > MEMORY:
        found.append(f"takes {taken >> 20} MB")
    held = answer.held
    for _ in range(3):  # what is loaded once, and garbage that is collected, come only once
        if held <= HELD:
            break
        held = min(held, service.ask(ask).held)
    if held > HELD:
        found.append("holds the event loop")
        seen.longest_held = max(seen.longest_held, (held, str(ask)[:300]))
    seen.highest = max(seen.highest, (taken, str(ask)[:300]))
    return found


def _forget_highest() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    line: Any = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10

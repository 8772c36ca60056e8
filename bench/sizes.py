"""How many workers and compute slots are best for tasks of some sizes: Tilery alone, in control groups of each size."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from bench import client, processes, servers

MEBI = 1 << 20
SIZES = ((0.25, 512), (0.5, 1024), (1.0, 2048), (2.0, 4096))
"""vCPU and MB of tasks as Fargate has them."""
CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A way to divide a task."""

    workers: int
    slots: int
    """Renders at a time in each worker."""


SHAPES = (
    Shape(workers=1, slots=1),
    Shape(workers=1, slots=2),
    Shape(workers=1, slots=3),
    Shape(workers=2, slots=1),
    Shape(workers=2, slots=2),
)


def once(shape: Shape, cpus: float, memory: int, wanted: list[str]) -> dict[str, float]:
    """Return one new server of that shape in a task of that size, asked for some tiles, the first quarter of them to
    warm.
    """
    own = {"TILERY_RENDER_SLOTS": str(shape.slots)}
    with (
        processes.group("tilery-bench", cpus, memory * MEBI) as group,
        servers.running("tilery", workers=shape.workers, group=group, environment=own) as server,
    ):
        warm = len(wanted) // 4
        client.run(server.port, wanted[:warm], connections=CONNECTIONS)
        before = processes.cpu_seconds(server.pid)
        load = client.run(server.port, wanted[warm:], connections=CONNECTIONS)
        return {
            "tiles_per_second": load.per_second,
            "p50": load.percentile(0.5),
            "p99": load.percentile(0.99),
            "cpu_ms": 1000 * (processes.cpu_seconds(server.pid) - before) / (len(wanted) - warm),
            "megabytes": processes.memory_bytes(server.pid) / 1e6,
        }


def measure(wanted: list[str], rounds: int) -> dict[str, Any]:
    """Return a row for each size and shape that fits, medians of rounds in turns; prints them as a table."""
    if reason := processes.why_no_group():
        return {"skipped": reason}
    print("| vCPU, MB | workers × slots | tiles a second | p50 | p99 | CPU a tile | memory |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for cpus, memory in SIZES:
        shapes = [shape for shape in SHAPES if shape.workers == 1 or memory > 1024]
        found: dict[Shape, list[dict[str, float]]] = {shape: [] for shape in shapes}
        for _ in range(rounds):
            for shape, results in found.items():
                results.append(once(shape, cpus, memory, wanted[: int(len(wanted) * min(1.0, cpus))]))
        for shape, results in found.items():
            row = {key: statistics.median(result[key] for result in results) for key in results[0]}
            rows.append({"cpus": cpus, "workers": shape.workers, "slots": shape.slots, **row})
            print(
                f"| {cpus:g}, {memory} | {shape.workers} × {shape.slots} | {row['tiles_per_second']:.0f} | "
                f"{row['p50']:.0f} ms | {row['p99']:.0f} ms | {row['cpu_ms']:.1f} ms | {row['megabytes']:.0f} MB |",
                flush=True,
            )
    return {"rows": rows, "goals": []}

"""``make bench``: makes what it needs, asks both servers in turns, writes ``.bench/results.json``, shows the table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import extra, measure, rasters, report, servers
from bench.cases import CASES, EXTRAS, Case

RESULTS = servers.WORK / "results.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--cases", default="", help="comma list of names; a name with a * at its end stands for many")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, help="the same number for both; without it each has what its image has")
    parser.add_argument("--tiles", type=int, default=240, help="length of a list")
    parser.add_argument("--quick", action="store_true", help="small rasters, short lists, one round")
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/performance.md and draw docs/benchmark.svg"
    )
    parser.add_argument("--list", action="store_true", help="the names of all cases")
    return parser.parse_args()


def _chosen(text: str) -> list[str]:
    names = [case.name for case in CASES] + list(EXTRAS)
    if not text:
        return names
    found: list[str] = []
    for part in text.replace(" ", ",").split(","):
        matching = [name for name in names if name == part or (part.endswith("*") and name.startswith(part[:-1]))]
        if part and not matching:
            sys.exit(f"{part} is not a case. Known: {', '.join(names)}")
        found += [name for name in matching if name not in found]
    return found


def _in_turns(case: Case, folder: Path, tiles: int, rounds: int, workers: int | None) -> dict[str, Any]:
    """Return both servers, round by round, the one that begins changing each time."""
    found: dict[str, list[measure.Result]] = {"titiler": [], "tilery": []}
    store = f"http://127.0.0.1:{servers.store_port()}" if case.remote else None
    for number in range(rounds):
        for name in sorted(found, reverse=number % 2 == 0):
            found[name].append(measure.once(name, case, folder, tiles, workers, store))
    return {
        "rounds": {name: [asdict(result) for result in results] for name, results in found.items()},
        **{name: asdict(measure.medians(results)) for name, results in found.items()},
    }


def _run_case(case: Case, folder: Path, tiles: int, rounds: int, workers: int | None) -> dict[str, Any]:
    if not case.remote:
        return _in_turns(case, folder, tiles, rounds, workers)
    with servers.store(folder, extra.LATENCY):
        return _in_turns(case, folder, tiles, rounds, workers)


def main() -> None:
    """Measure what was asked for."""
    arguments = _arguments()
    if arguments.list:
        print("\n".join([case.name for case in CASES] + list(EXTRAS)))
        return
    if not servers.PEER.exists():
        sys.exit("TiTiler is not installed: make peer")
    servers.WORK.mkdir(exist_ok=True)
    servers.compile_ours()
    rounds, tiles = (1, 48) if arguments.quick else (arguments.rounds, arguments.tiles)
    folder = rasters.make(2560 if arguments.quick else 10_240)
    results: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "workers": {name: arguments.workers or servers.own_workers(name) for name in servers.SERVERS},
        "rounds": rounds,
        "tiles": tiles,
        "quick": arguments.quick,
        "cases": {},
        "extras": {},
    }
    extras = extra.measures(folder, rounds, quick=arguments.quick)
    for name in _chosen(arguments.cases):
        print(f"{name} …", flush=True)
        if name in extras:
            results["extras"][name] = extras[name]()
        else:
            results["cases"][name] = _run_case(measure.case_of(name), folder, tiles, rounds, arguments.workers)
        RESULTS.write_text(json.dumps(results, indent=2))
        print(report.line(name, results), flush=True)
    print("\n" + report.table(results))
    if arguments.write:
        report.write(results)


if __name__ == "__main__":
    main()

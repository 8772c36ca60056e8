"""Fuzz for as long as is wanted: `make fuzz MINUTES=10`.

Each target runs in a process of its own, because what is looked for may end one. What was found is printed once for
each kind, and its input is kept below ``.fuzz/found``: a test is made of it before it is mended.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.process import native

native.prepare(os.environ)
os.environ.setdefault("GDAL_CACHEMAX", "24")  # megabytes, as in a worker with little memory

from tests.fuzz import run, world  # noqa: E402  the libraries have to be told before
from tests.fuzz.service import FuzzRequest, Service  # noqa: E402
from tests.fuzz.targets import TARGETS, Case  # noqa: E402

FOUND = Path(".fuzz/found")
_LOADED = ("/", "/cog/info", "/layers", "/wmts", "/wms", "/collections", "/algorithms", "/colorMaps", "/tileMatrixSets")
"""What loads what is loaded once."""


def main() -> int:
    """Run every target, or the one named; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--one", choices=sorted(TARGETS), help=argparse.SUPPRESS)
    parser.add_argument("--again", type=Path, help="an input of .fuzz/found to try once more")
    asked = parser.parse_args()
    if asked.again:
        return _again(asked.again)
    if asked.one:
        return _one(asked.one, asked.seed, asked.minutes)
    names = asked.target or sorted(TARGETS)
    failed = [name for name in names if _in_a_process(name, asked.seed, asked.minutes / len(names))]
    print(f"seed {asked.seed}: " + (f"found something with {', '.join(failed)}" if failed else "nothing was found"))
    return bool(failed)


def _in_a_process(name: str, seed: int, minutes: float) -> bool:
    """Return True when something was found, or the process died of it."""
    command = [sys.executable, "-m", "tests.fuzz", "--one", name, "--seed", str(seed), "--minutes", str(minutes)]
    with tempfile.TemporaryFile() as log:
        try:
            done = subprocess.run(command, stderr=log, check=False, timeout=60 * minutes + 120)
            status: int | str = done.returncode
        except subprocess.TimeoutExpired:
            status = "hangs"
        if status not in (0, 1):
            log.seek(0)
            FOUND.mkdir(parents=True, exist_ok=True)
            kept = FOUND / f"{name}-{seed}-died.pickle"
            last = Path(f".fuzz/last-{name}.pickle")
            if last.exists():
                last.rename(kept)
            text = log.read()[-3000:].decode("utf-8", "replace")
            print(f"!! {name}: the process died ({status}); its input is {kept}\n{text}")
    return status != 0


def _one(name: str, seed: int, minutes: float) -> int:
    faulthandler.enable()
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    logging.getLogger("tilery").setLevel(logging.CRITICAL)
    logging.getLogger("tilery.request").setLevel(logging.ERROR)
    logging.getLogger("tilery.request").propagate = False
    found: Counter[str] = Counter()
    seen = run.Seen()
    root = Path(tempfile.mkdtemp(prefix="tilery-fuzz-")).resolve()
    try:
        made = world.make(root)
        with _service(made) as service:
            seen.statuses.clear()
            until = time.monotonic() + 60 * minutes
            last = Path(f".fuzz/last-{name}.pickle")
            last.parent.mkdir(exist_ok=True)

            def keep(case: Case) -> None:
                last.write_bytes(_packed(made, case, None))

            for finding in run.run(name, made, service, seed=seed, until=until, measured=True, before=keep, seen=seen):
                kind = re.sub(r"\d+", "N", finding.fault)
                found[kind] += 1
                if found[kind] <= 3:
                    _keep(name, made, finding, f"{abs(hash(kind)) % 10**8}-{found[kind]}")
            last.unlink(missing_ok=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    statuses = ", ".join(f"{status}: {number}" for status, number in sorted(seen.statuses.items()))
    print(f"{name}: {seen.inputs} inputs in {minutes:.1f} minutes; {statuses}")
    print(f"  slowest {seen.slowest[0]:.2f} s, most memory {seen.highest[0] >> 20} MB, seed {seed}", flush=True)
    return bool(found)


@contextlib.contextmanager
def _service(made: world.World) -> Iterator[Service]:
    with Service(measured=True, sources=f"{made.folder}/", catalog=str(made.catalog), **world.SETTINGS) as service:
        for path in _LOADED:
            service.ask(FuzzRequest(path=path))
        yield service


def _packed(made: world.World, case: Case, ask: FuzzRequest | None) -> bytes:
    return pickle.dumps({"root": str(made.folder.parent), "case": case, "ask": ask})


def _keep(name: str, made: world.World, finding: run.Finding, number: str) -> None:
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{name}-{number}.pickle"
    path.write_bytes(_packed(made, finding.case, finding.ask))
    print(f"!! {name}: {finding.fault}\n   {str(finding.ask)[:600]}\n   {path}", flush=True)


def _again(path: Path) -> int:
    """Try an input once more, and tell what is wrong."""
    packed = pickle.loads(path.read_bytes())
    root = Path(packed["root"])
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    made = world.make(root)
    seen = run.Seen()
    try:
        with _service(made) as service:
            case: Case = packed["case"]
            run.write(case)
            for ask in (packed["ask"],) if packed["ask"] else case.asks:
                print(str(ask)[:1000])
                for fault in run.faults(service, made, ask, seen):
                    print("  !!", fault)
                answer = service.ask(ask)
                print(
                    f"  {answer.status} {answer.seconds:.2f} s, held {answer.held * 1000:.1f} ms, {answer.body[:600]!r}"
                )
                print(answer.trace or "")
        print(json.dumps({"memory": seen.highest[0] >> 20}))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

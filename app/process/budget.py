"""What this task may use, and how much of it each worker gets.

A container sees the host's cores and memory whatever its limits are, so both are read from where the limit is written:
the metadata of the ECS task or the variable of the Lambda function, the control group (version 2 or 1), and only
without any of them the machine itself. Pure functions: the environment and the root of the file system are arguments.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

MASTER = 40 * MIB
"""Memory of the process that keeps the workers."""
LIBRARIES = 145 * MIB
"""Memory of a worker that does nothing: its code and libraries, and what the allocator keeps."""
OVERHEAD = 200 * MIB
"""Memory of a busy worker beside its caches: libraries, and the arrays of the tiles under way."""
LEAST_WORK = 48 * MIB
"""Memory for requests under way that a worker needs to be of use, whatever its caches take."""
SMALLEST_WORKER = OVERHEAD + 48 * MIB
"""Memory that a worker needs to be of use: its overhead and caches that hold a few blocks."""
SAFETY = 0.94
"""Share of the limit that is handed out; the kernel's buffers and the page cache need the rest."""
CORES_PER_WORKER = 1.5
"""What one process keeps busy. The codecs let go of the interpreter's lock and the Python in between does not: beyond
it another process does more than another thread, although each opens the rasters for itself."""
_CROWD = 3
"""Workers a core beyond which each finds the core's caches full of what the others left there (docs/performance.md)."""

LAMBDA_MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
"""The variable that has a Lambda function's MB; nothing else sets it."""
LAMBDA_CORE = 1769
"""MB of a Lambda function that come with one vCPU, and so in proportion.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html.
"""

_UNLIMITED = 1 << 60
"""Control groups of version 1 write a number near 2**63 where there is no limit."""


class ImpossibleBudget(Exception):
    """What was asked for cannot fit into what there is; the text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """What the task may use."""

    cores: float
    """Cores, as the quota says: 0.25 on the smallest Fargate task."""
    memory: int
    """Bytes."""
    cores_from: str
    """Where the cores are written: ``ecs``, ``lambda``, ``cgroup`` or ``machine``."""
    memory_from: str
    """Where the memory is written, with the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How one worker divides its memory, all in bytes; what several workers have for a cache is in one for them all."""

    block_cache: int
    """Decoded blocks of rasters."""
    tile_cache: int
    """Encoded tiles."""
    gdal_cache: int
    """GDAL's own block cache, for what our reader leaves to it."""
    max_decoded: int
    """Decoded pixels that one request may need."""
    work: int
    """What requests under way may take together, with answers that wait to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """The budget of a start: how many workers, and what each may use."""

    limits: ContainerLimits
    workers: int
    slots: int
    """Renders at a time in one worker."""
    worker_memory: int
    """Bytes that a worker may use; beyond them it is replaced."""
    shares: Shares
    notes: tuple[str, ...] = ()
    """What was asked for and could not be given."""

    @property
    def cores(self) -> int:
        """Whole cores that one worker may count on: one at least."""
        return max(1, math.ceil(self.limits.cores / self.workers))

    def describe(self) -> str:
        """Return one line for the log."""
        limits, shares = self.limits, self.shares
        for_all = " for all" if self.workers > 1 else ""
        parts = (
            f"{limits.cores:g} cores ({limits.cores_from}), {_mib(limits.memory)} ({limits.memory_from})",
            f"{self.workers} worker(s) of {_mib(self.worker_memory)} with {self.slots} compute slots each",
            f"block cache {_mib(self.workers * shares.block_cache)}{for_all}",
            f"tile cache {_mib(self.workers * shares.tile_cache)}{for_all}",
            f"GDAL cache {_mib(shares.gdal_cache)}",
            f"decoded bytes of one request {_mib(shares.max_decoded)}",
            f"requests under way {_mib(shares.work)}",
            *self.notes,
        )
        return "budget: " + "; ".join(parts)


Fetch = Callable[[str], bytes]


def fetch_metadata(url: str) -> bytes:
    """Return the answer of the task's metadata endpoint, a link-local address that ECS gives to the container."""
    import urllib.request  # only in ECS: it costs a Lambda function's start 20 ms

    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - the address is ECS's own, from its variable
        body: bytes = answer.read(1 << 20)
    return body


def limits(environ: Mapping[str, str], root: Path = Path("/"), fetch: Fetch = fetch_metadata) -> ContainerLimits:
    """Return what this task may use: the tightest of what ECS, the control groups and the machine say.

    Args:
        environ: the process environment; ``ECS_CONTAINER_METADATA_URI_V4`` leads to the task's metadata.
        root: where ``proc`` and ``sys`` are.
        fetch: gets the body behind an address.
    """
    cores: list[tuple[float, str]] = [(float(_machine_cores()), "machine")]
    total = _machine_memory(root)
    memory: list[tuple[int, str]] = [(min(total // 2, 4 << 30), "half of the machine")]
    ecs_cores, ecs_memory = _ecs_limits(environ.get("ECS_CONTAINER_METADATA_URI_V4"), fetch)
    function_cores, function_memory = _lambda_limits(environ)
    quota, ceiling = cgroup_cores(root), cgroup_memory(root)
    limited = [(ecs_memory, "ecs"), (function_memory, "lambda"), (ceiling, "cgroup")]
    if any(value for value, _ in limited):
        memory = [(min(value, total), name) for value, name in limited if value]
    allotted = [(ecs_cores, "ecs"), (function_cores, "lambda"), (quota, "cgroup")]
    cores += [(value, name) for value, name in allotted if value]
    fewest, least = min(cores, key=lambda found: found[0]), min(memory, key=lambda found: found[0])
    return ContainerLimits(cores=fewest[0], memory=least[0], cores_from=fewest[1], memory_from=least[1])


def cgroup_cores(root: Path = Path("/")) -> float | None:
    """Return cores that the control group's quota gives, None without a quota. Version 2 first, then version 1."""
    found = []
    for folder in _cgroup_folders(root, None):
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            found.append(int(words[0]) / int(words[1]))
    for folder in _cgroup_folders(root, "cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(quota) and int(period):
            found.append(int(quota) / int(period))
    return min(found, default=None)


def cgroup_memory(root: Path = Path("/")) -> int | None:
    """Return bytes that the control group's limit gives, None without a limit."""
    found = [_read(folder / "memory.max") for folder in _cgroup_folders(root, None)]
    found += [_read(folder / "memory.limit_in_bytes") for folder in _cgroup_folders(root, "memory")]
    return min((int(text) for text in found if text.isdigit() and int(text) < _UNLIMITED), default=None)


def plan(environ: Mapping[str, str], limits: ContainerLimits) -> WorkerPlan:
    """Return the budget of a start.

    ``WEB_CONCURRENCY`` is the number of workers, and refused when it cannot fit. ``WORKERS_PER_CORE`` times the cores,
    at least one, is the number otherwise; without either it is two workers for three cores. Both are cut to
    ``MAX_WORKERS``, the latter two also to what the memory holds.

    A Lambda function is one process that gets one request at a time: one worker with one slot, whatever is asked for,
    and as many threads at one read as its memory brings cores.

    Raises:
        ImpossibleBudget: a number that is none, or what was asked for cannot fit.
    """
    notes: list[str] = []
    alone = LAMBDA_MEMORY in environ
    available = int((limits.memory - MASTER) * SAFETY)
    if available < SMALLEST_WORKER:
        raise ImpossibleBudget(
            f"{_mib(limits.memory)} of memory is too little: one worker needs {_mib(SMALLEST_WORKER)}, "
            f"so give the {'function' if alone else 'task'} at least "
            f"{_mib(math.ceil(SMALLEST_WORKER / SAFETY) + MASTER)}."
        )
    workers = 1 if alone else _workers(environ, limits, available // SMALLEST_WORKER, notes)
    share = available // workers
    if given := _positive(environ, "TILERY_MEMORY"):
        if given < SMALLEST_WORKER:
            raise ImpossibleBudget(
                f"TILERY_MEMORY={given} is too little: a worker needs {_mib(SMALLEST_WORKER)}, {SMALLEST_WORKER} bytes."
            )
        if given * workers > limits.memory:
            raise ImpossibleBudget(
                f"TILERY_MEMORY={given} for each of {workers} worker(s) is more than the task's {_mib(limits.memory)}: "
                f"leave it out, or set at most {share}."
            )
        share = given
    slots = _positive(environ, "TILERY_RENDER_SLOTS") or (1 if alone else slots_for(limits.cores / workers))
    return WorkerPlan(
        limits=limits,
        workers=workers,
        slots=slots,
        worker_memory=share,
        shares=_asked_shares(environ, share, notes),
        notes=tuple(notes),
    )


def slots_for(cores: float) -> int:
    """Return renders at a time for this many cores: one more than there are, so that one may wait for bytes; at least
    two.
    """
    return max(2, math.ceil(cores) + 1)


def shares_of(memory: int) -> Shares:
    """Return how a worker with this many bytes divides them: what its overhead leaves, half of it for decoded blocks.

    Below 1 GiB three sixteenths for blocks and one for tiles: 48 MB of blocks serve a map nearly as well as 200
    (docs/performance.md), and the rest is room for what nobody has asked for yet.
    """
    free = max(memory - OVERHEAD, 48 * MIB)
    large = memory >= 1024 * MIB
    block, tile, gdal = free // 2 if large else free * 3 // 16, free // (8 if large else 16), max(16 * MIB, free // 8)
    return Shares(
        block_cache=block,
        tile_cache=tile,
        gdal_cache=gdal,
        max_decoded=min(512 * MIB, max(64 * MIB, memory // 4)),
        work=_left_for_work(memory, block, tile, gdal),
    )


def _left_for_work(memory: int, *caches: int) -> int:
    return max(LEAST_WORK, memory - LIBRARIES - sum(caches))


def exports(plan: WorkerPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the workers find in their environment: the plan in the words of ``app.config.settings``
    and of GDAL.
    """
    shares = plan.shares
    found = {
        "TILERY_MEMORY": str(plan.worker_memory),
        "TILERY_CORES": environ.get("TILERY_CORES") or str(plan.cores),
        "TILERY_RENDER_SLOTS": str(plan.slots),
        "TILERY_BLOCK_CACHE_BYTES": str(shares.block_cache),
        "TILERY_TILE_CACHE_BYTES": str(shares.tile_cache),
        "TILERY_WORK_BYTES": str(shares.work),
        # as environment variable a bare number below 100,000 is MiB; through rasterio.Env it would be bytes
        "GDAL_CACHEMAX": str(max(1, shares.gdal_cache // MIB)),
    }
    if "TILERY_MAX_DECODED_BYTES" not in environ:
        found["TILERY_MAX_DECODED_BYTES"] = str(shares.max_decoded)
    if (size := environ.get("VSI_CACHE_SIZE", "")).isdigit() and int(size) > 8 * MIB:
        found["VSI_CACHE_SIZE"] = str(8 * MIB)  # GDAL keeps this much for every open file
    return found


def resident(root: Path = Path("/")) -> int:
    """Return bytes of this process that the kernel cannot take back: its anonymous pages. 0 where that is not told."""
    match = re.search(r"^RssAnon:\s+(\d+) kB", _read(root / "proc/self/status"), re.MULTILINE)
    return int(match[1]) << 10 if match else 0


def _workers(environ: Mapping[str, str], limits: ContainerLimits, fitting: int, notes: list[str]) -> int:
    """Return the number of workers, and in ``notes`` what kept it lower than asked."""
    most = _positive(environ, "MAX_WORKERS")
    if given := _positive(environ, "WEB_CONCURRENCY"):
        number = min(given, most) if most else given
        if number > fitting:
            raise ImpossibleBudget(
                f"{number} workers (WEB_CONCURRENCY) need {_mib(number * SMALLEST_WORKER + MASTER)} and the task has "
                f"{_mib(limits.memory)}: set WEB_CONCURRENCY to at most {fitting}, or give the task more memory."
            )
        own = max(1, math.ceil(limits.cores / CORES_PER_WORKER))
        if number > _CROWD * max(1.0, limits.cores):
            notes.append(f"{number} workers take more CPU for a tile than {own}, which {limits.cores:g} cores need")
        return number
    if "WORKERS_PER_CORE" in environ and environ["WORKERS_PER_CORE"].strip():
        number = max(1, int(_number(environ, "WORKERS_PER_CORE") * limits.cores))
    else:
        number = max(1, math.ceil(limits.cores / CORES_PER_WORKER))
    if most:
        number = min(number, most)
    if number > fitting:
        notes.append(f"memory holds {fitting} of {number} workers")
        number = fitting
    return number


def _asked_shares(environ: Mapping[str, str], memory: int, notes: list[str]) -> Shares:
    """Return the shares with what the environment sets; refused when the caches alone pass the worker's memory."""
    own = shares_of(memory)
    block, tile = _size(environ, "TILERY_BLOCK_CACHE_BYTES"), _size(environ, "TILERY_TILE_CACHE_BYTES")
    block, tile = own.block_cache if block is None else block, own.tile_cache if tile is None else tile
    available = max(memory - OVERHEAD, 48 * MIB)
    if block + tile > available:
        raise ImpossibleBudget(
            f"TILERY_BLOCK_CACHE_BYTES and TILERY_TILE_CACHE_BYTES are {_mib(block + tile)}, and a worker has "
            f"{_mib(available)} for its caches: lower them, or give the task more memory or fewer workers."
        )
    gdal = own.gdal_cache
    if (text := environ.get("GDAL_CACHEMAX", "").strip()) and (given := gdal_bytes(text, memory)) is not None:
        gdal = min(given, max(16 * MIB, available - block - tile))
        if gdal < given:
            notes.append(f"GDAL_CACHEMAX={text} cut to {_mib(gdal)}")
    work = _size(environ, "TILERY_WORK_BYTES") or _left_for_work(memory, block, tile, gdal)
    return Shares(block_cache=block, tile_cache=tile, gdal_cache=gdal, max_decoded=own.max_decoded, work=work)


def gdal_bytes(text: str, memory: int) -> int | None:
    """Return bytes that GDAL's variable means: a percentage (here of the worker's memory), MiB below 100,000, bytes
    above.

    None for what GDAL would not understand either.
    """
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text):
        return int(float(match[1]) / 100 * memory)
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", text, re.IGNORECASE):
        return int(float(match[1]) * {"B": 1, "KB": 1 << 10, "MB": MIB, "GB": 1 << 30}[match[2].upper()])
    if text.isdigit():
        return int(text) * MIB if int(text) < 100_000 else int(text)
    return None


def _ecs_limits(url: str | None, fetch: Fetch) -> tuple[float | None, int | None]:
    """Return cores and bytes of the ECS task, or of this container where its own limit is tighter."""
    if not url:
        return None, None
    cores: list[float] = []
    memory: list[float] = []
    for address in (f"{url}/task", url):
        try:
            found = json.loads(fetch(address)).get("Limits") or {}
        except (OSError, ValueError, AttributeError):
            continue  # the control group knows it as well
        cpu, ram = found.get("CPU"), found.get("Memory")
        if address != url and isinstance(cpu, int | float) and cpu > 0:
            cores.append(float(cpu))  # the container's own number are CPU shares, not cores
        if isinstance(ram, int | float) and ram > 0:
            memory.append(float(ram))
    return min(cores, default=None), int(min(memory) * MIB) if memory else None


def _lambda_limits(environ: Mapping[str, str]) -> tuple[float | None, int | None]:
    """Return cores and bytes of the Lambda function."""
    text = environ.get(LAMBDA_MEMORY, "").strip()
    if not text.isdigit() or not int(text):
        return None, None
    return round(int(text) / LAMBDA_CORE, 3), int(text) * MIB


def _cgroup_folders(root: Path, controller: str | None) -> Iterator[Path]:
    """Yield folders whose limits hold for this process: its own control group and those above it.

    Inside a container the file system shows the container's group as the top, whatever path the process is told:
    folders that are not there are skipped by whoever reads them.
    """
    for line in _read(root / "proc/self/cgroup").splitlines() or ["0::/"]:
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if controller is None:
            if number != "0" or names:
                continue
            bases = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        else:
            if controller not in names.split(","):
                continue
            bases = [root / "sys/fs/cgroup" / controller, root / "sys/fs/cgroup" / names]
        for base in bases:
            folder = Path(path.lstrip("/"))
            yield base / folder
            for parent in folder.parents:
                yield base / parent


def _read(path: Path) -> str:
    """Return the text of a small file, empty when it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _machine_cores() -> int:
    """Return cores that this process may be scheduled on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _machine_memory(root: Path) -> int:
    """Return bytes of memory of the machine; 4 GiB where it does not say."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(match[1]) << 10 if match else 4 << 30


def _number(environ: Mapping[str, str], name: str) -> float:
    """Return a variable that has to be a number above 0."""
    try:
        value = float(environ[name])
    except ValueError:
        value = -1.0
    if not (0 < value < math.inf):
        raise ImpossibleBudget(f"{name}={environ[name]} has to be a number above 0.")
    return value


def _size(environ: Mapping[str, str], name: str) -> int | None:
    """Return a variable that has to be a whole number, None when it is not set."""
    text = environ.get(name, "").strip()
    if text and not text.isdigit():
        raise ImpossibleBudget(f"{name}={text} has to be a whole number.")
    return int(text) if text else None


def _positive(environ: Mapping[str, str], name: str) -> int | None:
    """Return a variable that has to be a whole number above 0, None when it is not set."""
    value = _size(environ, name)
    if value == 0:
        raise ImpossibleBudget(f"{name}=0 has to be above 0.")
    return value


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"

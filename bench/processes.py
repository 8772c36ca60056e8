"""What a tree of processes has used, from /proc, and a control group to keep one small."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
CGROUPS = Path("/sys/fs/cgroup")


def tree(pid: int) -> list[int]:
    """Return the process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = entry.read_text().rsplit(")", 1)[1].split()
            parents.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found = [pid]
    for process in found:
        found += parents.get(process, [])
    return found


def cpu_seconds(pid: int) -> float:
    """CPU that the tree has used so far, user and system, children that have ended included."""
    ticks = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / TICK


def memory_bytes(pid: int) -> int:
    """Return memory of the tree, shared pages counted once (PSS)."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A control group: what a process does to join it, and what it says of itself."""

    folders: tuple[Path, ...]

    @property
    def join(self) -> str:
        """Shell words that put the shell into the group."""
        return "; ".join(f"echo $$ > {folder}/cgroup.procs" for folder in self.folders)

    def killed(self) -> int | None:
        """Return how many processes the kernel has ended for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            for folder in self.folders:
                with contextlib.suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        if line.startswith("oom_kill "):
                            return int(line.split()[1])
        return None

    def peak(self) -> int | None:
        """Return most memory that the group held, in bytes."""
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            for folder in self.folders:
                with contextlib.suppress(OSError):
                    return int((folder / name).read_text())
        return None


def why_no_group() -> str | None:
    """Return why a control group cannot be made here, or None where it can."""
    if os.geteuid() != 0:
        return "only root may make a control group"
    if (CGROUPS / "cpu" / "cpu.cfs_quota_us").exists() and os.access(CGROUPS / "memory", os.W_OK):
        return None
    controllers = CGROUPS / "cgroup.subtree_control"
    if controllers.exists() and {"cpu", "memory"} <= set(controllers.read_text().split()):
        return None
    return "there is no cpu and memory controller to use"


@contextlib.contextmanager
def group(name: str, cpus: float, memory: int, *, is_alone: bool = False) -> Iterator[Group]:
    """A control group with a share of the CPU and a limit of memory, of version 1 or 2; removed at the end.

    Args:
        name: of the folder.
        cpus: as many as it may use.
        memory: bytes that it may use.
        is_alone: it comes before all that runs beside it, as if that were on other machines: clients and stores are.
    """
    if (CGROUPS / "cpu" / "cpu.cfs_quota_us").exists():
        cpu, store = CGROUPS / "cpu" / name, CGROUPS / "memory" / name
        folders: tuple[Path, ...] = (cpu, store)
        limits: dict[Path, int | str] = {
            cpu / "cpu.cfs_period_us": 100_000,
            cpu / "cpu.cfs_quota_us": int(cpus * 100_000),
            store / "memory.limit_in_bytes": memory,
        }
        weight: dict[Path, int | str] = {cpu / "cpu.shares": 100 * 1024}
    else:
        one = CGROUPS / name
        folders = (one,)
        weight = {one / "cpu.weight": 10_000}
        limits = {one / "cpu.max": f"{int(cpus * 100_000)} 100000", one / "memory.max": memory}
    for folder in folders:
        folder.mkdir(exist_ok=True)
    try:
        for path, value in (limits | weight if is_alone else limits).items():
            path.write_text(str(value))
        yield Group(folders=folders)
    finally:
        for folder in folders:
            for _ in range(50):  # a process that was ended is in its group for a moment more
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.1)

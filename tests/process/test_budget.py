"""Cores, memory and workers come from the task's limits, whatever the machine has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.process import budget
from app.process.budget import MIB, ContainerLimits, ImpossibleBudget


def machine(root: Path, files: dict[str, str], memory: int = 16 << 30) -> Path:
    for name, text in ({"proc/meminfo": f"MemTotal:       {memory >> 10} kB\nMemFree: 1 kB\n"} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def task(cores: float, memory: int) -> ContainerLimits:
    return ContainerLimits(cores=cores, memory=memory, cores_from="cgroup", memory_from="cgroup")


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        pytest.param(
            {
                "proc/self/cgroup": "0::/",
                "sys/fs/cgroup/cpu.max": "25000 100000",
                "sys/fs/cgroup/memory.max": "536870912",
            },
            0.25,
            512 * MIB,
            id="version 2 in a container",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max"},
            None,
            None,
            id="version 2 without limits",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/outer/inner",
                "sys/fs/cgroup/outer/cpu.max": "50000 100000",
                "sys/fs/cgroup/outer/inner/cpu.max": "max 100000",
                "sys/fs/cgroup/outer/inner/memory.max": str(2 << 30),
                "sys/fs/cgroup/outer/memory.max": str(1 << 30),
            },
            0.5,
            1 << 30,
            id="version 2, limits of the groups above count",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(3 << 30),
            },
            1.5,
            3 << 30,
            id="version 1 in a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/\n3:memory:/",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
            None,
            id="version 1 without limits",
        ),
        pytest.param({}, None, None, id="no control groups at all"),
    ],
)
def test_control_groups(tmp_path: Path, files: dict[str, str], cores: float | None, memory: int | None) -> None:
    root = machine(tmp_path, files)
    assert budget.cgroup_cores(root) == cores
    assert budget.cgroup_memory(root) == memory


def test_ecs_metadata_is_read_and_the_tightest_limit_holds(tmp_path: Path) -> None:
    root = machine(tmp_path, {})
    answers = {
        "http://169.254.170.2/v4/x/task": {"Limits": {"CPU": 0.25, "Memory": 1024}},
        "http://169.254.170.2/v4/x": {"Limits": {"CPU": 256, "Memory": 512}},
    }
    found = budget.limits(
        {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"},
        root,
        lambda url: json.dumps(answers[url]).encode(),
    )
    assert found == ContainerLimits(cores=0.25, memory=512 * MIB, cores_from="ecs", memory_from="ecs")


def test_silent_ecs_metadata_leaves_it_to_the_control_group(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/",
            "sys/fs/cgroup/cpu.max": "50000 100000",
            "sys/fs/cgroup/memory.max": str(1 << 30),
        },
    )

    def silent(url: str) -> bytes:
        raise OSError(url)

    found = budget.limits({"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"}, root, silent)
    assert found == ContainerLimits(cores=0.5, memory=1 << 30, cores_from="cgroup", memory_from="cgroup")


def test_a_machine_without_limits_gives_half_of_its_memory(tmp_path: Path) -> None:
    found = budget.limits({}, machine(tmp_path, {}, memory=3 << 30))
    assert found.memory == 3 << 29
    assert found.cores >= 1
    assert budget.limits({}, machine(tmp_path, {}, memory=64 << 30)).memory == 4 << 30


@pytest.mark.parametrize(
    ("environ", "cores", "memory", "workers"),
    [
        ({}, 0.25, 512, 1),
        ({}, 1, 2048, 1),
        ({}, 2, 4096, 2),
        ({}, 4, 8192, 3),
        ({}, 8, 16384, 6),
        ({"WORKERS_PER_CORE": "1"}, 0.25, 512, 1),
        ({"WORKERS_PER_CORE": "1"}, 4, 8192, 4),
        ({"WORKERS_PER_CORE": "0.5"}, 4, 8192, 2),
        ({"WORKERS_PER_CORE": "2"}, 4, 1024, 3),
        ({"WORKERS_PER_CORE": "2", "MAX_WORKERS": "2"}, 4, 8192, 2),
        ({"WEB_CONCURRENCY": "3"}, 0.25, 2048, 3),
        ({"WEB_CONCURRENCY": "3", "MAX_WORKERS": "1"}, 2, 4096, 1),
        ({"WEB_CONCURRENCY": "", "MAX_WORKERS": " "}, 2, 4096, 2),
    ],
)
def test_number_of_workers(environ: dict[str, str], cores: float, memory: int, workers: int) -> None:
    assert budget.plan(environ, task(cores, memory * MIB)).workers == workers


def test_workers_cut_by_memory_are_told_of() -> None:
    found = budget.plan({"WORKERS_PER_CORE": "2"}, task(4, 1024 * MIB))
    assert "memory holds 3 of 8 workers" in found.describe()


@pytest.mark.parametrize(("cores", "workers", "told"), [(2, 14, True), (2, 7, True), (2, 6, False), (0.25, 3, False)])
def test_a_crowd_of_workers_is_told_of(cores: float, workers: int, *, told: bool) -> None:
    found = budget.plan({"WEB_CONCURRENCY": str(workers)}, task(cores, 16 << 30))
    assert found.workers == workers
    assert (f"{workers} workers take more CPU for a tile than {2 if cores == 2 else 1}" in found.describe()) is told


@pytest.mark.parametrize(
    ("environ", "memory", "words"),
    [
        ({}, 128, "128 MiB of memory is too little: one worker needs 248 MiB"),
        ({"WEB_CONCURRENCY": "8"}, 512, "set WEB_CONCURRENCY to at most 1"),
        ({"WEB_CONCURRENCY": "many"}, 512, "WEB_CONCURRENCY=many has to be a whole number"),
        ({"WEB_CONCURRENCY": "0"}, 512, "WEB_CONCURRENCY=0 has to be above 0"),
        ({"WORKERS_PER_CORE": "-1"}, 512, "WORKERS_PER_CORE=-1 has to be a number above 0"),
        ({"WORKERS_PER_CORE": "nan"}, 512, "WORKERS_PER_CORE=nan has to be a number above 0"),
        ({"MAX_WORKERS": "1.5"}, 512, "MAX_WORKERS=1.5 has to be a whole number"),
        ({"TILERY_MEMORY": str(20 << 20)}, 512, "TILERY_MEMORY=20971520 is too little: a worker needs 248 MiB"),
        ({"TILERY_MEMORY": str(1 << 30)}, 512, "TILERY_MEMORY=1073741824 for each of 1 worker(s) is more"),
        ({"TILERY_BLOCK_CACHE_BYTES": str(400 << 20)}, 512, "a worker has 244 MiB for its caches"),
    ],
)
def test_an_impossible_budget_says_what_to_change(environ: dict[str, str], memory: int, words: str) -> None:
    with pytest.raises(ImpossibleBudget) as refused:
        budget.plan(environ, task(2, memory * MIB))
    assert words in str(refused.value)


@given(
    memory=st.integers(min_value=310, max_value=120 * 1024),
    cores=st.sampled_from([0.25, 0.5, 1, 2, 4, 8, 16]),
    per_core=st.one_of(st.none(), st.floats(min_value=0.1, max_value=8)),
)
def test_a_plan_never_hands_out_more_than_there_is(memory: int, cores: float, per_core: float | None) -> None:
    environ = {} if per_core is None else {"WORKERS_PER_CORE": str(per_core)}
    found = budget.plan(environ, task(cores, memory * MIB))
    shares = found.shares
    assert found.workers >= 1
    assert found.workers * found.worker_memory + budget.MASTER <= memory * MIB
    assert shares.block_cache + shares.tile_cache + shares.gdal_cache + budget.OVERHEAD <= found.worker_memory
    assert found.slots >= 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("200", 200 * MIB),
        ("99999", 99999 * MIB),
        ("209715200", 200 * MIB),
        ("75%", 768 * MIB),
        ("1GB", 1 << 30),
        ("64 MB", 64 * MIB),
        ("plenty", None),
    ],
)
def test_the_units_of_gdal(text: str, size: int | None) -> None:
    assert budget.gdal_bytes(text, 1 << 30) == size


def test_an_environment_written_for_titiler_is_cut_to_what_there_is() -> None:
    """TiTiler's compose file gives GDAL 75 % of the machine in each process, and 512 MiB to each open file."""
    environ = {"GDAL_CACHEMAX": "75%", "VSI_CACHE_SIZE": "536870912"}
    found = budget.plan(environ, task(0.25, 512 * MIB))
    exported = budget.exports(found, environ)
    assert "GDAL_CACHEMAX=75% cut to" in found.describe()
    assert int(exported["GDAL_CACHEMAX"]) * MIB + budget.OVERHEAD < found.worker_memory
    assert exported["VSI_CACHE_SIZE"] == str(8 * MIB)


def test_workers_find_their_share_in_the_words_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.config.settings import Settings

    found = budget.plan({}, task(1, 2048 * MIB))
    for name, value in budget.exports(found, {}).items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert settings.memory == found.worker_memory
    assert settings.render_slots == found.slots == 2
    assert settings.cores == 1
    assert settings.block_cache_bytes == found.shares.block_cache
    assert settings.tile_cache_bytes == found.shares.tile_cache
    assert settings.max_decoded_bytes == found.shares.max_decoded


@pytest.mark.parametrize(
    ("cores", "workers", "share"), [(0.25, None, 1), (1, None, 1), (2, None, 1), (2, 1, 2), (4, 2, 2), (4, 3, 2)]
)
def test_workers_share_the_cores(cores: float, workers: int | None, share: int) -> None:
    environ = {} if workers is None else {"WEB_CONCURRENCY": str(workers)}
    exported = budget.exports(budget.plan(environ, task(cores, 4096 * MIB)), environ)
    assert exported["TILERY_CORES"] == str(share)


def test_what_the_operator_sets_stays() -> None:
    environ = {"TILERY_MAX_DECODED_BYTES": "1000000", "TILERY_TILE_CACHE_BYTES": "0", "TILERY_RENDER_SLOTS": "7"}
    exported = budget.exports(budget.plan(environ, task(1, 2048 * MIB)), environ)
    assert "TILERY_MAX_DECODED_BYTES" not in exported
    assert exported["TILERY_TILE_CACHE_BYTES"] == "0"
    assert exported["TILERY_RENDER_SLOTS"] == "7"


def test_resident_memory_of_this_process_is_plausible(tmp_path: Path) -> None:
    assert 1 * MIB < budget.resident() < 8 << 30
    assert budget.resident(tmp_path) == 0


@pytest.mark.parametrize(
    ("memory", "cores", "threads"), [(512, 0.289, 1), (1769, 1.0, 1), (3538, 2.0, 2), (10_240, 5.789, 6)]
)
def test_a_lambda_function_is_one_process_with_one_slot(
    tmp_path: Path, memory: int, cores: float, threads: int
) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory), "WEB_CONCURRENCY": "4", "WORKERS_PER_CORE": "2"}
    root = machine(tmp_path, {"proc/self/cgroup": "0::/"})
    cpus = budget._machine_cores()
    found = budget.limits(environ, root)
    assert found.memory == memory * MIB
    assert found.memory_from == "lambda"
    assert found.cores == min(cores, cpus)
    plan = budget.plan(
        environ, ContainerLimits(cores=cores, memory=memory * MIB, cores_from="lambda", memory_from="lambda")
    )
    assert (plan.workers, plan.slots, plan.cores) == (1, 1, threads)
    shares = plan.shares
    assert shares.block_cache + shares.tile_cache + shares.gdal_cache + budget.OVERHEAD < memory * MIB
    given = budget.exports(plan, environ)
    assert (given["TILERY_RENDER_SLOTS"], given["TILERY_CORES"]) == ("1", str(threads))


def test_a_lambda_function_with_too_little_memory_is_told_how_much_it_needs() -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    with pytest.raises(ImpossibleBudget, match="give the function at least 304 MiB"):
        budget.plan(environ, ContainerLimits(cores=0.07, memory=128 * MIB, cores_from="lambda", memory_from="lambda"))

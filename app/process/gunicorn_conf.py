"""How gunicorn runs the service: in the container, in compose and in ``make serve``.

Read from the environment, with the names that the well-known gunicorn image for FastAPI documents:

    WORKERS_PER_CORE   workers for each core of the task, at least one in all. Not set: two for three cores,
                       because the interpreter's lock lets one process keep one and a half cores busy
    MAX_WORKERS        never more than this
    WEB_CONCURRENCY    exactly this many workers; stops the start when they cannot fit into the memory
    HOST, PORT, BIND   where to listen: 127.0.0.1 and 8000; in the image 0.0.0.0 and 80
    LOG_LEVEL          debug, info, warning, error or critical: info
    ACCESS_LOG         a file, or - for standard output; not set: none, the load balancer writes one
    ERROR_LOG          a file, or - for standard error, which it is when not set
    TIMEOUT            seconds without a heartbeat after which a worker is killed: 60
    KEEP_ALIVE         seconds that an idle connection is kept: 75, more than the 60 of an ALB
    GRACEFUL_TIMEOUT   seconds that requests under way get to finish when the service stops: 30
    DRAIN_DELAY        seconds between SIGTERM and the end of listening, with 503 at /healthz: 0; in the image 5

Cores and memory are those of the task, not of the host (``app/process/budget.py``). Each worker finds its share of the
memory in its environment; the whole budget is one line of the log.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.errors import HaltServer

from app.config import access, advice, checks, settings
from app.config.environment import WrongVariables, written
from app.observing import endpoint, shared_counters
from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.process import budget, native, periods, ports, rate_table
from app.process.crash_guard import CrashGuard
from app.process.worker_flags import WorkerFlags
from tilery import arena

LEVELS = ("debug", "info", "warning", "error", "critical")
CRASH_LOOP = 70
"""Exit status when workers keep dying: EX_SOFTWARE of sysexits.h."""


def _seconds() -> dict[str, int]:
    """Return the variables in whole seconds; ends the start with the name of one that is none."""
    try:
        return periods.seconds(os.environ)
    except periods.WrongPeriod as problem:
        raise SystemExit(str(problem)) from None


def _plan() -> budget.WorkerPlan:
    """Return the budget of this start; ends it with the reason when there is none."""
    try:
        return budget.plan(os.environ, budget.limits(os.environ))
    except budget.ImpossibleBudget as problem:
        raise SystemExit(f"The budget of this service is impossible. {problem}") from None


def _level() -> str:
    """Return LOG_LEVEL in gunicorn's words."""
    level = (os.environ.get("LOG_LEVEL", "").strip() or "info").lower()
    if level not in LEVELS:
        raise SystemExit(f"LOG_LEVEL={level} has to be one of {', '.join(LEVELS)}.")
    return level


def _settings() -> settings.Settings:
    """Return the settings of the service; ends the start with what is wrong in them."""
    try:
        return checks.checked(settings.Settings())
    except WrongVariables as problem:
        raise SystemExit(f"The settings of this service are wrong. {problem}") from None


native.prepare(os.environ)
PLAN = _plan()
os.environ.update(budget.exports(PLAN, os.environ))

_host, _port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
bind = os.environ.get("BIND") or (f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}")
worker_class = "app.process.worker.Worker"
workers = PLAN.workers
loglevel = _level()
accesslog = os.environ.get("ACCESS_LOG") or None
errorlog = os.environ.get("ERROR_LOG") or "-"
logger_class = f"app.process.server_log.{'JsonLog' if _settings().log_format == 'json' else 'TextLog'}"
_periods = _seconds()
timeout = _periods["TIMEOUT"]
keepalive = _periods["KEEP_ALIVE"]
drain_delay = _periods["DRAIN_DELAY"]
graceful_timeout = drain_delay + _periods["GRACEFUL_TIMEOUT"] + 2
# the heartbeat is a file: memory is the place for it where there is some, the one writable directory otherwise
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes the name
control_socket_disable = True  # it would be made in the home directory, and there is none to write to

SETTINGS = _settings()

_guard = CrashGuard()


class _Counts:
    """Where the process that forks counts."""

    metrics = Metrics()


_counts = _Counts()
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def on_starting(server: Any) -> None:
    """Print the budget, look after workers that want to be replaced, and make the caches that the workers share."""
    server.log.info(PLAN.describe())
    # `tilery serve` lists files where nobody but a person at this machine can ask
    private = SETTINGS.browse and not os.environ.get("BIND") and ports.is_loopback(_host)
    advice.advise(SETTINGS, server.log.warning, private=private)
    for name, problem in checks.unknown(os.environ, written()).items():
        server.log.warning("%s: %s", name, problem)  # an older release may be started with a newer one's settings
    server.manage_workers = partial(_manage_workers, server, server.manage_workers)
    _count_together(SETTINGS)
    _limit_together(SETTINGS, server)
    if PLAN.workers == 1:
        return
    shares = PLAN.shares
    blocks, tiles = PLAN.workers * shares.block_cache, PLAN.workers * shares.tile_cache
    # numbers also for those that are on their way out while others take their places
    if not arena.share(blocks=blocks, tiles=tiles, workers=2 * PLAN.workers + 8):
        server.log.info("no locks that processes share: each worker has caches of its own")


def _count_together(chosen: settings.Settings) -> None:
    """Make what the workers count in, and listen where the numbers are asked for, if anybody wants to know them."""
    if chosen.metrics_port is None and chosen.emf_namespace is None:
        return
    shared_counters.shared = shared_counters.Table(2 * PLAN.workers + 9)
    _counts.metrics = Metrics(shared_counters.shared, shared_counters.shared.row())
    if chosen.metrics_port is None:
        return
    if str(chosen.metrics_port) == _port:
        raise SystemExit(f"TILERY_METRICS_PORT={chosen.metrics_port} is the port of the tiles: choose another.")
    try:
        endpoint.shared = endpoint.listen(chosen.metrics_host, chosen.metrics_port)
    except OSError as problem:
        place = f"TILERY_METRICS_PORT={chosen.metrics_port} at TILERY_METRICS_HOST={chosen.metrics_host}"
        raise SystemExit(f"{place} cannot be had: {problem.strerror}.") from None


def _limit_together(chosen: settings.Settings, server: Any) -> None:
    """Make what the workers count requests by caller in, if any may send only so many."""
    rules = access.rules_of(chosen)
    if rules.limited and not rate_table.share(len(rules.tokens)):
        server.log.warning("no locks that processes share: each worker counts the requests of a caller by itself")


def pre_fork(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's hook
    """Give the new worker memory in which to say how it stands, and a number in the shared caches."""
    worker.flags = WorkerFlags()
    worker.successor = None
    worker.number = arena.shared.enlist() if arena.shared is not None else None
    worker.row = shared_counters.shared.enlist() if shared_counters.shared is not None else None


def post_fork(server: Any, worker: Any) -> None:
    """Let the new worker use the shared caches, or have its own when there are more workers than numbers."""
    _heed_signals(server)
    shared_counters.own = worker.row
    if arena.shared is None or worker.number is None:
        arena.shared = None
    else:
        arena.shared.join(worker.number)


def _heed_signals(server: Any) -> None:
    """End the new worker at once when it was told to end before it could hear.

    Until a worker sets up its own signals it has those of the process that forked it, which put each signal into a
    queue that nobody reads here. A worker told to stop in that moment would go on until it is killed.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    for number in _ENDS:
        signal.signal(number, signal.SIG_DFL)
    while not server.SIG_QUEUE.empty():
        if server.SIG_QUEUE.get_nowait() in _ENDS:
            sys.exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)


def _manage_workers(server: Any, manage: Callable[[], None]) -> None:
    """Start a successor for a worker that wants one, one at a time; then do what gunicorn does, once a second."""
    _counts.metrics.set(m.WORKERS, len(server.WORKERS))
    to_replace = [worker for worker in server.WORKERS.values() if worker.flags.wants_successor]
    for worker in to_replace:
        if worker.successor is not None and worker.successor.flags.serves:
            worker.flags.succeed()
    if to_replace and server.LISTENERS and all(worker.successor is None for worker in to_replace):
        server.num_workers += 1
        to_replace[0].successor = server.WORKERS[server.spawn_worker()]
    manage()


def child_exit(server: Any, worker: Any) -> None:
    """Start a worker again that died unasked: at once, then later and later, and at last not at all."""
    if arena.shared is not None and worker.number is not None:
        arena.shared.dismiss(worker.number)
    if shared_counters.shared is not None and worker.row is not None and _counts.metrics.row is not None:
        shared_counters.shared.dismiss(worker.row, _counts.metrics.row)
    if worker.successor is not None:
        server.num_workers -= 1
    meant = worker.flags.has_announced_exit
    if meant or not server.LISTENERS:  # without listeners the whole service is on its way out
        return
    _counts.metrics.count(m.DEATHS)
    wait = _guard.died(time.monotonic())
    if wait is None:
        raise HaltServer(f"workers died {len(_guard.deaths)} times within {_guard.window:.0f} s", CRASH_LOOP)
    if wait and len(server.WORKERS) < server.num_workers:
        server.log.warning("a worker died again: the next starts in %.0f s", wait)
        server.num_workers -= 1
        timer = threading.Timer(wait, _start_one, (server,))
        timer.daemon = True
        timer.start()


def _start_one(server: Any) -> None:
    """Let the arbiter start one worker more; it does so when it wakes up."""
    server.num_workers += 1
    server.wakeup()

"""What the native libraries have to be told before they are loaded.

GDAL reads its drivers' switches when it registers them and OpenBLAS its threads when NumPy is imported: set later,
these do nothing. Whoever starts a process calls ``prepare`` first.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping

import certifi

from tilery.reading import gdal_options

THREADS = {
    "GDAL_NUM_THREADS": "1",  # a compute slot is a thread already
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Libraries that would start a thread for each of the host's cores."""

CERTIFICATES = ("GDAL_CURL_CA_BUNDLE", "PROJ_CURL_CA_BUNDLE")
"""What rasterio sets when it is imported, which is in a thread that reads the first raster. While one thread sets a
variable, no other may look one up: glibc moves the table, and GDAL's ``getenv`` reads the old one, which is free by
then. Six first requests at once have killed a worker so."""

BEHIND = 5
"""Steps of niceness of a thread that computes: it has a third of the weight of one that does not."""

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set what is not set. Has to run before NumPy and rasterio are imported."""
    for name, value in (gdal_options.SECURITY | gdal_options.READING | THREADS).items():
        environ.setdefault(name, value)
    for name in CERTIFICATES:
        environ.setdefault(name, certifi.where())
    if environ.setdefault("MALLOC_ARENA_MAX", "2").isdigit():
        limit_arenas(int(environ["MALLOC_ARENA_MAX"]))
    if not {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & environ.keys():
        keep_pages(largest=4 << 20, free=16 << 20)


@contextlib.contextmanager
def loading(environ: MutableMapping[str, str]) -> Iterator[None]:
    """While the libraries of a command are loaded, which is most of what a short one does. Before NumPy is imported.

    OpenBLAS starts no threads, which no command needs, and garbage is not looked for among what stays as long as the
    process does: together a sixth of that time.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environ.setdefault(name, THREADS[name])
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def limit_arenas(number: int) -> bool:
    """Return True when the memory allocator now keeps to so many arenas.

    glibc reads ``MALLOC_ARENA_MAX`` when a process is executed and not when it is forked; this reaches one that already
    runs. Each further arena keeps what a thread has freed: 45 MB of a busy worker.
    """
    return _mallopt((_M_ARENA_MAX, number))


def keep_pages(*, largest: int, free: int) -> bool:
    """Return True when the allocator now keeps freed blocks of up to ``largest`` bytes, and up to ``free`` bytes in
    all.

    Arrays of a tile are some hundred kB. By default such a block is given back to the kernel when it is freed, and the
    next one costs a page fault for each of its pages: a third of the time of a cubic tile.
    """
    return _mallopt((_M_MMAP_THRESHOLD, largest), (_M_TRIM_THRESHOLD, free))


def give_back() -> None:
    """Collect garbage, and give freed memory that the allocator keeps back to the system."""
    gc.collect()
    trim()


def trim() -> None:
    """Give freed memory that the allocator keeps back to the system: whole pages, also between those in use."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return  # another C library: it keeps nothing, or cannot be told


def step_back() -> None:
    """Let this thread, and those that it starts, have the processor after the others of the process.

    The event loop has little to do and much that waits for it; among threads that compute, on fewer cores than those,
    it would wait for a core each time that it is woken: a health check took 250 ms where it takes 3.
    """
    if sys.platform != "linux":
        return  # elsewhere a priority is the whole process's
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND)


def _mallopt(*options: tuple[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library: it has no such switches
    return all(bool(mallopt(*option)) for option in options)

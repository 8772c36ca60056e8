"""The switches of the native libraries are set before these are loaded, and do something."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from app.process import native
from tilery.reading import gdal_options

ASK = """
import json, os
from app.process import native
from tilery.reading import gdal_options
native.prepare(os.environ)
import rasterio
from rasterio.drivers import raster_driver_extensions
from rasterio.env import GDALVersion
with rasterio.Env() as env:
    print(json.dumps(sorted(env.drivers())))
"""


def test_what_is_set_stays() -> None:
    environ = {"GDAL_NUM_THREADS": "2", "GDAL_SKIP": "WMS", "MALLOC_ARENA_MAX": "unset"}
    native.prepare(environ)
    assert environ["GDAL_NUM_THREADS"] == "2"
    assert environ["GDAL_SKIP"] == "WMS"
    assert environ["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"


def test_network_drivers_are_gone_and_vrt_stays() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GDAL")}
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=environ, check=True)
    drivers = set(json.loads(done.stdout))
    assert not drivers & set(gdal_options.SECURITY["GDAL_SKIP"].split())
    assert {"GTiff", "VRT", "MEM"} <= drivers


def test_freed_memory_of_a_tile_is_kept_and_used_again() -> None:
    script = (
        "import json, os, resource\n"
        "from app.process import native\n"
        "print(json.dumps(native.keep_pages(largest=4 << 20, free=16 << 20)))\n"
        "import numpy\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(50):\n"
        "        numpy.ones(1 << 18, 'float32')\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults()\n"
        "print(json.dumps(faults()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    taken, faults = map(json.loads, done.stdout.split())
    if taken:  # glibc
        assert faults < 50 * 256 / 4  # an array has 256 pages


def test_what_a_command_loads_is_loaded_without_threads_and_without_looking_for_garbage() -> None:
    """In a process of its own; afterwards garbage is looked for as always, and what the user has set stays."""
    code = (
        "import gc, json, os, app.__main__\n"
        "import numpy\n"
        "print(json.dumps([len(os.listdir('/proc/self/task')), gc.isenabled(), gc.get_freeze_count() > 1000,"
        " os.environ['OPENBLAS_NUM_THREADS']]))"
    )
    environ = {name: value for name, value in os.environ.items() if name not in native.THREADS}
    for given, threads in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ | given, capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
        assert found[1:] == [True, True, threads]
        assert given or found[0] == 1

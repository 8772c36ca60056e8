"""pyproj is there as a whole for whoever asks first, in however many threads."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading
from importlib.machinery import PathFinder, SourceFileLoader
from tilery.geo import crs

found = []
second = threading.Thread(target=lambda: found.append(crs.is_plain("EPSG:32633")))


class Between(SourceFileLoader):
    def exec_module(self, module):
        # the first thread is in the middle of importing pyproj as a second one asks for a part of it
        second.start()
        second.join(0.5)
        super().exec_module(module)


class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        if name != "pyproj.network":
            return None
        spec = PathFinder.find_spec(name, path)
        spec.loader = Between(name, spec.origin)
        return spec


sys.meta_path.insert(0, Finder)
code = crs.to_pyproj(crs.parse("EPSG:3857")).to_epsg()
second.join()
print(code, *found)
"""


def test_two_threads_import_pyproj_at_once() -> None:
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert answer.stderr == ""
    assert answer.stdout.strip() == "3857 True"

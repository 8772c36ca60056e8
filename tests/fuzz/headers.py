"""The parser of TIFF headers and the look before GDAL, fuzzed by atheris: inputs that reach new branches are kept.

Run by `make fuzz-header`. Whatever is raised beside our own errors ends it, and the input is in a file then.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["tilery.reading.tiff", "tilery.reading.precheck"]):
    from tilery.reading import precheck
    from tilery.reading.tiff import facts, header
from tests.fuzz import world
from tests.fuzz.test_parsers import Bytes
from tilery.errors import TileryError
from tilery.storage.bytes.file_object import SourceFile


def once(data: bytes) -> None:
    """Parse one input in each of the ways in which a header is read."""
    source: Any = Bytes(data)
    with suppress(TileryError):
        found = header.parse(source)
        facts.profile(found)
        for level in found.levels:
            image = level.image
            blocks = image.across * image.down * image.planes
            image.ranges(source, [0, blocks // 2, blocks - 1])
    with suppress(TileryError):
        precheck.check(SourceFile(source), "GTiff")


def main() -> None:
    """Fuzz into the folder that the first argument names, from the small rasters of the other targets."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as root:
        for name, seed in world.make(Path(root)).seeds.items():
            (folder / f"{name}.tif").write_bytes(seed[:4096])
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

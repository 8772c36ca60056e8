"""The handler in a process of its own, so that what it does before anything else is imported counts."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import rasters

ROOT = Path(__file__).parents[2]
EVENTS = Path(__file__).parent / "events"

LOOP = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from app.lambda_handler import handler
exec(sys.argv[1])

class Context:
    def __init__(self, milliseconds):
        self.milliseconds = milliseconds
    def get_remaining_time_in_millis(self):
        return self.milliseconds

for line in sys.stdin:
    event, milliseconds = json.loads(line)
    print(json.dumps(handler(event, Context(milliseconds))), file=answers, flush=True)
"""


class Function:
    """The handler, called with events."""

    def __init__(self, folder: Path, memory: int = 1769, after: str = "", **environ: str) -> None:
        """Start it; ``after`` is run when the handler has been imported."""
        self.log = folder.parent / f"{folder.name}.log"
        own = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory), "TILERY_SOURCES": f"{folder}/", "PYTHONPATH": str(ROOT)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LOOP, after],
                cwd=folder,
                env=os.environ | own | environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __call__(self, event: dict[str, Any], milliseconds: int = 30_000) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([event, milliseconds]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process: by itself when there are no more events, so that its coverage counts."""
        with suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self.process.communicate(timeout=10)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("function").resolve() / "data"
    found.mkdir()
    rasters.rgb(found / "rgb.tif", size=1024)
    rasters.gradient(found / "gradient.tif")
    return found


@pytest.fixture(scope="session")
def function(folder: Path) -> Iterator[Function]:
    found = Function(folder)
    yield found
    found.close()


def recorded(kind: str, folder: Path, name: str = "rgb.tif") -> dict[str, Any]:
    """Return the recorded event of that kind, about one of the test's rasters."""
    path = str(folder / name)
    text = (EVENTS / f"{kind}.json").read_text()
    event: dict[str, Any] = json.loads(text.replace("RASTER", path).replace("ENCODED", quote(path, safe="")))
    return event


def body_of(answer: dict[str, Any]) -> bytes:
    text: str = answer.get("body") or ""
    return base64.b64decode(text, validate=True) if answer["isBase64Encoded"] else text.encode()


def header(answer: dict[str, Any], name: str) -> str | None:
    """Return a header of the answer, wherever that kind has it."""
    many = answer.get("multiValueHeaders") or {}
    if name in many:
        return ",".join(many[name])
    found: str | None = (answer.get("headers") or {}).get(name)
    return found

"""The server of this process: started when it is first needed, told what it may read, ended with the process.

It is the service of its own, ``python -m app.notebook``: a process, so that its tiles come while a cell computes, and
nothing of it is imported here, where a notebook's folder may well have an ``app.py``. It listens on loopback, below a
token that only this process knows, and hears what it may read on its standard input. Where that ends, because this
process has ended in whatever way, it ends too.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import tilery.errors as errors_
from tilery.errors import InvalidParameter, TileryError, UpstreamError
from tilery.notebook.style import Query

_HOST = "127.0.0.1"
_MODULE = "app.notebook"
_ENDING = 10.0
"""Seconds that the server has to end by itself."""
_MOMENT = 1.0
"""Seconds in which one that was ended is gone."""
_SECONDS = 120.0
"""For one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int
    prefix: str | None
    """Path by which a browser comes to that port, below JupyterHub's own address. None: by the port."""
    catalog: str | None
    """``TILERY_CATALOG``, as the service has it."""


class Tiles:
    """One server, and how it is reached. Safe under threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._token = secrets.token_urlsafe(24)
        self._sources: dict[str, None] = {}
        self._running: _Running | None = None
        self._port: int | None = None

    @property
    def process_id(self) -> int | None:
        """Of the server. None: none was needed yet."""
        return None if self._running is None else self._running.process.pid

    def allow(self, *sources: str) -> None:
        """Let sources be read, a raster and what it names, and start the server where it does not run.

        Raises:
            UpstreamError: it does not start.
        """
        with self._lock:
            new = [source for source in sources if source not in self._sources]
            self._sources.update(dict.fromkeys(new))
            running = self._running
            if running is None or _has_ended(running, 0):
                self._start()
            elif new:
                try:
                    _answer(running.process, {"sources": new})
                except UpstreamError:
                    if not _has_ended(running, _MOMENT):
                        raise
                    self._start()

    def catalog(self) -> str | None:
        """Return where the service has its layers: ``TILERY_CATALOG``."""
        return self._needed().catalog

    def root(self) -> str:
        """Return the address of the server as a browser reaches it: below a hub, a path of it."""
        running = self._needed()
        return f"{running.prefix}/{self._token}" if running.prefix else self.endpoint()

    def endpoint(self) -> str:
        """Return the address of the server as programs on this machine reach it."""
        return f"http://{_HOST}:{self._needed().port}/{self._token}"

    def port(self) -> int:
        """Return the port at which the server listens on loopback."""
        return self._needed().port

    def prefix(self) -> str | None:
        """Return the path by which a browser comes to that port, where the service knows one."""
        return self._needed().prefix

    def path(self, path: str, query: Query = ()) -> str:
        """Return a path of the server with its token, from the port on."""
        return f"/{self._token}{quote(path, safe='/{}@,:')}{f'?{urlencode(query)}' if query else ''}"

    def get(self, path: str, query: Query = ()) -> bytes:
        """Return the body of an answer.

        Raises:
            TileryError: the server refuses; of the kind and in the words in which it says so.
        """
        running = self._needed()
        try:
            status, body = _asked(running.port, self.path(path, query))
        except (OSError, http.client.HTTPException):
            try:
                if not _has_ended(running, _MOMENT):
                    raise
                status, body = _asked(self._needed().port, self.path(path, query))
            except (OSError, http.client.HTTPException):
                raise UpstreamError("The map's server does not answer. Try again.") from None
        if status >= 400:
            raise _error(body)
        return body

    def close(self) -> None:
        """End the server. It starts again when it is needed."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                _end(running.process)

    def _needed(self) -> _Running:
        with self._lock:
            running = self._running
            if running is None or _has_ended(running, 0):
                running = self._start()
            return running

    def _start(self) -> _Running:
        if self._running is not None:
            _end(self._running.process)
        # of a session of its own: what interrupts a cell does not end it
        process = subprocess.Popen(  # noqa: S603 (our own interpreter, no shell)
            command(_MODULE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        order = {"token": self._token, "port": self._port, "sources": list(self._sources)}
        try:
            answer = _answer(process, order)
        except BaseException:
            _end(process)
            raise
        self._port = int(answer["port"])
        self._running = _Running(
            process=process, port=self._port, prefix=answer["prefix"], catalog=answer.get("catalog")
        )
        return self._running


def _has_ended(running: _Running, seconds: float) -> bool:
    """Return whether a server has ended, or does so before long."""
    try:
        running.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _asked(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def command(module: str, *arguments: str) -> list[str]:
    """Return what runs a module of this very installation; the folder that a notebook is in has no say in it."""
    root = Path(__file__).parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return [sys.executable, "-P", "-m", module, *arguments]
    run = (
        f"import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module({module!r}, None, '__main__', True)"
    )
    return [sys.executable, "-P", "-c", run, str(root), *arguments]


def _answer(process: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
    """Return what the server answers to an order.

    Raises:
        UpstreamError: it cannot do it, or has ended.
    """
    if process.stdin is None or process.stdout is None:
        raise UpstreamError("The map's server cannot be told anything.")
    line = ""
    with suppress(OSError):
        process.stdin.write(f"{json.dumps(order)}\n")
        process.stdin.flush()
        line = process.stdout.readline()
    if not line:
        raise UpstreamError("The map's server did not start; its log says why.")
    found: dict[str, Any] = json.loads(line)
    if "error" in found:
        raise UpstreamError(found["error"])
    return found


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error(body: bytes) -> TileryError:
    """Return what a problem document says, as the error that it was made of."""
    try:
        found = json.loads(body)
        code, detail = str(found["code"]), str(found["detail"])
    except (ValueError, KeyError, TypeError):
        return UpstreamError("The map's server failed.")
    kinds = {
        kind.code: kind for kind in vars(errors_).values() if isinstance(kind, type) and issubclass(kind, TileryError)
    }
    return kinds.get(code, InvalidParameter)(detail, parameter=found.get("parameter"), limit=found.get("limit"))


class _OfProcess:
    """The server of this process, and of no other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiles: Tiles | None = None
        self._process = os.getpid()
        atexit.register(self._close)

    def get(self) -> Tiles:
        """Return it; a process that was forked from this one gets its own."""
        if self._process != os.getpid():
            self._lock, self._tiles, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._tiles is None:
                self._tiles = Tiles()
            return self._tiles

    def _close(self) -> None:
        if self._tiles is not None and self._process == os.getpid():
            self._tiles.close()


_OF_PROCESS = _OfProcess()


def tiles() -> Tiles:
    """Return the server of this process, which starts when it is first asked something."""
    return _OF_PROCESS.get()

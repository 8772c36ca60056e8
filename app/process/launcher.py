"""Gunicorn started for a person: says where to look once it answers, opens it, ends cleanly on Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.process.browsers import open_page
from app.process.children import ended

MAP = "/map"
"""Path of the page that shows a new user something: all layers on a map."""
_CONFIGURATION = "python:app.process.gunicorn_conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person is told, and shown, once the server answers."""

    links: Sequence[tuple[str, str]] = (("The map", MAP), ("The layers", "/layers"), ("The API", "/api.html"))
    """What each page is, and its path."""
    notes: Sequence[str] = field(default=())
    page: str | None = None
    """Path of the page that the browser opens. None: it opens none."""


def serve(host: str, port: int, environment: Mapping[str, str], say: Callable[[str], None], shown: Shown) -> int:
    """Run the server until it ends; return its exit status.

    Args:
        host: where to listen.
        port: the same.
        environment: of the server process.
        say: shows a line to the person who waits.
        shown: what is said and opened.
    """
    command = [sys.executable, "-m", "gunicorn", "-c", _CONFIGURATION]
    command += ["--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "app.main:app"]
    stopping = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _frame: Any) -> None:
        stopping.set()
        for server in started:
            server.send_signal(number)

    # before the server is there: one that is started by a shell in the background would ignore Ctrl-C until it hears
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with subprocess.Popen(command, env=dict(environment)) as server:  # noqa: S603 (our own interpreter, no shell)
        started.append(server)
        if stopping.is_set():
            server.terminate()
        threading.Thread(target=_announce, args=(host, port, server, say, shown), daemon=True).start()
        status = ended(server)
    return 0 if stopping.is_set() else status


def _announce(host: str, port: int, server: subprocess.Popen[bytes], say: Callable[[str], None], shown: Shown) -> None:
    """Show the addresses, and open the page, as soon as the server answers."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 (names them, binds nothing)
    address = f"http://{f'[{name}]' if ':' in name else name}:{port}"
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):  # noqa: S310 (our own address)
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    else:
        return
    width = max(len(title) for title, _ in shown.links) + 2
    lines = ["", *(f"  {f'{title}:':<{width}} {address}{path}" for title, path in shown.links)]
    for line in (*lines, *(f"  {note}" for note in shown.notes), "  Ctrl-C ends it.", ""):
        say(line)
    if shown.page is not None:
        open_page(f"{address}{shown.page}")

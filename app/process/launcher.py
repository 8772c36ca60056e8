"""Gunicorn started for a person: says where the map is once it answers, ends cleanly on Ctrl-C."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from app.process.children import ended

MAP = "/map"
"""Path of the page that shows a new user something: all layers on a map."""
_CONFIGURATION = "python:app.process.gunicorn_conf"
EXIT_TAKEN = 2
"""Exit status when the port is taken."""


def serve(host: str, port: int, environment: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Exit status of the server, after it has ended.

    Args:
        host: where to listen.
        port: the same.
        environment: of the server process.
        say: shows a line to the person who waits.
    """
    if not _is_free(host, port):
        say(f"Error: something listens at {host}:{port} already. Choose another port, as PORT={port + 1} make serve.")
        return EXIT_TAKEN
    command = [sys.executable, "-m", "gunicorn", "-c", _CONFIGURATION]
    command += ["--bind", f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "app.main:app"]
    stopping = threading.Event()
    with subprocess.Popen(command, env=dict(environment)) as server:  # noqa: S603 (our own interpreter, no shell)

        def stop(number: int, _frame: Any) -> None:
            if not stopping.is_set():
                stopping.set()
                server.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        threading.Thread(target=_announce, args=(host, port, server, say), daemon=True).start()
        status = ended(server)
    return 0 if stopping.is_set() else status


def _is_free(host: str, port: int) -> bool:
    """False when something listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _announce(host: str, port: int, server: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    """Show the addresses as soon as the server answers."""
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 (names them, binds nothing)
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:  # noqa: S310 (our own address)
                if answer.status == 200:
                    break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    else:
        return
    say("")
    say(f"  The map:       {address}{MAP}")
    say(f"  The layers:    {address}/layers")
    say(f"  The API:       {address}/api.html")
    say("  Ctrl-C ends it.")
    say("")

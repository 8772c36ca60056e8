"""The process of a kernel's server: what it is told on standard input, and how it ends with the kernel.

A line of JSON each way. The first one that comes has the token, a port to be preferred and the rasters that may be
read; the answer says the port. Each further one has further rasters. Where the input ends, the kernel has ended.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO
from urllib.parse import urlsplit

import uvicorn

from app.config import settings
from app.config.environment import WrongVariables
from app.notebook.application import NotebookApplication
from tilery.errors import TileryError
from tilery.storage.policy import WrongSourcesError

HOST = "127.0.0.1"
_HUB = "JUPYTERHUB_SERVICE_PREFIX"
"""JupyterHub's variable: path of this user's Jupyter server, below which jupyter-server-proxy is."""
_EDITOR = "VSCODE_PROXY_URI"
"""Variable of code-server and its like, VS Code in a browser: ``https://host/proxy/{{port}}/``."""
_PORT = "{{port}}"
_LOOK = 1.0
"""Seconds between looks at whether the kernel is still there: a process that it forked may hold the input open."""
_LAST = 5.0
"""Seconds that answers under way have when the kernel has ended."""


def main() -> None:
    """Serve until the kernel ends."""
    parent, orders, answers = os.getppid(), sys.stdin, os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    first = orders.readline()
    if not first:
        return
    try:
        order = json.loads(first)
        listening = _listening(order.get("port"))
        port = int(listening.getsockname()[1])
        prefix = _behind(port)
        application = NotebookApplication(order["token"], prefix)
        application.allow(order["sources"])
    except (OSError, TileryError, WrongSourcesError, WrongVariables) as error:
        _say(answers, {"error": str(error)})
        return
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            access_log=False,
            log_level="error",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(_LAST),
        )
    )
    _say(answers, {"port": port, "prefix": prefix, "catalog": settings.get().catalog})
    threading.Thread(target=_obey, args=(orders, answers, application, server, parent), daemon=True).start()
    server.run(sockets=[listening])


def _listening(preferred: int | None) -> socket.socket:
    """Return a socket that listens, at the preferred port where that is free: addresses in a notebook name it."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, preferred or 0))
    except OSError:
        if not preferred:
            raise
        found.bind((HOST, 0))
    found.listen(128)
    return found


def _behind(port: int) -> str | None:
    """Return the path by which a browser comes to a port here, where a hub's or an editor's variable says it."""
    if hub := settings.environment(_HUB):
        return f"{hub.rstrip('/')}/proxy/{port}"
    path = urlsplit(settings.environment(_EDITOR) or "").path
    return path.replace(_PORT, str(port)).rstrip("/") if _PORT in path else None


def _obey(
    orders: TextIO, answers: TextIO, application: NotebookApplication, server: uvicorn.Server, parent: int
) -> None:
    """Do what the kernel says until it ends; then end the server."""
    while os.getppid() == parent:
        if not select.select([orders], [], [], _LOOK)[0]:
            continue
        line = orders.readline()
        if not line:
            break
        _say(answers, _allowed(application, json.loads(line)))
    server.should_exit = True
    threading.Timer(_LAST + _LOOK, os._exit, (0,)).start()  # native code may hang, and nobody is left to mind


def _allowed(application: NotebookApplication, order: Any) -> dict[str, Any]:
    try:
        application.allow(order["sources"])
    except (TileryError, WrongSourcesError) as error:
        return {"error": str(error)}
    return {}


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # the kernel has ended, which is seen elsewhere
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()

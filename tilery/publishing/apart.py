"""Work in a process of its own, for calls into GDAL that hold the interpreter until they are done.

The bars go on moving meanwhile, Ctrl-C works at once, and what the call took of memory is given back when it ends.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tilery.errors import TileryError

WORTH_IT = 8 << 20
"""Bytes of a file from which on a process of its own, which takes a second to start, is worth it."""


def apart_if_large(path: Path, function: Callable[..., None], *arguments: Any) -> None:
    """Do what `apart` does for a large file; for a small one run the function here."""
    if path.stat().st_size >= WORTH_IT:
        apart(function, *arguments)
    else:
        function(*arguments)


def apart(function: Callable[..., None], *arguments: Any) -> None:
    """Run the function in a process of its own.

    Args:
        function: a module's own function; it returns nothing.
        *arguments: whatever can be pickled.

    Raises:
        TileryError: the one that the function raised; or that its process died, as it does when memory is short.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        try:
            failure: TileryError | None = receiver.recv()
        except EOFError:
            process.join()
            raise TileryError(
                "A step was killed from outside; the usual reason is that memory ran out.",
                private=f"{function.__name__} ended with {process.exitcode}",
            ) from None
        process.join()
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        receiver.close()
    if failure is not None:
        raise failure


def _run(sender: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    failure: TileryError | None = None
    try:
        function(*arguments)
    except TileryError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 (a crash in here is told to whoever waits, with its text for the log)
        failure = TileryError("A step failed.", private=f"{type(error).__name__}: {error}")
    sender.send(failure)
    sender.close()

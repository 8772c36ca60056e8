"""Work in a process of its own, for calls into GDAL that hold the interpreter until they are done.

The bars go on moving meanwhile, Ctrl-C works at once, and what the call took of memory is given back when it ends.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from tilery.errors import TileryError
from tilery.publishing.progress import Advance

WORTH_IT = 8 << 20
"""Bytes of a file from which on a process of its own, which takes a second to start, is worth it."""

_Result = TypeVar("_Result")


def apart_if_large(path: Path, function: Callable[..., None], *arguments: Any) -> None:
    """Do what `apart` does for a large file; for a small one run the function here."""
    if path.stat().st_size >= WORTH_IT:
        apart(function, *arguments)
    else:
        function(*arguments)


def apart(function: Callable[..., _Result], *arguments: Any, advance: Advance | None = None) -> _Result:
    """Run the function in a process of its own, and return what it returns.

    Args:
        function: a module's own function; its result can be pickled.
        *arguments: whatever can be pickled.
        advance: called here with what the function calls its ``advance`` with. None: it takes none.

    Raises:
        TileryError: the one that the function raised; or that its process died, as it does when memory is short.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments, advance is not None), daemon=True)
    process.start()
    sender.close()
    try:
        try:
            while isinstance(told := receiver.recv(), int):
                if advance is not None:
                    advance(told)
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
    if isinstance(told, TileryError):
        raise told
    result: _Result = told[0]
    return result


def _run(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], tells: bool) -> None:
    """Send integers for what is done, then a failure, or the result in a tuple."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        result = function(*arguments, advance=sender.send) if tells else function(*arguments)
        sender.send((result,))
    except TileryError as error:
        sender.send(error)
    except Exception as error:  # noqa: BLE001 (a crash in here is told to whoever waits, with its text for the log)
        sender.send(TileryError("A step failed.", private=f"{type(error).__name__}: {error}"))
    sender.close()

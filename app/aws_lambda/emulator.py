"""Answers on this machine as AWS's Runtime Interface Emulator does, where there is no Lambda.

    python -m app.aws_lambda.emulator app.lambda_handler.handler
    curl -d @event.json http://localhost:8080/2015-03-31/functions/function/invocations

AWS's own images have that emulator in them, and start it where ``AWS_LAMBDA_RUNTIME_API`` is not set; ours has this
one. The function runs under AWS's own runtime client in a process of its own and gets one event at a time. In Lambda
nothing of this is loaded. Standard library only.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, https://docs.aws.amazon.com/lambda/latest/dg/images-test.html,
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (how a function ends).
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.process.children import ended

INVOKE = "/2015-03-31/functions/function/invocations"
RUNTIME = "/2018-06-01/runtime"
TIMEOUT = 300.0
"""Seconds that an event may take, unless ``AWS_LAMBDA_FUNCTION_TIMEOUT`` says otherwise; the emulator's own default."""
SHUTDOWN = 2.0
"""Seconds that a function has to end when it is told to; Lambda kills it then."""
FUNCTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "test_function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_REGION": "us-east-1",
}
"""What Lambda tells a function of itself, where the caller has not set it."""


class Invocation:
    """One event and its answer."""

    def __init__(self, event: bytes) -> None:
        """Wait for the function to take ``event``."""
        self.id, self.event = str(uuid.uuid4()), event
        self.answer = b""
        self.done = threading.Event()

    def end(self, answer: bytes) -> None:
        """Keep the first answer."""
        if not self.done.is_set():
            self.answer = answer
            self.done.set()


class Emulator:
    """The events that wait, and the one that the function has."""

    def __init__(self, seconds: float) -> None:
        """Give each event so many seconds."""
        self.seconds = seconds
        self.waiting: queue.Queue[Invocation] = queue.Queue()
        self.current: Invocation | None = None
        self._turn = threading.Lock()

    def invoke(self, event: bytes) -> bytes:
        """Return what the function answers, or Lambda's words for why it does not."""
        with self._turn:
            invocation = Invocation(event)
            self.waiting.put(invocation)
            if not invocation.done.wait(self.seconds):
                text = f"{invocation.id} Task timed out after {self.seconds:.2f} seconds"
                invocation.end(_error("Sandbox.Timedout", text))
            return invocation.answer

    def take(self) -> Invocation:
        """Return the next event that somebody still waits for."""
        while True:
            self.current = self.waiting.get()
            if not self.current.done.is_set():
                return self.current

    def fail(self, kind: str, text: str) -> None:
        """End the event that the function has, or the one that waits for it."""
        for invocation in (self.current, *self.waiting.queue):
            if invocation is not None:
                invocation.end(_error(kind, text))


def _error(kind: str, text: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": text}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    emulator: Emulator

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers, and functions that end, break off as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def read(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _InvokeApi(_Handler):
    """Where events come in."""

    def do_POST(self) -> None:
        """Answer one event."""
        event = self.read()
        if self.path.partition("?")[0] != INVOKE:
            return self.reply(404, _error("NotFound", f"POST an event to {INVOKE}"))
        try:
            json.loads(event or b"{}")
        except ValueError:
            return self.reply(400, _error("InvalidRequestContentException", "the event is not JSON"))
        return self.reply(200, self.server.emulator.invoke(event or b"{}"))


class _RuntimeApi(_Handler):
    """What the runtime client asks."""

    def do_GET(self) -> None:
        """Hand over the next event."""
        if self.path != f"{RUNTIME}/invocation/next":
            return self.reply(404)
        invocation = self.server.emulator.take()
        deadline = int(1000 * (time.time() + self.server.emulator.seconds))
        return self.reply(
            200,
            invocation.event,
            Lambda_Runtime_Aws_Request_Id=invocation.id,
            Lambda_Runtime_Deadline_Ms=str(deadline),
            Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:us-east-1:012345678912:function:test_function",
        )

    def do_POST(self) -> None:
        """Take an answer, or what went wrong."""
        body, invocation = self.read(), self.server.emulator.current
        if self.path == f"{RUNTIME}/init/error":
            self.server.emulator.fail("Runtime.InitError", body.decode(errors="replace"))
        elif invocation is not None and f"/{invocation.id}/" in self.path:
            invocation.end(body)
        else:
            return self.reply(404)
        return self.reply(202)


def _serve(handler: type[_Handler], address: tuple[str, int], emulator: Emulator) -> int:
    server = _Server(address, handler)
    server.emulator = emulator
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tell the function to end, and kill it when it does not: one with a handler of its own for the signal does not get
    to it while the runtime client waits for the next event.
    """
    process.terminate()
    killer = threading.Timer(SHUTDOWN, process.kill)
    killer.daemon = True
    killer.start()


def main() -> None:
    """Start the function and the door; ends when the function ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("handler", nargs="?", default="app.lambda_handler.handler")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    emulator = Emulator(float(os.environ.get("AWS_LAMBDA_FUNCTION_TIMEOUT") or TIMEOUT))
    inner = _serve(_RuntimeApi, ("127.0.0.1", 0), emulator)
    command = [sys.executable, "-m", "awslambdaric", arguments.handler]
    environ = FUNCTION | os.environ | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{inner}"}
    process = subprocess.Popen(command, env=environ)  # noqa: S603 - ours
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(process))
    # in a container, whose ports are reached from outside only where somebody has asked for it
    _serve(_InvokeApi, ("0.0.0.0", arguments.port), emulator)  # noqa: S104 - a container is asked from outside
    status = ended(process)
    emulator.fail("Runtime.ExitError", f"the function has ended with {status}")
    time.sleep(0.2)  # whoever waits is told
    sys.exit(1 if status > 0 else 0)


if __name__ == "__main__":
    main()

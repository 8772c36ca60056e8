"""AWS Lambda on this machine: the real Runtime API over loopback HTTP, and fronts that speak HTTP.

A function's process, with AWS's own runtime client (``awslambdaric``), cannot tell it from Lambda; what asks over HTTP
cannot tell it from API Gateway, a Function URL or a load balancer.

    with LambdaRuntime([sys.executable, "-m", "awslambdaric", "app.lambda_handler.handler"],
                       environ={"TILERY_SOURCES": "/data/"}, memory=1769) as runtime:
        url = runtime.front("http-api")            # "http://127.0.0.1:41233"; made once for each kind
        urllib.request.urlopen(url + "/healthz")   # becomes an event, its answer becomes HTTP again
        runtime.invoke(event)                      # a raw event; returns Invocation: .result, .error, .seconds

The command is one execution environment and gets ``AWS_LAMBDA_RUNTIME_API`` and what else Lambda sets; a container's
does too: ``["docker", "run", "--rm", "--init", "--network", "host", "-e", "AWS_LAMBDA_RUNTIME_API", …]``. As in Lambda
it handles one request at a time; ``environments=2`` starts more. One that dies fails its request and is replaced.

    Kinds:  http-api        API Gateway HTTP API, payload 2.0 (the default)
            http-api-v1     the same with payload 1.0, and the REST API
            function-url    Lambda Function URL
            alb, alb-multi  load balancer, without and with multi-value headers

The limits are Lambda's: 6 MB for an event and for an answer as JSON, 1 MB behind a load balancer, the function's
timeout. What AWS answers with 502 is 502 here; ``X-Error-Type`` says why.

On a command line, with everything of the environment handed on:

    python tests/support/lambda_runtime.py --port 9000 --kind alb -- python -m awslambdaric app.lambda_handler.handler

Standard library only. Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, and for the events
services-apigateway, urls-invocation and services-alb there.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

KINDS = ("http-api", "http-api-v1", "function-url", "alb", "alb-multi")
PAYLOAD = 6 << 20
"""Bytes of an event, and of an answer as JSON."""
SLACK = 100
"""Lambda's message names 6,291,556 bytes as its limit for answers."""
ALB_PAYLOAD = 1 << 20
ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:local"
TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/geo+json")
"""Types of request bodies that fronts hand over as text."""

Event = dict[str, Any]


class Invocation:
    """One event and what became of it."""

    def __init__(self, event: Any, timeout: float) -> None:
        self.id = str(uuid.uuid4())
        self.body = json.dumps(event).encode()
        self.timeout = timeout
        self.result: bytes | None = None
        """What the function returned, as JSON."""
        self.error: dict[str, Any] | None = None
        """What went wrong, in Lambda's words: ``errorType``, ``errorMessage``."""
        self.begun = self.ended = 0.0
        self.deadline = 0.0
        self._done = threading.Event()

    @property
    def seconds(self) -> float:
        """From its hand-over to the answer."""
        return self.ended - self.begun

    def begin(self) -> None:
        """Note that an environment has it now."""
        self.begun, self.deadline = time.monotonic(), time.time() + self.timeout

    def end(self, *, result: bytes | None = None, error: dict[str, Any] | None = None) -> None:
        """Keep the first outcome."""
        if not self._done.is_set():
            self.ended, self.result, self.error = time.monotonic(), result, error
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Return True once it has an outcome."""
        return self._done.wait(seconds)

    def value(self) -> Any:
        """Return what the function returned.

        Raises:
            RuntimeError: it failed.
        """
        if self.result is None:
            raise RuntimeError(f"the function failed: {self.error}")
        return json.loads(self.result)


class LambdaRuntime:
    """Execution environments and their fronts. They run while its context does."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        memory: int = 1769,
        timeout: float = 30.0,
        environments: int = 1,
        stage: str = "",
        snapstart: bool = False,
        log: Path | None = None,
        inherit: bool = True,
    ) -> None:
        """Start environments on the first entry of the context.

        Args:
            command: of one environment.
            environ: variables beside the machine's and Lambda's.
            cwd: where it runs: in Lambda /var/task.
            memory: MB, as Lambda tells the function; not enforced.
            timeout: seconds of one request.
            environments: processes.
            stage: of the HTTP API, when it is not ``$default``: the first part of every path.
            snapstart: as after a restore from a snapshot: the runtime's hooks run.
            log: file that gets what the environments write; standard error otherwise.
            inherit: hand this process's environment on.
        """
        self.command = list(command)
        self.timeout, self.stage, self.snapstart = timeout, stage, snapstart
        self.environ = (dict(os.environ) if inherit else {}) | {
            "AWS_LAMBDA_FUNCTION_NAME": "local",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/local",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snapstart else "on-demand",
            **(environ or {}),
        }
        self.cwd, self.log = cwd, log
        self.waiting: queue.Queue[Invocation] = queue.Queue()
        self.stopping = False
        self.restored = 0
        """Environments that were restored from a snapshot."""
        self.failures: list[dict[str, Any]] = []
        """What environments reported while they started."""
        self._number = environments
        self._environments: list[_Environment] = []
        self._fronts: dict[str, _Server] = {}

    def __enter__(self) -> Self:
        self._environments = [_Environment(self) for _ in range(self._number)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the environments and close the fronts."""
        self.stopping = True
        for environment in self._environments:
            environment.end()
        for server in self._fronts.values():
            server.shutdown()
            server.server_close()

    def front(self, kind: str = "http-api", port: int = 0) -> str:
        """Return the address of a front of that kind, opened by the first call."""
        if kind not in KINDS:
            raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
        if kind not in self._fronts:
            server = _Server(("127.0.0.1", port), _Front)
            server.runtime, server.kind = self, kind
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._fronts[kind] = server
        return f"http://127.0.0.1:{self._fronts[kind].server_address[1]}"

    def invoke(self, event: Any) -> Invocation:
        """Return what became of an event; waits as long as the function may take, and for its start."""
        invocation = Invocation(event, self.timeout)
        self.waiting.put(invocation)
        limit = time.monotonic() + self.timeout + 30
        while not invocation.wait(0.05):
            if self.stopping or time.monotonic() > limit or (invocation.begun and self._late(invocation)):
                message = f"Task timed out after {self.timeout:.2f} seconds"
                invocation.end(error={"errorType": "Sandbox.Timedout", "errorMessage": message})
        return invocation

    def pids(self) -> list[int]:
        """Process ids of the environments."""
        return [environment.process.pid for environment in self._environments]

    def _late(self, invocation: Invocation) -> bool:
        return time.monotonic() - invocation.begun > self.timeout


class _Environment:
    """One execution environment: a Runtime API of its own, and the process that asks it for work."""

    def __init__(self, runtime: LambdaRuntime) -> None:
        self.runtime = runtime
        self.current: Invocation | None = None
        self.server = _Server(("127.0.0.1", 0), _RuntimeApi)
        self.server.environment = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self) -> None:
        environ = self.runtime.environ | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_address[1]}"}
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self.runtime.log.open("ab")) if self.runtime.log else None
            self.process = subprocess.Popen(
                self.runtime.command,
                env=environ,
                cwd=self.runtime.cwd,
                stdout=log or sys.stderr,
                stderr=log or sys.stderr,
            )

    def take(self) -> Invocation | None:
        """Return the next invocation, once there is one; None when the process that wants it has died meanwhile."""
        asking = self.process
        while asking.poll() is None and not self.runtime.stopping:
            with contextlib.suppress(queue.Empty):
                invocation = self.runtime.waiting.get(timeout=0.05)
                if asking.poll() is not None:
                    self.runtime.waiting.put(invocation)
                    return None
                self.current = invocation
                invocation.begin()
                return invocation
        return None

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.server.shutdown()
        self.server.server_close()

    def _watch(self) -> None:
        """Replace the process when it dies, as Lambda does."""
        while True:
            status = self.process.wait()
            if self.runtime.stopping:
                return
            if self.current is not None:
                self.current.end(error={"errorType": "Runtime.ExitError", "errorMessage": f"exit status {status}"})
                self.current = None
            time.sleep(0.3)
            if not self.runtime.stopping:
                self.start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    runtime: LambdaRuntime
    kind: str
    environment: _Environment

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients, and environments that end, break off as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # the head and the body of an answer in one packet
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def body(self) -> bytes:
        """Return the request's body, whole or in chunks: the runtime client of C++ sends chunks."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def reply(self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in {204, 304}:
            self.wfile.write(body)


class _RuntimeApi(_Handler):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    def do_GET(self) -> None:
        environment = self.server.environment
        if self.path.endswith("/runtime/restore/next"):
            environment.runtime.restored += 1
            return self.reply(200)
        if not self.path.endswith("/runtime/invocation/next"):
            return self.reply(404)
        invocation = environment.take()
        if invocation is None:
            self.close_connection = True
            return None
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", str(int(invocation.deadline * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", ARN),
            ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"),
        ]
        return self.reply(200, invocation.body, headers)

    def do_POST(self) -> None:
        body, environment = self.body(), self.server.environment
        runtime, invocation = environment.runtime, environment.current
        if self.path.endswith(("/runtime/init/error", "/runtime/restore/error")):
            runtime.failures.append(json.loads(body or b"{}"))
            if invocation is None:
                with contextlib.suppress(queue.Empty):  # Lambda fails the request that it started the process for
                    runtime.waiting.get_nowait().end(error=runtime.failures[-1])
        elif invocation is None or f"/{invocation.id}/" not in self.path:
            return self.reply(404)
        elif self.path.endswith("/response"):
            if len(body) > PAYLOAD + SLACK:
                message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD + SLACK} bytes)."
                invocation.end(error={"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})
                return self.reply(413, b"{}")
            invocation.end(result=body)
        elif self.path.endswith("/error"):
            invocation.end(error=json.loads(body or b"{}"))
        else:
            return self.reply(404)
        return self.reply(202, b'{"status":"OK"}')


class _Front(_Handler):
    """What stands in front of a function: API Gateway, a Function URL or a load balancer."""

    def do_GET(self) -> None:
        runtime, kind = self.server.runtime, self.server.kind
        body = self.body()
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        event = make_event(kind, self.command, self.path, headers, body, stage=runtime.stage)
        if len(json.dumps(event)) > PAYLOAD or (kind.startswith("alb") and len(body) > ALB_PAYLOAD):
            return self.reply(413, b'{"message":"Request Too Long"}')
        invocation = runtime.invoke(event)
        took = [("X-Lambda-Ms", f"{1000 * invocation.seconds:.1f}")]
        if invocation.result is None:
            said = [*took, ("X-Error-Type", str((invocation.error or {}).get("errorType")))]
            late = said[-1][1] == "Sandbox.Timedout" and kind.startswith("http-api")
            return self.reply(504 if late else 502, b'{"message":"Internal Server Error"}', said)
        try:
            status, found, data = make_answer(kind, invocation.result)
        except (ValueError, TypeError) as problem:
            return self.reply(502, b"", [*took, ("X-Error-Type", str(problem))])
        return self.reply(status, data, [*found, *took])

    do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_GET


def make_event(
    kind: str, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b"", *, stage: str = ""
) -> Event:
    """Return the event that this front makes of a request.

    Args:
        kind: one of ``KINDS``.
        method: of the request.
        target: path and query as they arrived.
        headers: names in small letters.
        body: of the request.
        stage: of the HTTP API, part of the path when given.
    """
    url = urlsplit(target)
    host = next((value for name, value in headers if name == "host"), "localhost")
    is_text = not body or dict(headers).get("content-type", "").startswith(TEXT)
    text = body.decode("utf-8", "replace") if is_text else base64.b64encode(body).decode()
    behind = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")]
    given = [*(pair for pair in headers if not pair[0].startswith("x-forwarded-")), *behind]
    event: Event
    if kind in {"http-api", "function-url"}:
        event = _event_2(kind, method, url.path, url.query, given, host, stage)
        if body:
            event["body"] = text
    elif kind == "http-api-v1":
        event = _event_1(method, url.path, url.query, given, host, stage) | {"body": text or None}
    else:
        event = _event_alb(method, url.path, url.query, given, multi=kind == "alb-multi") | {"body": text}
    return event | {"isBase64Encoded": not is_text}


def _event_2(
    kind: str, method: str, path: str, query: str, headers: list[tuple[str, str]], host: str, stage: str
) -> Event:
    joined = _joined(headers)
    cookies = [part.strip() for part in joined.pop("cookie", "").split(";") if part.strip()]
    place = f"/{stage}" if stage and kind == "http-api" else ""
    decoded = place + unquote(path)
    http = {
        "method": method, "path": decoded, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
        "userAgent": joined.get("user-agent", ""),
    }  # fmt: skip
    event: Event = {
        "version": "2.0", "routeKey": "$default", "rawPath": decoded, "rawQueryString": query, "headers": joined,
        "requestContext": {
            "accountId": ACCOUNT if kind == "http-api" else "anonymous", "apiId": "local", "domainName": host,
            "domainPrefix": host.partition(".")[0], "http": http, "requestId": str(uuid.uuid4()),
            "routeKey": "$default", "stage": stage or "$default", "time": "26/Nov/2026:12:00:00 +0000",
            "timeEpoch": int(time.time() * 1000),
        },
    }  # fmt: skip
    if cookies:
        event["cookies"] = cookies
    if query:
        values: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            values[name] = f"{values[name]},{value}" if name in values else value
        event["queryStringParameters"] = values
    return event


def _event_1(method: str, path: str, query: str, headers: list[tuple[str, str]], host: str, stage: str) -> Event:
    pairs = parse_qsl(query, keep_blank_values=True)
    place = f"/{stage}" if stage else ""
    return {
        "version": "1.0", "resource": "/{proxy+}", "path": place + unquote(path), "httpMethod": method,
        "headers": dict(headers), "multiValueHeaders": _multi(headers),
        "queryStringParameters": dict(pairs) or None, "multiValueQueryStringParameters": _multi(pairs) or None,
        "pathParameters": {"proxy": unquote(path).lstrip("/")}, "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT, "apiId": "local", "domainName": host, "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": dict(headers).get("user-agent")},
            "path": place + unquote(path), "protocol": "HTTP/1.1", "requestId": str(uuid.uuid4()),
            "resourcePath": "/{proxy+}", "stage": stage or "$default",
        },
    }  # fmt: skip


def _event_alb(method: str, path: str, query: str, headers: list[tuple[str, str]], *, multi: bool) -> Event:
    """Return a load balancer decodes neither the path nor the query."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    event: Event = {
        "requestContext": {
            "elb": {"targetGroupArn": f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/local/1"}
        },
        "httpMethod": method,
        "path": path,
    }
    if multi:
        return event | {"multiValueHeaders": _multi(headers), "multiValueQueryStringParameters": _multi(pairs)}
    return event | {"headers": dict(headers), "queryStringParameters": dict(pairs)}


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _multi(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def make_answer(kind: str, payload: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body that this front makes of what the function returned.

    Raises:
        ValueError: AWS would answer 502.
    """
    result = json.loads(payload)
    two = kind in {"http-api", "function-url"}
    if two and (not isinstance(result, dict) or "statusCode" not in result):
        return 200, [("content-type", "application/json")], payload
    if not isinstance(result, dict) or not isinstance(result.get("statusCode"), int):
        raise ValueError("no integer statusCode")  # noqa: TRY004 - the front has one word for all of it
    if kind.startswith("alb") and len(payload) > ALB_PAYLOAD:
        raise ValueError("the answer is larger than the load balancer's 1 MB")
    if kind == "alb-multi" and "multiValueHeaders" not in result:
        raise ValueError("multi-value headers are on and there are none")
    headers = [] if kind == "alb-multi" else list((result.get("headers") or {}).items())
    if kind in {"alb-multi", "http-api-v1"}:
        many = result.get("multiValueHeaders") or {}
        headers = [pair for pair in headers if pair[0] not in many]
        headers += [(name, value) for name, values in many.items() for value in values]
    if two:
        headers += [("set-cookie", cookie) for cookie in result.get("cookies") or []]
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in headers):
        raise ValueError("a header is no text")
    body = result.get("body") or ""
    data = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
    own = {"content-length", "transfer-encoding", "connection"}
    return result["statusCode"], [pair for pair in headers if pair[0].lower() not in own], data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--kind", choices=KINDS, default="http-api")
    parser.add_argument("--environments", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--memory", type=int, default=int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")))
    parser.add_argument("--stage", default="")
    parser.add_argument("--cwd")
    parser.add_argument("--snapstart", action="store_true")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with LambdaRuntime(
        asked.command, cwd=asked.cwd, memory=asked.memory, timeout=asked.timeout, environments=asked.environments,
        stage=asked.stage, snapstart=asked.snapstart,
    ) as runtime:  # fmt: skip
        print(f"{runtime.front(asked.kind, asked.port)} as {asked.kind}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()

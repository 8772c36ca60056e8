"""What the services in front of an AWS Lambda function say of a request, and how large an answer they carry.

Mangum makes a request of an event and an event's answer of a response. Here is what it leaves to the application: who
asked, below which path we are, which host may be believed, and that an answer has to fit.

    who asked   API Gateway and Function URLs name the address that connected to them. Of a load balancer it is the last
                one of ``X-Forwarded-For``: those before it are whatever the caller wrote.
    the path    an API's stage is the first part of the path that callers write, and of every link.
    the host    API Gateway and Function URLs lead by their host name, so the one in the event is true. A load balancer
                takes any: for shared caches links then need ``TILERY_PUBLIC_URL`` or ``TILERY_ALLOWED_HOSTS``.
    the size    an answer is JSON of 6 MB at most, with binary bodies in base64, and of 1 MB behind a load balancer.
                What would be larger is refused with 413: before the work where a picture's size tells (see
                ``app.serving.render``), else once it is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from tilery.errors import AnswerTooLarge
from tilery.limits import answer_size

ANSWER = 6 << 20
"""Bytes of an answer as JSON: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
ANSWER_BEHIND_BALANCER = 1 << 20
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html."""
HEAD = 8 << 10
"""Bytes of an answer that are left for its status and headers."""
TEXT = (
    "text/",
    "application/json",
    "application/geo+json",
    "application/schema+json",
    "application/javascript",
    "application/xml",
    "application/vnd.oai.openapi",
)
"""What is handed over as text; everything else as base64."""
_HANDED_ON = b"x-viewer-authorization"
"""Where CloudFront's edge writes a caller's Authorization: the header itself has CloudFront's signature."""
_KEPT_HEADERS = (b"access-control-", b"vary", b"x-request-id")
"""Headers of an answer that stay when a refusal takes its place."""


class LambdaAdapter:
    """The application, as it is called by way of Mangum."""

    def __init__(self, app: ASGIApp) -> None:
        """Lead into ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        event: Mapping[str, Any] = scope["aws.event"]
        scope = {name: value for name, value in scope.items() if not name.startswith("aws.")} | place(event, scope)
        scope["headers"] = _with_authorization(scope["headers"])
        most = ANSWER_BEHIND_BALANCER if is_balancer(event) else ANSWER
        with answer_size.limit(body_limit(most)):
            await self.app(scope, receive, _SizeGuard(send, most))


def _with_authorization(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers with the caller's own Authorization, where CloudFront's edge has handed it on."""
    handed_on = next((value for name, value in headers if name == _HANDED_ON), None)
    if handed_on is None:
        return headers
    return [*((n, v) for n, v in headers if n not in (b"authorization", _HANDED_ON)), (b"authorization", handed_on)]


def is_balancer(event: Mapping[str, Any]) -> bool:
    """Return True when the event comes from a load balancer."""
    return "elb" in event["requestContext"]


def body_limit(most: int) -> int:
    """Return bytes that a binary body may have so that the answer fits: base64 makes four of three."""
    return (most - HEAD) // 4 * 3


def place(event: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return what of the scope is to be different: ``client``, ``server``, ``root_path`` and ``scheme``."""
    if is_balancer(event):
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        nearest = forwarded[-1].decode("latin-1").rpartition(",")[2].strip() if forwarded else ""
        return {"client": (nearest, 0) if nearest else None, "server": None}
    context = event["requestContext"]
    host = context.get("domainName") or ""
    return {"server": (host.lower(), 443) if host else None, "root_path": _stage(event, host)}


def _stage(event: Mapping[str, Any], host: str) -> str:
    """Return the part of the path that the API's stage is, as ``/dev``; nothing where callers do not write it.

    A REST API leaves the stage out of ``path`` and has it in its context; an HTTP API has it in the path. Under a host
    name of one's own the stage is no part of the path.
    """
    context = event["requestContext"]
    path: str = event.get("path") or event.get("rawPath") or ""
    whole: str = context.get("path") or ""
    if len(whole) > len(path) and whole.endswith(path):
        return whole[: len(whole) - len(path)].rstrip("/")
    stage: str = context.get("stage") or "$default"
    if stage == "$default" or ".execute-api." not in f"{host}.":
        return ""
    return f"/{stage}" if path == f"/{stage}" or path.startswith(f"/{stage}/") else ""


class _SizeGuard:
    """Sends an answer on when it is whole and fits, and a refusal in its place when it does not."""

    def __init__(self, send: Send, most: int) -> None:
        self._send = send
        self._most = most
        self._start: Message = {}
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(self._parts)
        headers = list(self._start["headers"])
        # a byte of text is six of JSON at most
        if len(body) > self._most // 8 and weight(body, headers) > self._most - HEAD:
            self._start, body = _refusal(headers, self._most)
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def weight(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return bytes that a body takes in the answer's JSON: as base64, or as text with what has to be escaped."""
    media_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), "")
    if any(name in media_type for name in TEXT):
        try:
            return len(json.dumps(body.decode()))
        except UnicodeDecodeError:
            pass  # compressed
    return -(-len(body) // 3) * 4


def _refusal(headers: list[tuple[bytes, bytes]], most: int) -> tuple[Message, bytes]:
    request_id = next((value.decode("latin-1") for name, value in headers if name == b"x-request-id"), "")
    answer = problems.of_error(too_large(body_limit(most)), request_id)
    passed_on = [pair for pair in headers if pair[0].startswith(_KEPT_HEADERS)]
    start = {"type": "http.response.start", "status": answer.status_code, "headers": [*answer.raw_headers, *passed_on]}
    return start, bytes(answer.body)


def too_large(most: float) -> AnswerTooLarge:
    """Return the error of an answer that was made and does not fit."""
    return AnswerTooLarge(
        f"The answer is larger than the {most / 1e6:.1f} MB that can be sent from here. Ask for a smaller picture, or "
        "for a format that compresses more.",
        limit=int(most),
    )

"""Failures as documents: ``{"code", "detail", "parameter"?, "limit"?, "errors"?, "request_id"}``.

``detail`` is a sentence, which TiTiler's clients show; ``errors`` has what FastAPI's validation would say, one by one.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from starlette.responses import Response

from app.observing import request
from tilery.errors import InvalidParameter, TileryError

logger = logging.getLogger("tilery.request")

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str).encode
_CODES = {404: "not_found", 405: "method_not_allowed", 401: "unauthorized", 400: "bad_request"}


def document(error: TileryError, request_id: str) -> dict[str, Any]:
    """Return what the caller is told of a failure."""
    body: dict[str, Any] = {"code": error.code, "detail": error.detail}
    if error.parameter is not None:
        body["parameter"] = error.parameter
    if error.limit is not None:
        body["limit"] = error.limit
    if isinstance(error, InvalidParameter):
        body["errors"] = list(error.errors) or [
            {"type": "value_error", "loc": ["query", error.parameter or "query"], "msg": error.detail, "input": None}
        ]
    body["request_id"] = request_id
    return body


def of_error(error: TileryError, request_id: str) -> Response:
    """Return the answer to a request that failed; what only the operator may know goes to the log."""
    let_go(error)
    note(error.code, error.parameter if error.limit is not None else None)
    if error.status >= 500 or error.private:
        level = logging.ERROR if error.status == 500 else logging.WARNING
        logger.log(level, "%s %s %s: %s", request_id, error.status, error.code, error.private or error.detail)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(error.status, document(error, request_id), headers)


def let_go(error: BaseException) -> None:
    """Let go of the calls that a failure went through, and with them of bodies, blocks and pictures under way.

    They hold the failure as it holds them, so that without this they all stay until the interpreter next looks for
    garbage in circles.
    """
    left: list[BaseException | None] = [error]
    seen = set()
    while left:
        following = left.pop()
        if following is None or id(following) in seen:  # one that many wait for may have come to be its own cause
            continue
        seen.add(id(following))
        following.__traceback__ = None
        left += (following.__cause__, following.__context__)
        if isinstance(following, BaseExceptionGroup):
            left += following.exceptions


def of_surprise(error: Exception, request_id: str) -> Response:
    """Return the answer to a request that failed as nobody expected: no word of why, which the log has with the
    traceback.
    """
    note("internal_error")
    logger.error("%s 500 unexpected %s", request_id, type(error).__name__, exc_info=error)
    return answer(500, document(TileryError(), request_id))


def of_status(status: int, detail: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """Return the answer where no route was found, or not for that method."""
    code = _CODES.get(status, "bad_request")
    note(code)
    return answer(status, {"code": code, "detail": detail, "request_id": request_id}, headers)


def note(code: str, limited: str | None = None) -> None:
    """Note with the request at hand what it is answered with, and which parameter was over its limit."""
    record = request.current()
    if record is not None:
        record.code, record.limited = code, limited


def answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Return a problem document as a response that nobody keeps."""
    return Response(
        _encode(body).encode(errors="replace"),  # half a character, out of a body, cannot be said in UTF-8
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )

"""What is wrong with an answer, whatever the question was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from tests.fuzz.service import Answer, FuzzRequest

_TRACE = re.compile(rb'Traceback|File "|\.py:\d|site-packages|/vsi\w+/|0x[0-9a-f]{12}')
_EXPECTED = frozenset((503, 504))
"""Server errors that are right: no room, no time."""


def faults(ask: FuzzRequest, answer: Answer, secrets: Iterable[bytes] = ()) -> list[str]:
    """Return what is wrong with an answer.

    Args:
        ask: what was asked.
        answer: what came.
        secrets: what no answer may hold that the question did not.
    """
    found = []
    if answer.status >= 500 and answer.status not in _EXPECTED:
        found.append(f"status {answer.status}: {_place(answer)}")
    if answer.status >= 400:
        found += _problem(ask, answer)
    elif _is_json(answer):
        found += _json(answer)
    found += [f"a header that is none: {name!r}" for name, value in answer.headers if re.search(rb"[\r\n\0]", value)]
    if not answer.header(b"x-request-id"):
        found.append("no X-Request-ID")
    told = answer.body + b"".join(value for _, value in answer.headers)
    asked = str(ask).encode() + unquote_to_bytes(ask.query)
    found += [f"tells {secret.decode()}" for secret in secrets if secret in told and secret not in asked]
    return found


def _place(answer: Answer) -> str:
    """Return the last lines of the trace that are ours, which tell one kind of surprise from another."""
    if not answer.trace:
        return answer.body[:200].decode("utf-8", "replace")
    lines = [line.strip() for line in answer.trace.splitlines()]
    ours = [line for line in lines if line.startswith("File ") and ("/app/" in line or "/tilery/" in line)]
    place = re.sub(r'File ".*?/((?:app|tilery)/[^"]*)"', r"\1", ours[-1]) if ours else "?"
    return f"{place}: {lines[-1][:200]}"


def _is_json(answer: Answer) -> bool:
    return b"json" in answer.header(b"content-type") and not answer.header(b"content-encoding")


def _json(answer: Answer) -> list[str]:
    def never(text: str) -> None:
        raise ValueError(text)

    if not answer.body:
        return []
    try:
        json.loads(answer.body, parse_constant=never)
    except (ValueError, RecursionError) as error:
        return [f"JSON that is none: {error}"[:100]]
    return []


def _problem(ask: FuzzRequest, answer: Answer) -> list[str]:
    """Return what is wrong with how a failure is told."""
    if ask.method == "HEAD":
        return []
    if b"xml" in answer.header(b"content-type"):
        is_told = re.search(rb"<(?:ows:)?(?:Service)?Exception", answer.body)
        return ([] if is_told else ["XML without an exception"]) + _traced(answer)
    if b"html" in answer.header(b"content-type") and (b"accept", b"text/html") in ask.headers:
        names_it = answer.header(b"x-request-id") in answer.body
        return ([] if names_it else ["a page that names no request"]) + _traced(answer)
    try:
        said = json.loads(answer.body)
    except ValueError:
        return [f"{answer.status} without a problem document"]
    missing = {"code", "detail", "request_id"} - said.keys() if isinstance(said, dict) else {"object"}
    if missing:
        return [f"a problem without {missing}"]
    detail = said["detail"]
    wrong = [] if isinstance(detail, str) and detail.strip() else ["a problem that says nothing"]
    said.pop("errors", None)  # has what was asked
    leak = _TRACE.search(json.dumps(said).encode())
    if leak and leak[0] not in str(ask).encode():
        wrong.append(f"tells {leak[0].decode()}")
    if answer.header(b"cache-control") != b"no-store":
        wrong.append("a failure that may be kept")
    return wrong


def _traced(answer: Answer) -> list[str]:
    leak = _TRACE.search(answer.body)
    return [f"tells {leak[0].decode()}"] if leak else []

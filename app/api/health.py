"""Does the process live, and may it get requests?

``/healthz`` answers at once, under any load, and touches nothing. ``/readyz`` looks at what requests need; what it says
is a few seconds old at most (`app.serving.readiness`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from app.api import json_documents, responses
from app.api.context import AppContext
from app.api.operation import FastRoute, Operation, RequestContext, fast_route, no_plan

LIVES = b'{"status":"ok"}'


async def healthz(context: RequestContext[None]) -> Response:  # noqa: ARG001 - it needs none of it
    """Answer 200: the process lives."""
    return Response(LIVES, media_type="application/json")


async def readyz(context: RequestContext[None]) -> Response:
    """Return whether requests should be sent here, and what stands in the way."""
    checks = await context.app.readiness.checks()
    ready = all(check.ok for check in checks if check.needed)
    body = {
        "status": "ready" if ready else "unready",
        "checks": {check.name: "ok" if check.ok else check.problem for check in checks},
    }
    return Response(json_documents.encode(body), status_code=200 if ready else 503, media_type="application/json")


Answer = Callable[[RequestContext[None]], Awaitable[Response]]


def _operation(name: str, paths: tuple[str, ...], answer: Answer, summary: str, description: str) -> Operation[None]:
    return Operation(
        id=name,
        paths=paths,
        parameters=(),
        plan=no_plan,
        answer=answer,
        tag="Health Check",
        summary=summary,
        description=description,
        produces=responses.produces(),
    )


OPERATIONS: tuple[Operation[None], ...] = (
    _operation("healthCheck", ("/healthz", "/ping"), healthz, "Health Check", "Health Check."),
    _operation(
        "readinessCheck",
        ("/readyz",),
        readyz,
        "Readiness Check",
        "Whether requests should be sent here: 503 while the service stops, cannot reach its catalog or any of its "
        "sources, or has work that hangs.",
    ),
)


def fast_routes(app: AppContext) -> list[FastRoute]:
    """Return the short way to the answers: they must not wait until all other routes are loaded."""
    return [fast_route("/healthz|/ping", OPERATIONS[0], app), fast_route("/readyz", OPERATIONS[1], app)]

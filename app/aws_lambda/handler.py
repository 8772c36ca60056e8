"""The handler of the AWS Lambda function, ``app.aws_lambda.handler.handler``: Mangum around the same application.

Takes the events of HTTP APIs and REST APIs (payload 1.0 and 2.0), Function URLs and load balancers. Lambda sends an
environment one request at a time: one compute slot, and as many threads at a read as the memory brings cores. Nothing
is written but below ``/tmp``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from app.process import budget, native

if TYPE_CHECKING:
    from mangum import Mangum

    from app.api.app import Application

RESERVE = 0.5
"""Seconds of the function's time that are kept for sending the answer."""

native.prepare(os.environ)  # before anything imports NumPy or GDAL
PLAN = budget.plan(os.environ, budget.limits(os.environ))
os.environ.update(budget.exports(PLAN, os.environ))


def _open() -> tuple[Application, Mangum]:
    """Return the application, and what calls it with events."""
    from mangum import Mangum

    from app.api.app import create_app
    from app.aws_lambda.adapter import TEXT, LambdaAdapter
    from app.observing import logs

    application = create_app()
    logs.start(application.context.settings.log_level, application.context.settings.log_format)
    return application, Mangum(LambdaAdapter(application), lifespan="off", text_mime_types=[*TEXT])


def _take_part_in_snapshots() -> None:
    """Prepare for a snapshot, where one will be taken: everything is loaded before it, and its copies share nothing."""
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    from app.aws_lambda import snapshot

    snapshot.give_token(os.environ)
    register_before_snapshot(snapshot.load, _application)
    register_after_restore(snapshot.renew, _application, os.environ)


_application, _mangum = _open()
_take_part_in_snapshots()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return what the service in front makes an HTTP response of.

    Args:
        event: of an HTTP API, a REST API, a Function URL or a load balancer.
        context: Lambda's; says how much time the function has left.
    """
    from tilery.limits import deadline

    left = context.get_remaining_time_in_millis() / 1000 - RESERVE
    with deadline.limit(max(left, RESERVE)):
        answer = _mangum(event, context)
    _settle(answer["statusCode"], left)
    return answer


def _settle(status: int, left: float) -> None:
    """Finish what would go on behind the answer: Lambda stops the process until the next request."""
    context = _application.context
    _application.watch.look()
    if context.service.tile_store is not None:
        from app.serving.tile_store import PATIENCE

        context.service.tile_store.settle(min(left, PATIENCE))
    hangs = status == 504 and context.service.oldest > 1.5 * min(left, context.settings.deadline)
    starves = context.service.memory.is_starved
    if hangs or starves:
        from app.serving.service import replace_worker

        # a new environment has a free slot, and room
        replace_worker("a large request finds no room" if starves else "every compute slot hangs")

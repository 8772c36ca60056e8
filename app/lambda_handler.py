"""The handler that deployed functions name, ``app.lambda_handler.handler``: it is that of `app.aws_lambda`."""

from __future__ import annotations

from app.aws_lambda.handler import handler

__all__ = ["handler"]

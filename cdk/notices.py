"""What is said while deploying of an access token and of alarms: refused where it would do harm, else a warning."""

from __future__ import annotations

from aws_cdk import Annotations, Stack

from cdk.config import StackConfig


def refuse_token_in_clear(stack: Stack, config: StackConfig) -> None:
    """End the synthesis of tasks to which callers would send the access token for everybody on the way to read.

    In the stack and not among the settings: the same settings are right for a function, whose addresses have TLS.
    """
    if config.token_in_clear:
        name = "ACCESS_SECRET" if config.access_secret else "ACCESS_TOKEN_SECRET"
        Annotations.of(stack).add_error(
            f"TILERY_STACK_{name}: without TILERY_STACK_DOMAIN or TILERY_STACK_CLOUDFRONT=1 the load balancer has "
            "plain HTTP only, and everybody on the way could read the token"
        )


def refuse_untested_access(stack: Stack, config: StackConfig) -> None:
    """End the synthesis of a pipeline whose last step could ask the service for nothing, and would take every release
    back.
    """
    if config.has_token and not config.access_token_secret:
        Annotations.of(stack).add_error(
            "TILERY_STACK_ACCESS_TOKEN_SECRET is needed beside other ways in: the smoke test after each release asks "
            "for tiles with that token"
        )


def warn_of_token_in_logs(stack: Stack, config: StackConfig) -> None:
    """Say that the access logs of a load balancer hold whole addresses, and what to do about it."""
    if config.has_token and config.access_logs:
        Annotations.of(stack).add_warning_v2(
            "tilery:token-in-logs",
            "The access logs of the load balancer hold whole addresses, and with them every access_token that stands "
            "in one: send it as Authorization: Bearer, or set TILERY_STACK_ACCESS_LOGS=0.",
        )


def warn_of_silence(stack: Stack, config: StackConfig) -> None:
    """Say that nobody is told when an alarm rings."""
    if not (config.alarm_email or config.alarm_topic_arn):
        Annotations.of(stack).add_warning_v2(
            "tilery:silence",
            "Nobody is told when an alarm rings: set TILERY_STACK_ALARM_EMAIL or TILERY_STACK_ALARM_TOPIC_ARN.",
        )

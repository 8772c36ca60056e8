"""The stack ``<name>-lambda-<stage>``: the same service as a function."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations
from constructs import Construct

from cdk.config import StackConfig
from cdk.lambda_front import connect, make_front
from cdk.lambda_function import make_function, reserved
from cdk.lambda_observability import make_alarms, make_dashboard, make_rollback_alarms
from cdk.lambda_release import make_release
from cdk.tiler_stack import TilerStack
from cdk.website import environment as of_website
from cdk.website import open_website


class LambdaStack(TilerStack):
    """Function, alias, its front, CodeDeploy, alarms."""

    def __init__(self, scope: Construct, config: StackConfig, **kwargs: Any) -> None:
        """Put the parts together."""
        super().__init__(
            scope,
            config.lambda_stack_name,
            config,
            description="Tilery: map tiles from rasters, in Lambda",
            **kwargs,
        )
        store = self.store
        front = make_front(self, config)
        environment = dict(front.environment)
        if store:
            environment["TILERY_TILE_STORE"] = f"s3://{store.bucket_name}/tiles/"
        if store and config.tile_website:
            environment |= of_website(store, config)
        if store and self.website:
            open_website(store, front.environment["TILERY_PUBLIC_URL"])
        tiler = make_function(self, config, environment=environment, tile_store=store)
        rollback = make_rollback_alarms(self, config, front, tiler)
        release = make_release(self, config, tiler, rollback)
        url = connect(self, config, front, tiler, store)
        alarms = make_alarms(self, config, tiler, rollback)
        make_dashboard(self, config, front, tiler, alarms)
        self._warn(config)
        self.give_outputs(
            url=url,
            log_group=tiler.log_group.log_group_name,
            FunctionName=tiler.function.function_name,
            FunctionRoleArn=tiler.role.role_arn,
            ReleaseApplication=release.application.application_name,
        )

    def _warn(self, config: StackConfig) -> None:
        """Say while deploying what the settings allow and an operator might not want; and not what is taken care of."""
        note = Annotations.of(self)
        for taken_care_of, how in (
            ("codeFromBucketObjectVersionNotSpecified", "The name of the zip is a hash of what it is made from."),
            ("snapStartRequirePublish", "Users reach a published version, by the alias."),
        ):
            note.acknowledge_warning(f"@aws-cdk/aws-lambda:{taken_care_of}", how)
        self.warn_of_settings(place="template")
        if config.max_concurrent is None:
            note.add_warning_v2(
                "tilery:bound", "TILERY_STACK_MAX_CONCURRENT is not set: the bill is bounded by the account's quota."
            )
        if names := reserved(config):  # an error of this stack alone: tasks may have them
            note.add_error(
                f"TILERY_STACK_ENV: Lambda sets {', '.join(names)} itself. A bucket in another region is named with "
                "its region in a file of sources: TILERY_STACK_SOURCES_FILE_SECRET"
            )
        if config.network != "public" or config.vpc_id:
            note.add_warning_v2(
                "tilery:network",
                "TILERY_STACK_NETWORK and TILERY_STACK_VPC_ID are for tasks: the function is in no network of yours, "
                "and reaches the internet.",
            )
        if config.waf:
            note.add_warning_v2("tilery:waf", "TILERY_STACK_WAF is for the load balancer: Lambda stays without.")
        if config.front != config.lambda_front:
            note.add_warning_v2(
                "tilery:website",
                "The website leads to an HTTP API, because a function URL has no name before there is a function: "
                "a dollar for a million tiles that are made, and 30 seconds at most for each.",
            )
        if config.domain and not config.cloudfront and config.front == "function-url":
            note.add_warning_v2(
                "tilery:domain",
                "A function URL has no name of its own: for TILERY_STACK_DOMAIN set TILERY_STACK_CLOUDFRONT=1 "
                "or TILERY_STACK_LAMBDA_FRONT=http-api.",
            )

"""The stacks of the settings in the environment; what ``cdk synth`` and ``cdk deploy`` run."""

from __future__ import annotations

import sys

from aws_cdk import App, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from cdk import config as configuration
from cdk.acknowledged import acknowledge
from cdk.config import StackConfig
from cdk.ecs_stack import EcsStack
from cdk.edge_stack import EdgeStack
from cdk.jobs_stack import JobsStack
from cdk.lambda_stack import LambdaStack
from cdk.release_stack import ReleaseStack

FLAGS = {
    "@aws-cdk/core:explicitStackTags": True,
    "@aws-cdk/aws-ecs:removeDefaultDeploymentAlarm": True,
    "@aws-cdk/aws-ecs:reduceEc2FargateCloudWatchPermissions": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
}
"""CDK's newer behaviours. Here and not in cdk.json, so that tests synthesise what a deployment does."""


def make_app(config: StackConfig, *, checks: bool = True, outdir: str | None = None) -> App:
    """Return the application with its stacks; with ``checks`` AWS's own rules are run over them while they are
    synthesised.
    """
    app = App(analytics_reporting=False, context=FLAGS, outdir=outdir)
    stacks: list[Stack] = [EcsStack(app, config), LambdaStack(app, config)]
    if config.connection_arn:
        stacks.append(ReleaseStack(app, config))
    for stack in stacks:
        acknowledge(stack, config)
    if config.distribution_id:
        EdgeStack(app, config, config.distribution_id)
    if config.has_jobs:
        JobsStack(app, config)
    if checks:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def main() -> None:
    """Synthesise, or end with one line for each setting that is wrong."""
    try:
        config = configuration.load()
    except configuration.ConfigurationError as problem:
        sys.exit(f"The settings of the stack are wrong.\n{problem}")
    make_app(config).synth()


if __name__ == "__main__":
    main()

"""The two projects of CodeBuild: one makes and tries out the image, one deploys it."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config import StackConfig
from cdk.encryption import key_statements, make_log_group

BUILD_SPEC = "docker/buildspec.yml"
DEPLOY_SPEC = "docker/deployspec.yml"
BOOTSTRAP = ("deploy", "file-publishing", "image-publishing", "lookup")
"""Roles that `cdk bootstrap` made and that `cdk deploy` works with."""


def plain(values: Mapping[str, str]) -> dict[str, codebuild.BuildEnvironmentVariable]:
    """Return variables in CodeBuild's words."""
    return {name: codebuild.BuildEnvironmentVariable(value=value) for name, value in values.items()}


def make_build(
    scope: Construct, config: StackConfig, images: ecr.Repository, artifacts: s3.Bucket
) -> codebuild.PipelineProject:
    """Return tests, builds, tries out and pushes the image. Docker in it wants a privileged container."""
    statements = [
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:DescribeImages",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            resources=[images.repository_arn],
        ),
    ]
    variables = {"REPOSITORY": images.repository_uri}
    if "lambda" in config.release_to:  # what the function is, made and tried out beside the image of the tasks
        variables |= {"LAMBDA": config.lambda_package, "LAMBDA_ARCHITECTURE": config.architecture.lower()}
    return _make(scope, config, "Build", BUILD_SPEC, artifacts, statements, variables, privileged=True)


def make_deploy(scope: Construct, config: StackConfig, artifacts: s3.Bucket) -> codebuild.PipelineProject:
    """Return runs ``cdk deploy`` with the settings that this stack was made with, and after it the smoke test.

    Everything that is deployed comes from the build, so there is no Docker in it.
    """
    stack = Stack.of(scope)
    roles = [
        stack.format_arn(
            service="iam",
            region="",
            resource="role",
            resource_name=f"cdk-hnb659fds-{word}-role-{stack.account}-{stack.region}",
        )
        for word in BOOTSTRAP
    ]
    statements = [iam.PolicyStatement(actions=["sts:AssumeRole"], resources=roles)]
    if config.release == "blue-green" and "ecs" in config.release_to:
        statements.append(_may_release(stack, config.ecs_stack_name))
    secrets = {}
    if config.access_token_secret:
        secrets["TOKEN"] = codebuild.BuildEnvironmentVariable(
            type=codebuild.BuildEnvironmentVariableType.SECRETS_MANAGER, value=config.access_token_secret
        )
        statements.append(
            iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[config.access_token_secret])
        )
    names = {"ecs": config.ecs_stack_name, "lambda": config.lambda_stack_name, "jobs": config.jobs_stack_name}
    variables = config.settings() | {
        "STACKS": " ".join(names[word] for word in config.release_to),
        "ARTIFACTS": artifacts.bucket_name,
    }
    return _make(
        scope, config, "Deploy", DEPLOY_SPEC, artifacts, statements, variables, privileged=False, secrets=secrets
    )


def _may_release(stack: Stack, name: str) -> iam.PolicyStatement:
    """Start and watch the deployments of one stack. CloudFormation begins the names of its things with its own."""

    def arn(kind: str, of: str) -> str:
        return stack.format_arn(
            service="codedeploy", resource=kind, resource_name=of, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )

    return iam.PolicyStatement(
        actions=[
            "codedeploy:CreateDeployment",
            "codedeploy:GetApplicationRevision",
            "codedeploy:GetDeployment",
            "codedeploy:GetDeploymentConfig",
            "codedeploy:RegisterApplicationRevision",
        ],
        resources=[
            arn("application", f"{name}-*"),
            arn("deploymentgroup", f"{name}-*"),
            arn("deploymentconfig", "*"),
        ],
    )


def _make(
    scope: Construct,
    config: StackConfig,
    name: str,
    spec: str,
    artifacts: s3.Bucket,
    statements: list[iam.PolicyStatement],
    variables: dict[str, str],
    *,
    privileged: bool,
    secrets: Mapping[str, codebuild.BuildEnvironmentVariable] | None = None,
) -> codebuild.PipelineProject:
    """Return a project that runs a file of the repository, with a role for what is listed, its log and the
    artifacts.
    """
    log_group = make_log_group(scope, config, f"{name}Logs")
    role = iam.Role(scope, f"{name}Role", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
    for statement in (
        iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]),
        iam.PolicyStatement(
            actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], resources=[artifacts.arn_for_objects("*")]
        ),
        *key_statements(scope, config),
        *statements,
    ):
        role.add_to_policy(statement)
    project = codebuild.PipelineProject(
        scope,
        name,
        description=f"Tilery: {name.lower()}",
        role=role.without_policy_updates(),
        build_spec=codebuild.BuildSpec.from_source_filename(spec),
        environment=codebuild.BuildEnvironment(
            build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0
            if config.architecture == "ARM64"
            else codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
            compute_type=codebuild.ComputeType.MEDIUM,
            privileged=privileged,
        ),
        environment_variables=plain(variables) | dict(secrets or {}),
        grant_report_group_permissions=False,
        timeout=Duration.minutes(180),  # a release may be shifted slowly
        logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
    )
    project.node.add_dependency(role)
    return project

"""The stack ``<name>-release-<stage>``: from a commit to a deployment, by CodePipeline.

    commit ─▶ tests, image, image tried out, push ─▶ somebody agrees (production) ─▶ cdk deploy, release, smoke test

The connection to the host of the repository is the one thing that AWS wants made by hand in its console. Every role
names what it may touch; CDK would add wildcards, so nothing may be added to them.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk import build_projects
from cdk.buckets import make_bucket
from cdk.config import StackConfig
from cdk.encryption import key_of, key_statements
from cdk.notices import refuse_token_in_clear, refuse_untested_access
from cdk.tags import tag

KEPT_IMAGES = 20
"""Images that stay in the repository: as many releases can be gone back."""


class ReleaseStack(Stack):
    """Repository of images, build, deployment, and the pipeline through them."""

    def __init__(self, scope: Construct, config: StackConfig, **kwargs: Any) -> None:
        """Put the parts together."""
        super().__init__(
            scope,
            config.release_stack_name,
            description="Tilery: from a commit to a deployment",
            termination_protection=config.protected,
            **kwargs,
        )
        tag(self, config)
        if "ecs" in config.release_to:
            refuse_token_in_clear(self, config)
        if set(config.release_to) & {"ecs", "lambda"}:
            refuse_untested_access(self, config)
        images = make_repository(self, for_lambda="lambda" in config.release_to and config.lambda_package == "image")
        # what the pipeline leaves is below its own name; what was good last stays
        artifacts = make_bucket(
            self, "Artifacts", days=30, prefix=config.release_stack_name[:10], key=key_of(self, config)
        )
        build = build_projects.make_build(self, config, images, artifacts)
        deploy = build_projects.make_deploy(self, config, artifacts)
        pipeline = self._pipeline(config, artifacts, build, deploy)
        console = f"https://{self.region}.console.aws.amazon.com/codesuite/codepipeline/pipelines"
        CfnOutput(self, "PipelineUrl", value=f"{console}/{pipeline.pipeline_name}/view?region={self.region}")
        CfnOutput(self, "Repository", value=images.repository_uri)

    def _pipeline(
        self,
        config: StackConfig,
        artifacts: s3.Bucket,
        build: codebuild.PipelineProject,
        deploy: codebuild.PipelineProject,
    ) -> codepipeline.Pipeline:
        """Return one release at a time; a newer commit takes the place of one that waits."""
        role = iam.Role(self, "PipelineRole", assumed_by=iam.ServicePrincipal("codepipeline.amazonaws.com"))
        for statement in self._pipeline_statements(config, artifacts, build, deploy):
            role.add_to_policy(statement)
        for statement in key_statements(self, config):
            role.add_to_policy(statement)
        owner, _, name = (config.repository or "").rpartition("/")
        source, tested = codepipeline.Artifact("source"), codepipeline.Artifact("TESTED")
        variables = actions.CodeStarConnectionsSourceAction(
            action_name="Commit",
            connection_arn=config.connection_arn or "",
            owner=owner,
            repo=name,
            branch=config.branch,
            output=source,
            variables_namespace="Commit",
        )
        stages = [
            codepipeline.StageProps(stage_name="Source", actions=[variables]),
            codepipeline.StageProps(
                stage_name="Build",
                actions=[
                    actions.CodeBuildAction(
                        action_name="Image",
                        input=source,
                        outputs=[tested],
                        project=build,
                        variables_namespace="Image",
                        environment_variables=build_projects.plain({"COMMIT": "#{Commit.CommitId}"}),
                    )
                ],
            ),
        ]
        if config.approved:
            stages.append(
                codepipeline.StageProps(
                    stage_name="Approve",
                    actions=[
                        actions.ManualApprovalAction(
                            action_name="Approve",
                            additional_information="#{Commit.CommitMessage}",
                        )
                    ],
                )
            )
        handed_on = {"TILERY_STACK_IMAGE": "#{Image.IMAGE}"}
        if "lambda" in config.release_to and config.lambda_package == "image":
            handed_on["TILERY_STACK_LAMBDA_IMAGE"] = "#{Image.LAMBDA_IMAGE}"
        stages.append(
            codepipeline.StageProps(
                stage_name="Deploy",
                actions=[
                    actions.CodeBuildAction(
                        action_name="Deploy",
                        input=source,
                        extra_inputs=[tested],
                        project=deploy,
                        environment_variables=build_projects.plain(handed_on),
                    )
                ],
            )
        )
        return codepipeline.Pipeline(
            self,
            "Pipeline",
            pipeline_name=config.release_stack_name,
            pipeline_type=codepipeline.PipelineType.V2,
            execution_mode=codepipeline.ExecutionMode.SUPERSEDED,
            artifact_bucket=artifacts,
            role=role.without_policy_updates(),
            use_pipeline_role_for_actions=True,
            stages=stages,
        )

    def _pipeline_statements(
        self,
        config: StackConfig,
        artifacts: s3.Bucket,
        build: codebuild.PipelineProject,
        deploy: codebuild.PipelineProject,
    ) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
                resources=[artifacts.arn_for_objects("*")],
            ),
            iam.PolicyStatement(actions=["s3:GetBucketVersioning"], resources=[artifacts.bucket_arn]),
            iam.PolicyStatement(  # the service has changed its name; connections have either
                actions=["codeconnections:UseConnection", "codestar-connections:UseConnection"],
                resources=[config.connection_arn or ""],
            ),
            iam.PolicyStatement(
                actions=["codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:StopBuild"],
                resources=[
                    self.format_arn(
                        service="codebuild",
                        resource="project",
                        resource_name=project.project_name,
                        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
                    )
                    for project in (build, deploy)
                ],
            ),
        ]


def make_repository(scope: Construct, *, for_lambda: bool = False) -> ecr.Repository:
    """Return a repository whose tags say what they said once, and that looks through what is pushed.

    With ``for_lambda`` each release has two images, and Lambda itself may pull them for the functions of this account.
    """
    repository = ecr.Repository(
        scope,
        "Images",
        image_tag_mutability=ecr.TagMutability.IMMUTABLE,
        image_scan_on_push=True,
        encryption=ecr.RepositoryEncryption.AES_256,
        removal_policy=RemovalPolicy.RETAIN,
        lifecycle_rules=[
            ecr.LifecycleRule(
                description="Layers that no tag names",
                rule_priority=1,
                tag_status=ecr.TagStatus.UNTAGGED,
                max_image_count=1,
            ),
            ecr.LifecycleRule(
                description="As many releases as one might go back",
                rule_priority=2,
                tag_status=ecr.TagStatus.ANY,
                max_image_count=2 * KEPT_IMAGES if for_lambda else KEPT_IMAGES,
            ),
        ],
    )
    if for_lambda:
        functions = Stack.of(scope).format_arn(
            service="lambda", resource="function", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        repository.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("lambda.amazonaws.com")],
                actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                conditions={"StringLike": {"aws:sourceArn": functions}},
            )
        )
    return repository

"""The stack ``<name>-jobs-<stage>``: work that is no request, in AWS Batch on Fargate.

    seed      fills the tile store. As an array job it runs on many machines, each with its part of the tiles
    publish   makes a layer of an object that was put under ``incoming/``; an event starts it

Batch and not a function: a raster may be larger than a function's ten gigabytes of disk and take longer than its
fifteen minutes. Batch and not a bare task: it tries again, it waits when too much comes at once, and an array is one
call.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Size, Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.acknowledged import acknowledge_jobs
from cdk.alarms import topics
from cdk.buckets import make_bucket
from cdk.config import StackConfig
from cdk.encryption import key_of, key_statements, make_log_group
from cdk.network import Network, make_network
from cdk.notices import warn_of_silence
from cdk.service import make_image
from cdk.tags import tag

INCOMING = "incoming/"
REPORTS = "reports/"
ATTEMPTS = 3
FINAL = ("2", "3")
"""Exit statuses that another attempt would end with too: wrong usage, and something wrong with the source."""
READ, WRITE = ("s3:GetObject",), ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


class JobsStack(Stack):
    """Queue, job definitions, the bucket for uploads, and who is told of failures."""

    def __init__(self, scope: Construct, config: StackConfig, **kwargs: Any) -> None:
        """Put the parts together."""
        super().__init__(
            scope,
            config.jobs_stack_name,
            description="Tilery: tiles made ahead and layers made of uploads, in AWS Batch",
            termination_protection=config.protected,
            **kwargs,
        )
        tag(self, config)
        uploads: s3.Bucket | None = None
        if config.incoming:
            uploads = make_bucket(self, "Uploads", days=config.incoming_days, key=key_of(self, config))
        written = [address for address in (config.catalog, config.job_tile_store) if address]
        buckets = [self._arn(address.split("/")[2]) for address in written]
        network = make_network(self, config, (*dict.fromkeys(buckets), *([uploads.bucket_arn] if uploads else [])))
        queue = self._queue(config, network)
        self._log_group = make_log_group(self, config, "Logs")
        self._image = make_image(self, config)
        self._secrets = self._keys_of_sources(config)
        seed = self._seed(config, network)
        outputs = {"JobQueue": queue.job_queue_name, "SeedJob": seed.job_definition_name}
        left: sqs.Queue | None = None
        if uploads:
            left = self._on_upload(uploads, queue, self._publish(config, network, uploads))
            outputs["UploadTo"] = f"s3://{uploads.bucket_name}/{INCOMING}"
            outputs["ReportsIn"] = f"s3://{uploads.bucket_name}/{REPORTS}"
        self._tell(config, queue, left)
        acknowledge_jobs(self, config)
        warn_of_silence(self, config)
        for name, text in outputs.items():
            CfnOutput(self, name, value=text)

    def _arn(self, bucket: str) -> str:
        return f"arn:{self.partition}:s3:::{bucket}"

    def _queue(self, config: StackConfig, network: Network) -> batch.JobQueue:
        """Return one queue; what does not fit at a time waits."""
        group = ec2.SecurityGroup(
            self, "JobGroup", vpc=network.vpc, description="Jobs; nobody calls them", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Sources, stores, image and logs, over TLS")
        machines = batch.FargateComputeEnvironment(
            self,
            "Machines",
            vpc=network.vpc,
            vpc_subnets=network.tasks,
            security_groups=[group],
            maxv_cpus=config.job_max_vcpus,
            replace_compute_environment=False,
        )
        return batch.JobQueue(
            self,
            "Queue",
            compute_environments=[batch.OrderedComputeEnvironment(compute_environment=machines, order=1)],
        )

    def _keys_of_sources(self, config: StackConfig) -> dict[str, batch.Secret]:
        """Return the file of sources, of which layers may be: who may ask the service is nothing to a job."""
        if not config.sources_file_secret:
            return {}
        secret = secretsmanager.Secret.from_secret_complete_arn(self, "SourcesFile", config.sources_file_secret)
        return {"TILERY_SOURCES_FILE": batch.Secret.from_secrets_manager(secret)}

    def _seed(self, config: StackConfig, network: Network) -> batch.EcsJobDefinition:
        role = self._role("SeedRole", config)
        for statement in config.read_statements(self.partition):
            role.add_to_policy(iam.PolicyStatement.from_json(statement))
        self._allow_store(role, config)
        command = ["seed", "Ref::layer", "--zooms", "Ref::zooms", "--formats", "Ref::formats"]
        defaults = {"layer": "none", "zooms": "0-30", "formats": "png"}
        return self._job("Seed", config, network, role, command, defaults)

    def _publish(self, config: StackConfig, network: Network, uploads: s3.Bucket) -> batch.EcsJobDefinition:
        role = self._role("PublishRole", config)
        _allow(role, READ, uploads.bucket_arn, INCOMING, listed=True)  # or a missing object would be a 403
        _allow(role, ("s3:PutObject",), uploads.bucket_arn, REPORTS)
        bucket, _, prefix = (config.catalog or "").removeprefix("s3://").partition("/")
        _allow(role, WRITE, self._arn(bucket), prefix, listed=True)
        self._allow_store(role, config)
        return self._job("Publish", config, network, role, ["publish-incoming", "Ref::source"], {"source": "none"})

    def _allow_store(self, role: iam.Role, config: StackConfig) -> None:
        if config.job_tile_store:
            bucket, _, prefix = config.job_tile_store.removeprefix("s3://").partition("/")
            _allow(role, WRITE, self._arn(bucket), prefix, listed=True)

    def _role(self, name: str, config: StackConfig) -> iam.Role:
        role = iam.Role(self, name, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        for allowed in key_statements(self, config):
            role.add_to_policy(allowed)
        return role

    def _job(
        self,
        name: str,
        config: StackConfig,
        network: Network,
        role: iam.Role,
        command: list[str],
        defaults: dict[str, str],
    ) -> batch.EcsJobDefinition:
        """Return what a job is: the service's image with another command, not root, on a read-only file system."""
        environment = config.environment()
        if config.job_tile_store:
            environment["TILERY_TILE_STORE"] = config.job_tile_store
        if config.tile_website:
            environment.setdefault("TILERY_TILE_STORE_LAYOUT", "plain")
        container = batch.EcsFargateContainerDefinition(
            self,
            f"{name}Container",
            image=self._image,
            command=["python", "-m", "app", *command],
            cpu=config.job_cpu / 1024,
            memory=Size.mebibytes(config.job_memory),
            ephemeral_storage_size=Size.gibibytes(config.job_storage),
            environment=environment,
            secrets=self._secrets or None,
            job_role=role,
            assign_public_ip=network.public_addresses,
            readonly_root_filesystem=True,
            volumes=[batch.EcsVolume.host(name="tmp", container_path="/tmp")],  # noqa: S108
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name.lower(), log_group=self._log_group),
            fargate_cpu_architecture=ecs.CpuArchitecture.ARM64
            if config.architecture == "ARM64"
            else ecs.CpuArchitecture.X86_64,
            fargate_operating_system_family=ecs.OperatingSystemFamily.LINUX,
        )
        return batch.EcsJobDefinition(
            self,
            name,
            container=container,
            parameters=defaults,
            timeout=Duration.hours(24),
            retry_attempts=ATTEMPTS,
            retry_strategies=[
                batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_exit_code=status)) for status in FINAL
            ],
            propagate_tags=True,
        )

    def _on_upload(self, uploads: s3.Bucket, queue: batch.JobQueue, job: batch.EcsJobDefinition) -> sqs.Queue:
        """Start a job for each object; events for which none could be started are kept for two weeks."""
        cfn = uploads.node.default_child
        if isinstance(cfn, s3.CfnBucket):  # by hand, because CDK's way takes a function of its own
            cfn.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
            )
        left = sqs.Queue(self, "NotStarted", enforce_ssl=True, retention_period=Duration.days(14))
        rule = events.Rule(
            self,
            "Uploaded",
            description="Objects under incoming/ become layers",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [uploads.bucket_name]},
                    "object": {"key": [{"prefix": INCOMING}], "size": [{"numeric": [">", 0]}]},
                },
            ),
        )
        key = events.EventField.from_path("$.detail.object.key")
        rule.add_target(
            targets.BatchJob(
                queue.job_queue_arn,
                queue,
                job.job_definition_arn,
                job,
                dead_letter_queue=left,
                event=events.RuleTargetInput.from_object(
                    {"Parameters": {"source": f"s3://{uploads.bucket_name}/{key}"}}
                ),
            )
        )
        return left

    def _tell(self, config: StackConfig, queue: batch.JobQueue, left: sqs.Queue | None) -> None:
        """Tell whoever the settings name when a job has failed for good, and when an upload started none."""
        told = topics(self, config, "FailureTopic")
        if not told:
            return
        events.Rule(
            self,
            "Failed",
            description="Jobs that failed for good",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={"status": ["FAILED"], "jobQueue": [queue.job_queue_arn]},
            ),
            targets=[targets.SnsTopic(topic) for topic in told],
        )
        if left is None:
            return
        alarm = cloudwatch.Alarm(
            self,
            "NotStartedAlarm",
            alarm_description="An upload started no job",
            metric=left.metric_approximate_number_of_messages_visible(period=Duration.minutes(5), statistic="Maximum"),
            threshold=0,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(*(actions.SnsAction(topic) for topic in told))


def _allow(role: iam.Role, verbs: tuple[str, ...], arn: str, prefix: str, *, listed: bool = False) -> None:
    """Let the role do that below a prefix, and see what is there."""
    role.add_to_policy(iam.PolicyStatement(actions=list(verbs), resources=[f"{arn}/{prefix}*"]))
    if listed:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[arn],
                conditions={"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}},
            )
        )

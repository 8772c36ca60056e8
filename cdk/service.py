"""The service: what a task is, what it may do, how many there are, and what a deployment does when it goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk import service_metrics, timing
from cdk.balancer import CONTAINER, PORT, Balancer
from cdk.buckets import store_statements
from cdk.config import StackConfig
from cdk.encryption import key_statements, make_log_group
from cdk.images import ECR, repository_of
from cdk.network import Network

ROOT = Path(__file__).parent.parent
"""Name of an image in AWS's own registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What runs."""

    cluster: ecs.Cluster
    fargate: ecs.FargateService
    task: ecs.FargateTaskDefinition
    log_group: logs.LogGroup


def make_service(
    scope: Construct,
    config: StackConfig,
    network: Network,
    balancer: Balancer,
    *,
    public_url: str,
    tile_store: s3.IBucket | None,
) -> Service:
    """Return the tasks behind the load balancer, and their scaling."""
    cluster = ecs.Cluster(
        scope,
        "Cluster",
        vpc=network.vpc,
        container_insights_v2=ecs.ContainerInsights.ENABLED,
        enable_fargate_capacity_providers=True,
    )
    log_group = make_log_group(scope, config, "Logs")
    service_metrics.make_filters(scope, config, log_group)
    task = _make_task(scope, config, log_group, public_url=public_url, tile_store=tile_store)
    group = ec2.SecurityGroup(
        scope, "TaskGroup", vpc=network.vpc, description="Tasks that make the tiles", allow_all_outbound=False
    )
    group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Sources, image and logs, over TLS")
    if any(source.startswith("http://") for source in config.sources):
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp_range(80, 65535), "Sources without TLS")
    group.add_ingress_rule(balancer.group, ec2.Port.tcp(PORT), "Load balancer")
    balancer.group.add_egress_rule(group, ec2.Port.tcp(PORT), "Tasks")
    rolling = config.release == "rolling"
    fargate = ecs.FargateService(
        scope,
        "Service",
        cluster=cluster,
        task_definition=task,
        # no desired count: it would put a service that has scaled out back to its minimum with every deployment
        min_healthy_percent=100,
        max_healthy_percent=200,
        assign_public_ip=network.public_addresses,
        vpc_subnets=network.tasks,
        security_groups=[group],
        health_check_grace_period=Duration.seconds(timing.HEALTH_GRACE),
        # CodeDeploy has its own rollback and starts the tasks of a new set itself
        deployment_controller=None
        if rolling
        else ecs.DeploymentController(type=ecs.DeploymentControllerType.CODE_DEPLOY),
        circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True) if rolling else None,
        capacity_provider_strategies=_capacity(config) if rolling else None,
        enable_execute_command=False,
        propagate_tags=ecs.PropagatedTagSource.SERVICE,
    )
    balancer.targets.add_target(fargate.load_balancer_target(container_name=CONTAINER, container_port=PORT))
    _scale(config, fargate, balancer)
    return Service(cluster=cluster, fargate=fargate, task=task, log_group=log_group)


def _make_task(
    scope: Construct,
    config: StackConfig,
    log_group: logs.LogGroup,
    *,
    public_url: str,
    tile_store: s3.IBucket | None,
) -> ecs.FargateTaskDefinition:
    """Return one container: not root, on a read-only file system with one writable folder, without any capability."""
    task = ecs.FargateTaskDefinition(
        scope,
        "Task",
        cpu=config.task_cpu,
        memory_limit_mib=config.task_memory,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.ARM64
            if config.architecture == "ARM64"
            else ecs.CpuArchitecture.X86_64,
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
        ),
        volumes=[ecs.Volume(name="tmp")],
    )
    environment = {
        "PORT": str(PORT),
        "HOST": "0.0.0.0",  # noqa: S104 - in its own network; the security group decides who reaches it
        "KEEP_ALIVE": str(timing.KEEP_ALIVE),
        "GRACEFUL_TIMEOUT": str(timing.GRACEFUL),
        "DRAIN_DELAY": str(timing.DRAIN),
        "TILERY_DEADLINE": str(timing.DEADLINE),
        "TILERY_PUBLIC_URL": public_url,
        "TILERY_TRUSTED_PROXIES": config.vpc_cidr,
        "TILERY_LOG_FORMAT": "json",
        "TILERY_LOG_REQUESTS": "failed",  # each GB of a log costs, and the load balancer can write a line for each
        **service_metrics.environment(scope, config),
    }
    if tile_store:
        environment["TILERY_TILE_STORE"] = f"s3://{tile_store.bucket_name}/tiles/"
    partition = Stack.of(scope).partition
    for statement in config.read_statements(partition):
        task.add_to_task_role_policy(iam.PolicyStatement.from_json(statement))
    for allowed in (*(store_statements(tile_store) if tile_store else ()), *key_statements(scope, config)):
        task.add_to_task_role_policy(allowed)
    linux = ecs.LinuxParameters(scope, "Linux", init_process_enabled=True)
    linux.drop_capabilities(ecs.Capability.ALL)
    secrets = {}
    for variable, arn in config.secrets.items():
        name = variable.removeprefix("TILERY_").title().replace("_", "")
        secret = secretsmanager.Secret.from_secret_complete_arn(scope, name, arn)
        secrets[variable] = ecs.Secret.from_secrets_manager(secret)
    container = task.add_container(
        CONTAINER,
        image=make_image(scope, config),
        environment=environment | config.environment(),
        secrets=secrets,
        logging=ecs.LogDrivers.aws_logs(
            stream_prefix=CONTAINER,
            log_group=log_group,
            # a tile does not wait for a log line
            mode=ecs.AwsLogDriverMode.NON_BLOCKING,
            max_buffer_size=Size.mebibytes(4),
        ),
        linux_parameters=linux,
        readonly_root_filesystem=True,
        stop_timeout=Duration.seconds(timing.STOP),
        port_mappings=[ecs.PortMapping(container_port=PORT)],
    )
    container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))  # noqa: S108
    return task


def make_image(scope: Construct, config: StackConfig) -> ecs.ContainerImage:
    """Return the image of the settings, or one built from this folder while deploying."""
    if config.image:
        if found := ECR.fullmatch(config.image):
            repository = repository_of(scope, "Repository", found)
            return ecs.ContainerImage.from_ecr_repository(repository, found["tag"] or found["digest"])
        return ecs.ContainerImage.from_registry(config.image)
    platform = ecr_assets.Platform.LINUX_ARM64 if config.architecture == "ARM64" else ecr_assets.Platform.LINUX_AMD64
    asset = ecr_assets.DockerImageAsset(scope, "Image", directory=str(ROOT), platform=platform)
    return ecs.ContainerImage.from_docker_image_asset(asset)


def _capacity(config: StackConfig) -> list[ecs.CapacityProviderStrategy]:
    """Return which tasks run on Spot: of those above the first, as many percent as the settings say."""
    if not config.spot_percent:
        return [ecs.CapacityProviderStrategy(capacity_provider="FARGATE", weight=1)]
    spot = ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT", weight=config.spot_percent)
    if config.spot_percent == 100:
        return [spot]
    return [
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE", base=1, weight=100 - config.spot_percent),
        spot,
    ]


def _scale(config: StackConfig, fargate: ecs.FargateService, balancer: Balancer) -> None:
    """Between the bounds, on CPU and on requests; whichever wants more tasks gets them.

    Not on memory: the caches fill a task's share of it and stay there, so it says nothing about load.
    """
    count = fargate.auto_scale_task_count(min_capacity=config.min_ecs_instances, max_capacity=config.max_ecs_instances)
    out, back = Duration.seconds(60), Duration.seconds(300)
    count.scale_on_cpu_utilization(
        "Cpu", target_utilization_percent=config.cpu_target, scale_out_cooldown=out, scale_in_cooldown=back
    )
    if balancer.green:  # AWS cannot count the requests of a service whose target groups change places
        return
    count.scale_on_request_count(
        "Requests",
        requests_per_target=config.requests_per_task,
        target_group=balancer.targets,
        scale_out_cooldown=out,
        scale_in_cooldown=back,
    )

"""The stack ``<name>-ecs-<stage>``: tasks in Fargate behind a load balancer."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations, CfnOutput, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.balancer import make_balancer
from cdk.buckets import make_bucket
from cdk.config import StackConfig
from cdk.ecs_release import make_release
from cdk.edge import balancer_origin, make_distribution, make_firewall
from cdk.network import make_network
from cdk.observability import make_alarms, make_dashboard, make_rollback_alarms
from cdk.service import make_service
from cdk.settings import SECRETS
from cdk.tags import tag
from cdk.website import environment, open_website, put_store_first


class EcsStack(Stack):
    """Network, load balancer, service, alarms; and what the settings ask for beside them."""

    def __init__(self, scope: Construct, config: StackConfig, **kwargs: Any) -> None:
        """Put the parts together."""
        super().__init__(
            scope,
            config.ecs_stack_name,
            description="Tilery: map tiles from rasters, in Fargate behind a load balancer",
            termination_protection=config.protected,
            **kwargs,
        )
        tag(self, config)
        website = config.tile_website and not config.cloudfront
        store: s3.Bucket | None = None
        if config.has_store:
            store = make_bucket(self, "TileStore", days=config.tile_store_expiry_days, website=website)
        network = make_network(self, config, (store.bucket_arn,) if store else ())
        balancer = make_balancer(self, config, network)
        url = balancer.public_url
        if config.cloudfront:
            origin = balancer_origin(balancer.alb)
            edge = make_distribution(self, config, origin)
            if config.tile_website and store:
                put_store_first(self, edge, store, origin)
            url = f"https://{config.domain or edge.distribution.distribution_domain_name}"
        if config.waf:
            make_firewall(self, config, balancer.alb)
        service = make_service(self, config, network, balancer, public_url=url or "", tile_store=store)
        if store and website:
            open_website(store, url or "")
        container = service.task.default_container
        if store and config.tile_website and container:
            for name, value in environment(store, config).items():
                container.add_environment(name, value)
        rollback = make_rollback_alarms(self, balancer)
        if balancer.green:
            make_release(self, config, balancer, service, rollback)
        else:
            service.fargate.enable_deployment_alarms(
                [alarm.alarm_name for alarm in rollback], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            )
        alarms = make_alarms(self, config, balancer, service, rollback)
        make_dashboard(self, config, balancer, service, alarms)
        self._warn(config)
        self._tell(config, url or "", service.log_group.log_group_name, store)

    def _warn(self, config: StackConfig) -> None:
        """Say while deploying what the settings allow and an operator might not want."""
        note = Annotations.of(self)
        if named := sorted(set(config.env) & set(SECRETS)):
            note.add_warning_v2(
                "tilery:secret",
                f"{', '.join(named)} would stand in the task definition, where many may read it: "
                "use TILERY_STACK_ACCESS_TOKEN_SECRET or a role.",
            )
        if not config.all_sources() and not config.catalog:
            note.add_warning_v2(
                "tilery:sources", "Neither TILERY_STACK_SOURCES nor TILERY_STACK_CATALOG is set: nothing can be read."
            )
        if config.unreachable:
            note.add_warning_v2(
                "tilery:private",
                f"{', '.join(config.unreachable)} cannot be reached: with TILERY_STACK_NETWORK=private there is a way "
                "to S3 in the stack's own region and no other. Set it to public or nat, or copy these rasters to S3.",
            )
        if config.min_ecs_instances < 2:
            note.add_warning_v2(
                "tilery:one-task", "With fewer than two tasks the service is away while its zone or its task is."
            )

    def _tell(self, config: StackConfig, url: str, log_group: str, store: s3.Bucket | None) -> None:
        """Give the outputs: where it is, where to look."""
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        outputs = {
            "Url": url,
            "DashboardUrl": f"{console}#dashboards/dashboard/{config.ecs_stack_name}",
            "LogGroup": log_group,
        }
        if store:
            outputs["TileStoreBucket"] = store.bucket_name
            if config.tile_website and not config.cloudfront:
                outputs["TilesUrl"] = f"{store.bucket_website_url}/tiles/"
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)

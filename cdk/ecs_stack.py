"""The stack ``<name>-ecs-<stage>``: tasks in Fargate behind a load balancer."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from cdk.alarms import written_name
from cdk.balancer import make_balancer
from cdk.config import StackConfig
from cdk.dashboard import make_dashboard
from cdk.ecs_release import make_release
from cdk.edge import balancer_origin, make_distribution, make_firewall
from cdk.network import make_network
from cdk.notices import refuse_token_in_clear, warn_of_token_in_logs
from cdk.observability import make_alarms, make_rollback_alarms
from cdk.service import make_service
from cdk.tiler_stack import TilerStack
from cdk.website import environment, open_website, put_store_first


class EcsStack(TilerStack):
    """Network, load balancer, service, alarms; and what the settings ask for beside them."""

    def __init__(self, scope: Construct, config: StackConfig, **kwargs: Any) -> None:
        """Put the parts together."""
        super().__init__(
            scope,
            config.ecs_stack_name,
            config,
            description="Tilery: map tiles from rasters, in Fargate behind a load balancer",
            **kwargs,
        )
        store = self.store
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
        if store and self.website:
            open_website(store, url or "")
        container = service.task.default_container
        if store and config.tile_website and container:
            for name, value in environment(store, config).items():
                container.add_environment(name, value)
        rollback = make_rollback_alarms(self, config, balancer)
        if balancer.green:
            make_release(self, config, balancer, service, network, rollback)
        else:
            service.fargate.enable_deployment_alarms(
                [written_name(alarm) for alarm in rollback], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            )
            service.fargate.node.add_dependency(*rollback)
        alarms = make_alarms(self, config, balancer, service, rollback)
        make_dashboard(self, config, balancer, service, alarms)
        self._warn(config)
        refuse_token_in_clear(self, config)
        warn_of_token_in_logs(self, config)
        self.give_outputs(
            url=url or "",
            log_group=service.log_group.log_group_name,
            ClusterName=service.cluster.cluster_name,
            ServiceName=service.fargate.service_name,
            TaskRoleArn=service.task.task_role.role_arn,
        )

    def _warn(self, config: StackConfig) -> None:
        """Say while deploying what the settings allow and an operator might not want."""
        note = Annotations.of(self)
        self.warn_of_settings(place="task definition")
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

"""The stack ``<name>-edge-<stage>``: the alarms on CloudFront of a stack that is not in us-east-1.

An alarm watches metrics of its own region only and tells topics of that region only, and CloudFront's metrics are in
us-east-1. A stack elsewhere gives the id of its distribution as an output; this one, made from it, watches it there.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Environment, Stack
from aws_cdk import aws_certificatemanager as acm
from constructs import Construct

from cdk.alarms import tell
from cdk.config import StackConfig
from cdk.edge_alarms import AT_THE_EDGE, certificate_alarm, errors_alarm
from cdk.notices import warn_of_silence
from cdk.tags import tag


class EdgeStack(Stack):
    """Alarms on one distribution and its certificate, and whom they tell."""

    def __init__(self, scope: Construct, config: StackConfig, distribution: str, **kwargs: Any) -> None:
        """Make the alarms on the distribution of that id."""
        super().__init__(
            scope,
            config.edge_stack_name,
            description="Tilery: alarms on CloudFront, in the region of its metrics",
            termination_protection=config.protected,
            env=Environment(region=AT_THE_EDGE),
            **kwargs,
        )
        tag(self, config)
        alarms = [errors_alarm(self, distribution)]
        if config.certificate_arn:
            certificate = acm.Certificate.from_certificate_arn(self, "EdgeCertificate", config.certificate_arn)
            alarms.append(certificate_alarm(self, certificate))
        topic = config.alarm_topic_arn
        here = topic if topic and f":{AT_THE_EDGE}:" in topic else None
        config = config.model_copy(update={"alarm_topic_arn": here, "budget": None})
        warn_of_silence(self, config)
        tell(self, tuple(alarms), config)

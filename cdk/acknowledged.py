"""Findings of AWS's checks that stay, each with the reason why."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Stack, Validations

from cdk.config import StackConfig

REASONS = {
    "VPC7": "Flow logs cost more than the load balancer at map traffic; its access logs tell who asked for what.",
    "EC23": "A public map is reached from everywhere, on 80 and 443 of the load balancer; the tasks only from "
    "there. For endpoints of the VPC the rule cannot resolve the address range, which is the VPC's own.",
    "ELB2": "Access logs are on unless the settings turn them off; they are set by attribute, because CDK's way "
    "needs the region while it synthesises.",
    "S1": "The buckets hold access logs, finished tiles and copies of the repository, which can be made again: a log "
    "of their readers would only grow.",
    "ECS2": "The environment holds no secret: the access token comes from Secrets Manager, credentials from the role.",
    "CFR1": "Maps are read from everywhere.",
    "CFR2": "The firewall stands on the load balancer, so that it needs no stack in us-east-1; what the cache "
    "answers costs no work.",
    "CFR3": "The load balancer logs what reaches the service; hits of the cache are counted by CloudFront's metrics.",
    "CFR4": "Without a domain the distribution has CloudFront's own certificate, whose protocol versions AWS "
    "decides; with one it is TLS 1.2 and later.",
    "CFR5": "CloudFront reaches the load balancer inside the VPC.",
    "L1": "The zip is built and tested for Python 3.13, which Lambda supports until 2029; the next is another change.",
    "APIG4": "Maps are read from everywhere; an access token, where there is one, is checked by the service.",
    "APIG1": "Access logs are on unless the settings turn them off.",
    "CB4": "What the projects leave behind is a copy of the repository; AWS's own key is enough for it.",
    "CB3": "Building an image takes Docker, and Docker a privileged container: the project that builds, and no other.",
    "SNS3": "The topic's policy refuses what does not come over TLS.",
}
"""Rules of cdk-nag's AwsSolutions that this project answers, and the answers."""

ANY = (
    "Actions for which AWS defines no resources: ecr:GetAuthorizationToken, what describes load balancers, the network "
    "interfaces of a function in a network, and ecs:CreateTaskSet, which a condition binds to the one cluster. Nothing "
    "else of a role is on all resources."
)
SETS = "Task sets of this one service, which CodeDeploy itself makes and names."
ALARMS = "CodeDeploy reads the state of alarms, of this account; it may do nothing with them."
VERSIONS = "The check before a release asks the newest version of this one function, whatever its number is."
ARTIFACTS = "Keys in the pipeline's own bucket, which the pipeline names."
RELEASES = "CloudFormation names what it makes after its stack: the releases of this one stack."
WEBSITE = {
    "S2": "The bucket of a website lets everybody read finished tiles, by a policy for that prefix and that action; "
    "access control lists stay blocked.",
    "S5": "An S3 website cannot be reached through CloudFront's identity; with CloudFront the bucket is private.",
    "S10": "S3's websites know no TLS. Whatever is not reading a finished tile is refused without it.",
}
"""The same for the bucket that is a website."""
WITHIN = "Keys under one prefix of one bucket: the same that the service's own policy of sources allows."


def acknowledge(stack: Stack, config: StackConfig, *, partition: str = "<AWS::Partition>") -> None:
    """Write the reasons into the stack, those about roles for exactly the resources that the settings name."""
    found = [Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=why) for rule, why in REASONS.items()]
    found += [
        _role(resource, WITHIN)
        for statement in config.read_statements(partition)
        for resource in statement["Resource"]
        if "*" in resource
    ]

    def here(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:<AWS::Region>:<AWS::AccountId>:{resource}"

    found += [_role("*", ANY), _role(here("cloudwatch", "alarm:*"), ALARMS)]
    if function := _logical(stack, "Function"):
        found.append(_role(f"<{function}.Arn>:*", VERSIONS))
    if (cluster := _logical(stack, "Cluster")) and (service := _logical(stack, "Service", "Service")):
        found.append(_role(here("ecs", f"task-set/<{cluster}>/<{service}.Name>/*"), SETS))
    if artifacts := _logical(stack, "Artifacts"):
        found.append(_role(f"<{artifacts}.Arn>/*", ARTIFACTS))
        for kind in ("application:{}-*", "deploymentgroup:{}-*", "deploymentconfig:*"):
            found.append(_role(here("codedeploy", kind.format(config.ecs_stack_name)), RELEASES))
    if store := _logical(stack, "TileStore"):
        found.append(_role(f"<{store}.Arn>/tiles/*", WITHIN))
    if config.tile_website:
        found += [Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=why) for rule, why in WEBSITE.items()]
    Validations.of(stack).acknowledge(*found)


def _logical(stack: Stack, name: str, below: str | None = None) -> str | None:
    """Return how the template names the resource of a construct, when the stack has it."""
    construct = stack.node.try_find_child(name)
    if construct is None:
        return None
    child = construct.node.find_child(below) if below else construct.node.default_child
    return stack.get_logical_id(child)  # type: ignore[arg-type]


def acknowledge_jobs(stack: Stack, config: StackConfig) -> None:
    """Do the same for the stack of jobs, whose roles write below the catalog's prefix and the store's."""
    partition = "<AWS::Partition>"
    resources = [r for s in config.read_statements(partition) for r in s["Resource"] if "*" in r]
    if config.job_tile_store:
        resources.append(f"arn:{partition}:s3:::{config.job_tile_store.removeprefix('s3://')}*")
    if uploads := _logical(stack, "Uploads"):
        resources += [f"<{uploads}.Arn>/{prefix}*" for prefix in ("incoming/", "reports/")]
    reasons = REASONS | {
        "SQS3": "This queue is where events are left for which no job could be started; somebody is told of it."
    }
    found = [Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=why) for rule, why in reasons.items()]
    found += [_role(resource, WITHIN) for resource in dict.fromkeys(resources)]
    found.append(_role("*", ANY))
    Validations.of(stack).acknowledge(*found)


def _role(resource: str, reason: str) -> Acknowledgment:
    return Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]", reason=reason)

"""The settings of the stacks, each by itself: typed, explained, with its default.

Settings come from the environment and from ``.env``, with names that begin with ``TILERY_STACK_``. Those that TiTiler's
stacks have are read under TiTiler's name (``TITILER_STACK_``) as well, with the same meaning.
"""

from __future__ import annotations

import json
import platform
import re
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.config import shared
from cdk.images import ECR
from cdk.values import Network, SecretArn, TagValue, VpcNetwork

RETENTION = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
}
"""Days that logs can be kept for, and CDK's words for them."""
SECRETS = (*shared.ACCESS_TOKEN.names, "AWS_SECRET_ACCESS_KEY")
"""Variables that do not belong into a task definition, which everybody may read who may look at the stack."""

Listed = Annotated[tuple[str, ...], NoDecode]


def _names(name: str) -> tuple[str, str]:
    return (f"TILERY_STACK_{name}", f"TITILER_STACK_{name}")


def _stack(name: str) -> Any:
    return AliasChoices(*_names(name))


class Settings(BaseSettings):
    """The settings of a deployment. The docstring under each is what ``docs/deploy-ecs.md`` prints."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True)

    # Who
    name: str = Field("tilery", pattern=r"^[a-z][a-z0-9-]{0,39}$", validation_alias=_stack("NAME"))
    """First part of the stacks' names: ``mytiler`` makes ``mytiler-ecs-dev``."""
    stage: str = Field("production", pattern=r"^[a-z][a-z0-9-]{0,19}$", validation_alias=_stack("STAGE"))
    """Last part of the stacks' names. ``production`` and ``prod`` are protected from deletion."""
    owner: TagValue | None = Field(None, validation_alias=_stack("OWNER"))
    """Tag ``Owner`` on everything."""
    client: TagValue | None = Field(None, validation_alias=_stack("CLIENT"))
    """Tag ``Client`` on everything."""
    env: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict, validation_alias=_stack("ENV"))
    """Environment of the service, a JSON object: ``{"TILERY_CACHE_CONTROL": "public, max-age=86400"}``."""

    # What may be read
    sources: Listed = shared.SOURCES.field(
        *_names("SOURCES"), more="The roles of the tasks are made from the same list."
    )
    buckets: Listed = Field((), validation_alias=_stack("BUCKETS"))
    """TiTiler's way: names of buckets, a JSON list or with commas between."""
    key: str = Field("*", validation_alias=_stack("KEY"))
    """TiTiler's way: the keys that may be read in ``buckets``, as ``imagery/*`` or ``imagery/*.tif``."""
    catalog: str | None = shared.CATALOG.field(*_names("CATALOG"), more="In a stack only the latter.")
    tile_store: bool = Field(False, validation_alias=_stack("TILE_STORE"))
    """Make a bucket for finished tiles."""
    tile_store_expiry_days: int = Field(0, ge=0, le=36_500, validation_alias=_stack("TILE_STORE_EXPIRY_DAYS"))
    """Days after which finished tiles are removed from their bucket, and made again when somebody asks. 0: never."""
    tile_website: bool = Field(False, validation_alias=_stack("TILE_WEBSITE"))
    """Let the bucket answer first, and the service only for tiles that it has not got. With CloudFront the bucket stays
    private and CloudFront asks both. Without it the bucket is an S3 website: public, without TLS, and it sends callers
    on to the service."""
    access_token_secret: SecretArn | None = Field(None, validation_alias=_stack("ACCESS_TOKEN_SECRET"))
    """ARN of a Secrets Manager secret whose text is the service's access token."""
    access_secret: SecretArn | None = Field(None, validation_alias=_stack("ACCESS_SECRET"))
    """ARN of a Secrets Manager secret whose text is what ``TILERY_ACCESS`` says: several tokens with scopes and rates,
    keys that sign addresses, an issuer."""
    sources_file_secret: SecretArn | None = Field(None, validation_alias=_stack("SOURCES_FILE_SECRET"))
    """ARN of a Secrets Manager secret whose text is a file of sources as ``TILERY_SOURCES_FILE`` names one: those that
    need more than an address, with their keys."""

    # How large
    min_ecs_instances: int = Field(2, ge=0, le=1000, validation_alias=_stack("MIN_ECS_INSTANCES"))
    """Tasks that always run. Two live in two zones: one can be lost or replaced."""
    max_ecs_instances: int = Field(
        default_factory=lambda known: max(10, min(2 * known.get("min_ecs_instances", 0), 1000)),
        ge=1,
        le=1000,
        validation_alias=_stack("MAX_ECS_INSTANCES"),
    )
    """Tasks that run at most: the upper bound of the bill. Not set: 10, or twice the lower bound where that is more."""
    task_cpu: int = Field(512, validation_alias=_stack("TASK_CPU"))
    """CPU units of a task; 1,024 are one vCPU."""
    task_memory: int = Field(1024, validation_alias=_stack("TASK_MEMORY"))
    """MiB of memory of a task."""
    architecture: Literal["ARM64", "X86_64"] = Field(
        default_factory=lambda: "ARM64" if platform.machine() in {"arm64", "aarch64"} else "X86_64",
        validation_alias=_stack("ARCHITECTURE"),
    )
    """Processor of the tasks. ARM64 costs a fifth less. Not set: that of the machine that builds the image."""
    spot_percent: int = Field(0, ge=0, le=100, validation_alias=_stack("SPOT_PERCENT"))
    """Share of the tasks that run on Fargate Spot: up to 70 % cheaper, and AWS may take one back within two minutes."""
    workers_per_core: float | None = Field(None, gt=0, validation_alias=_stack("WORKERS_PER_CORE"))
    """Workers for each core of a task. Not set: two for three cores, which is one for one core and two for two."""
    max_workers: int | None = Field(None, gt=0, validation_alias=_stack("MAX_WORKERS"))
    """Workers of a task at most."""
    web_concurrency: int | None = Field(None, gt=0, validation_alias=_stack("WEB_CONCURRENCY"))
    """Exactly this many workers in a task."""
    cpu_target: int = Field(60, ge=10, le=90, validation_alias=_stack("CPU_TARGET"))
    """Percent of CPU that scaling keeps the tasks at."""
    requests_target: int | None = Field(None, gt=0, validation_alias=_stack("REQUESTS_TARGET"))
    """Requests a minute that scaling gives to one task. Not set: 4,800 for each vCPU."""
    image: str | None = Field(None, pattern=r"^\S+$", validation_alias=_stack("IMAGE"))
    """Image in a registry, best by digest. Not set: it is built from this folder while deploying."""

    # Where
    network: Literal["public", "private", "nat"] = Field("public", validation_alias=_stack("NETWORK"))
    """``public``: tasks have public addresses, reachable from the load balancer only; every source works; nothing to
    pay but the addresses. ``private``: no way to the internet at all, only S3 works, 44 dollars a month for endpoints.
    ``nat``: as private with a NAT gateway, 33 dollars a month and 4.5 cents for each GB."""
    vpc_id: str | None = Field(None, pattern=r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", validation_alias=_stack("VPC_ID"))
    """A VPC that exists. Not set: one is made over two zones."""
    vpc_cidr: VpcNetwork = Field("10.0.0.0/16", validation_alias=_stack("VPC_CIDR"))
    """Addresses of the VPC. One that is made has room for four subnets, up to /22; of one that exists they have to be
    named."""
    public_subnets: Listed = Field((), validation_alias=_stack("PUBLIC_SUBNETS"))
    """With ``vpc_id``: its public subnets, two at least in different zones."""
    private_subnets: Listed = Field((), validation_alias=_stack("PRIVATE_SUBNETS"))
    """With ``vpc_id``: its private subnets, for ``network`` private or nat, and for CloudFront."""

    # The face towards the net
    domain: str | None = Field(None, pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", validation_alias=_stack("DOMAIN"))
    """Host name of the service. With it comes HTTPS, and HTTP leads there."""
    hosted_zone_id: str | None = Field(None, pattern=r"^Z[A-Z0-9]+$", validation_alias=_stack("HOSTED_ZONE_ID"))
    """Route 53 zone that the domain is written into."""
    hosted_zone_name: str | None = Field(None, validation_alias=_stack("HOSTED_ZONE_NAME"))
    """Name of that zone, as ``example.com``."""
    certificate_arn: str | None = Field(
        None,
        pattern=r"^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$",
        validation_alias=_stack("CERTIFICATE_ARN"),
    )
    """Certificate for the domain; in us-east-1 with CloudFront. Not set: one is made in the zone."""
    cloudfront: bool = Field(False, validation_alias=_stack("CLOUDFRONT"))
    """CloudFront in front: tiles come from a cache near the user, and the load balancer has no public address."""
    distribution_id: str | None = Field(None, pattern=r"^E[A-Z0-9]+$", validation_alias=_stack("DISTRIBUTION_ID"))
    """Id of the distribution of a stack that is not in us-east-1, which is an output of that stack: a stack ``edge`` in
    us-east-1 then has the alarms on it."""
    waf: bool = Field(False, validation_alias=_stack("WAF"))
    """A web application firewall with a rate rule."""
    waf_rate: int = Field(10_000, ge=100, le=2_000_000_000, validation_alias=_stack("WAF_RATE"))
    """Requests in five minutes from one address after which it is refused. A map shows some 50 tiles."""

    # What one gets to see
    log_retention_days: int = Field(14, validation_alias=_stack("LOG_RETENTION_DAYS"))
    """Days that logs are kept."""
    access_logs: bool = Field(True, validation_alias=_stack("ACCESS_LOGS"))
    """Access logs of the load balancer, in a bucket, for ``log_retention_days``."""
    alarm_email: str | None = Field(None, pattern=r"^\S+@\S+\.\S+$", validation_alias=_stack("ALARM_EMAIL"))
    """Address that alarms are sent to."""
    alarm_topic_arn: str | None = Field(
        None, pattern=r"^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$", validation_alias=_stack("ALARM_TOPIC_ARN")
    )
    """ARN of an SNS topic that exists, in the stack's region, that alarms are sent to as well: of a pager, a chat or a
    queue."""
    budget: int | None = Field(None, gt=0, validation_alias=_stack("BUDGET"))
    """Dollars a month; ``alarm_email``, or else ``alarm_topic_arn``, is told when the forecast passes them."""
    service_metrics: bool = Field(True, validation_alias=_stack("SERVICE_METRICS"))
    """Metrics that the service itself counts, in tasks: renders, caches, queue, problems. Six dollars a month, and with
    them alarms on sources that refuse and on a service that is too busy."""
    kms_key_arn: str | None = Field(
        None, pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+$", validation_alias=_stack("KMS_KEY_ARN")
    )
    """ARN of a KMS key, in the stack's region, for buckets and logs; sources encrypted with it can be read. Not set:
    AWS's own keys. The access logs of a load balancer have AWS's own key in any case: ELB writes with no other."""
    protect: bool | None = Field(None, validation_alias=_stack("PROTECT"))
    """Protect the stack from deletion. Not set: in production."""

    # The stack of jobs
    jobs: bool = Field(False, validation_alias=_stack("JOBS"))
    """A stack for work that is no request: AWS Batch on Fargate, which fills the tile store with many machines at once.
    Costs nothing while nothing runs."""
    incoming: bool = Field(False, validation_alias=_stack("INCOMING"))
    """With the stack of jobs: a bucket in which every raster that is put under ``incoming/`` becomes a layer of
    ``catalog``."""
    incoming_days: int = Field(30, ge=1, validation_alias=_stack("INCOMING_DAYS"))
    """Days after which uploads and reports are removed; the layers are copies and stay."""
    job_tile_store: str | None = Field(None, pattern=r"^s3://[^/]+/.+/$", validation_alias=_stack("JOB_TILE_STORE"))
    """Where jobs put tiles: ``s3://<TileStoreBucket>/tiles/``, of the outputs of the service's stack."""
    job_cpu: int = Field(2048, validation_alias=_stack("JOB_CPU"))
    """CPU units of one job."""
    job_memory: int = Field(4096, validation_alias=_stack("JOB_MEMORY"))
    """MiB of memory of one job."""
    job_storage: int = Field(100, ge=21, le=200, validation_alias=_stack("JOB_STORAGE"))
    """GiB of disk of one job; publishing needs up to twice the published raster's uncompressed size."""
    job_max_vcpus: int = Field(16, ge=1, le=1000, validation_alias=_stack("JOB_MAX_VCPUS"))
    """vCPUs of all jobs together that run at a time; further jobs wait."""

    # The Lambda stack
    timeout: int = Field(30, ge=1, le=900, validation_alias=_stack("TIMEOUT"))
    """Seconds that one request may take in Lambda; an HTTP API waits for 30 at most, CloudFront for 60."""
    memory: int = Field(1769, ge=128, le=10240, validation_alias=_stack("MEMORY"))
    """MiB of memory of the function; 1,769 come with one vCPU."""
    max_concurrent: int | None = Field(None, ge=0, validation_alias=_stack("MAX_CONCURRENT"))
    """Requests that Lambda answers at a time at most: the upper bound of the bill. Not set: the account's quota."""
    lambda_package: Literal["zip", "image"] = Field("zip", validation_alias=_stack("LAMBDA_PACKAGE"))
    """``zip`` starts from a snapshot; ``image`` is a container image."""
    lambda_front: Literal["function-url", "http-api"] = Field("function-url", validation_alias=_stack("LAMBDA_FRONT"))
    """``function-url`` costs nothing and waits as long as the function; ``http-api`` can have a domain without
    CloudFront and costs a dollar for a million requests."""
    lambda_zip: str | None = Field(None, min_length=1, validation_alias=_stack("LAMBDA_ZIP"))
    """Zip that was made and tested before, as ``build/package.zip``. Not set: it is made while deploying."""
    lambda_image: str | None = Field(None, pattern=ECR.pattern, validation_alias=_stack("LAMBDA_IMAGE"))
    """Image for Lambda in ECR that was made and tested before, best by digest. Not set: it is built while deploying."""
    snap_start: bool = Field(True, validation_alias=_stack("SNAP_START"))
    """Start the zip from a snapshot of the started service, which costs 4 dollars a month for each GB of memory."""

    # How a release goes
    release: Literal["rolling", "blue-green"] = Field("rolling", validation_alias=_stack("RELEASE"))
    """How tasks are replaced. ``rolling``: by ECS, some at a time. ``blue-green``: by CodeDeploy, a whole second set of
    tasks that traffic is shifted to. Cannot be changed for a service that exists."""
    test_from: Network | None = Field(None, validation_alias=_stack("TEST_FROM"))
    """With ``blue-green``: addresses, as ``203.0.113.7/32``, that new tasks answer to on port 9000 before they get
    traffic, and CodeDeploy then waits an hour for somebody to say that it may shift."""
    shift: Literal["all-at-once", "canary", "linear"] | None = Field(None, validation_alias=_stack("SHIFT"))
    """How CodeDeploy shifts traffic to a new version: ``canary`` gives it shift_percent of the traffic for
    shift_minutes, then all; ``linear`` as much more every shift_minutes. Not set: canary in production, otherwise all
    at once."""
    shift_percent: int = Field(10, ge=1, le=99, validation_alias=_stack("SHIFT_PERCENT"))
    """Percent of the traffic that is shifted first, or at a time."""
    shift_minutes: int = Field(5, ge=1, le=60, validation_alias=_stack("SHIFT_MINUTES"))
    """Minutes between the shifts, in which an alarm takes the version back."""

    # The release pipeline
    connection_arn: str | None = Field(
        None,
        pattern=r"^arn:[a-z-]+:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[\w-]+$",
        validation_alias=_stack("CONNECTION_ARN"),
    )
    """Connection to the host of the repository, made once in AWS's console; with it there is a release stack."""
    repository: str | None = Field(None, pattern=r"^[\w.-]+(/[\w.-]+)+$", validation_alias=_stack("REPOSITORY"))
    """Repository that is released, as ``owner/name``."""
    branch: str = Field("main", pattern=r"^[\w./-]+$", validation_alias=_stack("BRANCH"))
    """Branch whose commits are released."""
    release_to: Listed = Field(
        default_factory=lambda known: ("ecs", "jobs") if known.get("jobs") or known.get("incoming") else ("ecs",),
        validation_alias=_stack("RELEASE_TO"),
    )
    """Stacks that a commit is deployed to: ``ecs``, ``lambda``, ``jobs``. Not set: ``ecs``, and ``jobs`` where there
    are."""
    test_source: str | None = Field(None, min_length=1, validation_alias=_stack("TEST_SOURCE"))
    """Raster of the sources, as ``s3://bucket/a.tif``, of which a release has to draw a tile: a new version of the
    function before it gets traffic, every stack after. Not set: the first layer, if there is one."""
    approval: bool | None = Field(None, validation_alias=_stack("APPROVAL"))
    """Whether somebody has to agree in the console before a release is deployed. Not set: in production."""

    @field_validator("sources", "buckets", "public_subnets", "private_subnets", "release_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Return a JSON list, as TiTiler has it, or words with commas between."""
        if not isinstance(value, str):
            return value
        if value.strip().startswith("["):
            return tuple(json.loads(value))
        return shared.split(value)

    @field_validator("env", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """Return a JSON object, its numbers and truth values as the texts that an environment has."""
        if isinstance(value, str):
            value = json.loads(value or "{}")
        if isinstance(value, dict):
            return {k: json.dumps(v) if isinstance(v, bool | int | float) else v for k, v in value.items()}
        return value

    @field_validator(
        "owner",
        "client",
        "catalog",
        "web_concurrency",
        "max_workers",
        "image",
        "shift",
        "repository",
        "lambda_zip",
        "lambda_image",
        "test_source",
        "alarm_topic_arn",
        "kms_key_arn",
        mode="before",
    )
    @classmethod
    def _empty(cls, value: object) -> object:
        """An empty variable is one that is not set."""
        return None if value == "" else value

    @field_validator("catalog")
    @classmethod
    def _folder(cls, value: str | None) -> str | None:
        """With a slash at its end, or a role that may write below ``layers`` might write below ``layers-of-others``."""
        return f"{value}/" if value and value.startswith("s3://") and not value.endswith("/") else value

    @field_validator("log_retention_days")
    @classmethod
    def _retention(cls, value: int) -> int:
        if value not in RETENTION:
            raise ValueError(f"logs are kept for {', '.join(map(str, RETENTION))} days")
        return value

    @field_validator("min_ecs_instances")
    @classmethod
    def _running(cls, value: int) -> int:
        if not value:
            raise ValueError(
                "one at least has to run: with none there is nothing to measure, so no first one would ever be started "
                "(the Lambda stack costs next to nothing while nobody asks)"
            )
        return value

    @field_validator("key")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if not value or value.startswith("/") or not re.fullmatch(r"[\w!\-.*'()/?=+:@,& ]+", value):
            raise ValueError("a key is written as imagery/* or imagery/*.tif")
        return value

"""What the stacks are made from: every setting, typed, explained and checked before anything is made.

Settings come from the environment and from ``.env``, with names that begin with ``TILERY_STACK_``. Those that TiTiler's
stacks have are read under TiTiler's name (``TITILER_STACK_``) as well, with the same meaning.
"""

from __future__ import annotations

import json
import os
import platform
import re
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.process import budget
from cdk.fargate import wrong_size
from cdk.images import ECR
from cdk.s3_hosts import is_s3
from tilery.storage.policy import Policy, WrongSourcesError

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
TOKENS = ("TILERY_ACCESS_TOKEN", "TITILER_API_GLOBAL_ACCESS_TOKEN")
"""Variables of the service that make it ask for a token."""
SECRETS = (*TOKENS, "AWS_SECRET_ACCESS_KEY")
"""Variables that do not belong into a task definition, which everybody may read who may look at the stack."""

Listed = Annotated[tuple[str, ...], NoDecode]


class ConfigurationError(Exception):
    """One line for each setting that is wrong, with the name of its variable."""


def _stack(name: str, *fallbacks: str) -> Any:
    return AliasChoices(f"TILERY_STACK_{name}", f"TITILER_STACK_{name}", *fallbacks)


class StackConfig(BaseSettings):
    """The settings of a deployment. The docstring under each is what ``docs/deploy-ecs.md`` prints."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True)

    # Who
    name: str = Field("tilery", pattern=r"^[a-z][a-z0-9-]{0,39}$", validation_alias=_stack("NAME"))
    """First part of the stacks' names: ``mytiler`` makes ``mytiler-ecs-dev``."""
    stage: str = Field("production", pattern=r"^[a-z][a-z0-9-]{0,19}$", validation_alias=_stack("STAGE"))
    """Last part of the stacks' names. ``production`` and ``prod`` are protected from deletion."""
    owner: str | None = Field(None, validation_alias=_stack("OWNER"))
    """Tag ``Owner`` on everything."""
    client: str | None = Field(None, validation_alias=_stack("CLIENT"))
    """Tag ``Client`` on everything."""
    env: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict, validation_alias=_stack("ENV"))
    """Environment of the service, a JSON object: ``{"TILERY_CACHE_CONTROL": "public, max-age=86400"}``."""

    # What may be read
    sources: Listed = Field((), validation_alias=_stack("SOURCES", "TILERY_SOURCES"))
    """What ``url=`` may name, as the service's ``TILERY_SOURCES``; the role of the tasks is made from the same list."""
    buckets: Listed = Field((), validation_alias=_stack("BUCKETS"))
    """TiTiler's way: names of buckets, a JSON list or with commas between."""
    key: str = Field("*", validation_alias=_stack("KEY"))
    """TiTiler's way: the keys that may be read in ``buckets``, as ``imagery/*`` or ``imagery/*.tif``."""
    catalog: str | None = Field(None, validation_alias=_stack("CATALOG", "TILERY_CATALOG"))
    """``s3://bucket/prefix/`` of the layers."""
    tile_store: bool = Field(False, validation_alias=_stack("TILE_STORE"))
    """Make a bucket for finished tiles."""
    tile_store_expiry_days: int = Field(0, ge=0, le=36_500, validation_alias=_stack("TILE_STORE_EXPIRY_DAYS"))
    """Days after which finished tiles are removed from their bucket, and made again when somebody asks. 0: never."""
    tile_website: bool = Field(False, validation_alias=_stack("TILE_WEBSITE"))
    """Let the bucket answer first, and the service only for tiles that it has not got. With CloudFront the bucket stays
    private and CloudFront asks both. Without it the bucket is an S3 website: public, without TLS, and it sends callers
    on to the service."""
    access_token_secret: str | None = Field(
        None, pattern=r"^arn:[a-z-]+:secretsmanager:", validation_alias=_stack("ACCESS_TOKEN_SECRET")
    )
    """ARN of a Secrets Manager secret whose text is the service's access token."""

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
    image: str | None = Field(None, min_length=1, validation_alias=_stack("IMAGE"))
    """Image in a registry, best by digest. Not set: it is built from this folder while deploying."""

    # Where
    network: Literal["public", "private", "nat"] = Field("public", validation_alias=_stack("NETWORK"))
    """``public``: tasks have public addresses, reachable from the load balancer only; every source works; nothing to
    pay but the addresses. ``private``: no way to the internet at all, only S3 works, 44 dollars a month for endpoints.
    ``nat``: as private with a NAT gateway, 33 dollars a month and 4.5 cents for each GB."""
    vpc_id: str | None = Field(None, pattern=r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$", validation_alias=_stack("VPC_ID"))
    """A VPC that exists. Not set: one is made over two zones."""
    vpc_cidr: str = Field("10.0.0.0/16", pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$", validation_alias=_stack("VPC_CIDR"))
    """Addresses of the VPC, of the one that is made or the one that exists."""
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
    certificate_arn: str | None = Field(None, pattern=r"^arn:[a-z-]+:acm:", validation_alias=_stack("CERTIFICATE_ARN"))
    """Certificate for the domain; in us-east-1 with CloudFront. Not set: one is made in the zone."""
    cloudfront: bool = Field(False, validation_alias=_stack("CLOUDFRONT"))
    """CloudFront in front: tiles come from a cache near the user, and the load balancer has no public address."""
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
    budget: int | None = Field(None, gt=0, validation_alias=_stack("BUDGET"))
    """Dollars a month; ``alarm_email`` is told when the forecast passes them."""
    protect: bool | None = Field(None, validation_alias=_stack("PROTECT"))
    """Protect the stack and the load balancer from deletion. Not set: in production."""

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
    test_from: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$", validation_alias=_stack("TEST_FROM"))
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
        """A JSON list, as TiTiler has it, or words with commas between."""
        if not isinstance(value, str):
            return value
        if value.strip().startswith("["):
            return tuple(json.loads(value))
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("env", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """A JSON object, its numbers and truth values as the texts that an environment has."""
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

    @model_validator(mode="after")
    def _together(self) -> StackConfig:
        """What settings say together has to make sense."""
        if self.min_ecs_instances > self.max_ecs_instances:
            raise ValueError(
                f"TILERY_STACK_MIN_ECS_INSTANCES ({self.min_ecs_instances}) is more than "
                f"TILERY_STACK_MAX_ECS_INSTANCES ({self.max_ecs_instances})"
            )
        if problem := wrong_size(self.task_cpu, self.task_memory):
            raise ValueError(f"TILERY_STACK_TASK_CPU and TILERY_STACK_TASK_MEMORY: {problem}")
        self._check_workers()
        self._check_network()
        self._check_domain()
        self._check_lambda()
        self._check_release()
        self._check_website()
        self._check_jobs()
        if "*" in self.buckets:
            raise ValueError(
                "TILERY_STACK_BUCKETS: '*' would let the service read every bucket of the account: name the buckets"
            )
        if self.budget and not self.alarm_email:
            raise ValueError("TILERY_STACK_BUDGET needs TILERY_STACK_ALARM_EMAIL, whom to tell")
        try:
            self.policy()
        except WrongSourcesError as problem:
            raise ValueError(str(problem)) from None
        return self

    def _check_workers(self) -> None:
        limits = budget.ContainerLimits(
            cores=self.task_cpu / 1024, memory=self.task_memory << 20, cores_from="ecs", memory_from="ecs"
        )
        try:
            budget.plan(self.environment(), limits)
        except budget.ImpossibleBudget as problem:
            raise ValueError(f"TILERY_STACK_TASK_MEMORY: {problem}") from None

    def _check_network(self) -> None:
        subnets = self.public_subnets + self.private_subnets
        if not self.vpc_id:
            if subnets:
                raise ValueError("TILERY_STACK_PUBLIC_SUBNETS and _PRIVATE_SUBNETS go with TILERY_STACK_VPC_ID")
            return
        if wrong := [name for name in subnets if not re.fullmatch(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})", name)]:
            raise ValueError(f"TILERY_STACK_PUBLIC_SUBNETS and _PRIVATE_SUBNETS: {wrong[0]} is not the id of a subnet")
        if len(self.public_subnets) < 2 and not (self.cloudfront and self.network != "public"):
            raise ValueError("TILERY_STACK_PUBLIC_SUBNETS: a load balancer needs two, in different zones")
        if len(self.private_subnets) < 2 and (self.network != "public" or self.cloudfront):
            raise ValueError(
                f"TILERY_STACK_PRIVATE_SUBNETS: network {self.network}"
                f"{' with CloudFront' if self.cloudfront else ''} needs two, in different zones"
            )

    def _check_domain(self) -> None:
        if bool(self.hosted_zone_id) != bool(self.hosted_zone_name):
            raise ValueError("TILERY_STACK_HOSTED_ZONE_ID and TILERY_STACK_HOSTED_ZONE_NAME go together")
        if not self.domain:
            if self.certificate_arn or self.hosted_zone_id:
                raise ValueError("TILERY_STACK_CERTIFICATE_ARN and _HOSTED_ZONE_ID go with TILERY_STACK_DOMAIN")
            return
        if self.hosted_zone_name and not f".{self.domain}".endswith(f".{self.hosted_zone_name}"):
            raise ValueError(f"TILERY_STACK_DOMAIN: {self.domain} is not in the zone {self.hosted_zone_name}")
        if not self.certificate_arn and (self.cloudfront or not self.hosted_zone_id):
            raise ValueError(
                "TILERY_STACK_CERTIFICATE_ARN is needed: CloudFront's certificate is made in us-east-1"
                if self.cloudfront
                else "TILERY_STACK_DOMAIN needs TILERY_STACK_HOSTED_ZONE_ID and _NAME, or TILERY_STACK_CERTIFICATE_ARN"
            )
        if self.cloudfront and self.certificate_arn and ":us-east-1:" not in self.certificate_arn:
            raise ValueError("TILERY_STACK_CERTIFICATE_ARN: CloudFront takes certificates of us-east-1 only")

    def _check_lambda(self) -> None:
        """Check that the function can do its work, and that its front waits for it."""
        if self.lambda_front == "http-api":
            if self.timeout > 30:
                raise ValueError(f"TILERY_STACK_TIMEOUT ({self.timeout}): an HTTP API waits for 30 seconds at most")
            if self.cloudfront:
                raise ValueError(
                    "TILERY_STACK_LAMBDA_FRONT: an HTTP API cannot be kept for CloudFront alone: use function-url"
                )
        limits = budget.ContainerLimits(
            cores=max(1.0, self.memory / 1769), memory=self.memory << 20, cores_from="lambda", memory_from="lambda"
        )
        function = {"WEB_CONCURRENCY": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory)}
        try:
            budget.plan(self.env | function, limits)
        except budget.ImpossibleBudget as problem:
            raise ValueError(f"TILERY_STACK_MEMORY: {problem}") from None

    def _check_release(self) -> None:
        if self.release == "blue-green" and self.spot_percent:
            raise ValueError(
                "TILERY_STACK_SPOT_PERCENT: CodeDeploy starts no tasks on Spot; use TILERY_STACK_RELEASE=rolling"
            )
        if self.test_from and self.release != "blue-green":
            raise ValueError("TILERY_STACK_TEST_FROM goes with TILERY_STACK_RELEASE=blue-green")
        if self.test_from and self.cloudfront:
            raise ValueError("TILERY_STACK_TEST_FROM: behind CloudFront the load balancer has no public address")
        if bool(self.connection_arn) != bool(self.repository):
            raise ValueError("TILERY_STACK_CONNECTION_ARN and TILERY_STACK_REPOSITORY go together")
        if not self.release_to or not set(self.release_to) <= {"ecs", "lambda", "jobs"}:
            raise ValueError(f"TILERY_STACK_RELEASE_TO={','.join(self.release_to)!r}: name ecs, lambda, jobs")
        if "jobs" in self.release_to and not self.has_jobs:
            raise ValueError("TILERY_STACK_RELEASE_TO: there is a stack of jobs with TILERY_STACK_JOBS=1 only")
        named = self.cloudfront or self.front == "http-api"
        if {"ecs", "lambda"} <= set(self.release_to) and self.hosted_zone_id and named:
            raise ValueError(
                f"TILERY_STACK_RELEASE_TO: both stacks would write {self.domain} into the zone; release them from two "
                "pipelines, of another TILERY_STACK_STAGE and with another TILERY_STACK_DOMAIN"
            )

    def _check_website(self) -> None:
        if not self.tile_website:
            return
        if self.has_token:
            raise ValueError("TILERY_STACK_TILE_WEBSITE: a bucket asks nobody for TILERY_STACK_ACCESS_TOKEN_SECRET")
        if self.domain and not self.cloudfront:
            raise ValueError(
                "TILERY_STACK_TILE_WEBSITE: S3's websites have no TLS, and pages at "
                f"https://{self.domain} may not load from them: set TILERY_STACK_CLOUDFRONT=1"
            )

    def _check_jobs(self) -> None:
        if not self.has_jobs:
            return
        if not (self.catalog and self.catalog.startswith("s3://")):
            raise ValueError(
                "TILERY_STACK_JOBS and TILERY_STACK_INCOMING need TILERY_STACK_CATALOG, as s3://bucket/layers/"
            )
        if problem := wrong_size(self.job_cpu, self.job_memory):
            raise ValueError(f"TILERY_STACK_JOB_CPU and TILERY_STACK_JOB_MEMORY: {problem}")
        if self.job_max_vcpus * 1024 < self.job_cpu:
            raise ValueError("TILERY_STACK_JOB_MAX_VCPUS: not even one job of TILERY_STACK_JOB_CPU fits")

    @property
    def has_jobs(self) -> bool:
        """Whether there is a stack of jobs."""
        return self.jobs or self.incoming

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Sources that lie where the network has no way to."""
        if self.network != "private":
            return ()
        return tuple(name for name in self.sources if name.lower().startswith(("http:", "https:")) and not is_s3(name))

    @property
    def has_token(self) -> bool:
        """Whether the service asks for an access token."""
        return bool(self.access_token_secret or {name for name in TOKENS if self.env.get(name)})

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins whose pages may call the service, as ``env`` tells it."""
        return self._listed("CORS_ORIGINS", "*")

    @property
    def cors_methods(self) -> tuple[str, ...]:
        """Methods that those pages may use."""
        found = self._listed("CORS_ALLOW_METHODS", "*")
        return ("GET", "HEAD", "POST", "OPTIONS") if "*" in found else found

    def _listed(self, name: str, otherwise: str) -> tuple[str, ...]:
        text = self.env.get(f"TILERY_{name}") or self.env.get(f"TITILER_API_{name}") or otherwise
        found = tuple(part.strip() for part in text.split(",") if part.strip())
        return ("*",) if "*" in found else found

    @property
    def place(self) -> str:
        """Part of the names of what cannot move to another network: nothing in the usual one, else which one it is."""
        if self.vpc_id:
            return self.vpc_id.removeprefix("vpc-")
        usual = self.vpc_cidr == StackConfig.model_fields["vpc_cidr"].default
        return "" if usual else re.sub(r"\D", "x", self.vpc_cidr)

    @property
    def jobs_stack_name(self) -> str:
        """``mytiler-jobs-dev``."""
        return f"{self.name}-jobs-{self.stage}"

    @property
    def has_store(self) -> bool:
        """Whether there is a bucket for finished tiles."""
        return self.tile_store or self.tile_website

    @property
    def ecs_stack_name(self) -> str:
        """``mytiler-ecs-dev``."""
        return f"{self.name}-ecs-{self.stage}"

    @property
    def lambda_stack_name(self) -> str:
        """``mytiler-lambda-dev``."""
        return f"{self.name}-lambda-{self.stage}"

    @property
    def release_stack_name(self) -> str:
        """``mytiler-release-dev``."""
        return f"{self.name}-release-{self.stage}"

    @property
    def production(self) -> bool:
        """Whether the stage is one that users rely on."""
        return self.stage in {"production", "prod"}

    @property
    def shifting(self) -> Literal["all-at-once", "canary", "linear"]:
        """How CodeDeploy shifts traffic."""
        return self.shift or ("canary" if self.production else "all-at-once")

    @property
    def approved(self) -> bool:
        """Whether somebody has to agree before a release is deployed."""
        return self.production if self.approval is None else self.approval

    @property
    def front(self) -> Literal["function-url", "http-api"]:
        """What stands before the function. A website has to name it, and a function URL has no name before there is a
        function, which in turn has to name the website.
        """
        return "http-api" if self.tile_website and not self.cloudfront else self.lambda_front

    @property
    def patience(self) -> int:
        """Seconds that what stands before the function waits for it."""
        if self.cloudfront:
            return min(self.timeout, 60)
        return min(self.timeout, 30) if self.front == "http-api" else self.timeout

    @property
    def protected(self) -> bool:
        """Whether the stack is protected from deletion."""
        return self.production if self.protect is None else self.protect

    @property
    def requests_per_task(self) -> int:
        """Requests a minute that scaling gives to one task."""
        return self.requests_target or 4800 * self.task_cpu // 1024

    def all_sources(self) -> tuple[str, ...]:
        """What may be read, in the service's own words; TiTiler's buckets and key among it.

        The service knows prefixes and no suffixes: ``imagery/*.tif`` becomes ``s3://bucket/imagery/`` for it, and stays
        what it is for IAM.
        """
        prefix = re.split(r"[*?]", self.key)[0]
        if prefix != self.key:
            prefix = prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
        return self.sources + tuple(f"s3://{bucket}/{prefix}" for bucket in self.buckets)

    def policy(self) -> Policy:
        """The service's own policy of sources, from which the roles are made.

        Raises:
            WrongSourcesError: an entry of the sources or the catalog's address has no meaning.
        """
        policy = Policy.from_sources(self.all_sources(), variable="TILERY_STACK_SOURCES", check_directories=False)
        return policy.with_catalog(self.catalog) if self.catalog else policy

    def read_statements(self, partition: str) -> list[dict[str, Any]]:
        """IAM statements that let the tasks read what the service may read, and nothing else."""
        found: list[dict[str, Any]] = []
        policy = self.policy()
        named = len(self.sources)
        for number, entry in enumerate(policy.entries):
            statements = Policy(entries=(entry,)).iam_statements(partition=partition)
            if named <= number < named + len(self.buckets):  # the key may be narrower than the service's prefix
                bucket = self.buckets[number - named]
                statements[0]["Resource"] = [f"arn:{partition}:s3:::{bucket}/{self.key}"]
            found += statements
        return found

    def settings(self) -> dict[str, str]:
        """The settings as the variables that make them; the image is not among them, which each release has its own."""
        found = {"TILERY_STACK_STAGE": self.stage, "TILERY_STACK_NAME": self.name}
        found["TILERY_STACK_ARCHITECTURE"] = self.architecture
        for name in sorted(self.model_fields_set - {"image", "lambda_image", "lambda_zip"}):
            value = getattr(self, name)
            if isinstance(value, bool):
                text = str(int(value))
            elif isinstance(value, tuple):
                text = ",".join(value)
            else:
                text = json.dumps(value) if isinstance(value, dict) else str(value)
            if value is not None:
                found[f"TILERY_STACK_{name.upper()}"] = text
        return found

    def sources_environment(self) -> dict[str, str]:
        """What the service may read."""
        found: dict[str, str] = {}
        if sources := self.all_sources():
            found["TILERY_SOURCES"] = ",".join(sources)
        if self.catalog:
            found["TILERY_CATALOG"] = self.catalog
        return found

    def service_environment(self) -> dict[str, str]:
        """The service's environment where there are no workers, as in Lambda; what ``env`` says wins."""
        return self.sources_environment() | self.env

    def environment(self) -> dict[str, str]:
        """The service's environment in a task, as far as these settings decide it; what ``env`` says wins."""
        found = self.sources_environment()
        for name in ("workers_per_core", "max_workers", "web_concurrency"):
            if (value := getattr(self, name)) is not None:
                found[name.upper()] = f"{value:g}" if isinstance(value, float) else str(value)
        return found | self.env


def load(**overrides: Any) -> StackConfig:
    """The settings from the environment and ``.env``.

    Raises:
        ConfigurationError: one line for each wrong setting, with the name of its variable.
    """
    known = {str(choice) for field in StackConfig.model_fields.values() for choice in _names(field.validation_alias)}
    file = StackConfig.model_config.get("env_file")
    written = set(os.environ) | set(dotenv_values(str(file)) if file else {})
    if unknown := sorted(name for name in written if name.startswith("TILERY_STACK_") and name not in known):
        raise ConfigurationError("\n".join(f"{name}: there is no such setting" for name in unknown))
    try:
        return StackConfig(**overrides)
    except ValidationError as problem:
        raise ConfigurationError("\n".join(_line(error) for error in problem.errors())) from None


def _names(alias: object) -> list[Any]:
    return alias.choices if isinstance(alias, AliasChoices) else [alias]


def _line(error: Any) -> str:
    """The variable that was set, its value and what is wrong with it."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = str(error["loc"][0])
    if name in StackConfig.model_fields:
        name = f"TILERY_STACK_{name.upper()}"
    ours, theirs = name, name.replace("TILERY_STACK_", "TITILER_STACK_")
    if ours not in os.environ and theirs in os.environ:
        name = theirs
    value = "" if "SECRET" in name else f"={error['input']!r}"
    return f"{name}{value}: {message}"

"""What the stacks are made from: every setting, checked together with the others before anything is made."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, ValidationError, model_validator

from app.config import shared
from app.config.shared import SharedSetting
from app.process import budget
from cdk.fargate import wrong_size
from cdk.s3_hosts import is_s3
from cdk.settings import Settings
from tilery.errors import TileryError
from tilery.storage.policy import Policy, WrongSourcesError


class ConfigurationError(Exception):
    """One line for each setting that is wrong, with the name of its variable."""


class StackConfig(Settings):
    """The settings of a deployment, and what follows from them."""

    @model_validator(mode="after")
    def _together(self) -> StackConfig:
        """Return what settings say together has to make sense."""
        if self.min_ecs_instances > self.max_ecs_instances:
            raise ValueError(
                f"TILERY_STACK_MIN_ECS_INSTANCES ({self.min_ecs_instances}) is more than "
                f"TILERY_STACK_MAX_ECS_INSTANCES ({self.max_ecs_instances})"
            )
        if problem := wrong_size(self.task_cpu, self.task_memory):
            raise ValueError(f"TILERY_STACK_TASK_CPU and TILERY_STACK_TASK_MEMORY: {problem}")
        self._check_env()
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
        if self.key != "*" and not self.buckets:
            raise ValueError(
                "TILERY_STACK_KEY goes with TILERY_STACK_BUCKETS; a source is as narrow as TILERY_STACK_SOURCES has it"
            )
        if self.budget and not (self.alarm_email or self.alarm_topic_arn):
            raise ValueError("TILERY_STACK_BUDGET needs TILERY_STACK_ALARM_EMAIL or _ALARM_TOPIC_ARN, whom to tell")
        try:
            policy = self.policy()
        except WrongSourcesError as problem:
            raise ValueError(str(problem)) from None
        if self.test_source and ":" in self.test_source:
            try:
                policy.locate(self.test_source)
            except TileryError:
                raise ValueError(
                    f"TILERY_STACK_TEST_SOURCE: {self.test_source} is not among the sources: every release would fail"
                ) from None
        return self

    def _check_env(self) -> None:
        """Check that the service's environment leaves to the stack what the stack decides."""
        for name in self.env:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"TILERY_STACK_ENV: {name!r} is not the name of a variable")
            if name in {*shared.SOURCES.names, *shared.CATALOG.names}:
                ours = name.replace("TILERY_", "TILERY_STACK_")
                raise ValueError(f"TILERY_STACK_ENV: set {ours} in place of {name}: the roles are made from it")
            if name in {"HOST", "PORT"}:
                raise ValueError(f"TILERY_STACK_ENV: {name} is where the load balancer finds the tasks: leave it out")

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
            if int(self.vpc_cidr.partition("/")[2]) > 22:  # or a setting of later would not fit
                raise ValueError(
                    f"TILERY_STACK_VPC_CIDR={self.vpc_cidr!r}: four subnets of /24 have to fit, so it is /22 at most"
                )
            return
        if wrong := [name for name in subnets if not re.fullmatch(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})", name)]:
            raise ValueError(f"TILERY_STACK_PUBLIC_SUBNETS and _PRIVATE_SUBNETS: {wrong[0]} is not the id of a subnet")
        if len(set(subnets)) < len(subnets):
            raise ValueError("TILERY_STACK_PUBLIC_SUBNETS and _PRIVATE_SUBNETS: one of them is named twice")
        if len(self.public_subnets) < 2 and not (self.cloudfront and self.network != "public"):
            raise ValueError("TILERY_STACK_PUBLIC_SUBNETS: a load balancer needs two, in different zones")
        if len(self.private_subnets) < 2 and (self.network != "public" or self.cloudfront):
            raise ValueError(
                f"TILERY_STACK_PRIVATE_SUBNETS: network {self.network}"
                f"{' with CloudFront' if self.cloudfront else ''} needs two, in different zones"
            )
        if "vpc_cidr" not in self.model_fields_set:
            raise ValueError(
                "TILERY_STACK_VPC_ID needs TILERY_STACK_VPC_CIDR, the addresses of that network: by them the tasks "
                "know their load balancer, and it knows CloudFront"
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
        if self.kms_key_arn and not self.cloudfront:
            raise ValueError(
                "TILERY_STACK_TILE_WEBSITE: S3 gives nobody without an account what TILERY_STACK_KMS_KEY_ARN encrypts: "
                "set TILERY_STACK_CLOUDFRONT=1, or leave the key"
            )
        if self.has_token:
            raise ValueError(
                "TILERY_STACK_TILE_WEBSITE: a bucket asks nobody for TILERY_STACK_ACCESS_TOKEN_SECRET or "
                "TILERY_STACK_ACCESS_SECRET"
            )
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
        names = (*shared.ACCESS_TOKEN.names, *shared.ACCESS.names)
        return bool(self.access_token_secret or self.access_secret or {name for name in names if self.env.get(name)})

    @property
    def secrets(self) -> dict[str, str]:
        """The variables of the service whose values are secrets, and the ARN of each."""
        given = {
            "TILERY_ACCESS_TOKEN": self.access_token_secret,
            "TILERY_ACCESS": self.access_secret,
            "TILERY_SOURCES_FILE": self.sources_file_secret,
        }
        return {variable: arn for variable, arn in given.items() if arn}

    @property
    def token_in_clear(self) -> bool:
        """Whether callers of the tasks would send the access token over plain HTTP."""
        return self.has_token and not self.domain and not self.cloudfront

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins whose pages may call the service, as ``env`` tells it."""
        return self._listed(shared.CORS_ORIGINS)

    @property
    def cors_methods(self) -> tuple[str, ...]:
        """Methods that those pages may use."""
        found = self._listed(shared.CORS_ALLOW_METHODS)
        return shared.CORS_ALLOW_METHODS.default if "*" in found else found

    def _listed(self, setting: SharedSetting) -> tuple[str, ...]:
        """Return the list that the service has by ``env``."""
        text = next((self.env[name] for name in setting.names if self.env.get(name)), None)
        found: tuple[str, ...] = setting.default if text is None else shared.split(text)
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
    def edge_stack_name(self) -> str:
        """``mytiler-edge-dev``."""
        return f"{self.name}-edge-{self.stage}"

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
        """Return what may be read, in the service's own words; TiTiler's buckets and key among it.

        The service knows prefixes and no suffixes: ``imagery/*.tif`` becomes ``s3://bucket/imagery/`` for it, and stays
        what it is for IAM.
        """
        prefix = re.split(r"[*?]", self.key)[0]
        if prefix != self.key:
            prefix = prefix.rpartition("/")[0] + "/" if "/" in prefix else ""
        return self.sources + tuple(f"s3://{bucket}/{prefix}" for bucket in self.buckets)

    def policy(self) -> Policy:
        """Return the service's own policy of sources, from which the roles are made.

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
        """Return the settings as the variables that make them; the image is not among them, which each release has its
        own.
        """
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
        """Return what the service may read."""
        found: dict[str, str] = {}
        if sources := self.all_sources():
            found["TILERY_SOURCES"] = ",".join(sources)
        if self.catalog:
            found["TILERY_CATALOG"] = self.catalog
        return found

    def service_environment(self) -> dict[str, str]:
        """Return the service's environment where there are no workers, as in Lambda; what ``env`` says wins."""
        return self.sources_environment() | self.env

    def environment(self) -> dict[str, str]:
        """Return the service's environment in a task, as far as these settings decide it; what ``env`` says wins."""
        found = self.sources_environment()
        for name in ("workers_per_core", "max_workers", "web_concurrency"):
            if (value := getattr(self, name)) is not None:
                found[name.upper()] = f"{value:g}" if isinstance(value, float) else str(value)
        return found | self.env


def load(**overrides: Any) -> StackConfig:
    """Return the settings from the environment and ``.env``.

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
        # a default that follows from another setting cannot be made when one is wrong, which is no second fault
        wrong = [error for error in problem.errors() if error["type"] != "default_factory_not_called"]
        raise ConfigurationError("\n".join(map(_line, wrong))) from None


def _names(alias: object) -> list[Any]:
    return alias.choices if isinstance(alias, AliasChoices) else [alias]


def _line(error: Any) -> str:
    """Return the variable that was set, its value and what is wrong with it."""
    message: str = error["msg"].removeprefix("Value error, ")
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

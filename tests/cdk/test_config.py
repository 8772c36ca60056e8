"""Settings of the stacks: TiTiler's names work, and whatever is wrong is refused with the name of its variable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import settings as service
from app.config import shared
from cdk import config, fargate
from cdk.config import ConfigurationError, load


def set_all(monkeypatch: pytest.MonkeyPatch, **environ: str) -> config.StackConfig:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return load()


def test_the_service_and_the_stacks_define_what_both_have_once() -> None:
    both = {name: value for name, value in vars(shared).items() if isinstance(value, shared.SharedSetting)}
    of_service = {each.names: each for each in service.Settings.variables()}
    for setting in both.values():
        assert of_service[setting.names].explanation == setting.explanation
    for name in ("sources", "catalog"):
        field, setting = config.StackConfig.model_fields[name], both[name.upper()]
        assert field.default == setting.default
        assert (field.description or "").startswith(setting.explanation)
        assert config._names(field.validation_alias)[-len(setting.names) :] == list(setting.names)


def test_the_stacks_know_variables_of_the_service_by_names_that_it_has() -> None:
    known = {name for each in service.Settings.variables() for name in each.names}
    text = "".join(path.read_text() for path in Path(config.__file__).parent.glob("*.py"))
    named = set(re.findall(r'"(TILERY_(?!STACK_)[A-Z_]+)"', text))
    assert "TILERY_PUBLIC_URL" in named
    assert named <= known


def test_settings_need_none_of_the_services_libraries() -> None:
    asked = "import sys, app.config.settings, cdk.settings; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout.split()
    assert "pydantic_settings" in found
    assert not {"aws_cdk", "fastapi", "numpy", "rasterio", "starlette", "tilery"} & set(found)


def test_lists_of_the_service_are_read_as_it_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().cors_origins == ("*",)
    assert load().cors_methods == ("GET", "HEAD", "POST", "OPTIONS")
    found = set_all(
        monkeypatch, TILERY_STACK_ENV='{"TITILER_API_CORS_ORIGINS": "https://a.example , https://b.example"}'
    )
    assert found.cors_origins == ("https://a.example", "https://b.example")


def test_the_defaults_are_two_small_tasks_in_a_public_network() -> None:
    found = load()
    assert (found.name, found.stage, found.ecs_stack_name) == ("tilery", "production", "tilery-ecs-production")
    assert (found.task_cpu, found.task_memory, found.min_ecs_instances) == (512, 1024, 2)
    assert found.protected
    assert found.all_sources() == ()


def test_the_environment_of_a_titiler_deployment_works_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set_all(
        monkeypatch,
        TITILER_STACK_NAME="mytiler",
        TITILER_STACK_STAGE="dev",
        TITILER_STACK_OWNER="maps",
        TITILER_STACK_CLIENT="city",
        TITILER_STACK_MIN_ECS_INSTANCES="5",
        TITILER_STACK_MAX_ECS_INSTANCES="50",
        TITILER_STACK_TASK_CPU="1024",
        TITILER_STACK_TASK_MEMORY="2048",
        TITILER_STACK_WORKERS_PER_CORE="1",
        TITILER_STACK_MAX_WORKERS="1",
        TITILER_STACK_WEB_CONCURRENCY="1",
        TITILER_STACK_BUCKETS='["imagery", "elevation"]',
        TITILER_STACK_KEY="my_data/*.tif",
        TITILER_STACK_ENV='{"GDAL_CACHEMAX": "75%", "VSI_CACHE": true, "GDAL_HTTP_MAX_RETRY": 3}',
        TITILER_STACK_TIMEOUT="10",
        TITILER_STACK_MEMORY="1536",
        TITILER_STACK_MAX_CONCURRENT="100",
        TITILER_STACK_ALARM_EMAIL="maps@example.com",
        TITILER_STACK_IMAGE_VERSION="latest",
    )
    assert (found.ecs_stack_name, found.lambda_stack_name) == ("mytiler-ecs-dev", "mytiler-lambda-dev")
    assert (found.owner, found.client) == ("maps", "city")
    assert (found.min_ecs_instances, found.max_ecs_instances) == (5, 50)
    assert (found.timeout, found.memory, found.max_concurrent) == (10, 1536, 100)
    assert found.all_sources() == ("s3://imagery/my_data/", "s3://elevation/my_data/")
    assert found.environment() == {
        "TILERY_SOURCES": "s3://imagery/my_data/,s3://elevation/my_data/",
        "WORKERS_PER_CORE": "1",
        "MAX_WORKERS": "1",
        "WEB_CONCURRENCY": "1",
        "GDAL_CACHEMAX": "75%",
        "VSI_CACHE": "true",
        "GDAL_HTTP_MAX_RETRY": "3",
    }
    objects = [statement for statement in found.read_statements("aws") if statement["Action"] == ["s3:GetObject"]]
    assert [statement["Resource"] for statement in objects] == [
        ["arn:aws:s3:::imagery/my_data/*.tif"],
        ["arn:aws:s3:::elevation/my_data/*.tif"],
    ]


@pytest.mark.parametrize(
    ("minimum", "wanted"), [("1", 10), ("5", 10), ("10", 20), ("20", 40), ("600", 1000), ("1000", 1000)]
)
def test_the_upper_bound_follows_the_lower_one(monkeypatch: pytest.MonkeyPatch, minimum: str, wanted: int) -> None:
    assert set_all(monkeypatch, TITILER_STACK_MIN_ECS_INSTANCES=minimum).max_ecs_instances == wanted


def test_our_name_wins_over_titilers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set_all(monkeypatch, TITILER_STACK_STAGE="old", TILERY_STACK_STAGE="new").stage == "new"


def test_sources_are_the_services_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set_all(
        monkeypatch,
        TILERY_STACK_SOURCES="s3://imagery/2024/, https://data.example.com/cogs/",
        TILERY_STACK_CATALOG="s3://maps/layers/",
        TILERY_STACK_BUCKETS="elevation",
    )
    assert found.environment()["TILERY_SOURCES"] == (
        "s3://imagery/2024/,https://data.example.com/cogs/,s3://elevation/"
    )
    resources = [name for statement in found.read_statements("aws-cn") for name in statement["Resource"]]
    assert resources == [
        "arn:aws-cn:s3:::imagery/2024/*",
        "arn:aws-cn:s3:::imagery",
        "arn:aws-cn:s3:::elevation/*",
        "arn:aws-cn:s3:::elevation",
        "arn:aws-cn:s3:::maps/layers/*",
        "arn:aws-cn:s3:::maps",
    ]
    assert all(
        set(statement["Action"]) <= {"s3:GetObject", "s3:ListBucket"} for statement in found.read_statements("aws")
    )


WRONG = [
    ({"TILERY_STACK_NAME": "My Tiler"}, "TILERY_STACK_NAME='My Tiler'"),
    ({"TILERY_STACK_STAGE": ""}, "TILERY_STACK_STAGE=''"),
    ({"TILERY_STACK_TASK_CPU": "300"}, "has 256, 512, 1024, 2048, 4096, 8192 and 16384"),
    (
        {"TITILER_STACK_TASK_CPU": "256", "TITILER_STACK_TASK_MEMORY": "4096"},
        "with 256 units go 512, 1024 and 2048 MiB",
    ),
    ({"TILERY_STACK_TASK_CPU": "lots"}, "TILERY_STACK_TASK_CPU='lots'"),
    ({"TITILER_STACK_TASK_MEMORY": "lots"}, "TITILER_STACK_TASK_MEMORY='lots'"),
    (
        {"TILERY_STACK_MIN_ECS_INSTANCES": "20", "TILERY_STACK_MAX_ECS_INSTANCES": "10"},
        "TILERY_STACK_MIN_ECS_INSTANCES (20) is more than",
    ),
    ({"TILERY_STACK_MIN_ECS_INSTANCES": "0"}, "TILERY_STACK_MIN_ECS_INSTANCES='0': one at least has to run"),
    ({"TILERY_STACK_TILE_STORE_EXPIRY_DAYS": "-1"}, "TILERY_STACK_TILE_STORE_EXPIRY_DAYS='-1'"),
    ({"TILERY_STACK_MAX_ECS_INSTANCES": "0"}, "TILERY_STACK_MAX_ECS_INSTANCES='0'"),
    ({"TILERY_STACK_MIN_ECS_INSTANCES": "-1"}, "TILERY_STACK_MIN_ECS_INSTANCES='-1'"),
    ({"TILERY_STACK_WORKERS_PER_CORE": "0"}, "TILERY_STACK_WORKERS_PER_CORE='0'"),
    ({"TILERY_STACK_MAX_WORKERS": "no"}, "TILERY_STACK_MAX_WORKERS='no'"),
    ({"TILERY_STACK_WEB_CONCURRENCY": "9"}, "set WEB_CONCURRENCY to at most 3"),
    ({"TILERY_STACK_BUCKETS": "*"}, "TILERY_STACK_BUCKETS: '*'"),
    ({"TILERY_STACK_BUCKETS": "[1"}, "TILERY_STACK_BUCKETS='[1'"),
    ({"TILERY_STACK_BUCKETS": "Not_A_Bucket"}, "s3://Not_A_Bucket/"),
    ({"TILERY_STACK_KEY": "/x"}, "TILERY_STACK_KEY='/x'"),
    ({"TILERY_STACK_KEY": "cogs/*"}, "TILERY_STACK_KEY goes with TILERY_STACK_BUCKETS"),
    ({"TILERY_STACK_OWNER": "<maps>"}, "TILERY_STACK_OWNER='<maps>'"),
    ({"TILERY_STACK_IMAGE": "til ery"}, "TILERY_STACK_IMAGE='til ery'"),
    ({"TILERY_STACK_ENV": "A=b"}, "TILERY_STACK_ENV='A=b'"),
    ({"TILERY_STACK_ENV": '{"A": [1]}'}, "TILERY_STACK_ENV"),
    ({"TILERY_STACK_ENV": '{"A=B": "1"}'}, "TILERY_STACK_ENV: 'A=B' is not the name of a variable"),
    ({"TILERY_STACK_ENV": '{"PORT": 80}'}, "TILERY_STACK_ENV: PORT is where the load balancer finds the tasks"),
    (
        {"TILERY_STACK_ENV": '{"TILERY_SOURCES": "s3://maps/"}'},
        "TILERY_STACK_ENV: set TILERY_STACK_SOURCES in place of TILERY_SOURCES",
    ),
    (
        {"TILERY_STACK_SOURCES": "s3://maps/a/", "TILERY_STACK_TEST_SOURCE": "s3://maps/b.tif"},
        "TILERY_STACK_TEST_SOURCE: s3://maps/b.tif is not among the sources",
    ),
    ({"TILERY_STACK_SOURCES": "ftp://host/"}, "'ftp://host/' is none of"),
    ({"TILERY_STACK_SOURCES": "s3://*"}, "has a wildcard"),
    ({"TILERY_STACK_CATALOG": "maps"}, "'maps' is none of"),
    ({"TILERY_STACK_ARCHITECTURE": "MIPS"}, "TILERY_STACK_ARCHITECTURE='MIPS'"),
    ({"TILERY_STACK_SPOT_PERCENT": "101"}, "TILERY_STACK_SPOT_PERCENT='101'"),
    ({"TILERY_STACK_NETWORK": "open"}, "TILERY_STACK_NETWORK='open'"),
    ({"TILERY_STACK_VPC_ID": "mine"}, "TILERY_STACK_VPC_ID='mine'"),
    ({"TILERY_STACK_VPC_ID": "vpc-0a1b2c3d"}, "TILERY_STACK_PUBLIC_SUBNETS: a load balancer needs two"),
    (
        {"TILERY_STACK_VPC_ID": "vpc-0a1b2c3d", "TILERY_STACK_PUBLIC_SUBNETS": "subnet-0a1b2c3d,subnet-0a1b2c3d"},
        "one of them is named twice",
    ),
    (
        {"TILERY_STACK_VPC_ID": "vpc-0a1b2c3d", "TILERY_STACK_PUBLIC_SUBNETS": "subnet-0a1b2c3d,subnet-0a1b2c3e"},
        "TILERY_STACK_VPC_ID needs TILERY_STACK_VPC_CIDR",
    ),
    ({"TILERY_STACK_VPC_CIDR": "10.0.0.0/23"}, "TILERY_STACK_VPC_CIDR='10.0.0.0/23': four subnets"),
    ({"TILERY_STACK_VPC_CIDR": "10.0.0.0/8"}, "TILERY_STACK_VPC_CIDR='10.0.0.0/8': a VPC has from /16 to /28"),
    ({"TILERY_STACK_VPC_CIDR": "10.0.0.5/16"}, "TILERY_STACK_VPC_CIDR='10.0.0.5/16': 10.0.0.5/16 has host bits set"),
    ({"TILERY_STACK_VPC_CIDR": "999.1.1.1/16"}, "TILERY_STACK_VPC_CIDR='999.1.1.1/16'"),
    ({"TILERY_STACK_PUBLIC_SUBNETS": "subnet-0a1b2c3d,subnet-0a1b2c3e"}, "go with TILERY_STACK_VPC_ID"),
    ({"TILERY_STACK_DOMAIN": "tiles"}, "TILERY_STACK_DOMAIN='tiles'"),
    ({"TILERY_STACK_DOMAIN": "tiles.example.com"}, "TILERY_STACK_DOMAIN needs TILERY_STACK_HOSTED_ZONE_ID"),
    ({"TILERY_STACK_HOSTED_ZONE_ID": "Z123"}, "go together"),
    (
        {"TILERY_STACK_CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1"},
        "go with TILERY_STACK_DOMAIN",
    ),
    (
        {
            "TILERY_STACK_DOMAIN": "tiles.example.com",
            "TILERY_STACK_HOSTED_ZONE_ID": "Z123",
            "TILERY_STACK_HOSTED_ZONE_NAME": "example.org",
        },
        "tiles.example.com is not in the zone example.org",
    ),
    (
        {
            "TILERY_STACK_CLOUDFRONT": "1",
            "TILERY_STACK_DOMAIN": "tiles.example.com",
            "TILERY_STACK_CERTIFICATE_ARN": "arn:aws:acm:eu-west-1:123456789012:certificate/1",
        },
        "CloudFront takes certificates of us-east-1 only",
    ),
    ({"TILERY_STACK_LOG_RETENTION_DAYS": "2"}, "logs are kept for 1, 3, 5, 7, 14"),
    ({"TILERY_STACK_ALARM_EMAIL": "me"}, "TILERY_STACK_ALARM_EMAIL='me'"),
    ({"TILERY_STACK_BUDGET": "100"}, "TILERY_STACK_BUDGET needs TILERY_STACK_ALARM_EMAIL or _ALARM_TOPIC_ARN"),
    ({"TILERY_STACK_ALARM_TOPIC_ARN": "pager"}, "TILERY_STACK_ALARM_TOPIC_ARN='pager'"),
    ({"TILERY_STACK_KMS_KEY_ARN": "alias/maps"}, "TILERY_STACK_KMS_KEY_ARN='alias/maps'"),
    (
        {
            "TILERY_STACK_TILE_WEBSITE": "1",
            "TILERY_STACK_KMS_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000",
        },
        "set TILERY_STACK_CLOUDFRONT=1, or leave the key",
    ),
    ({"TILERY_STACK_ACCESS_TOKEN_SECRET": "hunter2"}, "TILERY_STACK_ACCESS_TOKEN_SECRET: the whole ARN is needed"),
    (
        {"TILERY_STACK_SOURCES_FILE_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:sources"},
        "TILERY_STACK_SOURCES_FILE_SECRET: the whole ARN is needed, with the six characters",
    ),
    (
        {"TILERY_STACK_DOMAIN": "a.example.com", "TILERY_STACK_CERTIFICATE_ARN": "arn:aws:acm:us-east-1:1:key/1"},
        "TILERY_STACK_CERTIFICATE_ARN='arn:aws:acm:us-east-1:1:key/1'",
    ),
    ({"TILERY_STACK_WAF_RATE": "1"}, "TILERY_STACK_WAF_RATE='1'"),
    ({"TILERY_STACK_CPU_TARGET": "100"}, "TILERY_STACK_CPU_TARGET='100'"),
    ({"TILERY_STACK_TIMEOUT": "901"}, "TILERY_STACK_TIMEOUT='901'"),
    ({"TILERY_STACK_MEMORY": "64"}, "TILERY_STACK_MEMORY='64'"),
    ({"TILERY_STACK_MEMORY": "256"}, "TILERY_STACK_MEMORY: 256 MiB of memory is too little"),
    ({"TILERY_STACK_LAMBDA_PACKAGE": "jar"}, "TILERY_STACK_LAMBDA_PACKAGE='jar'"),
    ({"TILERY_STACK_LAMBDA_FRONT": "rest-api"}, "TILERY_STACK_LAMBDA_FRONT='rest-api'"),
    (
        {"TILERY_STACK_LAMBDA_FRONT": "http-api", "TILERY_STACK_TIMEOUT": "31"},
        "TILERY_STACK_TIMEOUT (31): an HTTP API waits for 30 seconds",
    ),
    (
        {"TILERY_STACK_LAMBDA_FRONT": "http-api", "TILERY_STACK_CLOUDFRONT": "1"},
        "TILERY_STACK_LAMBDA_FRONT: an HTTP API cannot be kept for CloudFront alone",
    ),
    ({"TILERY_STACK_SNAP_START": "maybe"}, "TILERY_STACK_SNAP_START='maybe'"),
    ({"TILERY_STACK_RELEASE": "big-bang"}, "TILERY_STACK_RELEASE='big-bang'"),
    ({"TILERY_STACK_SHIFT": "slowly"}, "TILERY_STACK_SHIFT='slowly'"),
    ({"TILERY_STACK_SHIFT_PERCENT": "100"}, "TILERY_STACK_SHIFT_PERCENT='100'"),
    ({"TILERY_STACK_SHIFT_MINUTES": "0"}, "TILERY_STACK_SHIFT_MINUTES='0'"),
    (
        {"TILERY_STACK_RELEASE": "blue-green", "TILERY_STACK_SPOT_PERCENT": "50"},
        "TILERY_STACK_SPOT_PERCENT: CodeDeploy starts no tasks on Spot",
    ),
    ({"TILERY_STACK_TEST_FROM": "everywhere"}, "TILERY_STACK_TEST_FROM='everywhere'"),
    ({"TILERY_STACK_TEST_FROM": "300.1.1.1/32"}, "TILERY_STACK_TEST_FROM='300.1.1.1/32'"),
    ({"TILERY_STACK_TEST_FROM": "203.0.113.7/32"}, "TILERY_STACK_TEST_FROM goes with TILERY_STACK_RELEASE=blue-green"),
    (
        {
            "TILERY_STACK_RELEASE": "blue-green",
            "TILERY_STACK_TEST_FROM": "203.0.113.7/32",
            "TILERY_STACK_CLOUDFRONT": "1",
        },
        "TILERY_STACK_TEST_FROM: behind CloudFront",
    ),
    ({"TILERY_STACK_CONNECTION_ARN": "mine"}, "TILERY_STACK_CONNECTION_ARN='mine'"),
    (
        {"TILERY_STACK_REPOSITORY": "example/maps"},
        "TILERY_STACK_CONNECTION_ARN and TILERY_STACK_REPOSITORY go together",
    ),
    ({"TILERY_STACK_REPOSITORY": "maps"}, "TILERY_STACK_REPOSITORY='maps'"),
    ({"TILERY_STACK_BRANCH": "a b"}, "TILERY_STACK_BRANCH='a b'"),
    ({"TILERY_STACK_RELEASE_TO": "ecs,moon"}, "TILERY_STACK_RELEASE_TO='ecs,moon'"),
    ({"TILERY_STACK_APPROVAL": "perhaps"}, "TILERY_STACK_APPROVAL='perhaps'"),
    ({"TILERY_STACK_TASK_CPUS": "256"}, "TILERY_STACK_TASK_CPUS: there is no such setting"),
]


@pytest.mark.parametrize(("environ", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong_settings_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        set_all(monkeypatch, **environ)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1, "each fault once, and nothing that only follows from it"


def test_a_file_is_read_and_checked_like_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    monkeypatch.setitem(config.StackConfig.model_config, "env_file", str(file))
    file.write_text("TILERY_STACK_STAGE=dev\nTITILER_STACK_TASK_CPU=256\nTILERY_DEBUG=1\n")
    found = load()
    assert (found.stage, found.task_cpu) == ("dev", 256)
    file.write_text("TILERY_STACK_STAGES=dev\n")
    with pytest.raises(ConfigurationError, match="TILERY_STACK_STAGES: there is no such setting"):
        load()


def test_the_settings_can_be_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pipeline deploys is what the settings say that it was made with."""
    first = set_all(
        monkeypatch,
        TITILER_STACK_STAGE="dev",
        TITILER_STACK_BUCKETS='["imagery", "elevation"]',
        TILERY_STACK_SOURCES="s3://maps/a/, https://data.example.com/",
        TILERY_STACK_ENV='{"VSI_CACHE": true}',
        TILERY_STACK_CLOUDFRONT="1",
        TILERY_STACK_WORKERS_PER_CORE="0.5",
        TILERY_STACK_IMAGE="registry.example.com/tilery:1",
    )
    handed = first.settings()
    assert "TILERY_STACK_IMAGE" not in handed, "each release has its own"
    for name in ("TITILER_STACK_STAGE", "TITILER_STACK_BUCKETS"):
        monkeypatch.delenv(name)
    again = set_all(monkeypatch, **handed)
    assert again == first


def test_a_release_is_careful_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load().shifting, load().approved) == ("canary", True)
    found = set_all(monkeypatch, TILERY_STACK_STAGE="dev")
    assert (found.shifting, found.approved, found.patience) == ("all-at-once", False, 30)
    assert set_all(monkeypatch, TILERY_STACK_SHIFT="linear").shifting == "linear"
    assert set_all(monkeypatch, TILERY_STACK_TIMEOUT="300", TILERY_STACK_CLOUDFRONT="1").patience == 60


def test_a_secret_is_not_repeated_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as refused:
        set_all(monkeypatch, TILERY_STACK_ACCESS_TOKEN_SECRET="hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("cpu", "memory", "right"),
    [
        (256, 512, True),
        (256, 3072, False),
        (512, 4096, True),
        (1024, 1024, False),
        (4096, 30720, True),
        (8192, 16384, True),
        (8192, 17408, False),
        (16384, 122880, True),
        (16384, 36864, False),
    ],
)
def test_the_table_of_fargate(cpu: int, memory: int, right: bool) -> None:
    assert (fargate.wrong_size(cpu, memory) is None) is right


def test_every_setting_is_explained_and_stands_in_the_example() -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    for name, field in config.StackConfig.model_fields.items():
        assert field.description, name
        assert f"TILERY_STACK_{name.upper()}=" in example, f"{name} is not in .env.example"

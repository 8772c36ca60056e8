"""Objects in S3, as a real server of its protocol gives them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from obstore.store import S3Store

from app.config.engine_options import store_options
from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.s3 import S3
from tests.support.upstream import Fault, Upstream
from tilery.errors import DeadlineExceeded, SourceDenied, SourceNotFound, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes import ByteSource, SourceChanged
from tilery.storage.bytes import s3 as module
from tilery.storage.bytes.remote import HEAD
from tilery.storage.locations import HttpLocation, S3Location
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy
from tilery.storage.s3 import client as client_module
from tilery.storage.s3 import environment as s3_environment
from tilery.storage.s3 import region as s3_region

DATA = os.urandom(1_000_000)
PLACE = HEAD + 1000


@pytest.fixture
def settings(s3: S3) -> Settings:
    s3.bucket("rasters")
    return Settings(s3_endpoint=s3.endpoint, deadline=10.0, connect_timeout=1.0, read_timeout=2.0, fetch_threads=8)


def opened(url: str, settings: Settings) -> ByteSource:
    return stores_of(settings).open(Policy.from_sources(["s3://rasters/", "s3://absent/"]).locate(url))


@pytest.mark.parametrize(
    "key", ["a.tif", "deep/er/a b.tif", "100%.tif", "%41.tif", "ü/ß.tif", "a?b#c&d=e+f.tif", "~a'(b)!*.tif"]
)
def test_reads_ranges_of_any_key(s3: S3, settings: Settings, key: str) -> None:
    s3.put("rasters", key, DATA)
    source = opened(f"s3://rasters/{key}", settings)
    assert (source.size, source.local_path) == (len(DATA), None)
    assert source.read(0, 100) == DATA[:100]
    assert source.read(PLACE, 1000) == DATA[PLACE : PLACE + 1000]
    assert source.read(len(DATA) - 5, 100) == DATA[-5:]
    assert source.read(len(DATA), 5) == b""


def test_many_ranges(s3: S3, settings: Settings) -> None:
    s3.put("rasters", "a.tif", DATA)
    ranges = [(PLACE + place * 90_000, 5_000) for place in range(10)] + [(5, 5), (len(DATA) - 5, 10), (0, 0)]
    assert opened("s3://rasters/a.tif", settings).read_many(ranges) == [
        DATA[start : start + length] for start, length in ranges
    ]


def test_a_replaced_object(s3: S3, settings: Settings) -> None:
    s3.put("rasters", "replaced.tif", DATA)
    source = opened("s3://rasters/replaced.tif", settings)
    assert source.refresh()
    assert source.identity == opened("s3://rasters/replaced.tif", settings).identity
    s3.put("rasters", "replaced.tif", DATA[::-1])
    assert not source.refresh()
    with pytest.raises(SourceChanged):
        source.read(PLACE, 10)
    with pytest.raises(SourceChanged):
        source.read_many([(PLACE, 10), (500_000, 10)])
    assert opened("s3://rasters/replaced.tif", settings).identity != source.identity


def test_a_removed_object(s3: S3, settings: Settings) -> None:
    s3.put("rasters", "removed.tif", DATA)
    source = opened("s3://rasters/removed.tif", settings)
    s3.delete("rasters", "removed.tif")
    assert not source.refresh()
    with pytest.raises(SourceChanged):
        source.read(PLACE, 10)
    with pytest.raises(SourceNotFound):
        opened("s3://rasters/removed.tif", settings)


def test_an_empty_object(s3: S3, settings: Settings) -> None:
    s3.put("rasters", "empty.tif", b"")
    source = opened("s3://rasters/empty.tif", settings)
    assert (source.size, source.read(0, 10), source.refresh()) == (0, b"", True)


def test_a_bucket_that_does_not_exist(settings: Settings) -> None:
    with pytest.raises(SourceNotFound) as caught:
        opened("s3://absent/a.tif", settings)
    assert "absent" not in caught.value.detail


# What the server of the tests cannot be made to do, a scripted one does: with anonymous requests S3 is plain HTTP.


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def scripted(upstream: Upstream) -> Settings:
    return Settings(
        s3_endpoint=upstream.root.rstrip("/"),
        s3_anonymous=True,
        deadline=5.0,
        connect_timeout=1.0,
        read_timeout=0.4,
        fetch_retries=2,
    )


def test_opening_is_one_ranged_request(upstream: Upstream, scripted: Settings) -> None:
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        source = opened("s3://rasters/a.tif", scripted)
        assert [(request.method, request.range) for request in upstream.requests] == [("GET", (0, HEAD - 1))]
        assert "authorization" not in upstream.requests[0].headers
        source.read(PLACE, 10)
        assert upstream.requests[1].headers["if-match"] == upstream.objects["/rasters/a.tif"].etag
        assert source.refresh()
        assert upstream.requests[2].headers["if-none-match"] == upstream.objects["/rasters/a.tif"].etag
        assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=503), Fault(reset=True), Fault(drop_after=100)], ids=repr
)
def test_a_passing_fault_is_survived(upstream: Upstream, scripted: Settings, fault: Fault) -> None:
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        source = opened("s3://rasters/a.tif", scripted)
        upstream.play(fault)
        assert source.read(PLACE, 50_000) == DATA[PLACE : PLACE + 50_000]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=500), UpstreamError),
        (Fault(status=503), UpstreamError),
        (Fault(status=400), UpstreamError),
        (Fault(reset=True), UpstreamError),
        (Fault(status=403), SourceDenied),
        (Fault(status=401), SourceDenied),
        (Fault(silent=True), UpstreamTimeout),
        (Fault(short_by=1), UpstreamError),
        (Fault(shift=1), UpstreamError),
        (Fault(content_range="bytes 1-2/3"), UpstreamError),
        (Fault(content_range="nonsense"), UpstreamError),
        (Fault(ignore_range=True), UpstreamError),
    ],
    ids=repr,
)
def test_a_lasting_fault_is_told(upstream: Upstream, scripted: Settings, fault: Fault, error: type[Exception]) -> None:
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        source = opened("s3://rasters/a.tif", scripted)
        upstream.always = fault
        with pytest.raises(error) as caught:
            source.read(PLACE, 50_000)
        assert type(caught.value) in {error, UpstreamTimeout}
        assert "rasters" not in str(caught.value)
        assert "nobody should see" not in str(caught.value)


def test_a_changed_etag_is_noticed_even_where_conditions_are_not_known(upstream: Upstream, scripted: Settings) -> None:
    with upstream:
        upstream.always = Fault(ignore_conditions=True)
        upstream.put("/rasters/a.tif", DATA)
        source = opened("s3://rasters/a.tif", scripted)
        assert source.refresh()
        upstream.put("/rasters/a.tif", DATA[::-1])
        assert not source.refresh()
        with pytest.raises(SourceChanged):
            source.read(PLACE, 10)


def test_waiting_ends_with_the_deadline(upstream: Upstream) -> None:
    patient = Settings(
        s3_endpoint=upstream.root.rstrip("/"), s3_anonymous=True, deadline=3.0, read_timeout=2.0, fetch_retries=0
    )
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        source = opened("s3://rasters/a.tif", patient)
        upstream.always = Fault(silent=True)
        for read in (lambda: source.read(PLACE, 10), lambda: source.read_many([(PLACE, 10), (500_000, 10)])):
            with deadline.limit(0.2), pytest.raises(DeadlineExceeded):
                read()
        with deadline.limit(0.2), pytest.raises(DeadlineExceeded):
            source.refresh()


# Regions


def test_a_bucket_in_another_region_is_found_once(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers a request that is signed for the wrong region with a redirect that leads nowhere."""
    asked = []

    def find_region(bucket: str, region: str | None, _: StoreOptions) -> str:
        asked.append((bucket, region))
        return "eu-central-1"

    monkeypatch.setattr(client_module, "find_region", find_region)
    aws = {"AWS_REGION": "us-east-1"}
    options = StoreOptions(s3_anonymous=True, request_timeout=5.0, fetch_retries=0, aws=aws)
    bucket = module.Bucket(S3Location(bucket="rasters", key="a.tif"), options)
    client = bucket.client
    assert isinstance(client, client_module.BucketClient)
    assert client.store.config["region"] == "us-east-1"
    made = client._made
    regions = []

    def made_for_this_server() -> S3Store:
        regions.append(made().config["region"])
        return S3Store(
            "rasters", endpoint=upstream.root.rstrip("/"), skip_signature=True, client_options={"allow_http": True}
        )

    monkeypatch.setattr(client, "_made", made_for_this_server)
    client.store = made_for_this_server()
    origin = module.S3Origin(S3Location(bucket="rasters", key="a.tif"), bucket)
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        upstream.play(Fault(status=301))
        assert origin.first(10).head == DATA[:10]
        assert (asked, regions) == ([("rasters", "us-east-1")], ["us-east-1", "eu-central-1"])
        upstream.play(Fault(status=301))
        with pytest.raises(UpstreamError):
            origin.first(10)
        assert len(asked) == 1


def test_the_service_tells_the_region(s3: S3, settings: Settings) -> None:
    service = HttpLocation(scheme="http", host="127.0.0.1", port=s3.port, path="/", query="", listed=True)
    assert s3_region.ask_region("rasters", service, store_options(settings)) == "us-east-1"
    nobody = HttpLocation(scheme="http", host="127.0.0.1", port=1, path="/", query="", listed=True)
    assert s3_region.ask_region("rasters", nobody, store_options(settings)) is None


# Credentials


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


def test_keys_and_region_of_a_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3_environment.credentials_of_profile(os.environ) is None
    assert s3_environment.region(os.environ) is None
    (home / "credentials").write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = B%\n\n"
        "[work]\naws_access_key_id = C\naws_secret_access_key = D\naws_session_token = E\n"
    )
    (home / "config").write_text("[default]\nregion = eu-west-1\n\n[profile work]\nregion = eu-central-1\n")
    provider = s3_environment.credentials_of_profile(os.environ)
    assert provider is not None
    found = provider()
    assert (found["access_key_id"], found["secret_access_key"], found["token"]) == ("A", "B%", None)
    assert s3_environment.region(os.environ) == "eu-west-1"
    monkeypatch.setenv("AWS_PROFILE", "work")
    provider = s3_environment.credentials_of_profile(os.environ)
    assert provider is not None
    assert provider()["token"] == "E"
    assert s3_environment.region(os.environ) == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert s3_environment.region(os.environ) == "ap-south-1"


def test_variables_and_roles_come_before_a_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.setenv(name, "x")
        assert s3_environment.credentials_of_profile(os.environ) is None
        monkeypatch.delenv(name)
    assert s3_environment.credentials_of_profile(os.environ) is not None


def test_a_broken_profile_is_no_profile(home: Path) -> None:
    (home / "credentials").write_text("not an ini file\x00")
    assert s3_environment.credentials_of_profile(os.environ) is None
    (home / "credentials").write_bytes(b"[default]\naws_access_key_id = \xff\n")
    assert s3_environment.credentials_of_profile(os.environ) is None


def test_requests_are_signed_with_the_profiles_keys(home: Path, upstream: Upstream) -> None:
    (home / "credentials").write_text("[default]\naws_access_key_id = KEYOFPROFILE\naws_secret_access_key = B\n")
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        opened("s3://rasters/a.tif", Settings(s3_endpoint=upstream.root.rstrip("/"), deadline=5.0))
        assert "KEYOFPROFILE" in upstream.requests[0].headers["authorization"]


def test_requests_are_signed_with_the_keys_of_the_task(
    home: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AccessKeyId": "KEYOFTASK", "SecretAccessKey": "B", "Token": "T", "Expiration": "2099-01-01T00:00:00Z"}
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", upstream.url("/task"))
    (home / "token").write_text("of the task")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(home / "token"))
    with upstream:
        upstream.put("/task", json.dumps(keys).encode())
        upstream.put("/rasters/a.tif", DATA)
        opened("s3://rasters/a.tif", Settings(s3_endpoint=upstream.root.rstrip("/"), deadline=5.0))
        assert [request.target for request in upstream.requests] == ["/task", "/rasters/a.tif"]
        assert "KEYOFTASK" in upstream.requests[1].headers["authorization"]
        assert upstream.requests[1].headers["x-amz-security-token"] == "T"


def test_no_credentials_anywhere(home: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with upstream, pytest.raises(UpstreamError) as caught:
        opened("s3://rasters/a.tif", Settings(s3_endpoint=upstream.root.rstrip("/"), deadline=3.0, fetch_retries=0))
    assert "127.0.0.1" not in caught.value.detail
    assert upstream.requests == []


def test_requester_pays_by_its_variable(s3: S3, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    with upstream:
        upstream.put("/rasters/a.tif", DATA)
        opened("s3://rasters/a.tif", Settings(s3_endpoint=upstream.root.rstrip("/"), deadline=5.0))
        assert upstream.requests[0].headers["x-amz-request-payer"] == "requester"

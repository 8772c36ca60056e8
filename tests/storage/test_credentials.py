"""Keys of AWS: found where they are, by real servers, and renewed before anybody has to wait for them."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support import service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures
from tests.support.upstream import Fault, Upstream
from tilery.storage import refreshing
from tilery.storage.policy import Policy
from tilery.storage.s3 import credential_refresh, credentials, sts
from tilery.storage.s3.credential_refresh import Refreshing
from tilery.storage.s3.environment import Credential
from tilery.storage.source_options import Keys, SourceOptions

ROLE = "arn:aws:iam::123456789012:role/readers"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def document(name: str, *, seconds: float = 3600) -> bytes:
    """Return keys as the services of tasks and instances give them."""
    end = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"AccessKeyId": name, "SecretAccessKey": "B", "Token": "T", "Expiration": end}).encode()


def found(variables: dict[str, str], own: SourceOptions | None = None) -> Credential:
    look_up = credentials.look_up_of({"AWS_SHARED_CREDENTIALS_FILE": "/-", "AWS_CONFIG_FILE": "/-"} | variables, own)
    assert look_up is not None
    return look_up()


def own_options(**said: Any) -> SourceOptions:
    return SourceOptions(address="s3://rasters/", where=Policy.from_sources(["s3://rasters/"]), **said)


# Where they are


def test_of_a_task_whose_token_is_in_a_file(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the task\n")
    upstream.put("/task?a=b", document("KEYOFTASK"))
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": upstream.url("/task?a=b"),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    keys = found(variables)
    assert (keys["access_key_id"], keys["secret_access_key"], keys["token"]) == ("KEYOFTASK", "B", "T")
    assert keys["expires_at"] is not None
    assert upstream.requests[0].headers["authorization"] == "of the task"


def test_of_an_instance(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "/latest/meta-data/iam/security-credentials/"
    upstream.put("/latest/api/token", b"SESSION")
    upstream.put(folder, b"role-of-instance\n")
    upstream.put(f"{folder}role-of-instance", document("KEYOFINSTANCE"))
    monkeypatch.setattr("tests.support.upstream._Handler.do_PUT", lambda self: self.do_GET(), raising=False)
    assert found({"AWS_METADATA_ENDPOINT": upstream.root.rstrip("/")})["access_key_id"] == "KEYOFINSTANCE"
    assert [request.method for request in upstream.requests] == ["PUT", "GET", "GET"]
    assert upstream.requests[2].headers["x-aws-ec2-metadata-token"] == "SESSION"


def test_of_a_role_that_a_real_service_lets_assume(s3: S3) -> None:  # noqa: F811
    variables = {"AWS_ENDPOINT_URL_STS": s3.endpoint, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}
    for own in (own_options(role=ROLE, external_id="x&y"), own_options(role=ROLE, keys=_KEYS)):
        keys = found(variables, own)
        assert keys["access_key_id"].startswith("ASIA")
        assert keys["token"]
        assert keys["expires_at"] is not None
        assert keys["expires_at"] > datetime.now(UTC) + timedelta(minutes=10)


_KEYS = Keys(access_key_id="C", secret_access_key="D", session_token="E")


def test_of_an_identity_of_the_web(s3: S3, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "token").write_text("a.b.c")
    variables = {
        "AWS_ENDPOINT_URL_STS": s3.endpoint,
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
    }
    assert found(variables)["access_key_id"].startswith("ASIA")


@pytest.mark.parametrize("token", [None, "a/b+c="])
def test_signatures_are_those_of_aws_own_library(token: str | None) -> None:
    now = datetime.now(UTC)
    body = b"Action=AssumeRole&RoleArn=x%3Ay&Version=2011-06-15"
    keys: Credential = {"access_key_id": "A", "secret_access_key": "s/e+c", "token": token, "expires_at": None}
    ours = sts.signature_headers(body, "sts.eu-west-1.amazonaws.com", "eu-west-1", keys, now)
    headers = {name: value for name, value in ours.items() if name in ("content-type", "host")}
    request = AWSRequest("POST", "https://sts.eu-west-1.amazonaws.com/", headers=headers, data=body)
    signer = SigV4Auth(Credentials("A", "s/e+c", token), "sts", "eu-west-1")
    request.context["timestamp"] = ours["x-amz-date"]
    canonical = AWSRequest("POST", request.url, data=body, headers=headers | {"X-Amz-Date": ours["x-amz-date"]})
    if token:
        canonical.headers["X-Amz-Security-Token"] = token
    text = signer.string_to_sign(request, signer.canonical_request(canonical))
    assert ours["authorization"].endswith(f"Signature={signer.signature(text, request)}")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"AccessKeyId": "t0p"}', b"<html>t0p</html>"])
def test_answers_that_are_no_keys(upstream: Upstream, body: bytes) -> None:
    upstream.put("/task", body)
    with pytest.raises(credentials.NoKeys) as caught:
        found({"AWS_CONTAINER_CREDENTIALS_FULL_URI": upstream.url("/task")})
    assert "t0p" not in str(caught.value)


def test_a_token_with_a_line_break_behind_it_is_the_token(upstream: Upstream) -> None:
    upstream.put("/task", document("KEYOFTASK"))
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": upstream.url("/task"),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "of the task\r\n",
    }
    assert found(variables)["access_key_id"] == "KEYOFTASK"
    assert upstream.requests[0].headers["authorization"] == "of the task"


@pytest.mark.parametrize("secret", ["t0p\nX: t0p", "t0p\u20ac", "t0p\x00", "t0p\udcff"])
def test_what_cannot_be_sent_is_not_told(upstream: Upstream, tmp_path: Path, secret: str) -> None:
    there = upstream.root.rstrip("/")
    task = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": upstream.url("/task"), "AWS_CONTAINER_AUTHORIZATION_TOKEN": secret}
    (tmp_path / "token").write_bytes(secret.encode(errors="surrogateescape"))
    file = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": upstream.url("/task"),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    sts_ = {"AWS_ENDPOINT_URL_STS": there}
    keys = Keys(access_key_id="A", secret_access_key="B", session_token=secret)
    for variables, own in (
        (task, None),
        (file, None),
        (sts_, own_options(role=ROLE, keys=keys)),
        (sts_ | {"AWS_REGION": secret}, own_options(role=ROLE, keys=Keys(access_key_id="A", secret_access_key="B"))),
    ):
        with pytest.raises((credentials.NoKeys, sts.Refused)) as caught:
            found(variables, own)
        assert "t0p" not in "".join(traceback.format_exception(caught.value))
    assert not upstream.requests


@pytest.mark.parametrize("address", ["http://127.0.0.1:t0p/", "http://[t0p/", "http://user:t0p@127.0.0.1:1/", "t0p"])
def test_an_address_that_cannot_be_asked_is_not_told(address: str) -> None:
    for variables, own in (
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": address}, None),
        (
            {"AWS_ENDPOINT_URL_STS": address},
            own_options(role=ROLE, keys=Keys(access_key_id="A", secret_access_key="B")),
        ),
    ):
        with pytest.raises((credentials.NoKeys, sts.Refused)) as caught:
            found(variables, own)
        assert "t0p" not in str(caught.value)


def test_a_role_that_may_not_be_assumed_is_told_without_secrets(upstream: Upstream) -> None:
    refusal = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>t0p</Message></Error></ErrorResponse>"
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(refusal)
    upstream.always = Fault(raw=head + refusal)
    variables = {"AWS_ENDPOINT_URL_STS": upstream.root.rstrip("/")}
    own = own_options(role=ROLE, external_id="t0p", keys=Keys(access_key_id="A", secret_access_key="t0p"))
    with pytest.raises(sts.Refused) as caught:
        found(variables, own)
    assert "t0p" not in str(caught.value)


def test_keys_in_variables_are_left_to_obstore_and_a_function_of_lambda_too() -> None:
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": "/-", "AWS_CONFIG_FILE": "/-"}
    for variables in ({"AWS_ACCESS_KEY_ID": "A"}, {"AWS_LAMBDA_FUNCTION_NAME": "f"}):
        assert credentials.look_up_of(nowhere | variables, None) is None


# Renewed in the background


class Source:
    """Looks keys up, counts how often, and by which threads."""

    def __init__(self, *lives: float) -> None:
        self.lives = list(lives)
        self.threads: list[str] = []
        self.fail = False

    def __call__(self) -> Credential:
        self.threads.append(threading.current_thread().name)
        if self.fail:
            raise credentials.NoKeys("none")
        life = self.lives.pop(0) if self.lives else 3600.0
        end = datetime.now(UTC) + timedelta(seconds=life)
        number = str(len(self.threads))
        return {"access_key_id": number, "secret_access_key": "B", "token": None, "expires_at": end}


def until(check: Callable[[], object]) -> None:
    patience = time.monotonic() + 20
    while not check():
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_they_are_looked_up_at_once_and_before_they_run_out() -> None:
    source = Source(1.4, 3600.0)  # a quarter of the first is left after a second
    keys = Refreshing(source)
    until(lambda: len(source.threads) == 2)
    until(lambda: keys()["access_key_id"] == "2")
    assert set(source.threads) == {"credentials"}, "nobody who asked for keys looked them up"
    expires = keys()["expires_at"]
    assert expires is not None
    assert expires <= datetime.now(UTC) + credential_refresh.KEPT


def test_a_request_that_comes_before_the_thread_is_the_only_one_to_look_them_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refresh, due, pauses = Refreshing.refresh, threading.Event(), []

    def late(keys: Refreshing) -> float:
        assert due.wait(20)
        pauses.append(refresh(keys))
        return pauses[-1]

    monkeypatch.setattr(Refreshing, "refresh", late)
    source = Source(3600.0)
    keys = Refreshing(source)
    assert keys()["access_key_id"] == "1"
    due.set()
    until(lambda: pauses)
    assert len(source.threads) == 1
    assert pauses[0] == pytest.approx(3600 - refreshing.SPARE, abs=60)


def test_keys_at_hand_are_used_while_new_ones_cannot_be_had(caplog: pytest.LogCaptureFixture) -> None:
    source = Source(30.0)
    keys = Refreshing(source)
    until(lambda: source.threads)
    assert keys()["access_key_id"] == "1"
    source.fail = True
    assert [keys.refresh() for _ in range(3)] == [times * refreshing.AGAIN for times in (1, 2, 4)]
    assert keys()["access_key_id"] == "1"
    assert caplog.text.count("could not be looked up") == 1, "said once"


def test_who_finds_none_is_told_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "_REMEMBERED", 60.0)
    source = Source()
    source.fail = True
    keys = Refreshing(source)
    until(lambda: source.threads)
    for _ in range(3):
        with pytest.raises(credentials.NoKeys):
            keys()
    assert len(source.threads) == 1, "the failure is remembered"
    source.fail = False
    keys._failure = None
    assert keys()["access_key_id"]


def test_the_thread_ends_with_the_keys() -> None:
    source = Source()
    keys = Refreshing(source)
    until(lambda: source.threads)
    before = {thread for thread in threading.enumerate() if thread.name == "credentials"}
    reference = weakref.ref(keys)
    del keys
    gc.collect()
    until(lambda: reference() is None)
    until(lambda: any(not thread.is_alive() for thread in before))


def test_a_service_has_keys_before_the_first_tile_asks(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    upstream.put("/task", document("KEYOFTASK"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", upstream.url("/task"))
    with service.client("s3://rasters/", s3_endpoint=upstream.root.rstrip("/")) as client:
        until(lambda: [request.target for request in upstream.requests] == ["/task"])
        for number in range(3):
            client.get("/cog/info", params={"url": f"s3://rasters/{number}.tif"})
    assert [request.target for request in upstream.requests[1:]] == [f"/rasters/{number}.tif" for number in range(3)]
    assert all("KEYOFTASK" in request.headers["authorization"] for request in upstream.requests[1:])

"""A server of the S3 protocol on a loopback address, one for a whole run of tests.

from tests.support.s3 import s3  # noqa: F401  a fixture

def test_something(s3: S3) -> None:
    s3.bucket("rasters")
    s3.put("rasters", "a.tif", data)
    settings = Settings(s3_endpoint=s3.endpoint)
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store

_REQUEST = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+ [^" ]+) HTTP/1\.1[^"]*" ([0-9]{3})')
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "secret-of-tests", "AWS_REGION": "us-east-1"}
"""What to put into the environment so that requests can be signed. The server takes any keys."""


@dataclass(frozen=True, kw_only=True)
class S3:
    """The server."""

    port: int
    log: Path | None = None

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The requests that come meanwhile, as ``GET /bucket/key 200``; filled in at the end."""
        assert self.log is not None
        found: list[str] = []
        before = self.log.stat().st_size
        yield found
        text = self.log.read_bytes()[before:].decode(errors="replace")
        found += [f"{match[1]} {match[2]}" for match in _REQUEST.finditer(text)]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, name: str) -> None:
        """Make a bucket; it may exist."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("PUT", f"/{name}")
            connection.getresponse().read()
        finally:
            connection.close()

    def drop(self, name: str) -> None:
        """Remove a bucket, which has to be empty."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("DELETE", f"/{name}")
            answer = connection.getresponse()
            assert answer.status in (200, 204), answer.read()
        finally:
            connection.close()

    def allow(self, bucket: str, statements: list[dict[str, Any]]) -> None:
        """Give a bucket a policy, for those who come without credentials."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            connection.request("PUT", f"/{bucket}?policy", body=policy)
            answer = connection.getresponse()
            assert answer.status in (200, 204), answer.read()
        finally:
            connection.close()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Store an object."""
        self._store(bucket).put(key, data)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object."""
        self._store(bucket).delete(key)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys that the bucket has."""
        return sorted(found["path"] for found in self._store(bucket).list(prefix or None).collect())

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes."""
        return bytes(self._store(bucket).get(key).bytes())

    def _store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region=KEYS["AWS_REGION"],
            access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            client_options={"allow_http": True},
        )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
            env={**os.environ, **KEYS},
        )
    try:
        _wait_for(port, server, log)
        yield S3(port=port, log=log)
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3:
    """The server, and an environment in which requests to it are signed and nothing of the machine's own is used."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    return s3_server


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the S3 server of the tests did not start: {log.read_text()[-2000:]}")

"""The S3 website in front of the service, with the rules of the template that is deployed.

The S3 server of the tests has no websites, so a small one stands in for that part: it asks for objects without
credentials and applies the routing rules where it gets none. Rules, the bucket's policy and the service's environment
come from the synthesised template; the service is a real process.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.process.test_service import ROOT, Server, running
from tests.support import rasters
from tests.support.http_server import Handler, HttpServer
from tests.support.s3 import KEYS, S3, s3, s3_server  # noqa: F401
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish

BUCKET = "website"
TILE = "alps/8/133/90.png"
CDK = ROOT / ".venv-cdk" / "bin" / "python"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is deployed with ``TILERY_STACK_TILE_WEBSITE``."""
    if not CDK.exists():
        pytest.skip("the environment of the stacks is not made: make cdk")
    code = (
        "import sys; from cdk.app import make_app; from cdk.config import load; "
        "make_app(load(), checks=False, outdir=sys.argv[1]).synth()"
    )
    settings = {"STAGE": "dev", "CATALOG": "s3://maps/layers/", "TILE_WEBSITE": "1", "IMAGE": "tilery"}
    environment = {f"TILERY_STACK_{name}": value for name, value in settings.items()}
    out = tmp_path_factory.mktemp("cdk")
    subprocess.run([CDK, "-c", code, out], cwd=ROOT, env=os.environ | environment, check=True, timeout=300)
    (stack,) = out.glob("*-ecs-*.template.json")
    resources: dict[str, Any] = json.loads(stack.read_text())["Resources"]
    return resources


def of_type(resources: dict[str, Any], kind: str, part: str = "") -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (r["Properties"] for n, r in resources.items() if r["Type"] == kind and part in n)
    return found


class Website(HttpServer):
    """``http://bucket.s3-website-….amazonaws.com``, as far as the service has to do with it."""

    def __init__(self, resources: dict[str, Any], s3: S3) -> None:  # noqa: F811
        self.rules = of_type(resources, "AWS::S3::Bucket", "TileStore")["WebsiteConfiguration"]["RoutingRules"]
        policy = of_type(resources, "AWS::S3::BucketPolicy", "TileStore")["PolicyDocument"]
        (public,) = (s for s in policy["Statement"] if s["Effect"] == "Allow")
        below = public["Resource"]["Fn::Join"][1][-1]
        s3.allow(BUCKET, [public | {"Resource": f"arn:aws:s3:::{BUCKET}{below}"}])
        self.service = ""
        self.blocked = False
        """As an account does that blocks public access to all of its buckets."""
        self.asked: list[str] = []
        self._s3 = s3
        super().__init__(_Asks)
        self.start()

    def answer(self, request: Handler) -> None:
        key = urlsplit(request.path).path.lstrip("/")
        self.asked.append(key)
        found = None
        if not self.blocked:
            connection = http.client.HTTPConnection("127.0.0.1", self._s3.port, timeout=20)
            connection.request("GET", f"/{BUCKET}/{key}")
            answer = connection.getresponse()
            found = (answer.status, answer.headers, answer.read())
            connection.close()
        if found and found[0] == 200:
            headers = {name: found[1][name] for name in ("Content-Type", "Cache-Control", "ETag") if name in found[1]}
            request.answer(200, found[2], headers)
            return
        status = "403"  # nobody may list the bucket, so S3 does not say that there is nothing
        for rule in self.rules:
            condition, way = rule["RoutingRuleCondition"], rule["RedirectRule"]
            prefix = condition.get("KeyPrefixEquals", "")
            if condition["HttpErrorCodeReturnedEquals"] == status and key.startswith(prefix):
                base = f"{way['Protocol']}://{self.service}" if "HostName" in way else self.address
                place = f"{base}/{way['ReplaceKeyPrefixWith']}{key.removeprefix(prefix)}"
                request.answer(int(way["HttpRedirectCode"]), headers={"Location": place})
                return
        request.answer(int(status), b"<Error><Code>AccessDenied</Code></Error>")


class _Asks(Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.owner.answer(self)


class Hop:
    """One answer on the way to a tile."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = connection.getresponse()
        self.url, self.status, self.headers, self.body = url, answer.status, answer.headers, answer.read()
        connection.close()


def followed(url: str) -> list[Hop]:
    """Return all answers from an address to the last, for a browser that keeps nothing; it gives up after twenty."""
    hops = [Hop(url)]
    while hops[-1].status in (301, 302, 307, 308):
        assert len(hops) < 20, [hop.url for hop in hops]
        hops.append(Hop(urljoin(hops[-1].url, hops[-1].headers["Location"])))
    return hops


def statuses(hops: list[Hop]) -> list[int]:
    return [hop.status for hop in hops]


@pytest.fixture
def website(template: dict[str, Any], s3: S3) -> Iterator[Website]:  # noqa: F811
    s3.bucket(BUCKET)
    for key in s3.keys(BUCKET):
        s3.delete(BUCKET, key)
    found = Website(template, s3)
    yield found
    found.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("website")
    source = rasters.rgb(folder / "a.tif", size=600)
    styles = {"one": {"render": {"bidx": [1]}}}
    publish(PublishOptions(source=str(source), to=str(folder / "layers"), id="alps", given={"styles": styles}))
    return folder


@contextmanager
def service(template: dict[str, Any], website: Website, folder: Path, endpoint: str) -> Iterator[Server]:
    """The service with the environment of the template; addresses that AWS would make are put in."""
    (container,) = of_type(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    written = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    chosen = {name: written[f"TILERY_TILE_STORE_{name}"] for name in ("LAYOUT", "MODE", "FIRST")}
    below = written["TILERY_TILE_STORE_URL"]["Fn::Join"][1][-1]
    environment = {f"TILERY_TILE_STORE_{name}": value for name, value in chosen.items()} | {
        "TILERY_TILE_STORE_URL": f"{website.address}{below}",
        "TILERY_TILE_STORE": f"s3://{BUCKET}{written['TILERY_TILE_STORE']['Fn::Join'][1][-1]}",
        "TILERY_S3_ENDPOINT": endpoint,
        "TILERY_CATALOG": str(folder / "layers"),
        "WEB_CONCURRENCY": "1",
        **KEYS,
    }
    with running(folder, **environment) as server:
        website.service = f"127.0.0.1:{server.port}"
        yield server


def test_a_missing_tile_is_made_and_from_then_on_comes_from_the_store_alone(
    template: dict[str, Any],
    website: Website,
    folder: Path,
    s3: S3,  # noqa: F811
) -> None:
    start = f"{website.address}/tiles/{TILE}"
    with service(template, website, folder, s3.endpoint) as server:
        first = followed(start)
        assert statuses(first) == [307, 302, 200]
        assert first[1].url == f"http://127.0.0.1:{server.port}/unstored/{TILE}"
        assert first[2].url == start
        assert first[2].body[:4] == b"\x89PNG"
        assert s3.get(BUCKET, f"tiles/{TILE}") == first[2].body
        # nothing that leads somewhere is kept by anybody; the tile is
        assert "Cache-Control" not in first[0].headers
        assert first[1].headers["Cache-Control"] == "no-store"
        assert first[2].headers["Cache-Control"] == "public, max-age=3600"
        assert first[2].headers["Content-Type"] == "image/png"
        assert statuses(followed(start)) == [200]
        assert statuses(followed(f"http://127.0.0.1:{server.port}/{TILE}")) == [302, 200], "the short address works too"
        assert statuses(followed(f"{website.address}/tiles/alps/8/0/0.png")) == [307, 404]
        assert statuses(followed(f"{website.address}/tiles/none/8/0/0.png")) == [307, 404]
        assert statuses(followed(f"{website.address}/secret.txt")) == [307, 307, 404], "the service knows no such tile"
        root = followed(f"{website.address}/{TILE}")
        assert statuses(root) == [307, 200], "the tile at the root of the website is the one below tiles/"
        assert (root[1].url, root[1].body) == (start, first[2].body)
        assert "Cache-Control" not in root[0].headers
        # the tile was removed while the service still has it in memory
        s3.delete(BUCKET, f"tiles/{TILE}")
        again = followed(start)
        assert statuses(again) == [307, 302, 200]
        s3.delete(BUCKET, f"tiles/{TILE}")
        assert statuses(followed(f"{website.address}/{TILE}")) == [307, 307, 302, 200]
        assert again[2].body == first[2].body
        told = json.loads(server.get("/alps")[2])
        assert told["tiles"] == [f"{website.address}/tiles/alps/{{z}}/{{x}}/{{y}}@2x.png"]
        styled = json.loads(server.get("/alps?style=one")[2])
        assert styled["tiles"][0].startswith(f"http://127.0.0.1:{server.port}/alps/"), "a store knows no styles"
    last = followed(start)  # the service is gone
    assert statuses(last) == [200]
    assert last[0].body == first[2].body


def test_nobody_is_sent_in_circles_when_the_store_cannot_be_read(
    template: dict[str, Any],
    website: Website,
    folder: Path,
    s3: S3,  # noqa: F811
) -> None:
    start = f"{website.address}/tiles/{TILE}"
    website.blocked = True
    with service(template, website, folder, s3.endpoint) as server:
        first = followed(start)
        assert statuses(first) == [307, 302, 307, 200], "led back once, in good faith"
        assert statuses(followed(start)) == [307, 200]
        assert statuses(followed(f"http://127.0.0.1:{server.port}/{TILE}")) == [302, 307, 200]
        assert first[-1].body == s3.get(BUCKET, f"tiles/{TILE}")


@pytest.fixture(params=["refuses", "hangs"])
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """The endpoint of a store that refuses connections, or takes them and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if request.param == "refuses":
            taken.close()
        yield f"http://127.0.0.1:{port}"


def test_a_store_that_is_down_costs_a_redirect_and_no_tile(
    template: dict[str, Any], website: Website, folder: Path, broken: str
) -> None:
    website.blocked = True
    with service(template, website, folder, broken) as server:
        for _ in range(2):
            hops = followed(f"{website.address}/tiles/{TILE}")
            assert statuses(hops) == [307, 200]
            assert hops[-1].body[:4] == b"\x89PNG"
        assert statuses(followed(f"http://127.0.0.1:{server.port}/{TILE}")) == [200]

"""Asks a version that nobody has used yet to do its work, and tells CodeDeploy, which then shifts traffic to it.

Runs as a function of its own, from this text alone: what it needs is in Lambda's runtime.
"""

import base64
import json
import math
import os
from typing import Any
from urllib.parse import quote

import boto3


def event(path: str, query: str = "") -> dict[str, Any]:
    """Return a request as an HTTP API hands it over."""
    headers = {"host": "localhost", "user-agent": "CodeDeploy"}
    if token := os.environ.get("TOKEN"):
        headers["authorization"] = f"Bearer {token}"
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "CodeDeploy"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "check",
            "domainName": "localhost",
            "domainPrefix": "check",
            "http": http,
            "requestId": "check",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    }


def ask(path: str, query: str = "", status: int = 200) -> bytes:
    """Return the body of an answer; fails when it has another status."""
    payload = json.dumps(event(path, query))
    answer = boto3.client("lambda").invoke(FunctionName=os.environ["VERSION"], Payload=payload)
    text = answer["Payload"].read()
    found = {} if "FunctionError" in answer else json.loads(text)
    print(path, found.get("statusCode"), text.decode()[:500])  # noqa: T201 - into the log
    if found.get("statusCode") != status:
        raise ValueError(f"{path}: {found.get('statusCode')} in place of {status}")
    body: str = found.get("body") or ""
    return base64.b64decode(body) if found.get("isBase64Encoded") else body.encode()


def check(source: str | None) -> None:
    """Ask for health, for what must be refused, for a picture, and for a tile where a raster is named."""
    ask("/healthz")
    ask("/readyz")
    closed = "CLOSED" in os.environ
    ask("/cog/info", "url=s3%3A%2F%2Fnobody-has-listed-this%2Fa.tif", 401 if closed else 403)
    if closed:  # to all that have no token, and nobody gave us one
        return
    if not ask("/colorMaps/viridis", "f=png").startswith(b"\x89PNG"):
        raise ValueError("no picture")
    if not source:
        return
    query = f"url={quote(source, safe='')}"
    described = json.loads(ask("/cog/WebMercatorQuad/tilejson.json", query))
    west, south, east, north = described["bounds"]
    zoom = described["minzoom"]
    side, latitude = 2**zoom, math.radians((south + north) / 2)
    x = int((west + east + 360) / 720 * side)
    y = int((1 - math.asinh(math.tan(latitude)) / math.pi) / 2 * side)
    if len(ask(f"/cog/tiles/WebMercatorQuad/{zoom}/{x}/{y}.png", query)) < 60:
        raise ValueError("no tile")


def handler(deployment: dict[str, str], _context: object) -> None:
    """Tell CodeDeploy ``Succeeded`` or ``Failed``."""
    status = "Failed"
    try:
        check(os.environ.get("SOURCE"))
        status = "Succeeded"
    except Exception as problem:  # noqa: BLE001 - whatever it is, nobody gets this version
        print(repr(problem))  # noqa: T201 - into the log
    finally:
        boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
            deploymentId=deployment["DeploymentId"],
            lifecycleEventHookExecutionId=deployment["LifecycleEventHookExecutionId"],
            status=status,
        )

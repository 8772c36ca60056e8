"""Which region a bucket is in, when it is not the one that was thought."""

from __future__ import annotations

import re

from tilery.errors import TileryError
from tilery.limits import deadline
from tilery.storage.bytes.connection import Broken, Connection
from tilery.storage.locations import HttpLocation
from tilery.storage.options import StoreOptions

_REGION = re.compile(r"[a-z0-9-]{4,30}")


def find_region(bucket: str, region: str | None, options: StoreOptions) -> str | None:
    """Return the bucket's region, as the service tells everybody who asks for the bucket. None: it did not tell."""
    return ask_region(bucket, _service(region), options)


def ask_region(bucket: str, service: HttpLocation, options: StoreOptions) -> str | None:
    """Return the same, asked at this address of the service."""
    request = f"HEAD /{bucket} HTTP/1.1\r\nHost: {service.authority}\r\nUser-Agent: Tilery\r\nConnection: close\r\n\r\n"
    try:
        with deadline.limit(options.connect_timeout + options.read_timeout):
            connection = Connection(service, connect_timeout=options.connect_timeout, read_timeout=options.read_timeout)
            try:
                answer = connection.head(request.encode("ascii"))
            finally:
                connection.close()
    except (Broken, OSError, TileryError):
        deadline.check()
        return None
    found = answer.headers.get("x-amz-bucket-region", "")
    return found if _REGION.fullmatch(found) else None


def _service(region: str | None) -> HttpLocation:
    """Return the address of S3 that can be asked: a neighbour's region knows, another partition does not."""
    region = region or "us-east-1"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    host = f"s3.{region}.{domain}"
    return HttpLocation(scheme="https", host=host, port=443, path="/", query="", listed=True)

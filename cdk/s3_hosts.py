"""Addresses with https that are S3 itself: in a VPC with an endpoint they take its way, and meet its policy.

Source: Amazon S3 user guide, "Methods for accessing a bucket" and "Endpoints and quotas".
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from tilery.storage.policy import Policy, WrongSourcesError

_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*[a-z0-9])\.)?"
    r"s3(?P<other>-accesspoint(?:-fips)?|-website|-fips)?(?:[.-]dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?"
    r"\.amazonaws\.com(?:\.cn)?"
)


def is_s3(url: str) -> bool:
    """Return whether the host of an address is S3's."""
    return _HOST.fullmatch(urlsplit(url).hostname or "") is not None


def read_statement(url: str, partition: str) -> dict[str, Any] | None:
    """Return the IAM statement for reading what is below the address; None where it is not S3's.

    Where no bucket can be read out of it, as of an access point, the statement is for objects of any bucket: this is
    about the way, and what may be read at its end say the bucket's own policy and the service's sources.
    """
    parts = urlsplit(url)
    host = _HOST.fullmatch(parts.hostname or "")
    if host is None:
        return None
    path = unquote(parts.path).lstrip("/")
    bucket, key = (host["bucket"], path) if host["bucket"] else (path.partition("/")[0], path.partition("/")[2])
    anything = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}
    if not bucket or "accesspoint" in (host["other"] or ""):
        return anything
    try:
        found = Policy.from_sources([f"s3://{bucket}/{key}"]).iam_statements(partition=partition)
    except WrongSourcesError:
        return anything
    return found[0]

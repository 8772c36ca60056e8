"""Keys of a role that is assumed, from AWS's Security Token Service (API version 2011-06-15).

Its requests are signed by Signature Version 4, https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html.
obstore signs for S3 alone; AWS's own library for Python would cost each worker 30 MB for these two requests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import urlencode

from tilery.storage.s3 import credential_request
from tilery.storage.s3.environment import Credential

_SECONDS = 5.0
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")


class Refused(Exception):
    """The role could not be assumed."""


def assume(
    role: str, external_id: str | None, region: str | None, endpoint: str | None, keys: Credential
) -> Credential:
    """Return keys of a role, assumed by whose keys these are.

    Raises:
        Refused: that may not be, or the service cannot be reached.
    """
    form = {"Action": "AssumeRole", "RoleArn": role, "RoleSessionName": "tilery"}
    if external_id:
        form["ExternalId"] = external_id
    return _asked(form, region, endpoint, keys)


def assume_with_identity(
    role: str, token: str, region: str | None, endpoint: str | None, *, session: str | None = None
) -> Credential:
    """Return keys of a role, assumed by an identity of the web, whose token needs no signature.

    Raises:
        Refused: that may not be, or the service cannot be reached.
    """
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": role,
        "RoleSessionName": session or "tilery",
        "WebIdentityToken": token,
    }
    return _asked(form, region, endpoint, None)


def signature_headers(
    body: bytes, host: str, region: str, keys: Credential, now: datetime, service: str = "sts"
) -> dict[str, str]:
    """Return the headers that sign a POST of a form to ``/``."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": host,
        "x-amz-date": stamp,
    }
    if keys["token"]:
        headers["x-amz-security-token"] = keys["token"]
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys['secret_access_key']}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{keys['access_key_id']}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": authorization}


def moment(text: str) -> datetime:
    """Return the time that a text of AWS says: that of UTC, where it names no zone.

    Raises:
        ValueError: it says none.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _asked(form: dict[str, str], region: str | None, endpoint: str | None, keys: Credential | None) -> Credential:
    region = region or "us-east-1"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    address = endpoint or f"https://sts.{region}.{domain}"
    scheme = "http" if address.startswith("http:") else "https"
    body = urlencode(form | {"Version": "2011-06-15"}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    try:
        host = credential_request.host_of(address)
        if keys is not None:
            headers = signature_headers(body, host, region, keys, datetime.now(UTC))
        answer = credential_request.answer("POST", f"{scheme}://{host}/", headers=headers, body=body, seconds=_SECONDS)
    except credential_request.Unanswered as error:
        raise Refused(f"the role cannot be assumed: {error}") from None
    except UnicodeEncodeError:
        raise Refused("the role cannot be assumed: a key has characters that cannot be sent") from None
    text = answer.body.decode("utf-8", "replace")
    if answer.status != 200:
        code = _CODE.search(text)
        raise Refused(f"the role cannot be assumed: {code[1] if code else answer.status}")
    return _parsed(text)


def _parsed(text: str) -> Credential:
    """Return keys in the answer. Their elements have neither attributes nor entities."""
    found = {
        name: value
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        for value in re.findall(rf"<{name}>\s*([^<\s]+)\s*</{name}>", text)[:1]
    }
    try:
        return {
            "access_key_id": found["AccessKeyId"],
            "secret_access_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expires_at": moment(found["Expiration"]),
        }
    except (KeyError, ValueError):
        raise Refused("the role cannot be assumed: what was answered are no keys") from None

"""Where keys of AWS are found: files, the service of a task, of an instance, or an identity of the web.

Each look-up is a function that gives keys and when they run out. What obstore could find itself is found here, because
obstore looks when a request needs the keys, and a tile would wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tilery.storage.s3 import credential_request, sts
from tilery.storage.s3.environment import Credential, credentials_of_profile, region
from tilery.storage.source_options import Keys, SourceOptions

LookUp = Callable[[], Credential]

_TASK = "http://169.254.170.2"
_INSTANCE = "http://169.254.169.254"
_SECONDS = 2.0


class NoKeys(Exception):
    """Keys were not found where they should be."""


def look_up_of(variables: Mapping[str, str], own: SourceOptions | None) -> LookUp | None:
    """Return what finds the keys of a source. None: they are in variables, where obstore takes them from.

    Args:
        variables: those of AWS's tools.
        own: what is said of the source alone.
    """
    if own is None or own.role is None:
        return partial(_static, own.keys) if own is not None and own.keys else _of_process(variables, static=False)
    base = (partial(_static, own.keys) if own.keys else _of_process(variables, static=True)) or _nowhere
    assume = partial(sts.assume, own.role, own.external_id, region(variables), variables.get("AWS_ENDPOINT_URL_STS"))
    return lambda: assume(base())


def _of_process(variables: Mapping[str, str], *, static: bool) -> LookUp | None:
    """Return what finds the keys of the process.

    Args:
        variables: those of AWS's tools.
        static: whether those in variables are wanted too.
    """
    profile = credentials_of_profile(variables)
    if profile is not None:
        return profile
    if not static and (not variables or variables.get("AWS_LAMBDA_FUNCTION_NAME")):
        # Nothing was handed down; or nothing goes on in the background, and a copy of a snapshot has other variables.
        return None
    if variables.get("AWS_ACCESS_KEY_ID"):
        keys = Keys(
            access_key_id=variables["AWS_ACCESS_KEY_ID"],
            secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY", ""),
            session_token=variables.get("AWS_SESSION_TOKEN"),
        )
        return partial(_static, keys) if static else None
    if variables.get("AWS_WEB_IDENTITY_TOKEN_FILE") and variables.get("AWS_ROLE_ARN"):
        return partial(_of_web_identity, variables)
    if path := variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return partial(_of_container, _TASK + path, variables)
    if address := variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return partial(_of_container, address, variables)
    if variables.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return _nowhere
    return partial(_of_instance, variables.get("AWS_METADATA_ENDPOINT") or _INSTANCE)


def _nowhere() -> Credential:
    raise NoKeys("no AWS credentials were found")


def _static(keys: Keys) -> Credential:
    return {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "token": keys.session_token,
        "expires_at": None,
    }


def _of_container(address: str, variables: Mapping[str, str]) -> Credential:
    """Return those of a task of ECS, or a pod of EKS: the file of its token is written anew from time to time."""
    file = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = _text(file) if file else variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "").strip()
    return _parsed(_answer("GET", address, {"Authorization": token} if token else {}))


def _of_instance(service: str) -> Credential:
    """Return those of an instance of EC2, by version 2 of its metadata service."""
    session = _answer("PUT", f"{service}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}).decode()
    headers = {"X-aws-ec2-metadata-token": session}
    folder = f"{service}/latest/meta-data/iam/security-credentials/"
    role = _answer("GET", folder, headers).decode().partition("\n")[0].strip()
    return _parsed(_answer("GET", folder + role, headers))


def _of_web_identity(variables: Mapping[str, str]) -> Credential:
    """Return those of a role that an identity of the web may assume, as of a pod of Kubernetes."""
    return sts.assume_with_identity(
        variables["AWS_ROLE_ARN"],
        _text(variables["AWS_WEB_IDENTITY_TOKEN_FILE"]),
        region(variables),
        variables.get("AWS_ENDPOINT_URL_STS"),
        session=variables.get("AWS_ROLE_SESSION_NAME"),
    )


def _text(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise NoKeys(f"no AWS credentials were found: a token's file cannot be read: {error.strerror}") from None
    except ValueError:
        raise NoKeys("no AWS credentials were found: a token's file is not UTF-8") from None


def _answer(method: str, address: str, headers: dict[str, str]) -> bytes:
    try:
        found = credential_request.answer(method, address, headers=headers, seconds=_SECONDS)
    except credential_request.Unanswered as error:
        raise NoKeys(f"no AWS credentials were found: {error}") from None
    if found.status != 200:
        raise NoKeys(f"no AWS credentials were found; the last place asked, {found.host}, answered {found.status}")
    return found.body


def _parsed(body: bytes) -> Credential:
    try:
        found: dict[str, Any] = json.loads(body)
        expires = found.get("Expiration")
        return {
            "access_key_id": found["AccessKeyId"],
            "secret_access_key": found["SecretAccessKey"],
            "token": found.get("Token"),
            "expires_at": sts.moment(expires) if expires else None,
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoKeys("no AWS credentials were found: what was answered are none") from None

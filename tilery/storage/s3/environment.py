"""What the files and variables of the AWS command line say: the region, and a profile's keys.

obstore knows the variables and the roles of tasks and instances, but not ``~/.aws``, which is what a laptop has.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypedDict

_READ_AGAIN = timedelta(minutes=5)
"""Tools that hand out keys for a while write them into the file: it is read again after this time."""


class Credential(TypedDict):
    """Keys, as obstore takes them."""

    access_key_id: str
    secret_access_key: str
    token: str | None
    expires_at: datetime | None


def region(variables: Mapping[str, str]) -> str | None:
    """Return the region in force: a variable, or the profile's. None: nothing says it."""
    return (
        variables.get("AWS_REGION")
        or variables.get("AWS_DEFAULT_REGION")
        or _profile(_config_file(variables), f"profile {_profile_name(variables)}").get("region")
        or _profile(_config_file(variables), _profile_name(variables)).get("region")
    )


def credentials_of_profile(variables: Mapping[str, str]) -> Callable[[], Credential] | None:
    """Return what gives the profile's keys. None: keys come from variables or from a role, or the profile has none."""
    roles = (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    )
    if not variables.get("AWS_PROFILE") and any(variables.get(name) for name in ("AWS_ACCESS_KEY_ID", *roles)):
        return None
    return partial(_credentials, variables) if "aws_secret_access_key" in _keys(variables) else None


def _credentials(variables: Mapping[str, str]) -> Credential:
    keys = _keys(variables)
    return {
        "access_key_id": keys["aws_access_key_id"],
        "secret_access_key": keys["aws_secret_access_key"],
        "token": keys.get("aws_session_token"),
        "expires_at": datetime.now(UTC) + _READ_AGAIN,
    }


def _keys(variables: Mapping[str, str]) -> dict[str, str]:
    return _profile(_credentials_file(variables), _profile_name(variables)) or _profile(
        _config_file(variables), f"profile {_profile_name(variables)}"
    )


def _profile_name(variables: Mapping[str, str]) -> str:
    return variables.get("AWS_PROFILE") or "default"


def _credentials_file(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")


def _config_file(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("AWS_CONFIG_FILE") or "~/.aws/config")


def _profile(file: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file.expanduser(), encoding="utf-8")
    except (configparser.Error, OSError, RuntimeError, UnicodeDecodeError):
        return {}  # no home, not readable, not a file of that kind: as if it were not there
    return dict(parser.items(section)) if parser.has_section(section) else {}

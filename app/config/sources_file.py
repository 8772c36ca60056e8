"""The file that ``TILERY_SOURCES_FILE`` names: sources that need more than an address, and how each is reached.

Secrets need not be in it: ``${NAME}`` stands for a variable of the environment. The variable may hold what would be in
the file instead: a task of ECS gets it from Secrets Manager so, and has no disk to put a file on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.config import documents
from app.config.environment import WrongVariables, written
from tilery.storage.bytes.proxy import parse as parse_proxy
from tilery.storage.policy import Policy, WrongSourcesError
from tilery.storage.source_options import QUERY, Keys, SourceOptions

VARIABLE = "TILERY_SOURCES_FILE"

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e]{1,8192}")
_OURS = frozenset(
    {"host", "range", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "expect"}
)
"""Headers that would make another request of it."""
_OF = {
    "s3": frozenset(
        {"region", "endpoint", "anonymous", "requester_pays", "profile", "access_key_id", "secret_access_key"}
        | {"session_token", "role", "external_id", "proxy"}
    ),
    "gs": frozenset({"endpoint", "anonymous", "service_account", "proxy"}),
    "az": frozenset({"endpoint", "anonymous", "account", "account_key", "query", "proxy"}),
    "https": frozenset({"headers", "query", "query_from", "proxy"}),
}
"""What can be said of sources, by the scheme of their addresses."""
_ADDRESSES = "s3://bucket/prefix/ (or gs:, az:) or https://host/path/, without a user, a password and a query"
"""What an address can be."""


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS or name.lower().startswith("if-"):
            raise ValueError(f"{name!r} is no header that can be set")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name!r} is empty, too long, or not plain ASCII on one line")
    return headers


def _signature(query: str) -> str:
    query = query.removeprefix("?")
    if not QUERY.fullmatch(query):
        raise ValueError("not a query as it is written in an address")
    return query


def _is_role(arn: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", arn, re.ASCII):
        raise ValueError("not the ARN of a role, as arn:aws:iam::123456789012:role/name")
    return arn


def _is_endpoint(address: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", address):
        raise ValueError("not an address, as https://s3.example.com")
    return address.rstrip("/")


def _is_service(address: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[!-~]*)?", address):
        raise ValueError("not an address, as https://sign.example.com/token/container")
    return address


def _is_proxy(address: str) -> str:
    parse_proxy(address)
    return address


class _Entry(BaseModel):
    """One source."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)

    url: str
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    endpoint: Annotated[str, AfterValidator(_is_endpoint)] | None = None
    anonymous: bool | None = None
    requester_pays: bool = False
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    role: Annotated[str, AfterValidator(_is_role)] | None = None
    external_id: str | None = None
    service_account: str | None = None
    account: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] | None = None
    account_key: str | None = None
    headers: Annotated[dict[str, str], AfterValidator(_header_names)] = Field(default_factory=dict)
    query: Annotated[str, AfterValidator(_signature)] | None = None
    query_from: Annotated[str, AfterValidator(_is_service)] | None = None
    proxy: Annotated[str, AfterValidator(_is_proxy)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    sources: list[dict[str, Any]]


def read(path: str, variables: Mapping[str, str] | None = None) -> tuple[SourceOptions, ...]:
    """Return what a file says, TOML or (by its name) JSON.

    Args:
        path: of the file; or what is in it, as JSON where it begins with a brace.
        variables: what ``${NAME}`` stands for. None: the process's environment, then ``.env``.

    Raises:
        WrongVariables: it cannot be read, or says something that has no meaning. No value is in the message.
    """
    if variables is None:
        variables = written() | dict(os.environ)
    with documents.failures(VARIABLE):
        entries = _File.model_validate(documents.read(path)).sources
    return tuple(_options(number, entry, variables) for number, entry in enumerate(entries, 1))


def _options(number: int, entry: dict[str, Any], variables: Mapping[str, str]) -> SourceOptions:
    try:
        found = _Entry.model_validate(documents.filled_in(entry, variables))
        _check(found)
        keys = None
        if found.access_key_id and found.secret_access_key:
            keys = Keys(
                access_key_id=found.access_key_id,
                secret_access_key=found.secret_access_key,
                session_token=found.session_token,
            )
        return SourceOptions(
            address=found.url,
            where=Policy.from_sources([found.url], variable=VARIABLE),
            region=found.region,
            endpoint=found.endpoint,
            anonymous=found.anonymous,
            requester_pays=found.requester_pays,
            profile=found.profile,
            keys=keys,
            role=found.role,
            external_id=found.external_id,
            service_account=found.service_account,
            account=found.account,
            account_key=found.account_key,
            headers=found.headers,
            query=found.query or "",
            query_from=found.query_from,
            proxy=parse_proxy(found.proxy) if found.proxy else None,
        )
    except ValidationError as error:
        why = documents.told(error)
    except WrongSourcesError as error:
        # of a variable anything can be a secret, wherever in the address it stands, and reasons name parts of it
        filled_in = documents.REFERENCE.search(str(entry["url"])) is not None
        why = f"'url' is not {_ADDRESSES}" if filled_in else str(error).removeprefix(f"{VARIABLE}: ")
    except ValueError as error:
        why = str(error)
    raise WrongVariables({VARIABLE: f"source {number}: {why}"})


def _check(entry: _Entry) -> None:
    """Check that what is said goes together."""
    scheme = entry.url.partition(":")[0].lower()
    scheme = "https" if scheme == "http" else scheme
    for name in sorted(entry.model_fields_set - {"url"} - _OF.get(scheme, frozenset())):
        takers = " and ".join(other for other, names in _OF.items() if name in names)
        raise ValueError(f"{name!r} is for {takers} sources")
    if scheme == "https" and "*" in entry.url and entry.model_fields_set & _OF["https"]:
        raise ValueError(
            "'headers', 'query', 'query_from' and 'proxy' are for named hosts only: headers and signatures would be "
            "sent to whoever is asked for, and behind a proxy nobody would look at whom that is"
        )
    if entry.proxy and entry.url.lower().startswith("http:"):
        raise ValueError("'proxy' is for https: a tunnel leads to what is encrypted")
    if (entry.access_key_id is None) != (entry.secret_access_key is None) or (
        entry.session_token and not entry.access_key_id
    ):
        raise ValueError("'access_key_id' and 'secret_access_key' go together")
    keyed = entry.access_key_id or entry.profile or entry.role or entry.service_account or entry.account_key
    if entry.anonymous and (keyed or (scheme == "az" and entry.query)):
        raise ValueError("'anonymous' goes with no keys, profile, role or signature")
    if entry.query and entry.query_from:
        raise ValueError("'query' and 'query_from' are two ways to sign")
    if entry.account_key and entry.query:
        raise ValueError("'account_key' and 'query' are two ways to sign")
    if entry.external_id and not entry.role:
        raise ValueError("'external_id' goes with 'role'")

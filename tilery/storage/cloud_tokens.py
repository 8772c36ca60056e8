"""Tokens of Google and Azure that run out, looked up in the background: obstore would when a request needs them.

What signs without asking anybody is left to obstore: files of service accounts, account keys, shared access signatures.
References: https://cloud.google.com/docs/authentication/application-default-credentials,
https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow, and
https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlencode

from tilery.storage import refreshing
from tilery.storage.s3 import credential_request
from tilery.storage.source_options import SourceOptions

_KEPT = timedelta(seconds=330)
"""For how long obstore is told that a token is good, so that it asks again: it does so 300 seconds before the end."""
_SECONDS = 2.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_GOOGLE_SIGNS = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY")
_GOOGLE_FILE = "~/.config/gcloud/application_default_credentials.json"
_GOOGLE_METADATA = "metadata.google.internal"
_AZURE_SIGNS = (
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY", "AZURE_STORAGE_KEY"),
    *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN"),
)
_AZURE_OTHERWISE = ("AZURE_SKIP_SIGNATURE", "AZURE_USE_AZURE_CLI")
_AZURE_AUTHORITY = "https://login.microsoftonline.com"
_AZURE_METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
_AZURE_RESOURCE = "https://storage.azure.com"


class NoToken(Exception):
    """A token was not found where it should be; the text has no secret."""


class Token(TypedDict):
    """A token, as obstore takes it."""

    token: str
    expires_at: datetime | None


LookUp = Callable[[], Token]


class RefreshingToken(refreshing.Refreshing[Token]):
    """What gives obstore the token at hand. Safe under threads."""

    def __init__(self, look_up: LookUp) -> None:
        """Give the token that a look-up finds. The first look-up begins at once, in a thread that ends with this."""
        super().__init__(look_up, expires=lambda found: found["expires_at"], what="A token")

    def __call__(self) -> Token:
        """Return a token that is good, as obstore takes it: the one at hand, unless there is none.

        Raises:
            NoToken: none was found.
        """
        held, soon = self.held(), datetime.now(UTC) + _KEPT
        expires = held["expires_at"]
        return {"token": held["token"], "expires_at": soon if expires is None else min(soon, expires)}


def look_up_of(service: str, variables: Mapping[str, str] | None, own: SourceOptions | None) -> LookUp | None:
    """Return what finds tokens for a source. None: there is nothing to be asked for, or obstore asks by itself.

    Args:
        service: ``gs`` or ``az``.
        variables: those of Google's and Azure's tools; None where nothing goes on in the background.
        own: what is said of the source alone.
    """
    if variables is None or (own is not None and own.anonymous):
        return None
    return _google(variables, own) if service == "gs" else _azure(variables, own)


def _google(variables: Mapping[str, str], own: SourceOptions | None) -> LookUp | None:
    if (own is not None and own.service_account) or any(variables.get(name) for name in _GOOGLE_SIGNS):
        return None
    if variables.get("GOOGLE_SKIP_SIGNATURE"):
        return None
    file = Path(variables.get("GOOGLE_APPLICATION_CREDENTIALS") or _GOOGLE_FILE)
    try:
        said: dict[str, Any] = json.loads(file.expanduser().read_text("utf-8"))
        kind = said.get("type")
    except (OSError, RuntimeError, ValueError, AttributeError):
        kind = None if not variables.get("GOOGLE_APPLICATION_CREDENTIALS") else "wrong"
    if kind is None:
        return partial(_of_google_machine, variables.get("GCE_METADATA_HOST") or _GOOGLE_METADATA)
    return partial(_of_google_user, said) if kind == "authorized_user" else None


def _of_google_machine(host: str) -> Token:
    """Return that of the service account of a machine, a pod or a service of Google."""
    address = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    return _token("GET", address, {"Metadata-Flavor": "Google"})


def _of_google_user(said: Mapping[str, Any]) -> Token:
    """Return that of a person who has logged in by gcloud."""
    form = {name: str(said.get(name, "")) for name in ("client_id", "client_secret", "refresh_token")}
    address = str(said.get("token_uri") or "https://oauth2.googleapis.com/token")
    return _token("POST", address, _FORM, form | {"grant_type": "refresh_token"})


def _azure(variables: Mapping[str, str], own: SourceOptions | None) -> LookUp | None:
    if own is not None and (own.account_key or own.query):
        return None
    if any(variables.get(name) for name in (*_AZURE_SIGNS, *_AZURE_OTHERWISE)):
        return None

    def said(name: str) -> str:
        return variables.get(f"AZURE_STORAGE_{name}") or variables.get(f"AZURE_{name}") or ""

    client, tenant, secret = said("CLIENT_ID"), said("TENANT_ID") or said("AUTHORITY_ID"), said("CLIENT_SECRET")
    file = variables.get("AZURE_FEDERATED_TOKEN_FILE", "")
    authority = (variables.get("AZURE_AUTHORITY_HOST") or _AZURE_AUTHORITY).rstrip("/")
    if client and tenant and (secret or file):
        return partial(_of_azure_client, f"{authority}/{tenant}/oauth2/v2.0/token", client, secret, file)
    return partial(_of_azure_machine, variables, client)


def _of_azure_client(address: str, client: str, secret: str, file: str) -> Token:
    """Return that of an application, by its secret or by the token of a pod, whose file is written anew at times."""
    form = {"client_id": client, "scope": f"{_AZURE_RESOURCE}/.default", "grant_type": "client_credentials"}
    if file:
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        try:
            form["client_assertion"] = Path(file).read_text("ascii").strip()
        except (OSError, ValueError):
            raise NoToken("no credentials were found: the file of a token cannot be read") from None
    else:
        form["client_secret"] = secret
    return _token("POST", address, _FORM, form)


def _of_azure_machine(variables: Mapping[str, str], client: str) -> Token:
    """Return that of the managed identity of a machine or a service of Azure."""
    query = {"api-version": "2019-08-01", "resource": _AZURE_RESOURCE} | ({"client_id": client} if client else {})
    headers = {"Metadata": "true"}
    if secret := variables.get("IDENTITY_HEADER"):
        headers["X-IDENTITY-HEADER"] = secret
    address = variables.get("IDENTITY_ENDPOINT") or variables.get("MSI_ENDPOINT") or _AZURE_METADATA
    return _token("GET", f"{address}?{urlencode(query)}", headers)


def _token(method: str, address: str, headers: dict[str, str], form: Mapping[str, str] | None = None) -> Token:
    """Return the token that a service answers with (OAuth 2.0, RFC 6749, section 5.1)."""
    body = None if form is None else urlencode(form).encode()
    try:
        found = credential_request.answer(method, address, headers=headers, body=body, seconds=_SECONDS)
    except credential_request.Unanswered as error:
        raise NoToken(f"no credentials were found: {error}") from None
    if found.status != 200:
        raise NoToken(f"no credentials were found; {found.host} answered {found.status}")
    try:
        said: dict[str, Any] = json.loads(found.body)
        expires = datetime.now(UTC) + timedelta(seconds=float(said["expires_in"]))
        return {"token": str(said["access_token"]), "expires_at": expires}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise NoToken(f"no credentials were found: what {found.host} answered is no token") from None

"""Clients of Google Cloud Storage and Azure Blob Storage, by obstore.

It knows the variables of both clouds' tools, and signs by keys and files of service accounts. Tokens that run out are
looked up in the background (`tilery.storage.cloud_tokens`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore

from tilery.errors import UpstreamError
from tilery.storage import cloud_tokens
from tilery.storage.cloud_tokens import RefreshingToken
from tilery.storage.locations import CloudLocation
from tilery.storage.options import StoreOptions
from tilery.storage.s3.client import RetryPolicy
from tilery.storage.source_options import SourceOptions, proxied


class CloudClient:
    """The client of one bucket or container."""

    def __init__(
        self, location: CloudLocation, options: StoreOptions, patience: RetryPolicy, own: SourceOptions | None
    ) -> None:
        """Make the client; no request is sent yet.

        Raises:
            UpstreamError: what is said of it does not make a client.
        """
        endpoint = own.endpoint if own is not None else None
        shared: dict[str, Any] = {
            "client_options": {
                "allow_http": (endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=options.connect_timeout),
                "read_timeout": timedelta(seconds=patience.read_timeout),
                "timeout": timedelta(seconds=patience.request_timeout),
                "user_agent": "Tilery",
                **proxied(own),
            },
            "retry_config": patience.retry_config(),
        }
        look_up = cloud_tokens.look_up_of(location.service, options.clouds, own)
        if look_up is not None:
            shared["credential_provider"] = RefreshingToken(look_up)
        try:
            if location.service == "gs":
                self.store: GCSStore | AzureStore = GCSStore(location.bucket, config=_google(own), **shared)
            else:
                self.store = AzureStore(location.bucket, config=_azure(own), **shared)
        except BaseError as error:
            text = str(error).partition("\n\n")[0][:500]
            raise UpstreamError("The server has no access to the store of this source.", private=text) from None

    def found_elsewhere(self) -> bool:
        """Return False: neither cloud has buckets whose region has to be found."""
        return False


def _google(own: SourceOptions | None) -> Any:
    if own is None:
        return {}
    said = {"base_url": own.endpoint, "service_account": own.service_account, "skip_signature": own.anonymous}
    return {name: value for name, value in said.items() if value is not None}


def _azure(own: SourceOptions | None) -> Any:
    if own is None:
        return {}
    said = {
        "endpoint": own.endpoint,
        "account_name": own.account,
        "account_key": own.account_key,
        "sas_key": own.query or None,
        "skip_signature": own.anonymous,
    }
    return {name: value for name, value in said.items() if value is not None}

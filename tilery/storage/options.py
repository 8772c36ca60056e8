"""How stores are reached: a value that is handed down, so that nothing here asks the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tilery.storage.locations import Location
from tilery.storage.source_options import SourceOptions, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to a store of rasters, as it ended."""

    host: Literal["bucket", "listed", "public"]
    """A bucket; a server that the sources name; any other, where every public address may be read."""
    seconds: float
    size: int = 0
    """Bytes of the body that came back."""
    problem: str | None = None
    """Code of the error that it ended with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Time limits, tries and threads for requests to stores, and what S3 needs."""

    s3_endpoint: str | None = None
    """Address of an S3 server other than AWS, as ``http://127.0.0.1:9000``."""
    s3_anonymous: bool = False
    """Send S3 requests without a signature (public buckets)."""
    connect_timeout: float = 2.0
    """Seconds to wait for a connection."""
    read_timeout: float = 10.0
    """Seconds to wait for the next bytes."""
    request_timeout: float = 25.0
    """Seconds that one request may take with all its tries."""
    fetch_retries: int = 4
    """Further tries for a range that failed with 429, 5xx or a broken connection; within ``request_timeout``."""
    fetch_threads: int = 16
    """Range requests under way at a time."""
    aws: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    """Variables of AWS's own tools (``AWS_REGION``, ``AWS_PROFILE``, …), for what obstore does not find by itself."""
    clouds: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    """Variables of Google's and Azure's own tools. None: obstore asks for tokens by itself, when a request needs them.
    """
    observe: Callable[[Exchange], None] | None = field(default=None, hash=False, compare=False, repr=False)
    """Called after each request to a store of rasters, by the thread that made it."""
    trace_headers: Callable[[], str] | None = field(default=None, hash=False, compare=False, repr=False)
    """Returns the lines of a request to a server of HTTP that say which trace it belongs to, each with its end; called
    by the thread that makes it."""
    sources: tuple[SourceOptions, ...] = field(default=(), hash=False)
    """Sources that are reached in another way than the others."""

    def of(self, location: Location) -> SourceOptions | None:
        """Return what is said of the source at a location, where something is."""
        return chosen(self.sources, location)

"""Resources of HTTP servers, by ranges."""

from __future__ import annotations

import random
import re
import time
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Literal

from tilery.errors import SourceDenied, SourceNotFound, SourceRefused, TileryError, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes.connection import Answer, Broken, Connection
from tilery.storage.bytes.fetching import Bulkhead, share
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.bytes.remote import First, RemoteSource, Version
from tilery.storage.locations import HttpLocation
from tilery.storage.options import Exchange, StoreOptions

WHOLE = 512 << 10
"""Bytes of an object that may be taken as a whole from a server that knows no ranges."""
IDLE = 20.0
"""Seconds after which an unused connection is not used again; many servers close theirs about then."""
PAUSE = 0.05
"""Seconds before the second try at most, half of it on average; each further pause may be twice as long."""
_SERVERS = 256
_CONNECTIONS = 128
"""Connections kept at most. Callers may name the hosts, and a process mostly has a thousand open files."""
_AGAIN = frozenset({429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DATE = re.compile(r"[A-Za-z0-9,: -]{1,40}")


def open_http(location: HttpLocation, servers: Servers, threads: ThreadPoolExecutor) -> RemoteSource:
    """The resource, opened with one request.

    Raises:
        SourceRefused: an address of the host is not allowed, or the answer is a redirect.
        SourceNotFound, SourceDenied, UpstreamError, UpstreamTimeout, DeadlineExceeded: as the names say.
    """
    return RemoteSource(HttpOrigin(location, servers.of(location), servers.options), name=location.url, threads=threads)


_Key = tuple[str, str, int, bool]
"""Scheme, host and port of a server, and whether it is listed."""


class Server:
    """One server, and its share of the threads."""

    __slots__ = ("_idle_connections", "_key", "_location", "_options", "bulkhead")

    def __init__(self, key: _Key, location: HttpLocation, options: StoreOptions, idle: IdleConnections) -> None:
        self._key = key
        self._location = location
        self._options = options
        self._idle_connections = idle
        self.bulkhead = Bulkhead(share(options.fetch_threads))

    def take(self) -> Connection:
        """A connection: the one used last if it is still good, else a new one."""
        while (found := self._idle_connections.take(self._key)) is not None:
            since, connection = found
            if time.monotonic() - since < IDLE and connection.fresh():
                return connection
            connection.close()
        options = self._options
        return Connection(self._location, connect_timeout=options.connect_timeout, read_timeout=options.read_timeout)

    def give(self, connection: Connection) -> None:
        """Keep the connection for later."""
        self._idle_connections.give(self._key, connection)


class IdleConnections:
    """The connections that are kept for later, those of late: each holds one of the process's open files."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, _Key] = OrderedDict()
        self._of: dict[_Key, list[tuple[float, Connection]]] = {}
        self._lock = Lock()
        self._closed = False
        weakref.finalize(self, _close_all, self._all)  # where nobody closes them

    def take(self, server: _Key) -> tuple[float, Connection] | None:
        """The connection to a server that was used last, and when."""
        with self._lock:
            idle = self._of.get(server)
            if idle is None:
                return None
            found = idle.pop()
            if not idle:
                del self._of[server]
            del self._all[found[1]]
            return found

    def give(self, server: _Key, connection: Connection) -> None:
        """Keep a connection, and close the one that was kept for longest where they are too many.

        After `close` it is closed instead: a thread was still fetching with it.
        """
        with self._lock:
            oldest = connection
            if not self._closed:
                self._all[connection] = server
                self._of.setdefault(server, []).append((time.monotonic(), connection))
                if len(self._all) <= _CONNECTIONS:
                    return
                oldest, server = self._all.popitem(last=False)
                idle = self._of[server]
                del idle[0]  # the last is taken first, so the first is the oldest
                if not idle:
                    del self._of[server]
        oldest.close()

    def close(self) -> None:
        """Close all connections, and those in use when they come back."""
        with self._lock:
            self._closed = True
            self._of.clear()
            _close_all(self._all)


def _close_all(connections: OrderedDict[Connection, _Key]) -> None:
    while connections:
        connections.popitem()[0].close()


class Servers:
    """The servers that an engine talks to, those of late."""

    def __init__(self, options: StoreOptions) -> None:
        """Reach servers as the options say."""
        self.options = options
        self._servers: OrderedDict[_Key, Server] = OrderedDict()
        self._idle_connections = IdleConnections()
        self._lock = Lock()

    def of(self, location: HttpLocation) -> Server:
        """The server of this location."""
        key = (location.scheme, location.host, location.port, location.listed)
        with self._lock:
            server = self._servers.pop(key, None) or Server(key, location, self.options, self._idle_connections)
            self._servers[key] = server
            if len(self._servers) > _SERVERS:
                self._servers.popitem(last=False)
            return server

    def close(self) -> None:
        """Close the connections, those in use when they come back."""
        self._idle_connections.close()


class HttpOrigin:
    """One resource of a server."""

    __slots__ = ("_location", "_options", "_request", "_server")

    interruptible = True

    def __init__(self, location: HttpLocation, server: Server, options: StoreOptions) -> None:
        self._location = location
        self._options = options
        self._server = server
        self._request = (
            f"GET {location.target} HTTP/1.1\r\nHost: {location.authority}\r\nUser-Agent: Tilery\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\n"
        )

    def first(self, length: int) -> First:
        """The first bytes and the version they belong to; see `Origin.first`."""
        answer, body = self._get(0, length, "")
        if answer.status == 416 and answer.headers.get("content-range", "").replace(" ", "") in {"bytes*/0", ""}:
            return First(head=b"", version=_version(answer, 0))
        if answer.status == 200:
            return First(head=body, version=_version(answer, len(body)))
        if answer.status == 206:
            return First(head=body, version=_version(answer, _part(answer)[2]))
        raise self._failure(answer)

    def fetch(self, start: int, length: int, version: Version) -> bytes:
        """Exactly these bytes of this version; see `Origin.fetch`."""
        condition = ""
        if version.strong_etag:
            condition = f"If-Match: {version.strong_etag}\r\n"
        elif version.modified:
            condition = f"If-Unmodified-Since: {version.modified}\r\n"
        answer, body = self._get(start, length, condition)
        match answer.status:
            case 206:
                _check_same(_version(answer, _part(answer)[2]), version)
                return body
            case 200:
                _check_same(_version(answer, len(body)), version)
                return body[start : start + length]
            case 404 | 410 | 412 | 416:
                raise SourceChanged
        raise self._failure(answer)

    def is_same(self, version: Version) -> bool:
        """Whether the server still has this version; see `Origin.is_same`."""
        condition = ""
        if version.etag:
            condition = f"If-None-Match: {version.etag}\r\n"
        elif version.modified:
            condition = f"If-Modified-Since: {version.modified}\r\n"
        answer, body = self._get(0, 1, condition)
        match answer.status:
            case 304:
                return True
            case 206:
                return _version(answer, _part(answer)[2]) == version
            case 200:
                return _version(answer, len(body)) == version
            case 416:
                return version.size == 0
            case 401 | 403 | 404 | 410 | 412:
                return False
        raise self._failure(answer)

    def _get(self, start: int, length: int, condition: str) -> tuple[Answer, bytes]:
        """An answer, with its body when it is data; tried again while that may help and time is left."""
        request = f"{self._request}Range: bytes={start}-{start + length - 1}\r\n{condition}\r\n".encode("latin-1")
        tries = self._options.fetch_retries + 1
        with deadline.limit(self._options.request_timeout):
            for number in range(1, tries + 1):
                began = time.monotonic()
                try:
                    with self._server.bulkhead:
                        answer, body = self._exchange(request, start, length)
                except TimeoutError:
                    self._observe(began, 0, UpstreamTimeout.code)
                    deadline.check()
                    raise UpstreamTimeout(
                        "The store of this source does not answer.", private=self._location.private_name
                    ) from None
                except (Broken, OSError) as error:
                    failure: TileryError = UpstreamError(
                        "The store of this source failed to answer.", private=f"{self._location.private_name}: {error}"
                    )
                except TileryError as error:
                    self._observe(began, 0, error.code)
                    raise
                else:
                    if answer.status not in _AGAIN:
                        self._observe(began, len(body), None)
                        return answer, body
                    failure = self._failure(answer)
                self._observe(began, 0, failure.code)
                pause = random.uniform(0, PAUSE * 2 ** (number - 1))  # noqa: S311  spreads the tries, keeps no secret
                if number == tries or pause >= deadline.remaining():
                    raise failure
                time.sleep(pause)
        raise deadline.exceeded()

    def _observe(self, began: float, size: int, problem: str | None) -> None:
        """Tell whoever wants to know how a request ended."""
        if self._options.observe is not None:
            host: Literal["listed", "public"] = "listed" if self._location.listed else "public"
            seconds = time.monotonic() - began
            self._options.observe(Exchange(host=host, seconds=seconds, size=size, problem=problem))

    def _exchange(self, request: bytes, start: int, length: int) -> tuple[Answer, bytes]:
        while True:
            connection = self._server.take()
            reused = connection.requests > 0
            try:
                answer = connection.head(request)
                body = self._data(connection, answer, start, length)
            except (Broken, OSError) as error:
                connection.close()
                if reused and not connection.answered and not isinstance(error, TimeoutError):
                    continue  # the server had closed it just before: that is no failure
                raise
            except BaseException:
                connection.close()
                raise
            if connection.reusable:
                self._server.give(connection)
            else:
                connection.close()
            return answer, body

    def _data(self, connection: Connection, answer: Answer, start: int, length: int) -> bytes:
        """The body, if it is the data that was asked for."""
        if answer.status not in {200, 206}:
            connection.skip(answer)
            return b""
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise Broken("the data are encoded")
        if answer.status == 200:
            body = connection.whole(answer, WHOLE)
            if body is None:
                raise UpstreamError(
                    "The server of this source does not support range requests.", private=self._location.private_name
                )
            return body
        first, last, total = _part(answer)
        count = last - first + 1
        # A range without a byte, as of an object that ends before it, would have the length of the body be no bound.
        if count < 1 or first != start or last != min(start + length, total) - 1 or answer.length not in {None, count}:
            raise Broken("these are not the bytes that were asked for")
        part = connection.whole(answer, count)
        if part is None or len(part) != count:
            raise Broken("the body is not as long as it says")
        return part

    def _failure(self, answer: Answer) -> TileryError:
        """The error that an answer stands for."""
        private = f"{self._location.private_name} answered {answer.status}"
        match answer.status:
            case 401 | 403 | 407:
                return SourceDenied("The store refuses this source.", private=private)
            case 404 | 410:
                return SourceNotFound("There is no such source.", private=private)
            case status if 300 <= status < 400:
                return SourceRefused(
                    "This source redirects to another, and redirects are not followed.",
                    parameter="url",
                    private=private,
                )
            case 429 | 503:
                return UpstreamError("The store of this source is busy.", private=private, retry_after=1)
        return UpstreamError("The store of this source failed to answer.", private=private)


def _part(answer: Answer) -> tuple[int, int, int]:
    """First byte, last byte and size of the whole, as Content-Range says."""
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if match is None:
        raise Broken("Content-Range makes no sense")
    return int(match[1]), int(match[2]), int(match[3])


def _version(answer: Answer, size: int) -> Version:
    etag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
    return Version(
        size=size,
        etag=etag if _ETAG.fullmatch(etag) else None,
        modified=modified if _DATE.fullmatch(modified) else None,
    )


def _check_same(found: Version, version: Version) -> None:
    """Check that both are one version: servers that know no conditions answer whatever was asked."""
    if found.size != version.size:
        raise SourceChanged
    if version.etag and found.etag:
        if found.etag != version.etag:
            raise SourceChanged
    elif version.modified and found.modified and found.modified != version.modified:
        raise SourceChanged

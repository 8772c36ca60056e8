"""Resources of HTTP servers, by ranges."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Literal

from tilery.errors import SourceDenied, SourceNotFound, TileryError, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes import redirects, retrying
from tilery.storage.bytes.connection import Answer, Broken, Connection
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.bytes.remote import First, RemoteSource, Version
from tilery.storage.bytes.servers import Server, Servers
from tilery.storage.locations import HttpLocation
from tilery.storage.options import Exchange

WHOLE = 512 << 10
"""Bytes of an object that may be taken as a whole from a server that knows no ranges, where as many were not asked for.
"""
_AGAIN = frozenset({429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DATE = re.compile(r"[A-Za-z0-9,: -]{1,40}")


def open_http(location: HttpLocation, servers: Servers, threads: ThreadPoolExecutor, header: int = 0) -> RemoteSource:
    """Return the resource, opened with one request, and one more for each redirect before it; ``header`` as
    `RemoteSource` takes it.

    Raises:
        SourceRefused: an address of the host is not allowed, or it redirects to what may not be read.
        SourceNotFound, SourceDenied, UpstreamError, UpstreamTimeout, DeadlineExceeded: as the names say.
    """
    return RemoteSource(HttpOrigin(location, servers), name=location.url, threads=threads, header=header)


class HttpOrigin:
    """One resource, by the address that was asked for; its bytes may come from where that leads."""

    __slots__ = ("_last", "_location", "_options", "_servers")

    interruptible = True

    def __init__(self, location: HttpLocation, servers: Servers) -> None:
        self._location = location
        self._options = servers.options
        self._servers = servers
        self._last: tuple[HttpLocation, Server, str, float] | None = None
        """Where the last request went, that place's server, how requests to it begin, and until when they do."""

    def first(self, length: int) -> First:
        """Return the first bytes and the version they belong to; see `Origin.first`."""
        answer, body = self._get(0, length, "")
        if answer.status == 416 and answer.headers.get("content-range", "").replace(" ", "") in {"bytes*/0", ""}:
            return First(head=b"", version=_version(answer, 0))
        if answer.status == 200:
            return First(head=body, version=_version(answer, len(body)))
        if answer.status == 206:
            return First(head=body, version=_version(answer, _part(answer)[2]))
        raise self._failure(answer)

    def fetch(self, start: int, length: int, version: Version) -> bytes:
        """Return exactly these bytes of this version; see `Origin.fetch`."""
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
        """Return whether the server still has this version; see `Origin.is_same`."""
        condition = ""
        if version.etag:
            condition = f"If-None-Match: {version.etag}\r\n"
        elif version.modified:
            condition = f"If-Modified-Since: {version.modified}\r\n"
        answer, body = self._get(0, 1, condition, renew=True)
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

    def _get(self, start: int, length: int, condition: str, *, renew: bool = False) -> tuple[Answer, bytes]:
        """Return an answer, with its body when it is data; tried again while that may help and time is left.

        Args:
            start: first byte.
            length: bytes.
            condition: further lines of the request.
            renew: find out anew where the address leads, unless that is known for some time to come.
        """
        traced = self._options.trace_headers() if self._options.trace_headers is not None else ""
        lines = f"Range: bytes={start}-{start + length - 1}\r\n{condition}{traced}\r\n"
        tries = self._options.fetch_retries + 1
        with deadline.limit(self._options.request_timeout):
            for number in range(1, tries + 1):
                began = monotonic()
                try:
                    answer, body = self._followed(lines, start, length, renew)
                except TimeoutError:
                    self._observe(began, 0, UpstreamTimeout.code)
                    deadline.check()
                    raise UpstreamTimeout(private=self._location.private_name) from None
                except (Broken, OSError) as error:
                    asked = None
                    failure: TileryError = UpstreamError(private=f"{self._location.private_name}: {error}")
                except TileryError as error:
                    self._observe(began, 0, error.code)
                    raise
                else:
                    if answer.status not in _AGAIN:
                        self._observe(began, len(body), None)
                        return answer, body
                    asked = retrying.seconds_of(answer.headers.get("retry-after"))
                    failure = self._failure(answer)
                self._observe(began, 0, failure.code)
                pause = retrying.pause(number, asked)
                if number == tries or pause >= deadline.remaining():
                    raise failure
                sleep(pause)
        raise deadline.exceeded()

    def _observe(self, began: float, size: int, problem: str | None) -> None:
        """Tell whoever wants to know how a request ended."""
        if self._options.observe is not None:
            host: Literal["listed", "public"] = "listed" if self._location.listed else "public"
            seconds = monotonic() - began
            self._options.observe(Exchange(host=host, seconds=seconds, size=size, problem=problem))

    def _followed(self, lines: str, start: int, length: int, renew: bool) -> tuple[Answer, bytes]:
        """Ask, follow redirects, remember where they lead, and return the last answer and its body."""
        known = self._servers.redirects.find(self._location, for_long=renew)
        if known is not None:
            answer, body = self._exchange(known, lines, start, length)
            if answer.status not in redirects.RUN_OUT:
                return answer, body
        place = self._location
        for _ in range(redirects.MOST + 1):
            answer, body = self._exchange(place, lines, start, length)
            if answer.status not in redirects.STATUSES:
                if place is not self._location and answer.status not in redirects.RUN_OUT | _AGAIN:
                    self._servers.redirects.note(self._location, place)
                return answer, body
            place = self._servers.redirects.follow(place, answer)
        raise redirects.too_many(self._location)

    def _exchange(self, place: HttpLocation, lines: str, start: int, length: int) -> tuple[Answer, bytes]:
        last = self._last
        if last is None or last[0] is not place or last[3] <= monotonic():
            last = self._last = (place, self._servers.of(place), *self._servers.head(place))
        _, server, head, _ = last
        request = (head + lines).encode("latin-1")
        with server.bulkhead:
            while True:
                connection = server.take()
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
                    server.give(connection)
                else:
                    connection.close()
                return answer, body

    def _data(self, connection: Connection, answer: Answer, start: int, length: int) -> bytes:
        """Return the body, if it is the data that was asked for."""
        if answer.status not in {200, 206}:
            connection.skip(answer)
            return b""
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise Broken("the data are encoded")
        if answer.status == 200:
            body = connection.whole(answer, max(WHOLE, 0 if start else length))
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
        """Return the error that an answer stands for."""
        private = f"{self._location.private_name} answered {answer.status}"
        match answer.status:
            case 401 | 403 | 407:
                return SourceDenied("The store refuses this source.", private=private)
            case 404 | 410:
                return SourceNotFound(private=private)
            case 429 | 503:
                asked = retrying.seconds_of(answer.headers.get("retry-after"))
                return UpstreamError("The store of this source is busy.", private=private, retry_after=asked or 1)
        return UpstreamError(private=private)


def _part(answer: Answer) -> tuple[int, int, int]:
    """Return first byte, last byte and size of the whole, as Content-Range says."""
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

"""HTTP servers that are talked to, and the connections that are kept for them."""

from __future__ import annotations

import math
import time
import weakref
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from tilery.storage.bytes.connection import Connection
from tilery.storage.bytes.fetching import Bulkhead, share
from tilery.storage.bytes.proxy import Proxy
from tilery.storage.bytes.redirects import Permit, Redirects
from tilery.storage.locations import HttpLocation
from tilery.storage.options import StoreOptions
from tilery.storage.source_options import chosen, request_head

if TYPE_CHECKING:
    from tilery.storage.bytes.signatures import Signer

IDLE = 20.0
"""Seconds after which an unused connection is not used again; many servers close theirs about then."""
_SERVERS = 256
_CONNECTIONS = 128
"""Connections kept at most. Callers may name the hosts, and a process mostly has a thousand open files."""

_SIGNED = 10.0
"""Seconds for which a signature that is at hand is used without asking whether there is a newer one."""

_Key = tuple[str, str, int, bool, Proxy | None]
"""Scheme, host and port of a server, whether it is listed, and what leads to it."""


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
        """Return a connection: the one used last if it is still good, else a new one."""
        while (found := self._idle_connections.take(self._key)) is not None:
            since, connection = found
            if time.monotonic() - since < IDLE and connection.fresh():
                return connection
            connection.close()
        options = self._options
        return Connection(
            self._location,
            connect_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            proxy=self._key[-1],
        )

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
        """Return the connection to a server that was used last, and when."""
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

    def __init__(self, options: StoreOptions, permit: Permit | None = None) -> None:
        """Reach servers as the options say, and follow their redirects to what is permitted."""
        self.options = options
        self.redirects = Redirects(permit)
        self._servers: OrderedDict[_Key, Server] = OrderedDict()
        self._signers: dict[str, Signer] = {}
        self._idle_connections = IdleConnections()
        self._lock = Lock()

    def of(self, location: HttpLocation) -> Server:
        """Return the server of this location."""
        own = chosen(self.options.sources, location)
        proxy = None if own is None else own.proxy
        key = (location.scheme, location.host, location.port, location.listed, proxy)
        with self._lock:
            server = self._servers.pop(key, None) or Server(key, location, self.options, self._idle_connections)
            self._servers[key] = server
            if len(self._servers) > _SERVERS:
                self._servers.popitem(last=False)
            return server

    def head(self, location: HttpLocation) -> tuple[str, float]:
        """Return the lines with which every request for this location begins, and until when, by the monotonic clock.

        Raises:
            UpstreamError: its query needs a signature that cannot be had.
        """
        own = chosen(self.options.sources, location)
        if own is None or own.query_from is None:
            return request_head(location, own, "" if own is None else own.query), math.inf
        until = time.monotonic() + _SIGNED
        return request_head(location, own, self._signer(own.query_from).query()), until

    def sign(self) -> None:
        """Look up the signatures of sources that need them, before anybody waits for them."""
        for own in self.options.sources:
            if own.query_from is not None:
                self._signer(own.query_from)

    def _signer(self, address: str) -> Signer:
        from tilery.storage.bytes.signatures import Signer

        with self._lock:
            if address not in self._signers:
                self._signers[address] = Signer(address)
            return self._signers[address]

    def close(self) -> None:
        """Close the connections, those in use when they come back."""
        self._idle_connections.close()

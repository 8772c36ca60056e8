"""The two servers over the same rasters, for all tests that compare them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.parity import rasters, servers
from tests.parity.table import Row

ALONE = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: uvicorn closes the one on which an endpoint failed."""
AHEAD = 24
"""Rows that are asked before the tests of them begin. Not all: another process of the tests may have the last ones."""
Answer = tuple[str, httpx.Response]


@dataclass(slots=True)
class Pair:
    """The two servers, asked a little ahead of the tests so that both work at the same time."""

    folder: Path
    titiler: str
    tilery: str
    clients: dict[str, httpx.Client]
    pools: dict[str, ThreadPoolExecutor]
    coming: list[Row]
    """Those that tests are about, in their order."""
    asked: dict[tuple[str, str], Future[Answer]]

    def ask(self, address: str, row: Row) -> Future[Answer]:
        """Return the answer of one server, under way."""
        place = self.coming.index(row) if row in self.coming else len(self.coming)
        for one in (row, *self.coming[place : place + AHEAD]):
            for server in (self.titiler, self.tilery):
                if (server, one.name) not in self.asked:
                    self.asked[server, one.name] = self.pools[server].submit(self._fetch, server, one)
        return self.asked[address, row.name]

    def _fetch(self, address: str, row: Row) -> Answer:
        params: list[tuple[str, str | int | float | bool | None]] = [*row.params]
        if row.file:
            params.insert(0, ("url", str(self.folder / row.file)))
        response = self.clients[address].request(
            row.method, address + row.path, params=params, json=row.body, headers=dict(row.headers)
        )
        return address, response


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Both servers over the same rasters."""
    folder = tmp_path_factory.mktemp("rasters")
    logs = tmp_path_factory.mktemp("logs")
    rasters.make(folder)
    with servers.titiler(logs / "titiler.log") as theirs, servers.tilery(logs / "tilery.log", folder) as ours:
        addresses = (theirs, ours)
        clients = {address: httpx.Client(timeout=60, limits=ALONE) for address in addresses}
        pools = {address: ThreadPoolExecutor(2) for address in addresses}
        coming = [row for item in request.session.items if (row := _asked(item)) is not None]
        yield Pair(folder, theirs, ours, clients, pools, coming, {})
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)
        for client in clients.values():
            client.close()


def _asked(item: pytest.Item) -> Row | None:
    spec = getattr(item, "callspec", None)
    return spec.params.get("row") if isinstance(item, pytest.Function) and spec is not None else None

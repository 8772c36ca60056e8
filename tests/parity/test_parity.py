"""Every row of the table, asked of TiTiler and of Tilery, and their answers compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.parity import rasters, servers
from tests.parity.answers import Tolerance, differences, media_type
from tests.parity.table import EVERYWHERE, TABLE, Differs, Row, Same

ALONE = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: uvicorn closes the one on which an endpoint failed."""
COMPATIBILITY = servers.ROOT / "docs" / "compatibility.md"
Answer = tuple[str, httpx.Response]


@dataclass(slots=True)
class Pair:
    """The two servers, asked ahead of the tests so that both work at the same time."""

    folder: Path
    titiler: str
    tilery: str
    clients: dict[str, httpx.Client]
    pools: dict[str, ThreadPoolExecutor]
    asked: dict[tuple[str, str], Future[Answer]]

    def ask(self, address: str, row: Row) -> Future[Answer]:
        """The answer of one server, under way."""
        key = (address, row.name)
        if key not in self.asked:
            self.asked[key] = self.pools[address].submit(self._fetch, address, row)
        return self.asked[key]

    def _fetch(self, address: str, row: Row) -> Answer:
        params = [("url", str(self.folder / row.file)), *row.params] if row.file else list(row.params)
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
        both = Pair(folder, theirs, ours, clients, pools, {})
        wanted = {item.callspec.params["row"].name for item in request.session.items if _asks(item)}
        for row in TABLE:
            if row.name in wanted:
                both.ask(theirs, row)
                both.ask(ours, row)
        yield both
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)
        for client in clients.values():
            client.close()


def _asks(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and "row" in item.callspec.params


@pytest.mark.peer
@pytest.mark.xdist_group("parity")
@pytest.mark.skipif(not servers.PEER.exists(), reason="TiTiler is not installed: make peer")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in TABLE])
def test_both_answer_as_the_table_says(pair: Pair, row: Row) -> None:
    theirs, ours = pair.ask(pair.titiler, row).result(), pair.ask(pair.tilery, row).result()
    status = ours[1].status_code
    if isinstance(row.expect, Same):
        assert not differences(ours, theirs, row.expect.tolerance)
    elif isinstance(row.expect, Differs):
        assert status == row.expect.status, ours[1].text[:300]
        assert theirs[1].status_code == (row.expect.peer or theirs[1].status_code)
        assert differences(ours, theirs, Tolerance()), "the same now: the line can go"
    else:
        assert (status, media_type(ours[1])) == (theirs[1].status_code, media_type(theirs[1]))
    if status >= 400:
        assert ours[1].headers.get("cache-control", "no-store") == "no-store"
        if row.method != "HEAD":
            assert {"code", "detail"} <= ours[1].json().keys()


def test_every_difference_is_written_down_and_every_line_has_one() -> None:
    written = re.findall(r"^\| `([a-z0-9-]+)` \|", COMPATIBILITY.read_text(encoding="utf-8"), re.MULTILINE)
    used = {row.expect.reason for row in TABLE if isinstance(row.expect, Differs)} | set(EVERYWHERE)
    used |= {reason for row in TABLE if isinstance(row.expect, Same) for reason in row.expect.but}
    assert sorted(written) == sorted(used)


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})

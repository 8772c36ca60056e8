"""Every row of the table, asked of TiTiler and of Tilery, and their answers compared."""

from __future__ import annotations

import re
import sys

import pytest

from tests.parity import servers
from tests.parity.answers import Tolerance, differences, media_type
from tests.parity.conftest import Pair
from tests.parity.table import EVERYWHERE, TABLE, Differs, Row, Same

COMPATIBILITY = servers.ROOT / "docs" / "compatibility.md"


_STRETCHED = "TiTiler with GDAL 3.12: polynomials through control points end elsewhere"
_TOO_LARGE = "TiTiler with NumPy 2.5: 500"
OF_NEW_LIBRARIES = {
    "tile gcps -3": _STRETCHED,
    "preview gcps": _STRETCHED,
    "algorithm sum values": _TOO_LARGE,
    "algorithm sum preview": _TOO_LARGE,
}
"""Rows that cannot be compared with the libraries that Python 3.12 and later have, and why."""


@pytest.mark.peer
@pytest.mark.xdist_group("parity")
@pytest.mark.skipif(not servers.PEER.exists(), reason="TiTiler is not installed: make peer")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in TABLE])
def test_both_answer_as_the_table_says(pair: Pair, row: Row) -> None:
    if row.name in OF_NEW_LIBRARIES and sys.version_info >= (3, 12):
        pytest.skip(OF_NEW_LIBRARIES[row.name])
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
    if status == theirs[1].status_code == 422 and isinstance(row.expect, Same):
        named = {tuple(error["loc"][:2]) for error in ours[1].json()["errors"]}
        assert named, "nothing is named"
        assert named <= {tuple(error["loc"][:2]) for error in theirs[1].json()["detail"]}
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

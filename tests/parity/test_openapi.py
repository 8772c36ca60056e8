"""The OpenAPI documents compared: clients are generated from operation ids and parameters."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.parity import servers
from tests.parity.conftest import Pair
from tests.parity.table import TABLE
from tests.support.openapi import parameters

pytestmark = [
    pytest.mark.peer,
    pytest.mark.xdist_group("parity"),
    pytest.mark.skipif(not servers.PEER.exists(), reason="TiTiler is not installed: make peer"),
]
OTHERS = ("/stac/viewer",)
"""Prefixes of what only TiTiler has."""
LESS = {("/stac/WMTSCapabilities.xml", "assets")}
"""Parameters that are required there by the document alone."""


def operations(address: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation of rasters and of the shared routes, by method and path."""
    document = httpx.get(f"{address}/api", timeout=30).json()
    return {
        (method, path): operation | {"parameters": parameters(document, operation)}
        for path, methods in document["paths"].items()
        if not path.startswith(OTHERS)
        for method, operation in methods.items()
    }


def test_every_operation_of_titiler_is_there_by_its_id(pair: Pair) -> None:
    theirs, ours = operations(pair.titiler), operations(pair.tilery)
    missing = {
        key: operation.get("operationId")
        for key, operation in theirs.items()
        if ours.get(key, {}).get("operationId") != operation.get("operationId")
    }
    assert not missing


def test_the_table_of_requests_has_every_operation_of_titiler(pair: Pair) -> None:
    asked = [("post" if row.body is not None else row.method.lower(), row.path.partition("?")[0]) for row in TABLE]
    document = httpx.get(f"{pair.titiler}/api", timeout=30).json()
    missing = []
    for path, methods in document["paths"].items():
        pattern = re.compile("[^/]+?".join(map(re.escape, re.split(r"\{[^}]+\}", path))))
        ways = {way for way, asked_path in asked if pattern.fullmatch(asked_path)}
        missing += [(method, path) for method in methods if method not in ways]
    assert not missing


def test_every_parameter_is_there_as_required_as_there(pair: Pair) -> None:
    theirs, ours = operations(pair.titiler), operations(pair.tilery)
    missing = []
    for key, operation in theirs.items():
        said = {(p["in"], p["name"]): p for p in ours.get(key, {}).get("parameters", ())}
        for parameter in operation.get("parameters", ()):
            found = said.get((parameter["in"], parameter["name"]))
            if (key[1], parameter["name"]) in LESS:
                continue
            if found is None or found.get("required", False) != parameter.get("required", False):
                missing.append((key[1], parameter["name"]))
    assert not missing

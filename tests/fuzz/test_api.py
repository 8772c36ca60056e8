"""Every operation of the OpenAPI document, asked as schemathesis makes requests of it."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NOT_SET
from schemathesis.generation import GenerationMode

from tests.fuzz import judge
from tests.fuzz.service import FuzzRequest, Service
from tests.fuzz.world import World

EXAMPLES = 1
"""Requests to each of more than 100 operations; `make fuzz` makes many, with values that are nearly right."""


@pytest.mark.filterwarnings("ignore::UserWarning:rio_stac")  # of rasters without a CRS
def test_operations(world: World, fuzzed: Service) -> None:
    schema = schemathesis.openapi.from_dict(fuzzed.app.openapi())
    asked = 0
    for found in schema.get_all_operations():
        operation: Any = cast("Any", found).ok()
        asked += 1
        check(operation, world, fuzzed)
    assert asked > 100


def check(operation: Any, world: World, fuzzed: Service) -> None:
    """Ask for one operation as often as `EXAMPLES` says."""
    statuses = {"default", *operation.definition.raw["responses"]}

    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def once(case: Any) -> None:
        ask = request(case, world)
        answer = fuzzed.ask(ask)
        assert not judge.faults(ask, answer, (str(world.catalog).encode(),)), ask
        assert {str(answer.status), "default"} & statuses

    once()


def request(case: Any, world: World) -> FuzzRequest:
    """Return what schemathesis would send, about a raster that there is."""
    query = dict(case.query or {})
    family = case.path.split("/")[1]
    if family in world.urls:
        query["url"] = world.urls[family][0]
    body = b"" if case.body is NOT_SET else json.dumps(case.body, default=str).encode()
    sent = urlencode(query, doseq=True, errors="replace").encode()
    return FuzzRequest(path=case.formatted_path, query=sent, method=case.method.upper(), body=body)

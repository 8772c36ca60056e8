"""The list at the edge has every query parameter that the service has, or CloudFront would drop it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "cdk" / "at_the_edge.js"


def test_no_parameter_of_the_service_is_dropped_at_the_edge() -> None:
    pytest.importorskip("rasterio", reason="needs the service's own environment")
    from app.main import app
    from tests.support.openapi import parameters

    listed = set(re.findall(r"'([^']+)'", SCRIPT.read_text().partition("].forEach")[0]))
    document = app.openapi()
    names = {
        parameter["name"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in parameters(document, operation)
        if parameter["in"] == "query"
    }
    assert {"url", "bidx", "rescale", "colormap_name"} <= names
    assert names - listed - {name for name in names if name.lower() in listed} == set()


def test_pages_of_other_origins_may_read_what_the_service_names() -> None:
    pytest.importorskip("rasterio", reason="needs the service's own environment")
    from app.api.middleware import EXPOSED

    edge = (SCRIPT.parent / "edge.py").read_text()
    listed = re.search(r"^EXPOSED = \((.*?)\)", edge, re.DOTALL | re.MULTILINE)
    assert listed is not None
    assert ", ".join(re.findall(r'"([^"]+)"', listed[1])) == EXPOSED.decode()

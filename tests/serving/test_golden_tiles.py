"""Whoever changes what tiles look like raises `RENDER_VERSION`, so that kept tiles of before are not found any more."""

from __future__ import annotations

import json

import numpy as np

from tests.serving import golden
from tilery.rendering.version import RENDER_VERSION


def test_tiles_look_as_they_did_at_this_version() -> None:
    known = json.loads(golden.FILE.read_text())
    advice = "write them down again by `python -m tests.serving.golden`"
    assert known["version"] == RENDER_VERSION, f"RENDER_VERSION was raised: {advice}"
    now = golden.drawn()
    assert now.keys() == known["tiles"].keys(), advice
    for name, before in known["tiles"].items():
        close = isinstance(before, list) and np.abs(np.subtract(now[name], before)).max() <= 2
        assert close or now[name] == before, (
            f"The tile '{name}' has changed: raise RENDER_VERSION in tilery/rendering/version.py, and {advice}"
        )

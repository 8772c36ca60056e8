"""Heights in three dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Site, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATH = "/cog/viewer?url={}/hill.tif&rescale=1000,3000&colormap_name=viridis#map=11.5/46.05/8.05/0/55"


def depth(pixels: Any) -> int:
    """Return rows between the far edge of the raster, which is violet, and the top of the hill, which is yellow."""
    red, green, blue = pixels[:, 580].T
    edge = np.flatnonzero((red < 90) & (green < 25) & (blue > 60))[0]
    return int(np.flatnonzero((red > 200) & (blue < 90))[0] - edge)


def test_a_hill_stands_up(visit: Visit, site: Site, tmp_path: Path) -> None:
    flat = tmp_path / "flat.png"
    seen = visit(
        PATH.format(site.rasters),
        ("screenshot", str(flat)),
        ("click", "#relief-button"),
        ("wait", "#exaggeration-field:not([hidden])"),
        ("evaluate", "[location.hash, document.querySelector('#relief-button').ariaPressed]"),
    )
    address, pressed = seen.results[3]
    assert pressed == "true"
    assert address.endswith("&relief=1.5")
    standing = visit(PATH.format(site.rasters).split("#")[0] + address)
    asked = [urlsplit(one).query for one in standing.requests if "algorithm=terrarium" in one]
    assert {parse_qs(query)["expression"][0] for query in asked} == {"b1-(1000)"}
    with Image.open(flat) as image:
        before = np.asarray(image.convert("RGB")).astype(int)
    assert depth(standing.pixels) < depth(before) - 15

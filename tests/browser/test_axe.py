"""That the look for accessibility sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_axe_finds_what_is_wrong(chromium: Callable[[Any], Any], site: Site) -> None:
    report = chromium(
        {
            "url": f"{site.address}/layers/nothing/viewer",
            "width": 800,
            "height": 480,
            "webgl": True,
            "steps": [["evaluate", "document.querySelector('h1 + p').style.color = 'gray', document.title = ''"]],
            "axe": True,
        }
    )
    assert {found.split(": ")[1].split()[0] for found in report["axe"]} == {"color-contrast", "document-title"}

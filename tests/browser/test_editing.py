"""Layers changed on the pages, by who has the admin's token; and maps for who has a signed address."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.browser.conftest import BLUE, RED, ROOT, Site, Visit, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADMIN, READER = "an admin's token, a long one", "a reader's token"
ACCESS = json.dumps(
    {
        "tokens": [{"name": "reader", "token": READER}],
        "keys": [{"id": "k", "secret": "a secret of more than 32 characters, to be sure"}],
    }
)
SAID = "document.querySelector('dialog [role={}]').textContent"
NAMES = "[...document.querySelectorAll('#layers .name')].map((name) => name.textContent)"


@pytest.fixture(scope="module")
def kept(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A catalog that may be changed, by who has a token."""
    catalog: Path = tmp_path_factory.mktemp("kept") / "catalog"
    shutil.copytree(site.catalog, catalog)
    more = {"TILERY_BASEMAP": "none", "TILERY_ADMIN_TOKEN": ADMIN, "TILERY_ACCESS": ACCESS}
    with served(catalog, site.rasters, **more) as address:
        yield replace(site, address=address, catalog=catalog)


def document(kept: Site, layer: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((kept.catalog / layer / "index.json").read_text())
    return found


def patched(kept: Site, layer: str, change: dict[str, Any]) -> None:
    """A change by somebody else."""
    headers = {"Authorization": f"Bearer {ADMIN}", "If-Match": "*", "Content-Type": "application/json"}
    request = Request(f"{kept.address}/layers/{layer}", json.dumps(change).encode(), headers, method="PATCH")
    with urlopen(request) as answer:
        assert answer.status == 200


def test_a_look_is_saved_as_a_style(visit: Visit, kept: Site) -> None:
    seen = visit(
        f"/layers/red/viewer?access_token={READER}&bidx=3&bidx=2&bidx=1#map=2/0/0",
        ("click", "#save-button"),
        ("fill", "#edit-token", "not the admin's token"),
        ("fill", "#edit-style", "swapped"),
        ("fill", "#edit-caption", "Swapped"),
        ("click", "dialog .primary"),
        ("wait", "dialog [role=alert]:not([hidden])"),
        ("evaluate", SAID.format("alert")),
        ("fill", "#edit-token", ADMIN),
        ("click", "dialog .primary"),
        ("wait", "dialog [role=status]:not([hidden])"),
        ("evaluate", "[sessionStorage.length, location.href.includes('admin'), document.cookie]"),
        ("click", "dialog [role=status] a"),
        ("wait", ".layers"),
        ("settle",),
        at=kept,
        allowed=401,
    )
    assert seen.results[6] == "The access token is missing or wrong."
    assert seen.results[10] == [1, False, ""]
    assert document(kept, "red")["styles"]["swapped"] == {
        "render": {"bidx": ["3", "2", "1"]},
        "title": "Swapped",
    }
    assert np.abs(seen.pixels[240, 580] - np.asarray(RED[::-1])).max() <= 8
    assert not any("admin" in address for address in seen.requests)


def test_a_raster_is_published_renamed_put_first_and_removed(visit: Visit, kept: Site) -> None:
    edit = "#layers > li:has(input[type=checkbox]:checked) .edit-button"
    seen = visit(
        f"/cog/viewer?access_token={READER}&url={kept.rasters}/half.tif&rescale=0,255&bidx=1",
        ("click", "#save-button"),
        ("fill", "#edit-token", ADMIN),
        ("fill", "#edit-id", "zz-half"),
        ("click", "dialog .primary"),
        ("wait", "dialog [role=status]:not([hidden])"),
        ("click", "dialog [role=status] a"),
        ("wait", edit),
        ("click", edit),
        ("waitUntil", "document.querySelector('#edit-token').value !== ''"),
        ("fill", "#edit-name", "Half"),
        ("click", "dialog .primary"),
        ("wait", ".name:text-is('Half')"),
        ("evaluate", NAMES),
        ("click", edit),
        ("click", "dialog button:text('Put it first')"),
        ("waitUntil", f"({NAMES})[0] === 'Half'"),
        ("click", edit),
        ("confirm",),
        ("click", "dialog button:text('Remove')"),
        ("waitUntil", f"!({NAMES}).includes('Half') && ({NAMES}).length > 1"),
        ("evaluate", NAMES),
        at=kept,
    )
    assert seen.results[12] == ["Blue", "Red", "Shade", "Twice", "Half"]
    assert seen.results[20] == ["Blue", "Red", "Shade", "Twice"]
    assert not (kept.catalog / "zz-half").exists()


def test_of_two_editors_the_second_is_told(visit: Visit, kept: Site) -> None:
    edit = "#layers > li:has(input[type=checkbox]:checked) .edit-button"
    theirs = f"""fetch('/layers/blue', {{method: 'PATCH', body: '{{"name": "Theirs"}}',
        headers: {{Authorization: "Bearer {ADMIN}", 'If-Match': '*'}}}}).then((answer) => answer.status)"""
    seen = visit(
        f"/map?access_token={READER}#map=2/0/0&layers=blue",
        ("click", edit),
        ("fill", "#edit-token", ADMIN),
        ("press", "#edit-token", "Tab"),
        ("waitUntil", "sessionStorage.length === 1"),
        ("settle",),
        ("evaluate", theirs),
        ("fill", "#edit-name", "Ours"),
        ("click", "dialog .primary"),
        ("wait", "dialog [role=alert]:not([hidden])"),
        ("waitUntil", "document.querySelector('#edit-name').value === 'Theirs'"),
        ("evaluate", SAID.format("alert")),
        at=kept,
        allowed=412,
        axe=True,
    )
    assert seen.results[5] == 200
    assert "Somebody else has changed this layer" in seen.results[10]
    assert document(kept, "blue")["name"] == "Theirs"


def test_a_signed_address_opens_the_map_of_its_layer_alone(visit: Visit, kept: Site) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TILERY_")}
    command = [sys.executable, "-m", "app", "sign", "blue", "--base", kept.address, "--json"]
    signed = json.loads(subprocess.check_output(command, cwd=ROOT, env=environ | {"TILERY_ACCESS": ACCESS}))
    address = urlsplit(signed["map"])
    seen = visit(f"{address.path}?{address.query}#map=2/0/0", ("evaluate", NAMES), at=kept)
    assert len(seen.results[0]) == 1
    assert np.abs(seen.pixels[240, 580] - np.asarray(BLUE)).max() <= 8
    asked = [one for one in seen.requests if not one.startswith(("data:", "blob:")) and "/static/" not in one]
    assert all("access_signature=" in one for one in asked)

"""Maps and addresses of tiles: what the server of a process answers, to whom, and how long it lives."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest

import tilery
from app.api.families import cog, mosaic, stac, zarr
from app.api.operation import bound
from app.api.raster.verbs import VERBS
from tests.support import rasters
from tests.support.service import pixels
from tests.support.upstream import Upstream
from tilery.errors import (
    CatalogError,
    InvalidColormap,
    InvalidParameter,
    RequestError,
    SourceNotFound,
    UnsupportedRaster,
)
from tilery.notebook import Map
from tilery.notebook.style import PARAMETERS
from tilery.notebook.tiles import Tiles, tiles

ROOT = Path(__file__).parents[2]
WORLD = (-180.0, -85.0, 180.0, 85.0)
COLOUR = (200, 40, 30)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[Tiles]:
    """The server of this process, which ends with the module."""
    yield tiles()
    tiles().close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("shown")
    red = np.empty((3, 64, 128), "uint8")
    red[:] = np.array(COLOUR, "uint8")[:, None, None]
    rasters.write(found / "red.tif", red, bounds=WORLD)
    rasters.write(found / "secret.tif", red, bounds=WORLD)
    ramp = np.linspace(1000, 3000, 64 * 64, dtype="float32").reshape(1, 64, 64)
    rasters.write(found / "ramp <script> ü.tif", ramp, bounds=WORLD)
    rasters.write(found / "two.tif", np.concatenate([ramp, ramp * 2]), bounds=WORLD)
    rasters.write(found / "bare.tif", ramp, crs=None, bounds=None, overviews=())
    rasters.write(found / "complex.tif", ramp.astype("complex64"), bounds=WORLD, overviews=())
    return found


def get(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()


def style(shown: Map) -> dict[str, list[str]]:
    """Return the parameters of a map's tiles, without the address of the raster."""
    found = parse_qs(urlsplit(shown.tile_url).query)
    del found["url"]
    return found


def test_tiles_come_to_whoever_has_their_address(folder: Path) -> None:
    address = tilery.open(folder / "red.tif").tile_url
    status, _, body = get(address.format(z=0, x=0, y=0))
    assert status == 200
    assert tuple(pixels(body)[256, 256][:3]) == pytest.approx(COLOUR, abs=3)


def test_who_has_no_token_finds_nothing_and_nobody_reads_what_was_not_opened(folder: Path) -> None:
    address = tilery.open(folder / "red.tif").tile_url.format(z=0, x=0, y=0)
    token = urlsplit(address).path.split("/")[1]
    assert len(token) >= 32
    for wrong in ("", "x" * len(token), token[:-1], token.upper(), f"{token}%00"):
        assert get(address.replace(token, wrong))[0] == 404, wrong
    assert get(address.replace("red.tif", "secret.tif"))[0] == 403
    assert get(address.replace(quote(str(folder / "red.tif"), safe=""), "https%3A%2F%2Fexample.com%2Fa.tif"))[0] == 403
    for family in ("stac", "mosaicjson", "zarr"):
        unopened = f"{address.partition('/cog/')[0]}/{family}/info?url={folder / 'secret.tif'}&assets=a&variable=a"
        assert get(unopened)[0] == 403, family


def test_the_token_is_where_nobody_else_sees_it(folder: Path, server: Tiles) -> None:
    token = urlsplit(tilery.open(folder / "red.tif").tile_url).path.split("/")[1]
    process = Path(f"/proc/{server.process_id}")
    assert token.encode() not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()


def test_it_listens_on_loopback_alone(folder: Path, server: Tiles) -> None:
    tilery.open(folder / "red.tif").show()
    port = f"{server.port():04X}"
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    assert [place for _, place, _, state, *_ in lines if state == "0A" and place.endswith(f":{port}")] == [
        f"0100007F:{port}"
    ]


def test_tilejson_and_what_clients_of_titiler_ask_for(folder: Path) -> None:
    raster = tilery.open(folder / "red.tif")
    found = raster.tilejson
    assert (found["tilejson"], found["name"], found["minzoom"]) == ("3.0.0", "red", 0)
    assert found["bounds"] == pytest.approx(WORLD)
    answer = json.loads(get(f"{raster.endpoint}/cog/WebMercatorQuad/tilejson.json?url={raster.url}")[2])
    assert answer["tiles"][0].startswith(f"{raster.endpoint}/cog/tiles/")
    assert get(answer["tiles"][0].format(z=0, x=0, y=0))[0] == 200


def test_a_style_is_completed_so_that_something_is_seen(folder: Path) -> None:
    ramp, two, red = (tilery.open(folder / name) for name in ("ramp <script> ü.tif", "two.tif", "red.tif"))
    (spread,) = style(ramp.show())["rescale"]
    assert [float(end) for end in spread.split(",")] == pytest.approx([1040, 2960], abs=2)  # 2 % and 98 %
    assert style(ramp.show(colormap="viridis")) == {"colormap_name": ["viridis"], "rescale": [spread]}
    assert style(ramp.show(rescale=(0, 5))) == {"rescale": ["0.0,5.0"]}
    assert style(red.show()) == {}
    assert style(red.show(colormap="viridis")) == {"bidx": ["1"], "colormap_name": ["viridis"]}
    assert style(two.show())["bidx"] == ["1"]
    (of_second,) = style(two.show(bidx=2))["rescale"]
    assert [float(end) for end in of_second.split(",")] == pytest.approx([2080, 5920], abs=4)
    (of_sum,) = style(two.show(expression="b1+b2"))["rescale"]
    assert [float(end) for end in of_sum.split(",")] == pytest.approx([3120, 8880], abs=6)
    assert style(ramp.show(algorithm="hillshade", buffer=3)) == {"algorithm": ["hillshade"], "buffer": ["3"]}


def test_mistakes_in_a_style_are_said_as_the_service_says_them(folder: Path) -> None:
    raster = tilery.open(folder / "two.tif")
    with pytest.raises(InvalidParameter, match="'viridis'"):
        raster.show(colormap="virdis")
    with pytest.raises(InvalidParameter, match="rescale"):
        raster.show(rescale=[(1, 2), (3, "x")])  # type: ignore[list-item]  # the mistake
    mistakes: list[dict[str, Any]] = [{"rescale": 1}, {"rescale": (1, 2, 3)}, {"bidx": 1.5}, {"bidx": 9}]
    for wrong in (*mistakes, {"colormap": 3.5j}):
        with pytest.raises(RequestError, match=f"{next(iter(wrong))}|band"):
            raster.show(**wrong)
    for name, meant in (("colormp", "colormap"), ("resampling_metod", "resampling_method"), ("Buffer", "buffer")):
        with pytest.raises(InvalidParameter, match=f"no parameter '{name}'. Did you mean '{meant}'?"):
            raster.show(**cast("dict[str, Any]", {name: 1}))
    with pytest.raises(InvalidColormap):
        raster.show(bidx=1, colormap={"a": "b"})
    with pytest.raises(UnsupportedRaster, match="coordinate reference system"):
        tilery.open(folder / "bare.tif").show()


def test_a_map_takes_what_the_services_tiles_take() -> None:
    families = (cog.FAMILY, stac.FAMILY, mosaic.FAMILY, zarr.FAMILY)
    taken = {
        name
        for family, verb in product(families, VERBS)
        if any("/tiles/" in path or "tilejson" in path for path in verb.paths)
        for parameter in bound(family, verb).parameters
        if parameter.where == "query"
        for name in (parameter.name, *parameter.old)
    }
    assert taken - PARAMETERS == {"url", "f", "style", "TileMatrixSetId"}, "which raster, and on which grid"
    assert PARAMETERS - taken == {"labels"}, "of the legend"


def test_a_file_that_is_not_there_but_for_a_letter(folder: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"There is no file .*/rde\.tif. Did you mean 'red.tif'\?"):
        tilery.open(folder / "rde.tif")
    with pytest.raises(SourceNotFound, match=r"nowhere/a\.tif\.$"):
        tilery.open("/nowhere/a.tif")


def test_the_output_of_a_cell_is_whole_without_a_server_and_leads_to_it(folder: Path) -> None:
    raster = tilery.open(folder / "ramp <script> ü.tif")
    found = raster._repr_mimebundle_()
    html = found["text/html"]
    assert found["text/plain"] == repr(raster)
    assert html.count("</script>") == 1
    assert "ramp &lt;script&gt; ü" in html
    assert "data:image/webp;base64," in html
    assert "<svg" in html
    (text,) = re.findall(r"to = (\{.*?\});", html)
    place = json.loads(text)
    root = f"http://127.0.0.1:{place['port']}"
    assert b"ok" in get(root + place["alive"])[2]
    status, headers, page = get(root + place["page"])
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "frame-ancestors * vscode-webview:" in headers["content-security-policy"]
    (data,) = re.findall(r'id="data">(.*?)</script>', page.decode())
    (view,) = json.loads(data)["views"]
    assert view["name"] == "ramp <script> ü"
    assert ["url", raster.url] in view["query"]
    for script in re.findall(r'src="([^"]+\.js)"', page.decode()):
        assert (
            get(f"{root}{place['page'].rpartition('/')[0].partition('/notebook')[0]}/{script.lstrip('./')}")[0] == 200
        )


@pytest.mark.parametrize(
    ("name", "why", "graphs"), [("bare", "no coordinate reference system", 1), ("complex", "complex numbers", 0)]
)
def test_what_cannot_be_shown_has_facts_all_the_same(folder: Path, name: str, why: str, graphs: int) -> None:
    html = tilery.open(folder / f"{name}.tif")._repr_mimebundle_()["text/html"]
    assert "64 × 64 px" in html
    assert why in html
    assert html.count("<svg") == graphs


def test_a_raster_on_a_server_with_a_signed_address(folder: Path) -> None:
    """Of a host of the private network too: whoever opened it named it."""
    with Upstream() as upstream:
        upstream.put("/maps/red.tif?signature=1", (folder / "red.tif").read_bytes())
        upstream.put("/maps/blue.tif", (folder / "two.tif").read_bytes())
        raster = tilery.open(upstream.url("/maps/red.tif?signature=1"))
        assert (raster.name, raster.point(10, 10).values) == ("red", COLOUR)
        address = raster.tile_url.format(z=0, x=0, y=0)
        assert get(address)[0] == 200
        assert get(address.replace("red.tif", "blue.tif"))[0] == 403
        assert {request.target for request in upstream.requests} == {"/maps/red.tif?signature=1"}


def test_two_maps_make_a_swipe_and_three_do_not(folder: Path) -> None:
    red, ramp = tilery.open(folder / "red.tif"), tilery.open(folder / "two.tif")
    both = red | ramp.show(colormap="magma", name="right", height=300)
    assert [view.name for view in both.views] == ["red", "right"]
    assert repr(both) == "<tilery.Map red | right>"
    assert (red.show() | ramp).views[1].name == "two"
    html = both._repr_mimebundle_()["text/html"]
    assert html.count("data:image/webp") == 2
    with pytest.raises(InvalidParameter, match="two"):
        both | red


def test_links_lead_through_a_proxy_of_jupyter(folder: Path) -> None:
    raster = tilery.open(folder / "red.tif")
    address = f"{raster.endpoint}/cog/WebMercatorQuad/tilejson.json?url={raster.url}"
    token = urlsplit(raster.endpoint).path
    behind = {"X-Forwarded-Prefix": "/user/ada/proxy/41231", "X-Forwarded-Proto": "https", "Host": "hub.example.com"}
    (tile,) = json.loads(get(address, **behind)[2])["tiles"]
    assert tile.startswith(f"https://hub.example.com/user/ada/proxy/41231{token}/cog/tiles/")
    (tile,) = json.loads(get(address, **{"X-Forwarded-Prefix": "//evil.example.com\\"})[2])["tiles"]
    assert tile.startswith(f"{raster.endpoint}/cog/tiles/")


@pytest.mark.parametrize(
    ("variable", "value", "before"),
    [
        ("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/", "/user/ada/proxy/"),
        ("VSCODE_PROXY_URI", "https://code.example.com/at/proxy/{{port}}/", "/at/proxy/"),
    ],
)
def test_behind_a_hub_addresses_are_those_of_its_proxy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, before: str
) -> None:
    monkeypatch.setenv(variable, value)
    own = Tiles()
    try:
        own.allow(str(folder / "red.tif"))
        prefix = f"{before}{own.port()}"
        assert own.root().startswith(f"{prefix}/")
        shown = Map(tilery.open(folder / "red.tif").show().views, own)
        assert shown.tile_url.startswith(own.root())
        assert shown.tilejson["tiles"][0].startswith(f"{own.root()}/cog/tiles/")
        assert f'"prefix": "{prefix}"' in shown.html()
        # leafmap asks from within the kernel, for the browser; a browser on this machine may come without the proxy
        address = f"{own.endpoint()}/cog/WebMercatorQuad/tilejson.json?url={folder / 'red.tif'}"
        (tile,) = json.loads(get(address)[2])["tiles"]
        assert tile.startswith(f"{own.root()}/cog/tiles/")
        (tile,) = json.loads(get(address, **{"Sec-Fetch-Mode": "cors"})[2])["tiles"]
        assert tile.startswith(f"{own.endpoint()}/cog/tiles/")
        process = own.process_id
    finally:
        own.close()
    assert process is not None
    assert not is_running(process)


def test_a_server_that_was_ended_comes_back_where_it_was(folder: Path, server: Tiles) -> None:
    address = tilery.open(folder / "red.tif").tile_url.format(z=0, x=0, y=0)
    before = server.process_id
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert tilery.open(folder / "two.tif").show()
    assert server.process_id not in (before, None)
    assert get(address)[0] == 200, "what was opened before is read still, by the addresses that notebooks have"


KERNEL = """
import os, sys, time, tilery
tilery.open(sys.argv[1]).show()
from tilery.notebook.tiles import tiles
if not os.fork():
    time.sleep(60)
print(tiles().process_id, os.getpid(), flush=True)
time.sleep(60)
"""


def test_it_ends_with_its_kernel(folder: Path, tmp_path: Path) -> None:
    """Killed, though another process holds its input open. A folder with an ``app.py`` of its own is no matter."""
    (tmp_path / "app.py").write_text("raise RuntimeError('not this one')")
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, str(folder / "red.tif")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert kernel.stdout is not None
        server, own = map(int, kernel.stdout.readline().split())
        assert is_running(server)
        assert os.getsid(server) != os.getsid(own), "what interrupts a cell must not end it"
        os.kill(own, signal.SIGKILL)
        kernel.wait(30)
        limit = time.monotonic() + 30
        while is_running(server):
            assert time.monotonic() < limit, "the server is still there"
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.communicate()


def is_running(process: int) -> bool:
    """Return whether it is there, and not just waiting for somebody to hear of its end."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_publishing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raster = tilery.open(folder / "two.tif")
    layer = raster.publish("ramp", to=tmp_path / "layers", render={"bidx": 2, "colormap": "viridis"}, name="Ramp")
    assert (layer.id, layer.path, layer.catalog) == ("ramp", "/ramp/{z}/{x}/{y}.png", str(tmp_path / "layers"))
    document = json.loads((tmp_path / "layers" / "ramp" / "index.json").read_text())
    assert (document["name"], document["render"]["colormap_name"]) == ("Ramp", "viridis")
    assert "ramp is published" in capsys.readouterr().err
    with pytest.raises(CatalogError, match="viridis"):
        raster.publish("ramp", to=tmp_path / "layers", render={"bidx": 2, "colormap": "virdis"})

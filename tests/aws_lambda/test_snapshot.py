"""What is loaded before Lambda's snapshot, and what is new after it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio

from app.api.app import create_app
from app.aws_lambda import snapshot
from app.config.settings import Settings
from tests.support import exact

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
from app.aws_lambda import snapshot
from app.api.app import create_app
from app.config.settings import Settings
application = create_app(Settings(_env_file=None, access_token="secret", sources=""))
assert snapshot.load(application) == [200] * len(snapshot.FORMATS)
before = set(sys.modules)
import asyncio
from app.aws_lambda import in_process
async def ask():
    return await in_process.status_of(create_app(Settings(_env_file=None, sources=sys.argv[1])),
        "/cog/tiles/WebMercatorQuad/0/0/0.png", f"url={sys.argv[1]}/world.tif")
assert asyncio.run(ask()) == 200
new = set(sys.modules) - before
print(sorted(name for name in new if name.startswith(("app.", "tilery.", "rasterio", "numpy", "fastapi"))))
"""


def test_the_little_raster_is_one(tmp_path: Path) -> None:
    (tmp_path / "world.tif").write_bytes(snapshot.world())
    with rasterio.open(tmp_path / "world.tif") as found:
        assert (found.width, found.height, found.count) == (256, 256, 3)
        assert found.crs.to_epsg() == 3857
        assert np.allclose(found.bounds, (-exact.HALF, -exact.HALF, exact.HALF, exact.HALF))
        red, green, blue = found.read()
    assert (red[0] == np.arange(256)).all()
    assert (green[:, 0] == np.arange(256)[::-1]).all()
    assert (blue == 99).all()


def test_everything_is_loaded_whatever_is_served() -> None:
    code = LOADED.partition("before = ")[0]
    environ = os.environ | {"TILERY_DISABLE_COG": "1", "TILERY_CATALOG": "s3://nowhere/sources/"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=environ, check=True)


def test_a_first_tile_loads_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "world.tif").write_bytes(snapshot.world())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, str(tmp_path.resolve())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_loading_needs_no_event_loop_and_leaves_that_which_there_is(tmp_path: Path) -> None:
    application = create_app(Settings(_env_file=None, sources=(f"{tmp_path}/",)))
    asyncio.set_event_loop(None)
    assert snapshot.load(application) == [200] * len(snapshot.FORMATS)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert snapshot.load(application) == [200] * len(snapshot.FORMATS)
        assert asyncio.get_event_loop() is loop
        assert not loop.is_closed()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_what_copies_may_not_share_is_new() -> None:
    application = create_app(Settings(_env_file=None, s3_endpoint="http://127.0.0.1:1"))
    stores = application.context.engine.stores
    buckets = stores.buckets
    random.seed(1)
    drawn = random.random()
    random.seed(1)
    snapshot.renew(application, {})
    assert random.random() != drawn
    assert stores.buckets is not buckets


def test_the_token_of_the_role_is_in_a_file_of_our_own() -> None:
    environ = {snapshot.TOKEN: "the-token"}
    snapshot.give_token(environ)
    path = Path(environ[snapshot.TOKEN_FILE])
    try:
        assert path.read_text() == "the-token"
        assert path.stat().st_mode & 0o777 == 0o600
        environ[snapshot.TOKEN] = "another"
        snapshot.give_token(environ)
        assert path.read_text() == "another"
    finally:
        path.unlink()
    nothing: dict[str, str] = {}
    snapshot.give_token(nothing)
    assert nothing == {}

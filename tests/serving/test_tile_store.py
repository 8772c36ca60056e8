"""The tile store: helps, and never harms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.app import create_app
from app.config.environment import WrongVariables
from app.config.settings import Settings
from app.serving import tile_store
from app.serving.encoded import Encoded
from app.serving.tile_store import Breaker, TileStore
from tests.support import rasters as made
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.catalog.layer import Layer
from tilery.errors import NotFound, UpstreamError
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish
from tilery.storage.objects import open_store
from tilery.storage.objects.directory import DirectoryStore

TILE = "/alps/8/133/90"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    source = made.rgb(folder / "a.tif", size=600)
    styles = {"one": {"render": {"bidx": [1]}}}
    publish(PublishOptions(source=str(source), to=str(folder / "layers"), id="alps", given={"styles": styles}))
    return folder / "layers"


def client(catalog: Path, store: Path | str, **changes: Any) -> Iterator[TestClient]:
    settings = Settings(catalog=str(catalog), tile_store=str(store), revalidate_seconds=0, **changes)
    return TestClient(create_app(settings), follow_redirects=False)  # type: ignore[return-value]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def settle(application: Any) -> None:
    application.app.context.service.tile_store.close()


def test_a_rendered_tile_is_stored_and_found_by_the_next_process(catalog: Path, tmp_path: Path) -> None:
    first: Any = client(catalog, tmp_path)
    answer = first.get(f"{TILE}.png")
    assert answer.status_code == 200
    settle(first)
    (stored,) = files(tmp_path)
    assert stored.startswith("alps/2")
    assert stored.endswith("/8/133/90.png")
    assert (tmp_path / stored).read_bytes() == answer.content
    (tmp_path / stored).write_bytes(b"\x89PNG from the store")
    second: Any = client(catalog, tmp_path)
    again = second.get(f"{TILE}.png")
    assert again.content == b"\x89PNG from the store"
    for header in ("etag", "content-type", "content-bbox", "content-crs", "cache-control"):
        assert again.headers[header] == answer.headers[header]
    assert second.get(f"{TILE}.png", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_what_is_stored_depends_on_all_that_changes_it(catalog: Path, tmp_path: Path) -> None:
    server: Any = client(catalog, tmp_path)
    for path in (".png", "@2x.png", ".webp", ".png?style=one"):
        assert server.get(f"{TILE}{path}").status_code == 200, path
    for path in (".png?bidx=1", ".png?rescale=0,10", "", ".png?style=one&bidx=2", ".png?tilesize=128"):
        assert server.get(f"{TILE}{path}").status_code == 200, path
    settle(server)
    found = files(tmp_path)
    assert len(found) == 4
    assert len({path.split("/")[1] for path in found}) == 2


def test_a_token_in_the_query_is_no_parameter_of_a_tile(catalog: Path, tmp_path: Path) -> None:
    server: Any = client(catalog, tmp_path, access_token="sesame")
    by_query = [server.get(f"{TILE}.png?{query}access_token=sesame") for query in ("", "style=one&")]
    assert [answer.status_code for answer in by_query] == [200, 200]
    assert server.get(f"{TILE}.png?access_token=wrong").status_code == 401
    settle(server)
    found = files(tmp_path)
    assert len(found) == 2
    by_header: Any = client(catalog, tmp_path, access_token="sesame")
    for query in ("", "?style=one"):
        assert by_header.get(f"{TILE}.png{query}", headers={"Authorization": "Bearer sesame"}).status_code == 200
    settle(by_header)
    assert files(tmp_path) == found


def test_failures_are_not_stored(catalog: Path, tmp_path: Path) -> None:
    server: Any = client(catalog, tmp_path)
    for path in ("/alps/8/0/0.png", "/alps/22/1/1.png", f"{TILE}.gif", f"{TILE}.png?style=none", "/none/1/1/1.png"):
        assert server.get(path).status_code >= 400
    settle(server)
    assert files(tmp_path) == []


def test_redirects_as_the_lambda_tiler_did(catalog: Path, tmp_path: Path) -> None:
    options = {
        "tile_store_mode": "redirect",
        "tile_store_url": "https://tiles.example.com/",
        "tile_store_layout": "plain",
    }
    server: Any = client(catalog, tmp_path, **options)
    for _ in range(2):
        answer = server.get(f"{TILE}@2x.png")
        assert answer.status_code == 302
        assert answer.headers["location"] == "https://tiles.example.com/alps/8/133/90@2x.png"
        assert answer.headers["cache-control"] == "no-store"
    assert files(tmp_path) == ["alps/8/133/90@2x.png"]
    assert server.get(f"{TILE}.png?style=one").status_code == 200
    assert server.get("/alps/8/0/0.png").status_code == 404


class Broken(DirectoryStore):
    """A store of which nothing works."""

    asked = 0

    def read(self, key: str, *, unless: str | None = None) -> Any:
        self.asked += 1
        raise UpstreamError("down")

    def has(self, key: str) -> bool:
        self.asked += 1
        raise UpstreamError("down")

    def write(self, *_: Any, **__: Any) -> str:
        self.asked += 1
        raise UpstreamError("read-only")


@pytest.mark.parametrize("mode", ["serve", "redirect"])
def test_a_broken_store_breaks_no_tile(catalog: Path, tmp_path: Path, mode: Any) -> None:
    server: Any = client(catalog, tmp_path)
    broken = Broken(tmp_path)
    context = server.app.context
    context.service.tile_store = TileStore(broken, mode=mode, public_url="https://x")
    for x in (132, 133, 132, 133):
        for suffix in ("png", "webp", "jpg", "@2x.png"):
            path = f"/alps/8/{x}/90.{suffix}".replace(".@", "@")
            assert server.get(path).status_code in (200, 404)
    assert broken.asked <= 6


def test_the_breaker_opens_closes_and_forgets() -> None:
    now = 0.0
    breaker = Breaker(clock=lambda: now)
    for failed in (True, True, False, True, True):
        breaker.note(failed=failed)
    assert breaker.allows
    breaker.note(failed=True)
    assert not breaker.allows
    now = 16.0
    assert breaker.allows


def test_an_unwritable_directory_breaks_no_tile(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    server: Any = client(catalog, tmp_path / "file" / "tiles")
    assert server.get(f"{TILE}.png").status_code == 200
    redirecting: Any = client(
        catalog, tmp_path / "file" / "tiles", tile_store_mode="redirect", tile_store_url="https://x"
    )
    assert redirecting.get(f"{TILE}.png").status_code == 200


def test_an_empty_file_is_no_tile(catalog: Path, tmp_path: Path) -> None:
    server: Any = client(catalog, tmp_path)
    good = server.get(f"{TILE}.png").content
    settle(server)
    (tmp_path / files(tmp_path)[0]).write_bytes(b"")
    second: Any = client(catalog, tmp_path)
    assert second.get(f"{TILE}.png").content == good


def test_a_new_revision_never_meets_an_old_tile(tmp_path: Path) -> None:
    catalog, tiles = tmp_path / "layers", tmp_path / "tiles"
    source = made.constant(tmp_path / "a.tif", 10, count=3, size=300)
    publish(PublishOptions(source=str(source), to=str(catalog), id="alps", kind="imagery"))
    server: Any = client(catalog, tiles)
    old = server.get(f"{TILE}.png").content
    made.constant(source, 200, count=3, size=300)
    publish(PublishOptions(source=str(source), to=str(catalog), id="alps", kind="imagery"))
    assert server.get(f"{TILE}.png").content != old
    settle(server)
    assert len({path.split("/")[1] for path in files(tiles)}) == 2


def test_on_s3(s3: S3, catalog: Path) -> None:  # noqa: F811
    s3.bucket("tile-store")
    server: Any = client(catalog, "s3://tile-store/tiles/", s3_endpoint=s3.endpoint)
    answer = server.get(f"{TILE}.png")
    assert answer.status_code == 200
    settle(server)
    (key,) = s3.keys("tile-store")
    assert s3.get("tile-store", key) == answer.content


def test_keys_hold_nothing_of_the_caller() -> None:
    layer = Layer(id="alps", name="", source="", revision="r1", version="", bounds=(0, 0, 1, 1), minzoom=0, maxzoom=9)
    store = TileStore(open_store("/nowhere"))
    key = store.key(layer, "../../x", 1, 2, 3, ".png")
    assert key is not None
    assert ".." not in key
    assert store.find("alps/r1/0/0/0.png") is None
    assert not store.keep("../x", Encoded(body=b"", media_type="image/png"))
    with pytest.raises(NotFound):
        open_store("/nowhere").read("../x")


@pytest.mark.parametrize("there", [True, False, None])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_whom_the_store_sent_is_led_back_only_to_a_tile_that_was_not_there_and_is_now(
    catalog: Path, tmp_path: Path, there: bool | None, kept: bool, held: bool
) -> None:
    """``held``: the tile is in memory already."""
    server: Any = client(catalog, tmp_path, tile_store_mode="redirect", tile_store_url="https://x")

    class Store(DirectoryStore):
        def has(self, key: str) -> bool:
            if there is None:
                raise UpstreamError("down")
            return there

        def read(self, key: str, *, unless: str | None = None) -> Any:
            raise NotFound("gone")

        def write(self, *_: Any, **__: Any) -> str:
            if not kept:
                raise UpstreamError("read-only")
            return "1"

    store = TileStore(Store(tmp_path), mode="redirect", layout="plain", public_url="https://x")
    if held:
        server.app.context.service.tile_store = None
        assert server.get(f"{TILE}.png").headers["x-cache"] == "miss"
        assert server.get(f"{TILE}.png").headers["x-cache"] == "hit"
    server.app.context.service.tile_store = store
    answer = server.get(f"/unstored{TILE}.png")
    assert answer.status_code == (302 if there is False and kept else 200)
    straight = server.get(f"{TILE}.png")
    assert straight.status_code == (302 if there or kept else 200)
    for found in (answer, straight):
        if found.status_code == 302:
            assert found.headers["cache-control"] == "no-store"
        else:
            assert found.content[:4] == b"\x89PNG"


def test_a_raster_that_is_written_over_never_meets_an_old_tile(tmp_path: Path) -> None:
    """A document of somebody's own, whose source has no revision in its address."""
    source = made.constant(tmp_path / "a.tif", 10, count=3, size=300)
    (tmp_path / "layers" / "alps").mkdir(parents=True)
    document = {"bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 12, "source": str(source), "tiles": []}
    (tmp_path / "layers" / "alps" / "index.json").write_text(json.dumps(document))
    seen = []
    for value in (10, 200):
        made.constant(source, value, count=3, size=300)
        for mode in ("serve", "redirect"):
            options = {"sources": str(tmp_path), "tile_store_mode": mode, "tile_store_url": "https://x"}
            server: Any = client(tmp_path / "layers", tmp_path / "tiles", **options)
            answer = server.get(f"{TILE}.png")
            if mode == "redirect":
                assert answer.status_code == 302
                seen.append((tmp_path / "tiles" / answer.headers["location"].removeprefix("https://x/")).read_bytes())
            else:
                seen.append(answer.content)
            settle(server)
    assert seen[0] == seen[1] != seen[2] == seen[3]
    assert len({path.split("/")[1] for path in files(tmp_path / "tiles")}) == 2


def test_redirects_that_would_lead_nowhere_or_here_are_refused_at_the_start() -> None:
    for wrong in (
        {"tile_store": "/tiles", "tile_store_mode": "redirect"},
        {
            "tile_store": "/tiles",
            "tile_store_mode": "redirect",
            "tile_store_url": "https://a/",
            "public_url": "https://a",
        },
        {"tile_store_first": True, "tile_store_url": "https://a/"},
        {"tile_store_first": True, "tile_store_layout": "plain"},
    ):
        with pytest.raises(WrongVariables, match=r"address|here again|needs"):
            Settings(_env_file=None, **wrong)


def test_links_name_the_store_where_it_is_asked_first(tmp_path: Path) -> None:
    source = made.rgb(tmp_path / "a.tif", size=300)
    publish(PublishOptions(source=str(source), to=str(tmp_path / "layers"), id="alps"))
    options = {"tile_store_layout": "plain", "tile_store_url": "https://tiles.example.com/", "tile_store_first": True}
    server: Any = client(tmp_path / "layers", tmp_path / "tiles", **options)
    assert server.get("/alps").json()["tiles"] == ["https://tiles.example.com/alps/{z}/{x}/{y}@2x.png"]
    text = server.get("/wmts").text
    assert "https://tiles.example.com/alps/{TileMatrix}/{TileCol}/{TileRow}.png" in text
    policy = server.get("/map").headers["content-security-policy"]
    assert policy.count("https://tiles.example.com") == 2, "pictures and answers"


def test_a_tile_that_waited_for_too_long_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer may have changed since, and plain keys would then hold an old tile."""
    store = TileStore(open_store(f"{tmp_path}/"))
    tile = Encoded(body=b"x", media_type="image/png")
    store.keep_later("a/1/0/0.png", tile)
    store.settle(10)
    monkeypatch.setattr(tile_store, "_LATEST", 0.0)
    store.keep_later("a/1/0/1.png", tile)
    store.close()
    assert files(tmp_path) == ["a/1/0/0.png"]


def test_a_tile_that_was_written_lately_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_store, "_REMEMBERED", 2)
    store = TileStore(open_store(f"{tmp_path}/"))
    tile = Encoded(body=b"x", media_type="image/png")
    for name in ("a.png", "b.png", "c.png"):
        assert store.keep(name, tile)
        (tmp_path / name).unlink()
    for name in ("a.png", "b.png", "c.png"):
        store.keep_again(name, tile)
    store.close()
    assert files(tmp_path) == ["a.png"], "of the first nobody knows any more that it was written"

"""The way of a request through memory, flights and slots, with real rasters."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.serving import render
from app.serving import service as service_
from app.serving.encoded import Encoded
from app.serving.requests import ImageOptions, TileRequest
from app.serving.service import CallerGone, Service
from tests.support import rasters
from tests.support.engine import ENGINE
from tests.support.upstream import Upstream
from tilery.geo.tms import TileMatrixSets
from tilery.limits import compute_slots
from tilery.reading import footprint
from tilery.reading.options import ReadOptions
from tilery.reading.reader import Reader
from tilery.reading.source import Source, raster
from tilery.rendering.options import RenderOptions
from tilery.storage.locations import FileLocation
from tilery.storage.policy import Policy


def service(**settings: object) -> Service:
    return Service(Settings(_env_file=None, **settings), ENGINE)  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return raster(FileLocation(path=str(rasters.constant(tmp_path / "raster.tif", 5).resolve())))


class Maker:
    """Work that counts how often it is done."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, reader: Reader) -> Encoded:
        self.count += 1
        return Encoded(body=f"{reader.profile.width} {self.count}".encode(), media_type="text/plain")


def test_made_once_then_found_then_known(source: Source) -> None:
    async def main() -> None:
        of, make = service(), Maker()
        first = await of.answer(source, "a", make)
        second = await of.answer(source, "a", make)
        third = await of.answer(source, "a", make, known=first.etag)
        other = await of.answer(source, "b", make)
        assert [served.how for served in (first, second, third, other)] == ["miss", "hit", "known", "miss"]
        assert first.encoded == second.encoded
        assert third.encoded is None
        assert first.etag == second.etag == third.etag != other.etag
        assert make.count == 2

    asyncio.run(main())


def test_one_render_for_five_hundred(source: Source) -> None:
    async def main() -> None:
        of, make = service(tile_cache_bytes=0), Maker()
        await of.answer(source, "b", make)  # opens the raster: else some would find it open and others wait for that
        answers = await asyncio.gather(*(of.answer(source, "a", make) for _ in range(500)))
        assert make.count == 2
        assert sorted({served.how for served in answers}) == ["miss", "wait"]

    asyncio.run(main())


def test_a_source_that_changed_has_another_tag_and_is_made_anew(source: Source) -> None:
    async def main() -> None:
        of, make = service(), Maker()
        before = await of.answer(source, "a", make)
        replacement = Path(source.location.url).with_suffix(".new")
        rasters.constant(replacement, 6, size=32)
        replacement.replace(source.location.url)
        ENGINE.datasets.clear()  # what the check in the background does within seconds
        after = await of.answer(source, "a", make, known=before.etag)
        assert after.how == "miss"
        assert after.etag != before.etag
        assert after.encoded is not None
        assert after.encoded.body.startswith(b"32 ")

    asyncio.run(main())


def test_what_the_facts_refuse_takes_no_slot(source: Source) -> None:
    async def main() -> None:
        of = service(render_slots=1, queue_length=0)
        await of.answer(source, "a", Maker())

        def refuse(reader: Reader) -> None:
            raise ValueError("no")

        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                await of.answer(source, "b", Maker(), check=refuse)

    asyncio.run(main())


def test_whether_a_tile_touches_an_open_raster_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = raster(FileLocation(path=str(rasters.rgb(tmp_path / "raster.tif", size=64).resolve())))
    asked: list[bool | None] = []
    surely = footprint.surely

    def counted(*of: Any) -> bool | None:
        asked.append(surely(*of))
        return asked[-1]

    monkeypatch.setattr(footprint, "surely", counted)
    matrix_set = TileMatrixSets().get("WebMercatorQuad")

    async def main() -> None:
        of = service()
        with ENGINE.open(source) as reader:
            left, bottom, right, top = reader.geographic_bounds(matrix_set.crs)
            z = reader.zooms(matrix_set)[1]
        x, y = matrix_set.tile_at((left + right) / 2, (bottom + top) / 2, z)
        image = ImageOptions(read=ReadOptions(), render=RenderOptions(), format="png")
        bodies = []
        for text in ("cold", "warm"):
            asked.clear()
            work = render.TileWork(TileRequest(matrix_set=matrix_set, z=z, x=x, y=y, image=image))
            served = await of.answer(source, text, work, check=work.check, identify=work.identify)
            assert served.how == "miss"
            assert served.encoded is not None
            bodies.append(served.encoded.body)
        assert asked == [True]
        assert bodies[0] == bodies[1]

    asyncio.run(main())


def test_nobody_works_for_a_caller_who_has_gone(source: Source) -> None:
    async def main() -> None:
        of, make = service(render_slots=1), Maker()
        await of.answer(source, "a", make)
        go = threading.Event()

        async def at_once() -> None:
            return

        async def never() -> None:
            await asyncio.sleep(3600)

        def hold(reader: Reader) -> Encoded:
            assert go.wait(10)
            return make(reader)

        holding = asyncio.create_task(of.answer(source, "held", hold))
        await asyncio.sleep(0)
        with pytest.raises(CallerGone):  # while it waits for the slot
            await of.answer(source, "b", make, gone=at_once)
        assert of.local.waiting == 0
        go.set()
        await holding
        assert make.count == 2
        assert (await of.answer(source, "c", make, gone=never)).how == "miss"

    asyncio.run(main())


def test_who_goes_as_the_answer_comes_disturbs_nothing_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_, "DISCONNECT_CHECK_AFTER", 0.0)

    async def main() -> None:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def work() -> str:
            return await done

        async def gone() -> None:
            done.set_result("made")  # and in the same moment the caller goes

        assert await service_.wanted(work(), gone) == "made"
        await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_failure_is_not_kept(source: Source) -> None:
    async def main() -> None:
        of = service()
        failing = True

        def work(reader: Reader) -> Encoded:
            if failing:
                raise RuntimeError("broken")
            return Encoded(body=b"good", media_type="text/plain")

        with pytest.raises(RuntimeError):
            await of.answer(source, "a", work)
        failing = False
        assert (await of.answer(source, "a", work)).how == "miss"

    asyncio.run(main())


def test_what_was_begun_is_kept_for_a_caller_who_comes_back(source: Source) -> None:
    async def main() -> None:
        of = service(render_slots=1)
        await of.answer(source, "a", Maker())
        begun, go = threading.Event(), threading.Event()

        def work(reader: Reader) -> Encoded:
            begun.set()
            assert go.wait(10)
            return Encoded(body=b"late", media_type="text/plain")

        caller = asyncio.create_task(of.answer(source, "b", work))
        await asyncio.to_thread(begun.wait, 10)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go.set()
        await of.run(lambda: None)  # the only slot is free again
        assert (await of.answer(source, "b", work)).how == "hit"

    asyncio.run(main())


def test_settings_that_show_in_answers_are_part_of_the_tag(source: Source) -> None:
    async def main() -> None:
        tags = {(await service(default_attribution=name).answer(source, "a", Maker())).etag for name in ("A", "B")}
        assert len(tags) == 2

    asyncio.run(main())


def test_while_requests_wait_for_a_store_others_go_on(tmp_path: Path) -> None:
    everybody = threading.Barrier(8)

    def make(reader: Reader) -> Encoded:
        with compute_slots.released():
            everybody.wait(10)  # comes only when all eight are here at the same time
        return Encoded(body=reader.identity.encode(), media_type="text/plain")

    async def main(source: Source) -> None:
        of = service(render_slots=1)
        answers = await asyncio.gather(*(of.answer(source, str(number), make) for number in range(8)))
        assert {served.how for served in answers} == {"miss"}
        await asyncio.gather(*(of.run_with_reader(source, make) for _ in range(8)))
        of.close()

    with Upstream() as upstream:
        upstream.put("/a.tif", rasters.constant(tmp_path / "a.tif", 5).read_bytes())
        asyncio.run(main(raster(Policy.from_sources((upstream.root,)).locate(upstream.url("/a.tif")))))


def test_pixels_are_worked_on_by_no_more_threads_than_slots(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def make(reader: Reader) -> Encoded:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return Encoded(body=reader.identity.encode(), media_type="text/plain")

    async def main(near: Source, far: Source) -> None:
        of = service(render_slots=2)
        tiles = (of.answer(where, str(n), make) for n in range(10) for where in (near, far))
        await asyncio.gather(*tiles, *(of.run_with_reader(where, make) for _ in range(10) for where in (near, far)))
        of.close()

    with Upstream() as upstream:
        path = rasters.constant(tmp_path / "a.tif", 5)
        upstream.put("/a.tif", path.read_bytes())
        far = raster(Policy.from_sources((upstream.root,)).locate(upstream.url("/a.tif")))
        asyncio.run(main(raster(FileLocation(path=str(path.resolve()))), far))
    assert most == 2

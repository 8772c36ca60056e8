"""One render for several workers: two services on one memory, as two workers have it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.serving.encoded import Encoded
from app.serving.served import Served
from app.serving.service import Service
from tests.support import rasters
from tests.support.engine import ENGINE
from tilery import arena
from tilery.arena import Shared
from tilery.errors import Busy, DeadlineExceeded
from tilery.limits import deadline
from tilery.reading.reader import Reader
from tilery.reading.source import Source, raster
from tilery.storage.locations import FileLocation


class Render:
    """Work that says when it has begun, goes on when it may, and counts."""

    def __init__(self, body: bytes = b"tile", error: Exception | None = None) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.count = 0
        self._body = body
        self._error = error

    def __call__(self, reader: Reader) -> Encoded:
        self.count += 1
        self.begun.set()
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error
        return Encoded(body=self._body, media_type="text/plain")


def quick(body: bytes = b"own") -> Render:
    found = Render(body)
    found.go.set()
    return found


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return raster(FileLocation(path=str(rasters.constant(tmp_path / "raster.tif", 5).resolve())))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    found = Shared(blocks=0, tiles=1 << 20, workers=2)
    monkeypatch.setattr(arena, "shared", found)
    return found


@pytest.fixture
def worker(shared: Shared) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(**settings: object) -> Service:
        made.append(Service(Settings(_env_file=None, **settings), ENGINE))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for service in made:
        service.close()


async def begun(render: Render) -> None:
    assert await asyncio.to_thread(render.begun.wait, 10)


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


async def held(worker: Callable[..., Service], source: Source, render: Render) -> asyncio.Task[Served]:
    """Return a render of a worker, under way."""
    with ENGINE.open(source):
        pass
    task = asyncio.ensure_future(worker().answer(source, "a", render))
    await begun(render)
    return task


def test_one_makes_it_and_others_wait(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        render, never = Render(), quick()
        first = await held(worker, source, render)
        second = worker(render_slots=1)
        waiting = [asyncio.ensure_future(second.answer(source, "a", never)) for _ in range(3)]
        # Who waits holds no slot, of which there is one, and no event loop.
        other = await second.answer(source, "b", quick(b"other"))
        assert other.how == "miss"
        assert (second.local.running, second.local.waiting, second.flights) == (0, 0, 1)
        assert not any(task.done() for task in waiting)
        render.go.set()
        answers = await asyncio.gather(first, *waiting)
        assert [served.how for served in answers] == ["miss", "wait", "wait", "wait"]
        assert {served.encoded for served in answers} == {answers[0].encoded}
        assert {served.etag for served in answers} == {answers[0].etag}
        assert (render.count, never.count) == (1, 0)
        assert (await second.answer(source, "a", never)).how == "hit"

    run(main)


@pytest.mark.parametrize("render", [Render(error=ValueError("broken")), Render(body=bytes(200_000))])
def test_what_one_failed_at_or_could_not_share_others_make(
    worker: Callable[..., Service], source: Source, render: Render
) -> None:
    async def main() -> None:
        own = quick()
        first = await held(worker, source, render)
        waiting = asyncio.ensure_future(worker().answer(source, "a", own))
        await asyncio.sleep(0.01)
        assert own.count == 0
        render.go.set()
        served = await waiting
        assert (served.how, served.encoded and served.encoded.body, own.count) == ("miss", b"own", 1)
        assert (await worker().answer(source, "a", quick())).how == "hit"
        [ended] = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(ended, ValueError | Served)

    run(main)


def test_those_who_waited_in_vain_do_not_wait_for_one_another(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        failing = Render(error=ValueError("broken"))
        first = await held(worker, source, failing)
        renders = [Render() for _ in range(3)]
        waiting = [asyncio.ensure_future(worker().answer(source, "a", render)) for render in renders]
        await asyncio.sleep(0.01)
        failing.go.set()
        for render in renders:
            await begun(render)  # all of them, before any has ended
        for render in renders:
            render.go.set()
        assert {served.how for served in await asyncio.gather(*waiting)} == {"miss"}
        with pytest.raises(ValueError, match="broken"):
            await first

    run(main)


def test_a_holder_past_its_deadline_is_not_waited_for(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        hangs, own = Render(), quick()
        with deadline.limit(0.1):
            first = await held(worker, source, hangs)
        with deadline.limit(10):
            served = await worker().answer(source, "a", own)
        assert (served.how, own.count) == ("miss", 1)
        with pytest.raises(DeadlineExceeded):
            await first
        hangs.go.set()

    run(main)


def test_who_waits_does_so_for_half_of_his_time(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        hangs, own = Render(), quick()
        first = await held(worker, source, hangs)
        with deadline.limit(0.4):
            assert (await worker().answer(source, "a", own)).how == "miss"
        hangs.go.set()
        await first

    run(main)


def test_each_has_a_deadline_of_his_own(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        render = Render()
        first = await held(worker, source, render)
        second, own = worker(), Render()
        with deadline.limit(0.1), pytest.raises(DeadlineExceeded):
            await second.answer(source, "a", own)
        own.go.set()
        render.go.set()
        assert (await first).how == "miss"

    run(main)


def test_who_waited_in_vain_may_find_no_room(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        failing, busy = Render(error=ValueError("broken")), Render()
        first = await held(worker, source, failing)
        second = worker(render_slots=1, queue_length=0)
        waiting = asyncio.ensure_future(second.answer(source, "a", quick()))
        await asyncio.sleep(0.01)
        taken = asyncio.ensure_future(second.answer(source, "b", busy))
        await begun(busy)
        failing.go.set()
        with pytest.raises(Busy):
            await waiting
        busy.go.set()
        assert (await taken).how == "miss"
        with pytest.raises(ValueError, match="broken"):
            await first

    run(main)


def test_nothing_is_claimed_from_the_queue_and_nothing_rendered_that_was_made_meanwhile(
    worker: Callable[..., Service], source: Source
) -> None:
    async def main() -> None:
        busy, never = Render(), quick()
        await (await held(worker, source, quick()))
        first, second = worker(render_slots=1), worker()
        taken = asyncio.ensure_future(first.answer(source, "b", busy))
        await begun(busy)
        queued = asyncio.ensure_future(first.answer(source, "c", never))
        await asyncio.sleep(0.01)
        assert (await second.answer(source, "c", quick())).how == "miss"  # at once: the other is not at it
        busy.go.set()
        assert [(await task).how for task in (taken, queued)] == ["miss", "wait"]
        assert never.count == 0

    run(main)


def test_who_goes_away_leaves_nothing_behind(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        render, never = Render(), quick()
        first = await held(worker, source, render)
        second = worker()
        waiting = asyncio.ensure_future(second.answer(source, "a", never))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        render.go.set()
        await first
        await asyncio.sleep(0.05)
        assert (second.flights, never.count) == (0, 0)

    run(main)


def test_a_worker_that_has_ended_holds_nothing(worker: Callable[..., Service], source: Source, shared: Shared) -> None:
    async def main() -> None:
        render, own = Render(), quick()
        shared.join(1)
        first = await held(worker, source, render)
        shared.join(0)
        waiting = asyncio.ensure_future(worker().answer(source, "a", own))
        await asyncio.sleep(0.01)
        assert own.count == 0
        shared.dismiss(1)
        assert ((await waiting).how, own.count) == ("miss", 1)
        render.go.set()
        await first

    run(main)


def test_a_service_that_closes_keeps_no_claim(worker: Callable[..., Service], source: Source) -> None:
    async def main() -> None:
        await (await held(worker, source, quick()))
        first = worker()
        first.close()
        with pytest.raises(Busy):
            await first.answer(source, "b", quick())
        assert (await worker().answer(source, "b", quick())).how == "miss"
        claims = first.cache.claims
        assert claims is not None
        assert not any(claims._marks)

    run(main)


def test_one_worker_claims_nothing(source: Source) -> None:
    service = Service(Settings(_env_file=None), ENGINE)
    assert service.cache.claims is None
    assert asyncio.run(service.answer(source, "a", quick())).how == "miss"

"""A source that looks like a file."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from app.config.settings import Settings
from tests.support import rasters
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import SourceDenied
from tilery.storage.bytes import ByteSource, file_object
from tilery.storage.bytes.file_object import CACHED_CHUNKS, CHUNK
from tilery.storage.locations import FileLocation
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

DATA = os.urandom(2_000_000)


def remote(upstream: Upstream, settings: Settings, path: str = "/a.tif") -> ByteSource:
    source = stores_of(settings).open(Policy.from_sources([upstream.root]).locate(upstream.url(path)))
    upstream.forget()
    return source


class Counted:
    """A source in memory that notes what is read of it."""

    identity = "counted"
    size = len(DATA)
    local_path = None
    open_path = None

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        self.reads.append((start, length))
        return DATA[start : start + length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(start, length) for start, length in ranges]

    def refresh(self) -> bool:
        return True

    def close(self) -> None: ...


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(0, len(DATA) + 100_000)),
        st.tuples(st.just("read"), st.integers(-1, 700_000)),
        st.tuples(st.just("read"), st.integers(0, 300)),
    ),
    max_size=30,
)


@of_hypothesis(max_examples=100)
@given(STEPS)
def test_reads_like_a_file(steps: list[tuple[str, int]]) -> None:
    found, expected = file_object(Counted()), io.BytesIO(DATA)
    for verb, number in steps:
        assert getattr(found, verb)(number) == getattr(expected, verb)(number)
        assert found.tell() == expected.tell()
        assert len(found._chunks) <= CACHED_CHUNKS


def test_has_the_manners_of_a_file() -> None:
    with file_object(Counted()) as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
        assert file.seek(4, os.SEEK_CUR) == len(DATA) - 6
        assert file.read() == DATA[-6:]
        assert file.read(5) == b""
        with pytest.raises(ValueError, match="before"):
            file.seek(-1)
        buffer = bytearray(10)
        file.seek(5)
        assert file.readinto(memoryview(buffer)) == 10
        assert bytes(buffer) == DATA[5:15]
        file.seek(0)
        assert io.BufferedReader(file).read(100_000) == DATA[:100_000]
    assert file.closed


def test_small_reads_share_a_request() -> None:
    source = Counted()
    file = file_object(source)
    for place in range(0, CHUNK, 100):
        file.seek(place)
        file.read(100)
    assert len(source.reads) <= 2


def test_reading_on_takes_more_with_each_request() -> None:
    source = Counted()
    file = file_object(source)
    while file.read(1000):
        pass
    assert len(source.reads) <= 8
    assert sum(length for _, length in source.reads) < len(DATA) + CACHED_CHUNKS * CHUNK


def test_jumping_about_takes_no_more_than_it_needs() -> None:
    source = Counted()
    file = file_object(source)
    for place in (1_500_000, 300_000, 900_000):
        file.seek(place)
        file.read(10)
    assert [length for _, length in source.reads] == [CHUNK] * 3


def test_a_local_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(DATA)
    file = file_object(Stores().open(FileLocation(path=str(tmp_path / "a.tif"))))
    file.seek(1_000_000)
    assert file.read(10) == DATA[1_000_000:1_000_010]
    assert file._chunks == {}


def test_failures_are_raised_or_kept(upstream: Upstream, settings: Settings) -> None:
    upstream.put("/a.tif", DATA)
    source = remote(upstream, settings)
    upstream.always = Fault(status=403)
    loud, quiet = file_object(source), file_object(source, quiet=True)
    for file in (loud, quiet):
        file.seek(1_000_000)
    with pytest.raises(SourceDenied):
        loud.read(10)
    assert quiet.read(10) == b""
    assert isinstance(quiet.failure, SourceDenied)
    assert quiet.tell() == 1_000_000
    upstream.always, quiet.failure = None, None
    assert quiet.read(10) == DATA[1_000_000:1_000_010]
    assert quiet.failure is None


def test_gdal_reads_through_it_in_many_threads(upstream: Upstream, settings: Settings, tmp_path: Path) -> None:
    values = np.arange(3 * 700 * 900, dtype=np.uint32).reshape(3, 700, 900) * 2654435761 >> 7
    path = rasters.write(tmp_path / "a.tif", values.astype(np.uint16))
    upstream.put("/a.tif", Path(path or tmp_path / "a.tif").read_bytes())
    source = remote(upstream, settings)

    def read(number: int) -> bool:
        with rasterio.open(f"raster{number}", driver="GTiff", opener=lambda *_, **__: file_object(source)) as dataset:
            return bool((dataset.read() == values.astype(np.uint16)).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(12)))

"""Files on this machine."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tilery.errors import SourceNotFound, SourceRefused
from tilery.storage.bytes import ByteSource
from tilery.storage.locations import FileLocation
from tilery.storage.stores import Stores

DATA = bytes(range(256)) * 1000


def opened(path: Path) -> ByteSource:
    return Stores().open(FileLocation(path=str(path)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.tif"
    path.write_bytes(DATA)
    return path


def test_reads_ranges(path: Path) -> None:
    source = opened(path)
    assert (source.size, source.local_path) == (len(DATA), str(path))
    assert source.read(10, 20) == DATA[10:30]
    assert source.read(0, len(DATA)) == DATA
    assert source.read(len(DATA) - 5, 100) == DATA[-5:]
    assert source.read(len(DATA), 1) == b""
    assert source.read(len(DATA) + 1000, 1) == b""
    assert source.read(7, 0) == b""
    assert source.read_many([(5, 1), (0, 3), (5, 1)]) == [DATA[5:6], DATA[:3], DATA[5:6]]


def test_identity_tells_versions_and_files_apart(path: Path) -> None:
    first = opened(path)
    assert first.identity == opened(path).identity
    assert first.identity.isalnum()
    assert first.refresh()
    other = path.with_name("b.tif")
    other.write_bytes(DATA)
    assert opened(other).identity != first.identity
    os.utime(path, ns=(1, 1))
    assert not first.refresh()
    assert opened(path).identity != first.identity


def test_a_replaced_file_stays_readable_and_is_noticed(path: Path) -> None:
    source = opened(path)
    new = path.with_name("new.tif")
    new.write_bytes(b"x" * len(DATA))
    new.replace(path)
    assert source.read(0, 100) == DATA[:100]
    assert not source.refresh()
    assert opened(path).read(0, 3) == b"xxx"


def test_a_removed_file_is_noticed(path: Path) -> None:
    source = opened(path)
    path.unlink()
    assert not source.refresh()
    with pytest.raises(SourceNotFound):
        opened(path)


def test_closing_does_not_disturb_reads_and_frees_the_file_in_the_end(path: Path) -> None:
    gc.collect()  # files of other tests
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = opened(path)
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(source.read, place, 1000) for place in range(0, 200_000, 1000)]
        source.close()
        assert b"".join(read.result() for read in reads) == DATA[:200_000]
    del source, reads
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_took_the_place_of_a_file_after_the_policy_looked(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.tif"
    secret.write_bytes(DATA)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(SourceRefused):
        opened(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceRefused):
        opened(path)
    with pytest.raises(SourceRefused):
        opened(tmp_path)


def test_a_link_in_place_of_any_part_of_the_path(path: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "a.tif").write_bytes(DATA)
    inside = tmp_path / "inside"
    for place in (inside, inside / "deep", inside / "deep" / "a.tif"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside / place.relative_to(inside))
        with pytest.raises(SourceRefused):
            opened(inside / "deep" / "a.tif")
        place.unlink()


def test_a_folder_whose_place_is_taken_by_a_link_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside, aside = tmp_path / "inside", tmp_path / "outside", tmp_path / "aside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.tif").write_bytes(folder.name.encode())
    open_ = os.open

    def open_meanwhile(path: str, *arguments: int, **options: int) -> int:
        if not path.endswith("a.tif"):
            return open_(path, *arguments, **options)
        inside.rename(aside)
        inside.symlink_to(outside)
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_meanwhile)
    assert opened(inside / "a.tif").read(0, 10) == b"inside"


def test_errors_name_no_path(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound) as caught:
        opened(tmp_path / "a.tif" / "b.tif")
    assert str(tmp_path) not in caught.value.detail
    assert str(tmp_path) in str(caught.value.private)

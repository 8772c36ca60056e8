"""What the operating system says, in words for a user; found out by trying it."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tilery.errors import CatalogError, StoreFull, TileryError, UpstreamError
from tilery.publishing import rasters
from tilery.storage import file_errors
from tilery.storage.objects.directory import DirectoryStore


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a read-only disk cannot be mounted here: it takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "The disk is full."),
        (errno.EDQUOT, "The disk quota is used up."),
        (errno.EROFS, "The target is on a file system that nobody may write to."),
        (errno.EACCES, "This user may not write to the target."),
        (errno.EPERM, "This user may not write to the target."),
        (errno.ENOENT, "The target is not there."),
        (errno.EISDIR, "The target is a folder, and not a file."),
        (errno.EIO, "The disk failed, or what connects it, at the target."),
        (errno.EOVERFLOW, "The target cannot be written to."),
        (None, "The target cannot be written to."),
    ],
)
def test_each_number_has_a_sentence(number: int | None, said: str) -> None:
    assert file_errors.sentence(number, place="The target") == said


def test_what_was_to_be_done_is_said() -> None:
    assert file_errors.sentence(errno.EACCES, place="The catalog", use="read") == "This user may not read the catalog."
    assert file_errors.sentence(None, place="The catalog", use="read") == "The catalog cannot be read."


def test_why_a_folder_takes_no_file(tmp_path: Path, read_only: Path) -> None:
    assert file_errors.refusal(tmp_path) is None
    assert list(tmp_path.iterdir()) == [read_only]
    (tmp_path / "file").touch()
    for folder, said in (
        (Path("/proc"), "takes no files"),
        (tmp_path / "nowhere", "is not there"),
        (tmp_path / "file", "below a file"),
        (read_only, "nobody may write to"),
    ):
        refused = file_errors.refusal(folder)
        assert refused is not None
        assert said in file_errors.why_not(folder, refused)


def test_what_gdal_could_not_write_is_put_down_to_the_folder(tmp_path: Path, read_only: Path) -> None:
    failure = OSError("Cannot create the file")
    for folder, said in ((Path("/proc"), "takes no files"), (read_only, "nobody may write to")):
        with pytest.raises(CatalogError, match=said) as caught, rasters.failures(folder):
            raise failure
        assert not isinstance(caught.value, StoreFull)
    with pytest.raises(StoreFull, match="quota"), rasters.failures(tmp_path):
        raise OSError("write failed: Disk quota exceeded")
    with pytest.raises(CatalogError, match="larger than"), rasters.failures(tmp_path):
        raise OSError("write failed: File too large")


def test_a_source_that_cannot_be_read_is_not_put_down_to_the_disk() -> None:
    with pytest.raises(TileryError, match="part of the raster"), rasters.failures(None):
        raise OSError("No such file or directory")


def test_a_store_is_found_not_to_be_writable_before_the_work(tmp_path: Path, read_only: Path) -> None:
    DirectoryStore(tmp_path / "new" / "catalog").need_writable()
    assert list((tmp_path / "new" / "catalog").iterdir()) == []
    (tmp_path / "file").touch()
    for root, said in (
        (read_only / "catalog", "nobody may write to"),
        (Path("/proc/catalog"), "No directory can be made there"),
        (tmp_path / "file", "something of that name"),
        (tmp_path / "file" / "catalog", "below a file"),
    ):
        with pytest.raises(UpstreamError, match=said):
            DirectoryStore(root).need_writable()

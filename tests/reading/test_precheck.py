"""Headers that ask for more than any honest raster: refused before GDAL believes them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import RasterioError
from rasterio.transform import Affine

from tests.support import rasters, service
from tests.support.engine import ENGINE
from tests.support.tiff import Tiff, picture
from tests.support.upstream import Upstream
from tilery.errors import UnsupportedRaster
from tilery.reading import gdal_options
from tilery.reading.gdal_facts import driver_of
from tilery.reading.gdal_handle import Handle
from tilery.reading.precheck import MinimumMemory, check, jp2, tiff
from tilery.storage.bytes.file_object import file_object
from tilery.storage.locations import FileLocation

KINDS = pytest.mark.parametrize(("big", "order"), [(big, order) for big in (False, True) for order in "<>"])
"""Classic TIFF and BigTIFF, in both orders of bytes."""


def look(path: Path) -> MinimumMemory:
    source = ENGINE.stores.open(FileLocation(path=str(path.resolve())))
    return check(file_object(source, quiet=True), driver_of(source.read(0, 16)))


def found(tmp_path: Path, of: Tiff) -> MinimumMemory:
    path = tmp_path / "a.tif"
    path.write_bytes(of.data + b"\0" * 64)
    return look(path)


def items(number: int) -> bytes:
    inside = b"".join(b'<Item name="%d">v</Item>' % index for index in range(number))
    return b"<GDALMetadata>" + inside + b"</GDALMetadata>\0"


@KINDS
def test_no_more_images_than_any_file_has(tmp_path: Path, big: bool, order: str) -> None:
    most = tiff.MAX_DIRECTORIES
    for number in (most, most + 1):
        of = Tiff(big, order)
        for index in range(number):
            of.add(picture(t254=(4, (2 if index else 0,))), last=index == number - 1)
        if number == most:
            assert found(tmp_path, of) == MinimumMemory(full=0)
        else:
            with pytest.raises(UnsupportedRaster, match="images") as raised:
                found(tmp_path, of)
            assert (raised.value.parameter, raised.value.limit) == ("url", most)


@KINDS
def test_images_beside_the_chain_count_too(tmp_path: Path, big: bool, order: str) -> None:
    of = Tiff(big, order)
    start = 1 << 20
    of.add(picture(t330=(4, tuple(range(start, start + 8 * (tiff.MAX_DIRECTORIES + 1), 8)))))
    of.data = of.data.ljust(2 << 20, b"\0")
    with pytest.raises(UnsupportedRaster, match="images"):
        found(tmp_path, of)


@KINDS
def test_no_more_tags_metadata_and_bands_than_any_file_has(tmp_path: Path, big: bool, order: str) -> None:
    beyond: dict[str, dict[int, tuple[int, Any]]] = {
        "tags in a directory": picture(**{f"t{50000 + tag}": (3, (1,)) for tag in range(tiff.MAX_TAGS)}),
        "kinds of tags": picture(**{f"t{50000 + tag}": (3, (1,)) for tag in range(tiff.MAX_KINDS_OF_TAGS)}),
        "bytes of tags": picture(t50000=(2, b"\0" * (tiff.MAX_VALUES + 1))),
        "bytes of metadata": picture(t42112=(2, b" " * (tiff.MAX_METADATA + 1))),
        "items of metadata": picture(t42112=(2, items(tiff.MAX_ITEMS + tiff._OTHER_BRACKETS))),
        "bands": picture(t277=(3, (tiff.MAX_BANDS + 1,))),
    }
    for what, tags in beyond.items():
        with pytest.raises(UnsupportedRaster, match=what) as raised:
            found(tmp_path, Tiff(big, order).add(tags))
        assert raised.value.limit
    within = picture(
        t42112=(2, items(tiff.MAX_ITEMS)), t50000=(2, b"\0" * (20 << 20)), t277=(3, (tiff.MAX_BANDS,)), t284=(3, (2,))
    )
    assert found(tmp_path, Tiff(big, order).add(within)) == MinimumMemory(full=0)


@KINDS
def test_the_sum_over_all_directories_counts(tmp_path: Path, big: bool, order: str) -> None:
    """Directories may all name the same bytes: the file stays small, what is read of it does not."""
    of = Tiff(big, order)
    tags = picture(t50000=(2, b"\0" * (tiff.MAX_VALUES // 8)))
    for index in range(9):
        of.add(tags, last=index == 8)
    with pytest.raises(UnsupportedRaster, match="bytes of tags"):
        found(tmp_path, of)


def test_a_chain_in_a_circle_ends(tmp_path: Path) -> None:
    of = Tiff(False, "<").add(picture(), last=True)
    link = 8 + 2 + 12 * len(picture())
    of.data = of.data[:link] + struct.pack("<I", 8) + of.data[link + 4 :]
    assert found(tmp_path, of) == MinimumMemory(full=0)


def test_every_cut_of_a_header_is_survived(tmp_path: Path) -> None:
    of = Tiff(False, "<").add(picture(t42112=(2, items(3)), t330=(4, (8, 9))))
    path = tmp_path / "a.tif"
    for length in range(4, len(of.data)):
        path.write_bytes(of.data[:length])
        look(path)


def test_gdal_is_not_given_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("GDAL was asked")

    monkeypatch.setattr(rasterio, "open", refuse)
    path = tmp_path / "a.tif"
    path.write_bytes(Tiff(True, ">").add(picture(t277=(3, (65535,)))).data)
    with pytest.raises(UnsupportedRaster):
        Handle(ENGINE.stores.open(FileLocation(path=str(path.resolve()))))


def test_a_caller_is_told_the_limit(tmp_path: Path) -> None:
    body = Tiff(False, "<").add(picture(t42112=(2, items(300_000)))).data
    (tmp_path / "a.tif").write_bytes(body)
    with Upstream() as upstream, service.client(tmp_path, upstream.root) as client:
        upstream.put("/a.tif", body)
        for url in (str(tmp_path / "a.tif"), upstream.url("/a.tif")):
            answer = client.get("/cog/info", params={"url": url})
            assert answer.status_code == 415
            assert answer.json()["parameter"] == "url"
            assert answer.json()["limit"] == tiff.MAX_METADATA


def test_blocks_count_whole_where_the_codec_decodes_them_whole(tmp_path: Path) -> None:
    side = 512
    data = np.zeros((1, side, side), "float32")
    single: dict[str, Any] = {"tiled": False, "overviews": (), "blockysize": side}
    lerc = look(rasters.write(tmp_path / "lerc.tif", data, compress="LERC_DEFLATE", **single))
    assert lerc.full >= 2 * data.nbytes
    assert look(rasters.write(tmp_path / "deflate.tif", data, **single)).full == 0  # GDAL says how it reads strips
    tiled = look(rasters.write(tmp_path / "tiled.tif", data, block=256, overviews=(2,)))
    assert tiled == MinimumMemory(full=256 * 256 * 4, overviews=((2.0, 256 * 256 * 4),))
    assert (tiled.least(1), tiled.least(2), tiled.least(8)) == (256 * 256 * 4, 256 * 256 * 4, 0)


@pytest.mark.parametrize(("sampling", "samples"), [(0, 3.0), (1, 2.0), (2, 1.5)])
def test_a_progressive_jpeg_counts_all_its_coefficients(tmp_path: Path, sampling: int, samples: float) -> None:
    picture = Image.fromarray(np.zeros((480, 640, 3), "uint8"))
    for progressive in (True, False):
        picture.save(tmp_path / "a.jpg", progressive=progressive, subsampling=sampling)
        whole = int(640 * 480 * samples * 2) if progressive else 0
        assert look(tmp_path / "a.jpg").full == look(tmp_path / "a.jpg").least(8) == whole


def test_tiles_of_jpeg_2000_count_whole(tmp_path: Path) -> None:
    for side, block in ((2048, 2048), (2048, 1024)):
        path = tmp_path / f"{block}.jp2"
        size = {"width": side, "height": side, "blockxsize": block, "blockysize": block}
        place = {"crs": "EPSG:3857", "transform": Affine(1, 0, 9, 0, -1, 9)}
        with rasterio.open(path, "w", driver="JP2OpenJPEG", count=1, dtype="uint8", **size, **place) as target:
            target.write(np.zeros((1, side, side), "uint8"))
        assert look(path).full >= block * block
        assert look(path).least(4) == block * block * 6 // 16


def test_jpeg_2000_with_more_than_any_has_beside_its_picture(tmp_path: Path) -> None:
    signature = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
    path = tmp_path / "a.jp2"
    path.write_bytes(signature + struct.pack(">I4s", 8, b"free") * jp2.MAX_BOXES)
    with pytest.raises(UnsupportedRaster, match="boxes"):
        look(path)
    path.write_bytes(signature + struct.pack(">I4s", jp2.MAX_BOX, b"xml ") + b"\0" * 64)
    with pytest.raises(UnsupportedRaster, match="beside"):
        look(path)
    size = struct.pack(">8IH", 65536, 65536, 0, 0, 64, 64, 0, 0, 3)
    path.write_bytes(signature + struct.pack(">I4s", 0, b"jp2c") + b"\xff\x4f\xff\x51\x00\x2f\x00\x00" + size)
    with pytest.raises(UnsupportedRaster, match="tiles"):
        look(path)


def test_what_decodes_whole_is_beyond_the_budget_whole(tmp_path: Path) -> None:
    """The least of all pictures, of a raster whose only block is beyond the budget by what its codec holds."""
    side = 1000
    data = np.zeros((1, side, side), "float32")
    path = rasters.write(tmp_path / "a.tif", data, tiled=False, overviews=(), compress="LERC_ZSTD", blockysize=side)
    jpeg = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((side, side, 3), "uint8")).save(jpeg, progressive=True)
    url = {"url": str(path)}
    with service.client(tmp_path) as client:
        assert client.get("/cog/preview.png", params=url | {"width": 8, "height": 8}).status_code == 200
        assert client.get("/cog/preview.png", params={"url": str(jpeg), "width": 8, "height": 8}).status_code == 200
    with service.client(tmp_path, max_decoded_bytes=2 * side * side) as client:
        for of in (path, jpeg):
            answer = client.get("/cog/preview.png", params={"url": str(of), "width": 9, "height": 9})
            assert answer.status_code == 413


def test_jpegs_of_very_many_scans_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in gdal_options.SECURITY.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "a.jpg"
    Image.fromarray(np.full((64, 64), 99, "uint8")).save(path, progressive=True)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    for more, works in ((0, True), (5, True), (30, False)):
        path.write_bytes(data[:last] + scan * (1 + more) + data[-2:])
        handle = Handle(ENGINE.stores.open(FileLocation(path=str(path.resolve()))))
        with handle.use() as dataset:
            if works:
                assert abs(int(dataset.read(1)[0, 0]) - 99) < 3
            else:
                with pytest.raises(RasterioError):
                    dataset.read(1)
        handle.close()

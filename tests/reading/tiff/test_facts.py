"""The profile that the header alone gives is the one that GDAL gives, or there is none."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.rpc import RPC
from rasterio.transform import Affine, from_origin

from tests.parity import rasters as parity
from tests.reading.conftest import FileBytes, noise, write
from tests.support import rasters
from tilery.reading import gdal_facts
from tilery.reading.profile import Profile
from tilery.reading.tiff import facts, header
from tilery.reading.tiff.opening import header_of

Make = Callable[[], Path]
UTM_BOUNDS = (500_000.0, 5_100_000.0, 510_000.0, 5_110_000.0)


def alone(path: Path) -> Profile | None:
    """Return what our reader makes of the header."""
    found = header_of(FileBytes(path))
    return None if found is None else facts.profile(found)


def of_gdal(path: Path) -> Profile:
    """Return what GDAL says of the file, told to look at no other."""
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"),
        rasterio.open(path, driver="GTiff") as dataset,
    ):
        return gdal_facts.profile_of(dataset)


def differences(found: Profile, wanted: Profile) -> dict[str, tuple[Any, Any]]:
    """Return the facts that are not the same, the order of tags included."""
    different = {}
    for field in fields(found):
        ours, theirs = getattr(found, field.name), getattr(wanted, field.name)
        both_nan = isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours) and math.isnan(theirs)
        if repr(ours) != repr(theirs) and not both_nan:
            different[field.name] = (ours, theirs)
    return different


def check_known(path: Path) -> Profile:
    """The header alone is enough, and says what GDAL says."""
    found = alone(path)
    assert found is not None
    assert differences(found, of_gdal(path)) == {}
    return found


def check_never_wrong(path: Path) -> bool:
    """Return True when the header alone was enough; then it says what GDAL says."""
    found = alone(path)
    if found is None:
        return False
    assert differences(found, of_gdal(path)) == {}
    return True


PLAIN: dict[str, dict[str, Any]] = {
    "degrees": {},
    "mercator": {"crs": "EPSG:3857", "bounds": (0.0, 0.0, 1000.0, 1000.0)},
    "utm": {"crs": "EPSG:32632", "bounds": UTM_BOUNDS},
    "utm south": {"crs": "EPSG:32733", "bounds": UTM_BOUNDS},
    "etrs89": {"crs": "EPSG:25832", "bounds": UTM_BOUNDS},
    "etrs89 degrees": {"crs": "EPSG:4258"},
    "nad83 degrees": {"crs": "EPSG:4269"},
    "laea": {"crs": "EPSG:3035", "bounds": (4e6, 3e6, 4.1e6, 3.1e6)},
    "lambert": {"crs": "EPSG:2154", "bounds": (7e5, 6e6, 8e5, 6.1e6)},
    "british": {"crs": "EPSG:27700", "bounds": (1e5, 1e5, 2e5, 2e5)},
    "swiss": {"crs": "EPSG:2056", "bounds": (2.5e6, 1.1e6, 2.6e6, 1.2e6)},
    "gauss": {"crs": "EPSG:31467", "bounds": (3.5e6, 5.1e6, 3.6e6, 5.2e6)},
    "conus": {"crs": "EPSG:5070", "bounds": (1e6, 1e5, 2e6, 2e5)},
    "polar": {"crs": "EPSG:3031", "bounds": (1e6, 1e5, 2e6, 2e5)},
    "bands apart": {"interleave": "band"},
    "zstd": {"compress": "zstd", "predictor": 2},
    "lzw": {"compress": "lzw"},
    "none": {"compress": "none"},
    "big": {"bigtiff": "YES"},
    "big endian": {"endianness": "BIG"},
    "no overviews": {"overviews": ()},
    "odd overviews": {"size": 515, "overviews": (2, 3, 5, 9)},
    "points": {"tags": {"AREA_OR_POINT": "Point"}},
    "scaled": {"scales": (0.1, 2e-05), "offsets": (-273.15, 1e6)},
    "described": {"descriptions": ("depth of snow", "second one")},
    "tags": {"tags": {"TIFFTAG_SOFTWARE": "ours", "made": "for a test"}, "band_tags": ({"z": "1", "a": "x y"}, {})},
    "nodata": {"nodata": 0},
    "nodata top": {"nodata": 65535},
    "sparse": {"sparse_ok": True},
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_needs_no_gdal(tmp_path: Path, name: str) -> None:
    check_known(rasters.gradient(tmp_path / "a.tif", **PLAIN[name]))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_number_and_type_of_bands(tmp_path: Path, dtype: str, count: int) -> None:
    nodata = -99.0 if np.dtype(dtype).kind != "u" and dtype != "float64" else None
    check_known(rasters.gradient(tmp_path / "a.tif", dtype, size=96, count=count, nodata=nodata, block=32))


@pytest.mark.parametrize("nodata", [math.nan, -9999.0, 0.1, -3.4028234663852886e38, 1e20, 3.4028235e38])
def test_nodata_of_fractions(tmp_path: Path, nodata: float) -> None:
    check_known(rasters.constant(tmp_path / "a.tif", 1, "float32", nodata=nodata, block=32))


@pytest.mark.parametrize("kind", ["nodata", "nan", "mask", "alpha"])
def test_every_kind_of_mask(tmp_path: Path, kind: str) -> None:
    check_known(rasters.half_masked(tmp_path / "a.tif", kind))


@pytest.mark.parametrize("photometric", ["RGB", "YCBCR"])
def test_jpeg(tmp_path: Path, photometric: str) -> None:
    found = check_known(rasters.rgb(tmp_path / "a.tif", compress="jpeg", photometric=photometric))
    assert found.colorinterp == ("red", "green", "blue")


def unusual(folder: Path) -> dict[str, Path]:
    """Return files whose headers say something that GDAL alone understands, by what that is."""
    rows = noise(3, 128, 128)
    points = [
        GroundControlPoint(row, column, 8 + column / 1e4, 46 - row / 1e4) for row in (0, 99) for column in (0, 99)
    ]
    rpc = RPC(
        height_off=0.0, height_scale=1.0, lat_off=46.0, lat_scale=1.0, long_off=8.0, long_scale=1.0, line_off=0.0,
        line_scale=1.0, samp_off=0.0, samp_scale=1.0, line_num_coeff=[1.0] * 20, line_den_coeff=[1.0] * 20,
        samp_num_coeff=[1.0] * 20, samp_den_coeff=[1.0] * 20,
    )  # fmt: skip
    made = {
        "points": rasters.gradient(folder / "gcps.tif", gcps=(points, "EPSG:4326")),
        "rotated": rasters.gradient(folder / "rotated.tif", transform=Affine(1, 0.2, 8, 0.2, -1, 46)),
        "south up": rasters.gradient(folder / "south.tif", transform=Affine(0.01, 0, 8, 0, 0.01, 46)),
        "no crs": rasters.gradient(folder / "nocrs.tif", crs=None),
        "no transform": rasters.gradient(folder / "noplace.tif", bounds=None),
        "feet": rasters.gradient(folder / "feet.tif", crs="EPSG:2264", bounds=UTM_BOUNDS),
        "vertical": rasters.gradient(folder / "vertical.tif", crs="EPSG:32632+5773", bounds=UTM_BOUNDS),
        "own crs": rasters.gradient(folder / "own.tif", crs="+proj=laea +lat_0=10 +lon_0=20", bounds=UTM_BOUNDS),
        "other degrees": rasters.gradient(folder / "nad27.tif", crs="EPSG:4267"),
        "palette": rasters.palette(folder / "palette.tif"),
        "bits": rasters.constant(folder / "bits.tif", 1, nbits=1, block=16),
        "colours": write(folder / "c.tif", rows, colorinterp=[ColorInterp.blue, ColorInterp.green, ColorInterp.red]),
        "unscaled text": rasters.gradient(folder / "tags.tif", band_tags=({"a": "<b>&amp;"},)),
        "nodata beyond": rasters.gradient(folder / "beyond.tif", "uint8", nodata=None, tags={"NODATA_VALUES": "0 0"}),
        "cmyk": write(folder / "cmyk.tif", noise(4, 64, 64), photometric="CMYK"),
        "white": write(folder / "white.tif", noise(1, 64, 64), photometric="MINISWHITE"),
    }
    with rasterio.open(write(folder / "rpc.tif", rows), "r+") as dataset:
        dataset.rpcs = rpc
    made["rpc"] = folder / "rpc.tif"
    return made


def test_what_is_unusual_is_left_to_gdal(tmp_path: Path) -> None:
    understood = {name for name, path in unusual(tmp_path).items() if alone(path) is not None}
    assert understood == set()


def test_parallel_reads_with_gdal_on_all_rasters_of_the_comparison(tmp_path: Path) -> None:
    parity.make(tmp_path)
    found = [check_never_wrong(path) for path in sorted(tmp_path.glob("*.tif")) if header_of(FileBytes(path))]
    assert sum(found) > 20


def at(path: Path, tag: int) -> tuple[int, int, int]:
    """Return position, type and count of the values of a tag in the first directory of a little-endian classic TIFF."""
    data = path.read_bytes()
    start = struct.unpack_from("<I", data, 4)[0]
    for number in range(struct.unpack_from("<H", data, start)[0]):
        found, kind, count, value = struct.unpack_from("<HHII", data, start + 2 + 12 * number)
        if found == tag:
            inline = count * {2: 1, 3: 2, 12: 8}[kind] <= 4
            return (start + 2 + 12 * number + 8 if inline else value), kind, count
    raise KeyError(tag)


def changed(path: Path, target: Path, position: int, form: str, *values: Any) -> Path:
    """Return a copy of a file with other numbers at a position."""
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{form}", data, position, *values)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:27700"])
def test_no_other_geo_key_is_misunderstood(tmp_path: Path, crs: str) -> None:
    bounds = rasters.ALPS if crs == "EPSG:4326" else UTM_BOUNDS
    path = rasters.constant(tmp_path / "a.tif", 1, crs=crs, bounds=bounds, block=16)
    position, _, count = at(path, 34735)
    understood = 0
    for place in range(count):
        for value in (0, 1, 2, 3, 5, 1025, 2050, 2052, 2056, 3074, 3078, 4096, 4267, 4978, 7030, 9001, 9003, 9101,
                      32633, 32662, 3395, 32767, 65535):  # fmt: skip
            other = changed(path, tmp_path / "b.tif", position + 2 * place, "H", value)
            try:
                of_gdal(other)
            except RasterioError:
                continue
            understood += check_never_wrong(other)
    assert understood > 0


def test_no_other_ellipsoid_is_misunderstood(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16)
    position, _, count = at(path, 34736)
    assert count == 2
    for place, value in ((0, 297.0), (0, 0.0), (1, 6371000.0), (1, math.nan)):
        other = changed(path, tmp_path / "b.tif", position + 8 * place, "d", value)
        assert not check_never_wrong(other)


def test_no_other_place_is_misunderstood(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16)
    for tag, count in ((33550, 3), (33922, 6)):
        position, _, found = at(path, tag)
        assert found == count
        for place in range(count):
            for value in (0.0, 1.5, -0.25, 1e-300, 1e300, math.nan, math.inf):
                check_never_wrong(changed(path, tmp_path / "b.tif", position + 8 * place, "d", value))


@pytest.mark.parametrize(
    "text", ["nan", "-nan", "inf", "0x10", "1,5", "  7", "-1", "256", "1e3", "7.5", "", "+5", "1."]
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_no_other_nodata_is_misunderstood(tmp_path: Path, text: str, dtype: str) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, dtype, nodata=111.125 if dtype[0] == "f" else 100, block=16)
    position, _, count = at(path, 42113)
    check_never_wrong(changed(path, tmp_path / "b.tif", position, f"{count}s", text.encode()[: count - 1]))


@pytest.mark.parametrize(
    "item",
    [
        '<Item name="a" sample="0">  x</Item>',
        '<Item name="a" sample="7">x</Item>',
        '<Item name="a" sample="0" domain="other">x</Item>',
        '<Item name="OFFSET" sample="0" role="offset">1,5</Item>',
        '<Item name="OFFSET" sample="0" role="offset">abc</Item>',
        '<Item name="SCALE" sample="0" role="scale">2.5</Item>',
        '<Item name="UNITTYPE" sample="0" role="unittype">m</Item>',
        '<Item name="COLORINTERP" sample="0" role="colorinterp">Red</Item>',
        '<Item name="a=b" sample="0">x</Item>',
        '<Item name="a" sample="-1">x</Item>',
        '<Item name="a" sample="x">y</Item>',
        '<Item sample="0" name="a">y</Item>',
        "<Item name='a' sample='0'>y</Item>",
        '<!-- --><Item name="a" sample="0">y</Item>',
        '<Item name="a" sample="0">one</Item><Item name="a" sample="0">two</Item>',
        '<Item name="A" sample="0">one</Item><Item name="a" sample="0">two</Item>',
        '<Item name="b" sample="0">one</Item><Item name="a" sample="0">two</Item>',
        '<Item name="DESCRIPTION" sample="0" role="description">x</Item>',
        '<Item name="DESCRIPTION" sample="0" role="description"></Item>',
        '<Item name="STATISTICS_MINIMUM" sample="0">-5</Item><Item name="STATISTICS_MAXIMUM" sample="0">7</Item>',
        '<Item name="a" sample="0"><b>x</b></Item>',
        '<Item name="a" sample="0">x',
    ],
)
def test_no_other_metadata_are_misunderstood(tmp_path: Path, item: str) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16, band_tags=({"long": "x" * 300},))
    position, _, count = at(path, 42112)
    text = f"<GDALMetadata>\n  {item}\n</GDALMetadata>\n".encode()
    check_never_wrong(changed(path, tmp_path / "b.tif", position, f"{count}s", text))


def test_whose_header_is_damaged_is_left_to_gdal(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16, band_tags=({"a": "b"},))
    data = path.read_bytes()
    for tag in (33550, 33922, 34735, 34736, 34737, 42112):
        _, kind, count = at(path, tag)
        position = data.index(struct.pack("<HHI", tag, kind, count)) + 8
        other = changed(path, tmp_path / "b.tif", position, "I", len(data) + 5)
        assert alone(other) is None
        assert header_of(FileBytes(other)) is not None


def test_texts_longer_than_any_are_not_read(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16, band_tags=({"a": "b" * 20_000},))
    assert header.parse(FileBytes(path)).metadata is None
    assert alone(path) is None


def test_another_page_is_left_to_gdal(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1, block=16, overviews=())
    with rasterio.open(path, "r+", driver="GTiff") as dataset:
        profile = dataset.profile
    with rasterio.open(path, "w", **{**profile, "append_subdataset": True}) as dataset:
        dataset.write(np.ones((1, 64, 64), "uint8"))
    assert alone(path) is None or len(header.parse(FileBytes(path)).directories) == 1


def test_pixels_of_points_are_half_a_pixel_away(tmp_path: Path) -> None:
    origin = from_origin(8.0, 47.0, 0.25, 0.25)
    path = rasters.gradient(tmp_path / "a.tif", size=64, transform=origin, tags={"AREA_OR_POINT": "Point"}, block=16)
    position, _, _ = at(path, 33922)
    stored = struct.unpack_from("<2d", path.read_bytes(), position + 24)
    assert stored == (8.125, 46.875)
    assert check_known(path).transform == (0.25, 0.0, 8.0, 0.0, -0.25, 47.0)


@pytest.mark.parametrize("keys", [(1, 1), (1, 1, 0), ()])
def test_a_directory_of_keys_cut_short_is_left_to_gdal(keys: tuple[int, ...], tmp_path: Path) -> None:
    found = header_of(FileBytes(rasters.gradient(tmp_path / "raster.tif")))
    assert found is not None
    assert found.place is not None
    cut = replace(found, place=replace(found.place, keys=keys))
    assert facts.profile(cut) is None

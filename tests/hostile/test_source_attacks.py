"""Every known way to make a tile server read what it should not: refused, without a single connection.

Two policies stand for the two ways of running: one that allows a few things, and one that moreover allows any public
address, which is the hard case.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tilery.errors import InvalidParameter, SourceRefused
from tilery.storage.policy import Policy

METADATA = [
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "http://169.254.170.2/v2/credentials/0000",
    "https://169.254.170.2/v4/0000/task",
    "https://instance-data.ec2.internal/latest/",
    "https://metadata.google.internal/computeMetadata/v1/",
]
LOOPBACK = [
    "https://127.0.0.1/a.tif",
    "https://127.1/a.tif",
    "https://127.0.1/a.tif",
    "https://0/a.tif",
    "https://0.0.0.0/a.tif",
    "https://0x7f000001/a.tif",
    "https://0x7f.0x0.0x0.0x1/a.tif",
    "https://0X7F.1/a.tif",
    "https://2130706433/a.tif",
    "https://017700000001/a.tif",
    "https://0177.0.0.1/a.tif",
    "https://127.0.0.1./a.tif",
    "https://[::]/a.tif",
    "https://[::1]/a.tif",
    "https://[0:0:0:0:0:0:0:1]/a.tif",
    "https://localhost/a.tif",
    "https://localhost./a.tif",
    "https://LOCALHOST/a.tif",
    "https://a.localhost/a.tif",
]
HIDDEN_IPV4 = [
    "https://[::ffff:10.0.0.1]/a.tif",
    "https://[::ffff:0a00:1]/a.tif",
    "https://[::10.0.0.1]/a.tif",
    "https://[::ffff:0:10.0.0.1]/a.tif",
    "https://[64:ff9b::10.0.0.1]/a.tif",
    "https://[64:ff9b::a9fe:a9fe]/a.tif",
    "https://[64:ff9b:1::8.8.8.8]/a.tif",
    "https://[2002:a00:1::]/a.tif",
    "https://[2002:7f00:1::1]/a.tif",
    "https://[2001:0:a00:1::f5ff:fffe]/a.tif",
    "https://[2620:fe::5efe:10.0.0.1]/a.tif",
    "https://[2620:fe::200:5efe:10.0.0.1]/a.tif",
]
PRIVATE = [
    "https://10.1.2.3/a.tif",
    "https://172.16.0.1/a.tif",
    "https://172.31.255.255/a.tif",
    "https://192.168.0.1/a.tif",
    "https://100.64.0.1/a.tif",
    "https://100.100.100.200/a.tif",
    "https://198.18.0.1/a.tif",
    "https://192.0.2.1/a.tif",
    "https://224.0.0.1/a.tif",
    "https://255.255.255.255/a.tif",
    "https://[fc00::1]/a.tif",
    "https://[fe80::1]/a.tif",
    "https://[ff02::1]/a.tif",
    "https://[2001:db8::1]/a.tif",
    "https://ip-10-0-0-1.ec2.internal/a.tif",
    "https://database.service.internal/a.tif",
    "https://printer.local/a.tif",
    "https://intranet/a.tif",
]
SPELLINGS = [
    "https://data.example.com@169.254.169.254/a.tif",
    "https://data.example.com:443@169.254.169.254/a.tif",
    "https://@169.254.169.254/a.tif",
    "https://:@data.example.com/a.tif",
    "https://data.example.com%40169.254.169.254/a.tif",
    "https://data.example.com\\@169.254.169.254/a.tif",
    "https:\\\\data.example.com\\a.tif",
    "https://data.example.com\\.evil.example/a.tif",
    "https://169.254.169.254#@data.example.com/a.tif",
    "https://data.example.com#/a.tif",
    "https://data.example.com/a.tif#b",
    "https://data.example.com\t/a.tif",
    "https://data.example.com\n/a.tif",
    "https://data.exa\rmple.com/a.tif",
    "\thttps://data.example.com/a.tif",
    " https://data.example.com/a.tif",
    "https://data。example。com/a.tif",
    "https://127。0。0。1/a.tif",
    "https://①②⑦.0.0.1/a.tif",
    "https://dat\u00e4.example.com/a.tif",
    "https://%64ata.example.com/a.tif",
    "https://127.0.0.1%2f.example.com/a.tif",
    "https://data.example.com:/a.tif@evil",
    "https://data.example.com:443:443/a.tif",
    "https://data.example.com:0x1bb/a.tif",
    "https://data.example.com:-1/a.tif",
    "https://[data.example.com]/a.tif",
    "https://[::1/a.tif",
    "https://[fe80::1%25eth0]/a.tif",
    "https:///a.tif",
    "https://",
    "https:/data.example.com/a.tif",
    "https:data.example.com/a.tif",
    "https://-data.example.com/a.tif",
    "https://data..example.com/a.tif",
    f"https://{'a' * 64}.example.com/a.tif",
    f"https://{'a.' * 127}example.com/a.tif",
]
SCHEMES = [
    "http://data.example.com/a.tif",
    "http://data.example.com:443/a.tif",
    "https://data.example.com:22/a.tif",
    "https://data.example.com:8443/a.tif",
    "https://data.example.com:80/a.tif",
    "gopher://data.example.com/a.tif",
    "ftp://data.example.com/a.tif",
    "ftps://data.example.com/a.tif",
    "data:image/tiff;base64,SUkqAA==",
    "javascript:alert(1)",
    "dict://data.example.com:11211/",
    "ldap://data.example.com/",
    "jar:https://data.example.com/a.zip!/a.tif",
    "gs://bucket/a.tif",
    "az://container/a.tif",
    "abfs://container/a.tif",
    "oss://bucket/a.tif",
    "hdfs://host/a.tif",
    "vsicurl:https://data.example.com/a.tif",
    "httpss://data.example.com/a.tif",
    "xhttps://data.example.com/a.tif",
]
LIBRARY_PREFIXES = [
    "/vsicurl/http://data.example.com/a.tif",
    "/vsicurl/https://data.example.com:8443/a.tif",
    "/vsicurl//vsicurl/https://data.example.com/a.tif",
    "/vsicurl/s3://bucket/pre/a.tif",
    "/vsicurl/{folder}/a.tif",
    "/vsicurl//etc/passwd",
    "/vsicurl/file:///etc/passwd",
    "/vsicurl_streaming/https://data.example.com/a.tif",
    "/vsicurl?header_file=/etc/passwd&url=https://data.example.com/a.tif",
    "/vsis3/other/pre/a.tif",
    "/vsis3/bucket/pre/../a.tif",
    "/vsis3/bucket/a.tif",
    "/vsis3//vsis3/bucket/pre/a.tif",
    "/vsis3/s3://bucket/pre/a.tif",
    "/vsis3//etc/passwd",
    "/vsis3_streaming/bucket/pre/a.tif",
    "/vsizip/vsicurl/https://data.example.com/a.zip/a.tif",
    "/vsizip//vsicurl/https://data.example.com/a.zip",
    "/vsitar//vsicurl/https://data.example.com/a.tar",
    "/vsigzip//etc/passwd",
    "/vsisubfile/0_100,/etc/passwd",
    "/vsimem/a.tif",
    "/vsistdin/",
    "/vsistdout/",
    "/vsicrypt/key=a,file=/etc/passwd",
    "/vsicached?chunk_size=1&file=/etc/passwd",
    "/vsisparse//etc/passwd",
    "/vsihdfs/host/a.tif",
    "/vsiwebhdfs/http://127.0.0.1:50070/webhdfs/v1/a",
    "/vsiriopener/raster",
    "{folder}/vsicurl/https://data.example.com/../../../../../../etc/passwd",
    "zip+https://data.example.com/a.zip!a.tif",
    "zip://{folder}/a.zip!a.tif",
    "tar+file://{folder}/a.tar!a.tif",
    "gzip+file:///etc/passwd",
    "zip+s3://bucket/pre/a.zip!a.tif",
    "netcdf:{folder}/a.nc:band",
    "simplecache::https://data.example.com/a.tif",
    "filecache::s3://bucket/pre/a.tif",
]
LOCAL_PATHS = [
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/dev/zero",
    "/dev/stdin",
    "etc/passwd",
    "./a.tif",
    "../secret.tif",
    "a.tif",
    "~/a.tif",
    "~root/a.tif",
    "{folder}/../secret.tif",
    "{folder}/link/secret.tif",
    "{folder}2/a.tif",
    "{folder}/a.tif\0.png",
    "{folder}/a.tif%00.png\n",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "file:etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "file:////etc/passwd",
    "file://{folder}/..%2fsecret.tif",
    "file://{folder}/a.tif%00.png",
    "file://{folder}/%ff%fe.tif",
    "\\\\server\\share\\a.tif",
    "//server/share/a.tif",
    "C:\\Windows\\a.tif",
    "C:/Windows/a.tif",
    "$HOME/a.tif",
    "${{AWS_SECRET_ACCESS_KEY}}",
]
INLINE_DOCUMENTS = [
    (
        "<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand dataType='Byte' subClass='VRTRawRasterBand'>"
        "<SourceFilename relativetoVRT='0'>/proc/self/environ</SourceFilename></VRTRasterBand></VRTDataset>"
    ),
    "  <VRTDataset/>",
    "<?xml version='1.0'?><VRTDataset/>",
    "<GDAL_WMS><Service name='TMS'><ServerUrl>https://data.example.com/</ServerUrl></Service></GDAL_WMS>",
    "<GDALTileIndexDataset/>",
    '{{"type": "FeatureCollection", "stac_version": "1.0.0"}}',
    "WMTS:https://data.example.com/WMTSCapabilities.xml",
    "WCS:https://data.example.com/",
    "WMS:https://data.example.com/?SERVICE=WMS",
    "PLMOSAIC:api_key=a",
    "EEDAI:image",
    "EEDA:",
    "HTTP:https://data.example.com/a.tif",
    "OGCAPI:https://data.example.com/",
    "DAAS:https://data.example.com/",
    "STACIT:/etc/passwd",
    "STACTA:https://data.example.com/a.json",
    "GTI:/etc/passwd",
    "PG:host=127.0.0.1",
    "vrt://{folder}/a.tif?bands=1",
    "vrt:///etc/passwd",
    "vrt://https://data.example.com/a.tif",
    "DERIVED_SUBDATASET:LOGAMPLITUDE:{folder}/a.tif",
    "GTIFF_DIR:2:{folder}/a.tif",
    "GTIFF_DIR:off:8:{folder}/a.tif",
    "GTIFF_RAW:{folder}/a.tif",
    "NETCDF:{folder}/a.nc:b",
    "HDF5:{folder}/a.h5://b",
    'ZARR:"{folder}/a.zarr"',
    "MEM:::DATAPOINTER=1,PIXELS=1,LINES=1",
    "COG:{folder}/a.tif",
    "SENTINEL2_L1C:{folder}/a.xml:10m:EPSG_32632",
    "RASTERLITE:/etc/passwd",
    "GPKG:{folder}/a.gpkg:b",
    "in_memory",
]
CONTROL_CHARACTERS = [
    "{folder}/a.tif\r\nX-Header: 1",
    "https://data.example.com/a.tif\r\nHost: evil",
    "https://data.example.com/a.tif\n",
    "https://data.example.com/a.tif%0d%0aHost:%20evil",
    "https://data.example.com/a%00.tif",
    "https://data.example.com/%2500.tif",
    "https://data.example.com/a.tif?\r\nX: y",
    "https://data.example.com/\x85a.tif",
    "https://data.example.com/\u2028a.tif",
    "https://data.example.com/\u202efit.a",
    "https://data.example.com/\ud800.tif",
    "s3://bucket/pre/a.tif\0.png",
    "s3://bucket/pre/a\r\n.tif",
    "s3://bucket/pre/%00.tif",
    "",
    " ",
    "\0",
    ":",
    "://",
]
EVERYTHING = [
    *METADATA,
    *LOOPBACK,
    *HIDDEN_IPV4,
    *PRIVATE,
    *SPELLINGS,
    *SCHEMES,
    *LIBRARY_PREFIXES,
    *LOCAL_PATHS,
    *INLINE_DOCUMENTS,
    *CONTROL_CHARACTERS,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rasters"
    folder.mkdir()
    (folder / "a.tif").write_bytes(b"II*\0")
    (tmp_path / "secret.tif").write_bytes(b"II*\0")
    (tmp_path / "rasters2").mkdir()
    (tmp_path / "rasters2" / "a.tif").write_bytes(b"II*\0")
    (folder / "link").symlink_to(tmp_path)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every attempt to resolve or connect, of which there is to be none."""
    attempts: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: attempts.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda _, place: attempts.append(place))
    yield attempts
    assert attempts == []


@pytest.mark.parametrize("allowed", [[], ["https://*"]], ids=["listed", "any public"])
@pytest.mark.parametrize("url", EVERYTHING, ids=lambda url: ascii(url)[:60])
def test_refused(folder: Path, url: str, allowed: list[str]) -> None:
    policy = Policy.from_sources([f"{folder}/", "s3://bucket/pre/", *allowed])
    text = url.format(folder=folder) if "{" in url else url
    with pytest.raises((SourceRefused, InvalidParameter)) as caught:
        policy.locate(text)
    error = caught.value
    assert error.parameter == "url"
    assert error.status in {403, 422}
    assert str(folder) not in error.detail
    assert "example" not in error.detail
    assert error.detail.isprintable()


def test_the_table_has_no_slips(folder: Path) -> None:
    """What the attacks imitate is allowed, so that none is refused for a wrong reason."""
    policy = Policy.from_sources([f"{folder}/", "s3://bucket/pre/", "https://*"])
    for url in (f"{folder}/a.tif", f"file://{folder}/a.tif", "s3://bucket/pre/a.tif", "https://data.example.com/a.tif"):
        policy.locate(url)

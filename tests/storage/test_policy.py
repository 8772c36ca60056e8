"""What may be read, and what may not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilery.errors import InvalidParameter, SourceRefused
from tilery.storage.bytes.local import LocalSource
from tilery.storage.locations import CloudLocation, FileLocation, HttpLocation, S3Location
from tilery.storage.policy import LONGEST, Policy, WrongSourcesError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rasters"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.tif").write_bytes(b"II*\0")
    (folder / "inner" / "b c.tif").write_bytes(b"II*\0")
    (tmp_path / "secret.tif").write_bytes(b"II*\0")
    (tmp_path / "rasters-of-others").mkdir()
    (tmp_path / "rasters-of-others" / "a.tif").write_bytes(b"II*\0")
    return folder


def refused(policy: Policy, url: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        policy.locate(url)
    assert caught.value.parameter == "url"
    assert url not in caught.value.detail


def test_nothing_is_allowed_by_default() -> None:
    policy = Policy()
    for url in ("/etc/hostname", "file:///etc/hostname", "s3://bucket/a.tif", "https://example.com/a.tif"):
        refused(policy, url)


# Files


def test_files_of_a_listed_directory(folder: Path) -> None:
    policy = Policy.from_sources([f"{folder}/"])
    assert policy.locate(f"{folder}/a.tif") == FileLocation(path=f"{folder}/a.tif")
    assert policy.locate(f"file://{folder}/a.tif") == FileLocation(path=f"{folder}/a.tif")
    assert policy.locate(f"file://{folder}/inner/b%20c.tif") == FileLocation(path=f"{folder}/inner/b c.tif")
    assert policy.locate(f"{folder}/inner/../a.tif") == FileLocation(path=f"{folder}/a.tif")
    assert policy.locate(f"{folder}//a.tif") == FileLocation(path=f"{folder}/a.tif")


def test_a_directory_can_be_listed_without_a_slash_or_as_a_url(folder: Path) -> None:
    for entry in (str(folder), f"file://{folder}/"):
        assert Policy.from_sources([entry]).locate(f"{folder}/a.tif").kind == "file"


def test_what_is_missing_has_a_location_until_it_is_opened(folder: Path) -> None:
    policy = Policy.from_sources([f"{folder}/"])
    assert policy.locate(f"{folder}/missing.tif") == FileLocation(path=f"{folder}/missing.tif")
    assert policy.locate(f"{folder}/a.tif/missing.tif").kind == "file"


@pytest.mark.parametrize(
    "path",
    [
        "{folder}/../secret.tif",
        "{folder}/inner/../../secret.tif",
        "{folder}-of-others/a.tif",
        "{folder}",
        "{folder}/",
        "{folder}/inner",
        "/{folder}/a.tif",
        "/etc/passwd",
        "/proc/self/environ",
        "file:///etc/passwd",
        "file://localhost{folder}/a.tif",
        "file://{folder}/%2e%2e/secret.tif",
        "file:{folder}/a.tif",
        "FILE:///etc/passwd",
    ],
)
def test_paths_outside(folder: Path, path: str) -> None:
    refused(Policy.from_sources([f"{folder}/"]), path.format(folder=folder))


def test_links_may_not_leave_the_directory(folder: Path) -> None:
    policy = Policy.from_sources([f"{folder}/"])
    (folder / "out.tif").symlink_to(folder.parent / "secret.tif")
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "in.tif").symlink_to(folder / "a.tif")
    refused(policy, f"{folder}/out.tif")
    refused(policy, f"{folder}/up/secret.tif")
    refused(policy, f"{folder}/loop")
    assert policy.locate(f"{folder}/in.tif") == FileLocation(path=f"{folder}/a.tif")


@pytest.mark.parametrize("error", [FileNotFoundError, NotADirectoryError, PermissionError, OSError])
def test_a_link_that_goes_while_it_is_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    (folder / "in.tif").symlink_to(folder / "a.tif")
    policy = Policy.from_sources([f"{folder}/"])

    def gone(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(os, "readlink", gone)
    with pytest.raises(SourceRefused):  # noqa: PT012  from Python 3.13 on the link is seen when it is opened
        place = policy.locate(f"{folder}/in.tif")
        assert isinstance(place, FileLocation)
        LocalSource(place)


def test_a_directory_may_itself_be_a_link(folder: Path) -> None:
    link = folder.parent / "current"
    link.symlink_to(folder)
    policy = Policy.from_sources([f"{link}/"])
    assert policy.locate(f"{link}/a.tif") == policy.locate(f"{folder}/a.tif") == FileLocation(path=f"{folder}/a.tif")


def test_a_single_file_is_all_that_is_allowed(folder: Path) -> None:
    for entry in (f"{folder}/a.tif", f"file://{folder}/a.tif", f"{folder}/inner/../a.tif"):
        policy = Policy.from_sources([entry])
        assert policy.locate(f"{folder}/a.tif") == FileLocation(path=f"{folder}/a.tif")
        assert policy.locate(f"{folder}/inner/../a.tif") == FileLocation(path=f"{folder}/a.tif")
        for other in ("a.tif/x", "a.tif.ovr", "a.ti", "inner/b c.tif", "", "inner", "a.tif/../inner/b c.tif"):
            refused(policy, f"{folder}/{other}")


def test_a_single_file_may_be_a_link_that_stays_what_it_was(folder: Path, tmp_path: Path) -> None:
    link = folder / "link.tif"
    link.symlink_to(folder / "a.tif")
    policy = Policy.from_sources([str(link)])
    assert policy.locate(str(link)) == FileLocation(path=f"{folder}/a.tif")
    link.unlink()
    link.symlink_to(tmp_path / "secret.tif")
    refused(policy, str(link))
    refused(policy, f"{tmp_path}/secret.tif")


def test_a_single_file_that_is_replaced_by_a_folder_opens_nothing(folder: Path) -> None:
    policy = Policy.from_sources([f"{folder}/a.tif"])
    (folder / "a.tif").unlink()
    (folder / "a.tif").mkdir()
    (folder / "a.tif" / "b.tif").write_bytes(b"II*\0")
    refused(policy, f"{folder}/a.tif")
    refused(policy, f"{folder}/a.tif/b.tif")


def test_only_regular_files(folder: Path) -> None:
    policy = Policy.from_sources([f"{folder}/"])
    os.mkfifo(folder / "pipe.tif")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        refused(policy, f"{folder}/pipe.tif")
        refused(policy, f"{folder}/socket")


# S3


def test_objects_under_a_listed_prefix() -> None:
    policy = Policy.from_sources(["s3://bucket/pre/", "s3://whole/", "s3://short", "s3://one/thing.tif"])
    assert policy.locate("s3://bucket/pre/a b/100%.tif") == S3Location(bucket="bucket", key="pre/a b/100%.tif")
    assert policy.locate("S3://whole/ü.tif") == S3Location(bucket="whole", key="ü.tif")
    assert policy.locate("s3://short/a?b#c.tif") == S3Location(bucket="short", key="a?b#c.tif")
    assert policy.locate("s3://one/thing.tif").url == "s3://one/thing.tif"
    assert policy.locate("s3://one/thing.tif/b").kind == "s3"


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/prefix/a.tif",
        "s3://bucket/pre",
        "s3://bucket/a.tif",
        "s3://bucket/pre/../a.tif",
        "s3://bucket/pre/..",
        "s3://bucket/pre/./a.tif",
        "s3://bucket/pre/%2e%2e/a.tif",
        "s3://bucket/pre/%2E./a.tif",
        "s3://bucket/pre/%252e%252e/a.tif",
        "s3://bucket/pre/..%2fa.tif",
        "s3://bucket/pre/a%5c..%5cb.tif",
        "s3://bucket2/pre/a.tif",
        "s3://bucke/pre/a.tif",
        "s3://one/thing.tif.bak",
        "s3a://bucket/pre/a.tif",
    ],
)
def test_objects_outside(url: str) -> None:
    refused(Policy.from_sources(["s3://bucket/pre/", "s3://one/thing.tif"]), url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/pre/",
        "s3://bucket/pre//a.tif",
        "s3:bucket/a",
        "s3:///a",
        "s3://../a",
        "s3://bucket@evil/a",
        "s3://Bucket_/a",
        "s3://bucket:80/a",
        "s3://b%75cket/a",
    ],
)
def test_what_names_no_object(url: str) -> None:
    with pytest.raises(InvalidParameter):
        Policy.from_sources(["s3://bucket/"]).locate(url)


# HTTP


def test_resources_under_a_listed_path() -> None:
    policy = Policy.from_sources(["https://Host.example/path/", "http://127.0.0.1:9000/", "https://one.example/a.tif"])
    found = policy.locate("https://host.example/path/a.tif")
    assert found == HttpLocation(
        scheme="https", host="host.example", port=443, path="/path/a.tif", query="", listed=True
    )
    for same in (
        "HTTPS://HOST.example/path/a.tif",
        "https://host.example:443/path/a.tif",
        "https://host.example./path/a.tif",
    ):
        assert policy.locate(same) == found
    assert policy.locate("http://127.0.0.1:9000/a.tif").url == "http://127.0.0.1:9000/a.tif"
    assert policy.locate("https://one.example/a.tif").kind == "http"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("/vsicurl/https://host.example/pre/a b.tif?c=%2F", "https://host.example/pre/a b.tif?c=%2F"),
        ("/vsicurl/HTTPS://Host.example:443/pre/a.tif", "https://host.example/pre/a.tif"),
        ("/vsis3/bucket/pre/a?b#c.tif", "s3://bucket/pre/a?b#c.tif"),
    ],
)
def test_gdals_spelling_of_an_address_is_that_address(written: str, plain: str) -> None:
    policy = Policy.from_sources(["https://host.example/pre/", "s3://bucket/pre/"])
    assert policy.locate(written) == policy.locate(plain)
    for nothing in (Policy(), Policy.from_sources(["https://host.example/other/", "s3://bucket/other/"])):
        refused(nothing, written)


def test_signatures_are_kept_and_kept_out_of_logs() -> None:
    found = Policy.from_sources(["https://host/"]).locate("https://host/a.tif?X-Sig=a%2Fb%3D&x=1/2+3&y=ü [1]")
    assert isinstance(found, HttpLocation)
    assert found.target == "/a.tif?X-Sig=a%2Fb%3D&x=1/2+3&y=%C3%BC%20[1]"
    assert "Sig" not in found.private_name


def test_what_is_not_written_as_a_url_is_encoded() -> None:
    found = Policy.from_sources(["https://host/"]).locate('https://host/ü b/"c"|.tif')
    assert isinstance(found, HttpLocation)
    assert found.path == "/%C3%BC%20b/%22c%22%7C.tif"


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/",
        "https://host.example/other/a.tif",
        "https://host.example/paths/a.tif",
        "https://host.example/path",
        "https://host.example/path/../a.tif",
        "https://host.example/path/%2e%2e/a.tif",
        "https://host.example/path/%2E%2e%2fa.tif",
        "https://host.example/path/..%2fa.tif",
        "https://host.example/path/%252e%252e/a.tif",
        "https://host.example/path/..;x/a.tif",
        "https://host.example/path/a%5c..%5c..%5cb",
        "https://host.example/%70ath/a.tif",
        "http://host.example/path/a.tif",
        "https://host.example:8443/path/a.tif",
        "https://host.example.evil.example/path/a.tif",
        "https://evil.example/path/a.tif",
        "https://sub.host.example/path/a.tif",
        "https://evil@host.example/path/a.tif",
        "https://host.example@evil.example/path/a.tif",
        "https://host.example:443@evil.example/path/a.tif",
        "http://127.0.0.1:9001/a.tif",
        "http://127.0.0.1/a.tif",
        "https://127.0.0.1:9000/a.tif",
        "http://127.1:9000/a.tif",
        "http://2130706433:9000/a.tif",
        "http://0x7f.0.0.1:9000/a.tif",
        "http://localhost:9000/a.tif",
        "http://[::1]:9000/a.tif",
        "http://[::ffff:127.0.0.1]:9000/a.tif",
    ],
)
def test_resources_outside(url: str) -> None:
    refused(Policy.from_sources(["https://host.example/path/", "http://127.0.0.1:9000/"]), url)


def test_any_public_address() -> None:
    policy = Policy.from_sources(["https://*"])
    found = policy.locate("https://host.example/a.tif?b")
    assert found == HttpLocation(scheme="https", host="host.example", port=443, path="/a.tif", query="b", listed=False)
    assert policy.locate("https://9.9.9.9/a.tif").kind == "http"
    assert policy.locate("https://[2620:fe::fe]/a.tif").url == "https://[2620:fe::fe]/a.tif"


def test_a_listed_host_is_listed_whatever_else_is_allowed() -> None:
    policy = Policy.from_sources(["https://*", "https://data.internal/"])
    found = policy.locate("https://data.internal/a.tif")
    assert isinstance(found, HttpLocation)
    assert found.listed


# Entries


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("", "is empty"),
        ("rasters/", "none of"),
        ("ftp://host/", "none of"),
        ("/vsicurl/", "not a directory"),
        ("/", "not a folder"),
        ("/proc/self", "not a folder"),
        ("/dev", "not a folder"),
        ("//server/share", "two slashes"),
        ("/nowhere/at/all/", "not a directory"),
        ("s3://", "bucket"),
        ("s3://*", "wildcard"),
        ("s3://bucket/*.tif", "wildcard"),
        ("s3://bucket/../", "climbs"),
        ("s3://bucket//a/", "empty part"),
        ("s3://bucket/a//", "empty part"),
        ("https://", "host"),
        ("http://*", "wildcard"),
        ("https://*.example.com/", "wildcard"),
        ("https://host/?a=b", "query"),
        ("https://host/#a", "named as"),
        ("https://user:pass@host/", "user information"),
        ("https://host:0/", "port"),
        ("https://host:99999/", "port"),
        ("https://host/a/../b/", "climbs"),
        ("http://169.254.169.254/", "no source may have"),
        ("http://169.254.170.2/", "no source may have"),
        ("http://[fd00:ec2::254]/", "no source may have"),
        ("http://[::ffff:169.254.169.254]/", "no source may have"),
        ("http://0.0.0.0:80/", "no source may have"),
        ("http://127.1:80/", "unusual spelling"),
        ("https://h\u00f6st/", "ASCII"),
    ],
)
def test_a_wrong_entry_stops_the_start(entry: str, reason: str) -> None:
    with pytest.raises(WrongSourcesError) as caught:
        Policy.from_sources(["s3://good/", entry])
    shown = entry.replace("user:pass", "*").replace("a=b", "*")
    assert str(caught.value).startswith(f"TILERY_SOURCES: {shown!r}")
    assert reason in str(caught.value)


def test_directories_of_another_machine_are_not_looked_for() -> None:
    assert Policy.from_sources(["/nowhere/at/all/"], check_directories=False).iam_statements() == []


# The catalog


def test_the_catalog_is_granted_too(tmp_path: Path) -> None:
    policy = Policy.from_sources(["s3://other/"]).with_catalog("s3://bucket/sources/")
    assert policy.locate("s3://bucket/sources/a/a.tif").kind == "s3"
    assert policy.locate("s3://other/a.tif").kind == "s3"
    refused(policy, "s3://bucket/a.tif")
    later = Policy().with_catalog(f"{tmp_path}/catalog/")
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "a.tif").write_bytes(b"")
    assert later.locate(f"{tmp_path}/catalog/a.tif").kind == "file"
    with pytest.raises(WrongSourcesError, match="TILERY_CATALOG"):
        Policy().with_catalog("relative")


def test_iam_statements() -> None:
    policy = Policy.from_sources(
        ["s3://bucket/pre/", "s3://whole/", "s3://one/thing", "https://*", "/data/"], check_directories=False
    )
    assert policy.iam_statements() == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/pre/*"]},
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::bucket"],
            "Condition": {"StringLike": {"s3:prefix": ["pre/", "pre/*"]}},
        },
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::whole/*"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::whole"]},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["arn:aws:s3:::one/thing", "arn:aws:s3:::one/thing/*"],
        },
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::one"],
            "Condition": {"StringLike": {"s3:prefix": ["thing", "thing/*"]}},
        },
    ]
    assert "arn:aws-cn:s3:::whole" in str(policy.iam_statements(partition="aws-cn"))


# Properties

_WORDS = st.sampled_from(
    [
        "https://",
        "http://",
        "s3://",
        "file://",
        "host.example",
        "bucket",
        "/pre/",
        "pre",
        "..",
        ".",
        "/",
        "//",
        "\\",
        "@",
        ":",
        "443",
        "%2e",
        "%2f",
        "%00",
        "%",
        "?",
        "#",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "\t",
        "\n",
        "\x00",
        " ",
        "ü",
        "。",
        ";",
    ]
)


@settings(max_examples=400)
@given(st.one_of(st.lists(_WORDS, max_size=10).map("".join), st.text(max_size=60)))
def test_every_text_is_located_refused_or_no_location(url: str) -> None:
    policy = Policy.from_sources(["https://host.example/pre/", "s3://bucket/pre/", "/usr/"], check_directories=False)
    try:
        found = policy.locate(url)
    except (SourceRefused, InvalidParameter):
        return
    match found:
        case HttpLocation():
            assert (found.scheme, found.host, found.port) == ("https", "host.example", 443)
            assert found.path.startswith("/pre/")
            assert found.target.isascii()
            assert found.target.isprintable()
            assert " " not in found.target
        case S3Location():
            assert found.bucket == "bucket"
            assert found.key.startswith("pre/")
        case FileLocation():
            assert Path(found.path).resolve().is_relative_to("/usr")


def test_locations_are_their_own_normal_form() -> None:
    policy = Policy.from_sources(["https://host.example/", "s3://bucket/"])
    for url in ("https://HOST.example/a b?c d", "https://host.example:443/%41", "s3://bucket/a b"):
        found = policy.locate(url)
        assert policy.locate(found.url) == found


def test_the_longest_address() -> None:
    policy = Policy.from_sources(["https://host/", "s3://bucket/"])
    assert policy.locate("https://host/".ljust(LONGEST, "a")).kind == "http"
    with pytest.raises(InvalidParameter, match="longer"):
        policy.locate("https://host/".ljust(LONGEST + 1, "a"))
    assert policy.locate(f"s3://bucket/{512 * 'ü'}").kind == "s3"
    with pytest.raises(InvalidParameter, match="as long as this"):
        policy.locate(f"s3://bucket/{512 * 'ü'}a")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("gs://my_bucket/imagery/a.tif", True),
        ("/vsigs/my_bucket/imagery/a.tif", True),
        ("az://imagery/a.tif", True),
        ("GS://my_bucket/imagery/a.tif", True),
        ("gs://my_bucket/other/a.tif", False),
        ("gs://imagery/a.tif", False),
        ("az://my-bucket/imagery/a.tif", False),
        ("s3://imagery/a.tif", False),
        ("/vsis3/imagery/a.tif", False),
        ("gs://my_bucket/imagery/../other/a.tif", False),
    ],
)
def test_buckets_of_other_clouds_are_no_buckets_of_s3(url: str, allowed: bool) -> None:
    policy = Policy.from_sources(["gs://my_bucket/imagery/", "az://imagery/"])
    if allowed:
        location = policy.locate(url)
        assert location.url.split("://")[0] in ("gs", "az")
        assert location.url.endswith("imagery/a.tif")
    else:
        with pytest.raises((SourceRefused, InvalidParameter)):
            policy.locate(url)
    assert policy.iam_statements() == []
    assert policy.buckets() == [
        CloudLocation(service="gs", bucket="my_bucket", key="imagery/"),
        CloudLocation(service="az", bucket="imagery", key=""),
    ]


@pytest.mark.parametrize("entry", ["gs://b*/", "az://My_Container/", "az://a--b/", "gs://UP/", "gs:///"])
def test_entries_of_other_clouds_without_a_meaning(entry: str) -> None:
    with pytest.raises(WrongSourcesError):
        Policy.from_sources([entry])

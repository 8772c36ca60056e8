"""Decides what may be read. There is no other way to a `Location` than through a `Policy`.

What is not listed is refused, whatever its spelling: no prefix of a library, no other scheme, no chain of archives. A
URL is taken apart here once, by a grammar that is narrower than any browser's, and the pieces are what is connected to
later; no second parser ever sees the text. The one thing that cannot be decided here, the address that a host name has,
is decided by `tilery.storage.bytes` right before it connects.

An entry of the sources ends with a slash when it names a folder, as ``s3://bucket/prefix/``; without one it names a
single object, or the folder of that name. Of a path on this machine the disk says which of the two it is.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

from tilery.errors import InvalidParameter, SourceRefused
from tilery.storage.addresses import is_allowed
from tilery.storage.entries import AnyPublicHost, Directory, Entry, Host, PermittedBucket, PermittedFile, Service
from tilery.storage.locations import CloudLocation, FileLocation, HttpLocation, Location, S3Location

LONGEST = 4096
"""Characters of a source's address at most. Signed URLs have about 1,500."""

_LONGEST_KEY = 1024
"""Bytes of an S3 key at most, says S3."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HTTP = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BUCKET = {
    "s3": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "gs": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
    "az": re.compile(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}"),
}
"""Names of buckets, and of containers of Azure, by the scheme of their addresses."""
_PLAIN = re.compile(r"[A-Za-z0-9/?:@!$&'()*+,;=._~%\[\]-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = re.compile(r"(?<=://).*@")
_PORTS: dict[str, int] = {"http": 80, "https": 443}
_PROBE = ".reachable"
"""Name of an object that need not be there: a bucket that says so has been reached."""
_NO_DIRECTORIES = ("/", "/proc", "/sys", "/dev")
"""Folders that hold more than files: other processes' memory and environment, devices, everything."""


def without_secrets(address: str) -> str:
    """Return an address as a message may have it: with stars for a user, a password and a query."""
    place, question, _ = address.partition("?") if "://" in address else (address, "", "")
    return _USER.sub("*@", place) + ("?*" if question else "")


class WrongSourcesError(ValueError):
    """An entry of ``TILERY_SOURCES`` or the catalog's address that has no meaning. It stops the start."""

    def __init__(self, entry: str, reason: str, variable: str) -> None:
        """Say which entry of which setting is wrong, and why; a password in it is in no message."""
        self.entry = without_secrets(entry)
        super().__init__(f"{variable}: {self.entry!r} {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be read: the entries of the sources, and the catalog's own folder."""

    entries: tuple[Entry, ...] = ()
    """Made by `Policy.from_sources`."""

    @classmethod
    def from_sources(
        cls, entries: Sequence[str], *, variable: str = "TILERY_SOURCES", check_directories: bool = True
    ) -> Policy:
        """Return the policy that allows these entries and nothing else.

        Args:
            entries: folders as ``/data/rasters/``, files, ``s3://bucket/prefix/`` (``gs://``, ``az://``),
                ``https://host/path/``, or ``https://*`` for every public host.
            variable: the setting that they come from, for the message of an error.
            check_directories: whether files and directories must exist. Not where the stacks are made: that is another
                machine.

        Raises:
            WrongSourcesError: an entry has no meaning.
        """
        return cls(entries=tuple(_entry(text, variable, check_directories) for text in entries))

    def with_catalog(self, prefix: str) -> Policy:
        """Return the same policy, which also allows what is in the catalog: a directory or ``s3://bucket/prefix/``.

        Raises:
            WrongSourcesError: the catalog's address has no meaning.
        """
        # The folder of a catalog may come to be with its first layer.
        return Policy(entries=(*self.entries, _entry(prefix, "TILERY_CATALOG", check_directories=False)))

    def also(self, other: Policy) -> Policy:
        """Return the policy that allows what this one allows, and what the ``other`` one does."""
        return Policy(entries=tuple(dict.fromkeys((*self.entries, *other.entries))))

    def locate(self, url: str) -> Location:
        """Return where the source is, if it may be read.

        Args:
            url: ``s3://bucket/key``, ``https://host/path``, ``/path`` or ``file:///path``, as the caller wrote it; also
                ``gs://bucket/key`` and ``az://container/key``; and GDAL's spellings, ``/vsis3/bucket/key``,
                ``/vsigs/bucket/key``, ``/vsiaz/container/key`` and ``/vsicurl/https://host/path``.

        Raises:
            SourceRefused: no entry allows it. Nothing was opened or connected to.
            InvalidParameter: this is not the address of anything.
        """
        _check_text(url)
        url = without_gdal(url)
        if url.startswith("/"):
            return self._locate_file(url)
        scheme = _SCHEME.match(url)
        if scheme is None:
            raise _not_a_location("a source is an address as s3://bucket/key, https://host/path or /path")
        match scheme[0].lower():
            case "s3:" | "gs:" | "az:":
                return self._locate_object(url)
            case "http:" | "https:":
                return self._locate_resource(url)
            case "file:":
                return self._locate_file(_path_of_file_url(url))
        raise _refused(f"scheme {scheme[0]}")

    def named(self) -> tuple[Location, ...]:
        """Return a place within each entry that names one, to see whether it answers; nothing need be there.

        A directory stands for itself.
        """
        found: list[Location] = []
        for entry in self.entries:
            match entry:
                case Directory(real=real):
                    found.append(FileLocation(path=real))
                case PermittedBucket(service=service, bucket=bucket, prefix=prefix):
                    key = f"{prefix}{_PROBE}" if prefix.endswith("/") or not prefix else prefix
                    if service == "s3":
                        found.append(S3Location(bucket=bucket, key=key))
                    else:
                        found.append(CloudLocation(service=service, bucket=bucket, key=key))
                case Host(scheme=scheme, host=host, port=port, path=path):
                    found.append(HttpLocation(scheme=scheme, host=host, port=port, path=path, query="", listed=True))
        return tuple(found)

    def reach(self, location: Location) -> int:
        """Return the length of the prefix by which an entry allows a location, of the longest one. -1: none does."""
        return max((_reach(entry, location) for entry in self.entries), default=-1)

    def buckets(self) -> list[S3Location | CloudLocation]:
        """Return where its entries are that are in S3, or another cloud's store."""
        return [
            S3Location(bucket=entry.bucket, key=entry.prefix)
            if entry.service == "s3"
            else CloudLocation(service=entry.service, bucket=entry.bucket, key=entry.prefix)
            for entry in self.entries
            if isinstance(entry, PermittedBucket)
        ]

    def iam_statements(self, *, partition: str = "aws") -> list[dict[str, Any]]:
        """Return statements of an IAM policy that allow what this policy allows in S3, as plain JSON values.

        Objects may be read; listing is allowed because S3 answers 404 instead of 403 for a missing object only to those
        who may list. ``partition`` is that of the ARNs: ``aws``, ``aws-cn``.
        """
        return [
            statement
            for entry in self.entries
            if isinstance(entry, PermittedBucket) and entry.service == "s3"
            for statement in _statements(entry, f"arn:{partition}:s3:::{entry.bucket}")
        ]

    def _locate_file(self, path: str) -> FileLocation:
        if path.startswith("//"):
            raise _refused("path of another machine")
        entries = [entry for entry in self.entries if isinstance(entry, Directory | PermittedFile)]
        # First by the text alone, so that a path outside is not even looked at on disk.
        plain = os.path.normpath(path)
        if not any(_holds(entry, plain, place) for entry in entries for place in (entry.given, entry.real)):
            raise _refused(f"path {plain}")
        try:
            real = os.path.realpath(path)
        except OSError as error:  # a link was taken away while it was followed
            raise _refused(f"path {plain}: {error}") from None
        try:
            mode = os.stat(real).st_mode  # noqa: PTH116  this is the hot path: no Path objects
        except (FileNotFoundError, NotADirectoryError):
            mode = stat.S_IFREG  # nothing there: opening it will say so
        except OSError as error:
            raise _refused(f"path {plain}: {error}") from None
        if not any(_holds(entry, real, entry.real) for entry in entries):
            raise _refused(f"path {plain} leads to {real}")
        if not stat.S_ISREG(mode):
            raise _refused(f"path {real} is not a regular file")
        return FileLocation(path=real)

    def _locate_object(self, url: str) -> S3Location | CloudLocation:
        service, bucket, key = _bucket_and_key(url)
        if not key or key.endswith("/"):
            raise _not_a_location(f"{service}://bucket/key names an object")
        _check_segments(key)
        if "" in key.split("/"):
            raise _not_a_location("a key with an empty part between slashes is not supported")
        if len(key.encode()) > _LONGEST_KEY:
            raise _not_a_location("there are no keys as long as this")
        location: S3Location | CloudLocation
        if service == "s3":
            location = S3Location(bucket=bucket, key=key)
        else:
            location = CloudLocation(service=service, bucket=bucket, key=key)
        if any(_reach(entry, location) >= 0 for entry in self.entries):
            return location
        raise _refused(f"object {service}://{bucket}/{key}")

    def _locate_resource(self, url: str) -> HttpLocation:
        scheme, host, port, path, query = _pieces(url)
        location = HttpLocation(scheme=scheme, host=host, port=port, path=path, query=query, listed=True)
        if any(_reach(entry, location) >= 0 for entry in self.entries):
            return location
        if AnyPublicHost() in self.entries and scheme == "https" and port == _PORTS["https"] and _is_public(host):
            return HttpLocation(scheme=scheme, host=host, port=port, path=path, query=query, listed=False)
        raise _refused(f"resource {scheme}://{host}:{port}{path}")


def _reach(entry: Entry, location: Location) -> int:
    """Return the length of the prefix by which an entry names an object or a resource. -1: it does not."""
    if isinstance(entry, PermittedBucket) and isinstance(location, S3Location | CloudLocation):
        service = location.service if isinstance(location, CloudLocation) else "s3"
        if (entry.service, entry.bucket) == (service, location.bucket) and _is_under(location.key, entry.prefix):
            return len(entry.prefix)
    elif isinstance(entry, Host) and isinstance(location, HttpLocation):
        place = (location.scheme, location.host, location.port)
        if (entry.scheme, entry.host, entry.port) == place and _is_under(location.path, entry.path):
            return len(entry.path)
    return -1


def _entry(text: str, variable: str, check_directories: bool) -> Entry:
    try:
        _check_text(text)
        if text.startswith("/") or text.lower().startswith("file:"):
            return _on_disk(text if text.startswith("/") else _path_of_file_url(text), check_directories)
        if text.lower().startswith(("s3:", "gs:", "az:")):
            return _bucket(text)
        if text in {"https://*", "https://*/"}:
            return AnyPublicHost()
        if text.lower().startswith(("http:", "https:")):
            return _host(text)
    except (InvalidParameter, SourceRefused) as error:
        raise WrongSourcesError(text, error.private or error.detail, variable) from None
    except ValueError as error:
        raise WrongSourcesError(text, str(error), variable) from None
    raise WrongSourcesError(
        text,
        "is none of s3://bucket/prefix/ (or gs:, az:), https://host/path/, https://*, http://host:port/, /directory/",
        variable,
    )


def _on_disk(path: str, check: bool) -> Directory | PermittedFile:
    given, real = os.path.normpath(path), os.path.realpath(path)
    if path.startswith("//"):
        raise ValueError("begins with two slashes")
    if real in _NO_DIRECTORIES or any(_is_inside(real, folder) for folder in _NO_DIRECTORIES[1:]):
        raise ValueError("is not a folder of rasters")
    if check and os.path.isfile(real) and not path.endswith("/"):  # noqa: PTH113  real is text
        return PermittedFile(given=given, real=real)
    if check and not os.path.isdir(real):  # noqa: PTH112  the same
        raise ValueError("is not a directory or file on this machine")
    return Directory(given=given, real=real)


def _bucket(text: str) -> PermittedBucket:
    if any(sign in text for sign in "*?"):
        raise ValueError("has a wildcard: name each bucket, and a prefix as s3://bucket/prefix/")
    service, bucket, prefix = _bucket_and_key(text)
    _check_segments(prefix)
    if prefix and "" in prefix.removesuffix("/").split("/"):
        raise ValueError("has an empty part between slashes")
    return PermittedBucket(service=service, bucket=bucket, prefix=prefix)


def _host(text: str) -> Host:
    if "*" in text:
        raise ValueError("has a wildcard: only https://* (any public address) may have one")
    scheme, host, port, path, query = _pieces(text)
    if query or text.endswith("?"):
        raise ValueError("has a query")
    if _is_address(host) and not is_allowed(host, listed=True):
        raise ValueError("is an address that no source may have")
    return Host(scheme=scheme, host=host, port=port, path=path)


def _statements(entry: PermittedBucket, bucket: str) -> Iterable[dict[str, Any]]:
    folder = entry.prefix == "" or entry.prefix.endswith("/")
    inside = f"{entry.prefix}*" if folder else f"{entry.prefix}/*"
    resources = [f"{bucket}/{inside}"] if folder else [f"{bucket}/{entry.prefix}", f"{bucket}/{inside}"]
    yield {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": resources}
    listing: dict[str, Any] = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket]}
    if entry.prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [entry.prefix, inside]}}
    yield listing


def _check_text(text: str) -> None:
    if not text:
        raise _not_a_location("it is empty")
    if len(text) > LONGEST:
        raise _not_a_location(f"it is longer than {LONGEST} characters")
    if not text.isascii() or not text.isprintable():
        for character in text:
            if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
                raise _not_a_location("it has control characters")


def _path_of_file_url(url: str) -> str:
    if not url.lower().startswith("file:///"):
        raise _refused("file of another machine")
    try:
        path = unquote(url[len("file://") :], errors="strict")
    except UnicodeDecodeError:
        raise _not_a_location("its percent-encoding is broken") from None
    _check_text(path)
    return path


def without_gdal(url: str) -> str:
    """Return the address without the prefix by which GDAL names what reads it; other prefixes of GDAL stay, and are
    refused.

    Only whole addresses are taken: no options, and no prefix behind a prefix.
    """
    if url.startswith("/vsicurl/") and _HTTP.match(url, len("/vsicurl/")):
        return url[len("/vsicurl/") :]
    for prefix, scheme in (("/vsis3/", "s3://"), ("/vsigs/", "gs://"), ("/vsiaz/", "az://")):
        if url.startswith(prefix):
            return scheme + url[len(prefix) :]
    return url


def _bucket_and_key(url: str) -> tuple[Service, str, str]:
    service: Service
    match url[:5].lower():
        case "s3://":
            service = "s3"
        case "gs://":
            service = "gs"
        case "az://":
            service = "az"
        case _:
            raise _not_a_location("an object is named as s3://bucket/key")
    bucket, _, key = url[len("s3://") :].partition("/")
    if not _BUCKET[service].fullmatch(bucket) or ".." in bucket:
        raise _not_a_location("this is not the name of a bucket")
    return service, bucket, key


def _pieces(url: str) -> tuple[Literal["http", "https"], str, int, str, str]:
    """Return scheme, host, port, path and query of a URL, each in its one normal form."""
    whole = _HTTP.fullmatch(url)
    if whole is None or "\\" in url or "#" in url:
        raise _not_a_location("a resource is named as https://host/path")
    if "@" in whole[2]:
        raise _refused("user information in a URL")
    authority = _AUTHORITY.fullmatch(whole[2])
    if authority is None:
        raise _not_a_location("the host is to be written in plain ASCII letters, without percent-encoding")
    scheme: Literal["http", "https"] = "https" if whole[1].lower() == "https" else "http"
    host, port = _normal_host(authority[1]), int(authority[2] or _PORTS[scheme])
    if not 0 < port < 1 << 16:
        raise _not_a_location("there is no such port")
    path, query = _normal_path(whole[3]), _encoded(whole[4] or "")
    return scheme, host, port, path, query


def _normal_host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise _not_a_location("the host is not an address") from None
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _not_a_location("the host is not a name")
    # Resolvers take 127.1, 0x7f000001, 2130706433 and 0177.0.0.1 for addresses; only the usual spelling is one here.
    if _NUMBER.fullmatch(labels[-1]) and not _is_address(host):
        raise _refused(f"unusual spelling of an address: {host}")
    return host


def _normal_path(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise _not_a_location("its percent-encoding is broken")
    _check_segments(text)
    return _encoded(text) or "/"


def _encoded(text: str) -> str:
    """Return the text with everything percent-encoded that may not stand in a request line as it is."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="/?:@!$&'()*+,;=-._~%[]")


def _check_segments(path: str) -> None:
    """Check that no part between slashes is ``.`` or ``..``, however often they are percent-encoded.

    A server may decode them, and the prefix that was compared would not be the one that is read.
    """
    for _ in range(3):
        for segment in re.split(r"[/\\]", path):
            if segment.partition(";")[0] in {".", ".."}:
                raise _refused("a path that climbs")
        decoded = unquote(path)
        if decoded == path:
            return
        if any(unicodedata.category(character) == "Cc" for character in decoded):
            raise _not_a_location("it has control characters")
        path = decoded
    raise _refused("a path encoded again and again")


def _holds(entry: Directory | PermittedFile, path: str, place: str) -> bool:
    """Return whether a path is in the entry, for which ``place`` stands: its own path, or the one where links lead."""
    return path == place if isinstance(entry, PermittedFile) else _is_inside(path, place)


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _is_under(name: str, prefix: str) -> bool:
    """Return whether the name is in the folder; for a prefix without a slash at its end also whether it is that very
    name.
    """
    if prefix == "" or prefix.endswith("/"):
        return name.startswith(prefix)
    return name == prefix or name.startswith(f"{prefix}/")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(host: str) -> bool:
    """Return whether the name may belong to a public host; what it resolves to is checked when it is connected to."""
    if _is_address(host):
        return is_allowed(host, listed=False)
    return "." in host and not host.endswith((".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet"))


def _refused(private: str) -> SourceRefused:
    return SourceRefused("This source is not among those that may be read.", parameter="url", private=private)


def _not_a_location(reason: str) -> InvalidParameter:
    return InvalidParameter(f"This is not the address of a source: {reason}.", parameter="url")

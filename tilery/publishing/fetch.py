"""A remote raster brought here, because publishing reads every byte of it about once anyway.

What was fetched before an interruption is kept, as long as the object has not changed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tilery.errors import CatalogError, InvalidParameter, SourceError, StoreFull
from tilery.publishing.progress import Advance
from tilery.storage import file_errors
from tilery.storage.options import StoreOptions
from tilery.storage.policy import without_secrets

if TYPE_CHECKING:
    from tilery.storage.bytes import ByteSource

_BUCKETS = ("s3://", "gs://", "az://")
_PART = 8 << 20
_AT_A_TIME = 4
_SPARE = 256 << 20
"""Bytes to be left on the disk for what follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSource:
    """Where the raster to publish is."""

    address: str
    """As the publisher wrote it."""
    identity: str
    size: int
    path: Path | None
    """Of a local file."""
    stores: StoreOptions = field(default_factory=StoreOptions, compare=False)
    """How its store is reached."""

    @property
    def name(self) -> str:
        """The last part of the address, for titles and file names."""
        return name_of(self.address)


def name_of(address: str) -> str:
    """Return the last part of an address, without a query."""
    if address.startswith(_BUCKETS):  # a key has no query and no percent-encoding
        return Path(address).name
    return Path(unquote(urlsplit(address).path) if "://" in address else address).name


def is_remote(address: str) -> bool:
    """True for ``https://``, ``http://``, ``s3://``, ``gs://`` and ``az://``."""
    return address.startswith(("https://", "http://", *_BUCKETS))


def origin(address: str, stores: StoreOptions) -> PublishedSource:
    """Return what is at an address.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError: it cannot be reached.
        InvalidParameter: it is an address of a kind that nothing is fetched from.
    """
    if is_remote(address):
        source = _opened(address, stores)
        try:
            return PublishedSource(
                address=address, identity=source.identity, size=source.size, path=None, stores=stores
            )
        finally:
            source.close()
    from tilery.errors import SourceNotFound
    from tilery.publishing.rasters import identity

    path = Path(address.removeprefix("file://")).expanduser().absolute()
    if not path.exists():
        if "://" in address and not address.startswith("file://"):
            told = without_secrets(address)
            raise InvalidParameter(f"'{told}' is no file, s3://bucket/key (gs://, az://) or https://host/path.")
        raise SourceNotFound("There is no such file.", private=str(path))
    return PublishedSource(address=str(path), identity=identity(path), size=path.stat().st_size, path=path)


def fetch(found: PublishedSource, target: Path, advance: Advance) -> None:
    """Fetch the whole object to ``target``.

    Raises:
        SourceError: the object was replaced meanwhile.
        StoreFull: it does not fit.
    """
    from tilery.storage.bytes import SourceChanged

    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size // _PART * _PART if part.exists() else 0
    if shutil.disk_usage(target.parent).free < found.size - have + _SPARE:
        raise StoreFull(f"There is not enough room here for the source's {found.size >> 20} MB; give another --work.")
    source = _opened(found.address, found.stores)
    try:
        _need(source.identity == found.identity)
        with part.open("ab") as file, ThreadPoolExecutor(_AT_A_TIME) as pool:
            file.truncate(have)
            advance(have)
            starts = range(have, found.size, _PART)
            for at in range(0, len(starts), _AT_A_TIME):
                group = [(start, min(_PART, found.size - start)) for start in starts[at : at + _AT_A_TIME]]
                for chunk in pool.map(lambda piece: source.read(*piece), group):
                    file.write(chunk)
                    advance(len(chunk))
        _need(part.stat().st_size == found.size)
    except SourceChanged:
        part.unlink(missing_ok=True)
        raise SourceError("The source changed while it was fetched; publish again.") from None
    except OSError as error:
        kind = StoreFull if error.errno in file_errors.FULL else CatalogError
        said = file_errors.sentence(error.errno, place="The folder to work in").rstrip(".")
        raise kind(f"{said}; give another --work.", private=str(error)) from error
    finally:
        source.close()
    part.replace(target)


def _need(same: bool) -> None:
    from tilery.storage.bytes import SourceChanged

    if not same:
        raise SourceChanged


def check_unchanged(found: PublishedSource) -> None:
    """Check that the local file is the one that was there at the beginning.

    Raises:
        SourceError: somebody wrote to it while it was read.
    """
    from tilery.publishing.rasters import identity

    if found.path is not None and (not found.path.exists() or identity(found.path) != found.identity):
        raise SourceError("The source changed while it was read; publish again.")


@contextmanager
def opened(address: str, stores: StoreOptions) -> Iterator[ByteSource]:
    """The object while it is open."""
    source = _opened(address, stores)
    try:
        yield source
    finally:
        source.close()


def _opened(address: str, stores: StoreOptions) -> ByteSource:
    """Return the object, opened by the service's own reader. The publisher named it, so its bucket or host is the list
    of sources: its name may have signs that an entry of the list cannot have. A host that redirects may do so to any
    public one.
    """
    from tilery.storage.policy import Policy, WrongSourcesError
    from tilery.storage.stores import Stores

    whole = re.match(r"[a-z0-9]+://[^/?#]*", address)
    try:
        policy = Policy.from_sources([f"{whole[0]}/" if whole else address])
    except WrongSourcesError as error:
        raise InvalidParameter("This is not the address of a source.", parameter="source", private=str(error)) from None
    anywhere = Policy(entries=(*policy.entries, *Policy.from_sources(["https://*"]).entries))
    return Stores(stores, anywhere.locate).open(policy.locate(address))

"""Where documents, rasters and finished tiles are kept: a directory or a bucket, behind one protocol."""

from __future__ import annotations

from tilery.storage.objects.protocol import Blob, Entry, Store
from tilery.storage.options import StoreOptions

__all__ = ["Blob", "Entry", "Store", "open_store"]


def open_store(address: str, options: StoreOptions | None = None, *, patient: bool = True) -> Store:
    """Return the store at an address: ``s3://bucket/prefix/`` or a directory.

    Args:
        address: where it is.
        options: how S3 is reached.
        patient: wait and try again, and see to it that what is written survives a power failure. Not so for tiles,
            which are soon made again.

    Raises:
        InvalidParameter: another scheme.
    """
    if address.startswith("s3://"):
        from tilery.storage.objects.s3 import S3Store

        return S3Store.at(address, options or StoreOptions(), patient=patient)
    if "://" in address:
        from tilery.errors import InvalidParameter

        raise InvalidParameter("A store is a directory or s3://bucket/prefix/.", parameter="address")
    from tilery.storage.objects.directory import DirectoryStore

    return DirectoryStore.at(address, durable=patient)

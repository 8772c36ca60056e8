"""Bytes of sources: files, objects in S3, resources of HTTP servers, all behind one protocol.

`tilery.storage.stores.Stores` gives a `ByteSource` for a location that the policy has agreed to; `file_object` makes
one look like a file.
"""

from tilery.storage.bytes.file_object import SourceFile, file_object
from tilery.storage.bytes.protocol import ByteSource, SourceChanged

__all__ = ["ByteSource", "SourceChanged", "SourceFile", "file_object"]

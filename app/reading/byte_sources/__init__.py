"""Bytes of sources: files, objects in S3, resources of HTTP servers, all behind one protocol.

`open_source` gives a `ByteSource` for a location that the policy has agreed to; `file_object` makes one look like a
file.
"""

from app.reading.byte_sources.file_object import SourceFile, file_object
from app.reading.byte_sources.opening import open_source
from app.reading.byte_sources.protocol import ByteSource, SourceChanged

__all__ = ["ByteSource", "SourceChanged", "SourceFile", "file_object", "open_source"]

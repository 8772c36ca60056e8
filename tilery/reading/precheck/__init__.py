"""What a file's header asks of GDAL, looked at before GDAL is given the file.

GDAL and its libraries believe a header: they follow every directory, keep every tag, and some codecs decode a whole
image for one pixel of it. Whoever wrote the file would so decide on time and memory of this process, and GDAL cannot be
interrupted. So the header is walked here first, without keeping anything of it: what is beyond any honest raster is
refused, and what the codec decodes at the least is told, for the budget of each request.
"""

from __future__ import annotations

from tilery.reading.precheck import jp2, pictures, tiff
from tilery.reading.precheck.minimum_memory import NOTHING, MinimumMemory
from tilery.storage.bytes.file_object import SourceFile

_OF_DRIVER = {"GTiff": tiff.check, "JPEG": pictures.jpeg, "PNG": pictures.png, "JP2OpenJPEG": jp2.check}

__all__ = ["MinimumMemory", "check"]


def check(file: SourceFile, driver: str) -> MinimumMemory:
    """Return what reading the file with a driver of GDAL takes at the least. A damaged header is left for GDAL to
    judge.

    Raises:
        UnsupportedRaster: the header is larger than that of any honest raster.
        SourceChanged, TileryError: it could not be read.
    """
    return _OF_DRIVER[driver](file) or NOTHING

"""Overviews, masks and names of classes in files beside a raster, which are read only where the operator wants it.

GDAL would open such a file by its name, with whatever driver it finds. Here the policy says which files may be read,
each is held open and looked at as a raster of its own, and GDAL reads their bytes through us: no link or description
under such a name leads elsewhere, and those of remote rasters count as those of local ones do. Of descriptions it sees
nothing: `tilery.reading.class_names` reads what counts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tilery.errors import BrokenRaster, SourceDenied, SourceError, SourceNotFound, SourceRefused, TileryError
from tilery.reading import class_names
from tilery.reading.precheck import MinimumMemory
from tilery.storage.bytes.protocol import ByteSource
from tilery.storage.locations import FileLocation, HttpLocation, Location
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

SUFFIXES = (".ovr", ".msk")
"""Behind the raster's own name."""
_OF_MASK = ".msk.ovr"
"""Where GDAL puts the overviews of a mask beside a raster."""
DESCRIPTION = ".aux.xml"
"""Where GDAL puts what a raster cannot say itself."""
SidecarLocations = Callable[[Location], Sequence[Location]]
"""What tells where the files beside a raster may be."""
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A file beside a raster, open."""

    suffix: str
    source: ByteSource
    minimum_memory: MinimumMemory


def allowed(location: Location, policies: Sequence[Policy]) -> tuple[Location, ...]:
    """Return where files beside a raster may be read, by the first policy that allows the raster itself."""
    if isinstance(location, HttpLocation) and location.query:
        return ()  # a signature is for one object alone
    for policy in policies:
        with suppress(TileryError):
            policy.locate(location.url)
            found = []
            for suffix in (*SUFFIXES, _OF_MASK, DESCRIPTION):
                with suppress(TileryError):
                    found.append(policy.locate(location.url + suffix))
            return tuple(found)
    return ()


def local(location: Location) -> tuple[Location, ...]:
    """Return where files beside a raster of this machine may be, for whoever asks no policy. Beside others: nowhere."""
    if not isinstance(location, FileLocation):
        return ()
    return tuple(FileLocation(path=location.path + suffix) for suffix in (*SUFFIXES, _OF_MASK))


def opened(locations: Sequence[Location], stores: Stores) -> tuple[Sidecar, ...]:
    """Return those of the files that are there. What is no TIFF, as a server's page of errors, is none of them.

    Raises:
        BrokenRaster: one cannot be read as a raster.
        UpstreamError: the store failed to say whether there is one.
    """
    found: list[Sidecar] = []
    try:
        for location in locations:
            if suffix_of(location) == DESCRIPTION:
                continue
            if suffix_of(location) == _OF_MASK and all(one.suffix != ".msk" for one in found):
                continue
            found.extend(_opened(location, stores))
    except BaseException:
        close(found)
        raise
    return tuple(found)


def description(locations: Sequence[Location], stores: Stores) -> ByteSource | None:
    """Return the description that is there, open. None: there is none, or it is longer than is read.

    Raises:
        UpstreamError: the store failed to say whether there is one.
    """
    for location in locations:
        if suffix_of(location) == DESCRIPTION:
            try:
                source = stores.open(location)
            except (SourceDenied, SourceNotFound, SourceRefused):
                return None
            if source.size <= class_names.MOST_BYTES:
                return source
            source.close()
    return None


def close(sidecars: Sequence[Sidecar]) -> None:
    """Close the files."""
    for sidecar in sidecars:
        sidecar.source.close()


def _opened(location: Location, stores: Stores) -> tuple[Sidecar, ...]:
    from tilery.reading.gdal_handle import Handle

    try:
        source = stores.open(location)
    except (SourceDenied, SourceNotFound, SourceRefused):
        return ()
    try:
        if source.read(0, 4) not in _TIFF:
            source.close()
            return ()
        handle = Handle(source)  # refuses what a raster of its own may not be, other files for overviews among it
        handle.close()
    except SourceError as error:
        source.close()
        raise BrokenRaster(
            f"The file {suffix_of(location)} beside the raster cannot be read.", parameter="url", private=str(error)
        ) from None
    except BaseException:
        source.close()
        raise
    return (Sidecar(suffix=suffix_of(location), source=source, minimum_memory=handle.minimum_memory),)


def suffix_of(location: Location) -> str:
    """Return which of the suffixes a location ends with."""
    name = location.url.partition("?")[0]
    return next(suffix for suffix in (_OF_MASK, *SUFFIXES, DESCRIPTION) if name.endswith(suffix))


def lying(locations: tuple[Location, ...], stores: Stores) -> list[str]:
    """Return the names' ends of those files that are there. Asks the store, so it waits."""
    found = []
    for location in locations:
        if isinstance(location, FileLocation):
            there = Path(location.path).is_file()
        else:
            try:
                stores.open(location).close()
                there = True
            except TileryError:
                there = False  # or not for us to know
        if there:
            found.append(suffix_of(location))
    return found

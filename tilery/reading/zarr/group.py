"""A group of a store, open: its metadata, its variables, and the coordinates that several of them have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tilery.errors import NotARaster, NotFound, SourceNotFound, TileryError, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Grid
from tilery.limits import memory
from tilery.reading.dataset import Resources
from tilery.reading.grid_reader import GridReader
from tilery.reading.profile import Profile
from tilery.reading.source import Source
from tilery.reading.zarr import codecs, coordinates
from tilery.reading.zarr.chunks import Shards
from tilery.reading.zarr.metadata import ArrayMetadata, of_v2, of_v3
from tilery.reading.zarr.source import base
from tilery.reading.zarr.stored import PARSED, Json, StoredObjects, clean, document, joined
from tilery.storage.bytes.protocol import ByteSource, identity_of
from tilery.storage.locations import FileLocation

MOST_VARIABLES = 1024
"""Variables of a group that are listed."""
_MOST_VALUES = 16 << 20
"""Bytes of the coordinates of a group that are kept."""
_HDF5, _CDF = b"\x89HDF\r\n\x1a\n", b"CDF"


class VariableNotFound(NotFound):
    """The group has no such variable."""

    code = "variable_not_found"


class GroupNotFound(NotFound):
    """The store has no such group."""

    code = "group_not_found"


class Group:
    """A group of a store, which is a `tilery.reading.dataset.Dataset` without pixels. Safe under threads."""

    identity_for: Callable[[Grid], str] | None = None
    """Its metadata are one whole."""
    profile = Profile(
        driver="Zarr",
        width=1,
        height=1,
        count=1,
        dtypes=("uint8",),
        crs=crs_.WGS84,
        transform=(360.0, 0.0, -180.0, 0.0, -180.0, 90.0),
        nodata=None,
        colorinterp=("undefined",),
        has_mask=False,
        scales=(1.0,),
        offsets=(0.0,),
        descriptions=(None,),
        overviews=(),
        block_shapes=((1, 1),),
        palette=None,
        band_tags=({},),
    )
    """The world, for want of a place of its own."""

    def __init__(self, engine: Resources, source: Source) -> None:
        """Read the metadata of a group.

        Raises:
            GroupNotFound: there is none of that path.
            SourceNotFound: there is no store.
            SourceError, UpstreamError: it cannot be read.
        """
        options = dict(source.selection)
        self.objects = StoredObjects(engine, source.location)
        self.shards = Shards(self.objects)
        self.path = clean(options["group"] or "", "group")
        self.decode_times: bool = options["decode_times"]
        self._lock = threading.Lock()
        self._sources: list[ByteSource] = []
        self._arrays: dict[str, ArrayMetadata] = {}
        self._values: dict[tuple[str, bool], Array] = {}
        self._consolidated: Json | None = None
        """Documents by their keys, where one object holds all of them."""
        self._held = 0
        self.attributes: Json = {}
        self.version = 3
        self._open(source)
        self._seconds = engine.chunk_seconds
        self._turn = self._present_turn()
        turn = (self._turn,) if self._seconds else ()
        self.identity = identity_of("zarr", self.objects.base, self.path, *(s.identity for s in self._sources), *turn)

    def _open(self, source: Source) -> None:
        found = self.objects.open_some([joined(self.path, name) for name in ("zarr.json", ".zmetadata")])
        if found[0] is not None:
            self._opened_v3(found[0])
            return
        if found[1] is not None:
            self._sources.append(found[1])
            self.version = 2
            documents = document(found[1]).get("metadata")
            self._consolidated = documents if isinstance(documents, dict) else {}
            self.attributes = _dict(self._consolidated.get(".zattrs"))
            return
        keys = [joined(self.path, name) for name in (".zgroup", ".zattrs")]
        group, attributes = self.objects.open_some(keys)
        if group is not None:
            self.version = 2
            self._sources += [one for one in (group, attributes) if one is not None]
            self.attributes = document(attributes) if attributes is not None else {}
            return
        if self.path and Group(self.objects.engine, _root(source)).version:
            raise GroupNotFound(f"The store has no group {self.path[:64]!r}.", parameter="group")
        raise _what_it_is(self.objects, source)

    def _opened_v3(self, opened: ByteSource) -> None:
        self._sources.append(opened)
        said = document(opened)
        if said.get("node_type") == "array":
            raise NotARaster("This is an array of a Zarr store: give the address of its group.", parameter="url")
        self.attributes = _dict(said.get("attributes"))
        consolidated = _dict(said.get("consolidated_metadata")).get("metadata")
        self._consolidated = consolidated if isinstance(consolidated, dict) else None

    def array(self, name: str) -> ArrayMetadata:
        """Return the array of a name, or of a path below this group.

        Raises:
            VariableNotFound: there is none.
        """
        found = self.find(name)
        if found is None:
            raise VariableNotFound(f"The group has no variable {name[:64]!r}.{self._known()}", parameter="variable")
        return found

    def find(self, name: str) -> ArrayMetadata | None:
        """Return the array of a name; None where there is none."""
        path = clean(name, "variable")
        with self._lock:
            known = self._arrays.get(path)
        if known is None:
            known = self._array(path)
            if known is not None:
                with self._lock:
                    if len(self._arrays) < MOST_VARIABLES:
                        self._arrays[path] = known
        return known

    def _known(self) -> str:
        try:
            names = self.names()
        except TileryError:
            return ""
        return f" It has: {', '.join(name[:64] for name in names[:32])}." if names else ""

    def _array(self, path: str) -> ArrayMetadata | None:
        if not path:
            return None
        whole = joined(self.path, path)
        if self._consolidated is not None:
            if self.version == 3:
                said = self._consolidated.get(path)
                return of_v3(whole, said) if isinstance(said, dict) and said.get("node_type") == "array" else None
            said = self._consolidated.get(f"{path}/.zarray")
            attributes = _dict(self._consolidated.get(f"{path}/.zattrs"))
            return of_v2(whole, said, attributes) if isinstance(said, dict) else None
        if self.version == 3:
            opened = self.objects.open(joined(whole, "zarr.json"))
            if opened is None:
                return None
            self._make_room(opened)
            said = document(opened)
            self._watch(opened)
            return of_v3(whole, said) if said.get("node_type") == "array" else None
        opened, beside = self.objects.open_some([joined(whole, ".zarray"), joined(whole, ".zattrs")])
        if opened is None:
            return None
        self._make_room(opened, beside)
        self._watch(opened, beside)
        return of_v2(whole, document(opened), document(beside) if beside is not None else {})

    def _make_room(self, *sources: ByteSource | None) -> None:
        """Have memory for documents beside those that are held: each alone may be small enough, and all not."""
        memory.need(self.held_bytes + PARSED * sum(one.size for one in sources if one is not None))

    def _watch(self, *sources: ByteSource | None) -> None:
        with self._lock:
            if len(self._sources) < MOST_VARIABLES:
                self._sources += [one for one in sources if one is not None]

    def names(self) -> list[str]:
        """Return the names of the arrays of the group.

        Raises:
            UnsupportedRaster: the store does not say.
        """
        if self._consolidated is not None:
            if self.version == 3:
                found = [name for name, said in self._consolidated.items() if _dict(said).get("node_type") == "array"]
            else:
                found = [key.removesuffix("/.zarray") for key in self._consolidated if key.endswith("/.zarray")]
            return [name for name in found if "/" not in name][:MOST_VARIABLES]
        if not self.objects.is_local:
            raise UnsupportedRaster(
                "The store has no consolidated metadata, without which nothing lists its variables from here: name "
                "one by variable=…, or write them with zarr.consolidate_metadata.",
                parameter="url",
            )
        return self._listed()

    def _listed(self) -> list[str]:
        """Return the arrays in a folder, each of which the policy has to allow by itself when it is read."""
        location = self.objects.locate(joined(self.path, "zarr.json"))
        if not isinstance(location, FileLocation):
            raise TypeError("not a file")
        marker = "zarr.json" if self.version == 3 else ".zarray"
        folder = Path(location.path).parent
        names = sorted(one.name for one in folder.iterdir() if one.is_dir() and (one / marker).is_file())
        return [name for name in names[:MOST_VARIABLES] if self.find(name) is not None]

    def values(self, array: ArrayMetadata, *, times: bool | None = None) -> Array:
        """Return the values of a coordinate, which are kept: moments where its attributes say so.

        Args:
            array: it.
            times: whether moments are made of numbers. None: as this group was asked for.
        """
        wanted = self.decode_times if times is None else times
        with self._lock:
            known = self._values.get((array.path, wanted))
        if known is None:
            elements = coordinates.read(self.objects, self.shards, array)
            known = coordinates.decoded(array, elements, times=wanted)
            size = coordinates.bytes_of(known)
            with self._lock:
                if self._held + size <= _MOST_VALUES:
                    self._held += size
                    self._values[(array.path, wanted)] = known
        return known

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that it holds: of its documents, and of the coordinates that are kept."""
        return self._held + PARSED * sum(one.size for one in tuple(self._sources))

    def reader_for(self, method: str) -> GridReader:  # noqa: ARG002 - one of several
        """Refuse: nobody said which variable."""
        raise UnsupportedRaster("Pixels are those of a variable: name one.", parameter="variable")

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:  # noqa: ARG002 - one of several
        """Refuse: it is no raster."""
        raise UnsupportedRaster("A Zarr store is no raster that GDAL opens here.")

    def unchanged(self) -> bool:
        """Return whether the metadata still are what was opened, as far as that costs no request, and chunks are not
        to be read anew.
        """
        if self._turn != self._present_turn():
            return False
        return all(one.local_path is None or one.refresh() for one in tuple(self._sources))

    def _present_turn(self) -> int:
        """Return the number of the stretch of time in which chunks stay: by the clock, the same for all workers."""
        return int(time.time() // self._seconds) if self._seconds else 0

    def refresh(self) -> bool:
        """Return whether the metadata still are what was opened."""
        return self._turn == self._present_turn() and all(one.refresh() for one in tuple(self._sources))

    def close(self) -> None:
        """Close the metadata documents."""
        for one in tuple(self._sources):
            one.close()


def _root(source: Source) -> Source:
    return Source(kind=source.kind, locations=source.locations, selection=(("group", None), ("decode_times", True)))


def _dict(found: Any) -> Json:
    return found if isinstance(found, dict) else {}


def _what_it_is(objects: StoredObjects, source: Source) -> TileryError:
    """Return the error that says what lies at the address, where it is no store."""
    try:
        opened = objects.engine.stores.open(objects.engine.locate(base(source.location)))
    except TileryError:
        return SourceNotFound("There is no Zarr store at this address.", parameter="url")
    head = opened.read(0, 8)
    opened.close()
    if head == _HDF5 or head[:3] == _CDF:
        return UnsupportedRaster(
            "This is a NetCDF or HDF5 file, which is not read as Zarr. Convert it, or make it a Cloud-Optimized "
            "GeoTIFF for /cog.",
            parameter="url",
        )
    return NotARaster(
        "This is a file and no Zarr store. References to chunks of other files (Kerchunk, Icechunk) are not read.",
        parameter="url",
    )


def open_group(engine: Resources, source: Source) -> Group:
    """Open a group.

    Raises:
        SourceError, UpstreamError, NotFound: it cannot be opened.
    """
    codecs.need_packages()
    return Group(engine, source)

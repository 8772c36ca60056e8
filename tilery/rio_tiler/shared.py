"""The engine that readers share, and the rasters that readers open in it."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tilery.engine import Engine, EngineOptions
from tilery.errors import TileryError
from tilery.reading import sidecars
from tilery.reading.profile import Profile
from tilery.reading.reader import Reader as Verbs
from tilery.reading.source import Source, raster
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.locations import FileLocation, Location
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy, WrongSourcesError

_T = TypeVar("_T")


class _Default:
    """The engine of whoever brings none: one for a process, made at its first use and closed at exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._process = os.getpid()
        atexit.register(self._close)

    def get(self) -> Engine:
        """Return the engine of this process; a forked one has its own."""
        if self._process != os.getpid():
            self._lock, self._engine, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._engine is None:
                anywhere = Policy.from_sources(["https://*"])  # whereto a server may redirect
                self._engine = Engine(EngineOptions(stores=stores_of(os.environ), sidecars=_sidecars, policy=anywhere))
            return self._engine

    def _close(self) -> None:
        """Close the engine, unless it is that of the process that this one was forked from."""
        if self._engine is not None and self._process == os.getpid():
            self._engine.close()


_DEFAULT = _Default()


def default_engine() -> Engine:
    """Return the engine that readers share which were given none, as to look at it or to `forget` what it has open."""
    return _DEFAULT.get()


def stores_of(variables: Mapping[str, str]) -> StoreOptions:
    """Return how stores are reached as these variables have it, by the names that GDAL and AWS's own tools know."""
    endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
    if not endpoint and (host := variables.get("AWS_S3_ENDPOINT")):
        plain = variables.get("AWS_HTTPS", "").upper() in ("NO", "FALSE", "OFF", "0")
        endpoint = host if "://" in host else f"{'http' if plain else 'https'}://{host}"
    return StoreOptions(
        s3_endpoint=endpoint or None,
        s3_anonymous=variables.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "ON", "1"),
        aws={name: value for name, value in variables.items() if name.startswith("AWS_")},
    )


def _sidecars(location: Location) -> Sequence[Location]:
    """Return where overviews and masks beside a raster may be: nowhere while GDAL's variable says so."""
    alone = os.environ.get("GDAL_DISABLE_READDIR_ON_OPEN", "").upper() == "EMPTY_DIR"
    return () if alone else sidecars.local(location)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRaster:
    """What a reader knows of a raster that the engine reads."""

    engine: Engine
    source: Source
    identity: str
    profile: Profile


def through(engine: Engine, source: Source, read: Callable[[Verbs], _T]) -> _T:
    """Return what is read of a source; anew where it was replaced since it was opened."""
    try:
        with engine.open(source) as verbs:
            return read(verbs)
    except SourceChanged:
        with engine.open(source) as verbs:
            return read(verbs)


def open_(name: Any, engine: Engine | None) -> OpenRaster | None:
    """Open the raster of that name in an engine. None: rio-tiler has to read it."""
    try:
        source = raster(located(os.fspath(name)))
        engine = engine or default_engine()
        if engine.sidecars is not None and engine.sidecars(source.location) and _is_described_beside(source.location):
            return None
        profile, identity = through(engine, source, lambda verbs: (verbs.profile, verbs.identity))
    except (TileryError, SourceChanged, WrongSourcesError, TypeError, OSError):
        return None
    # rio-tiler straightens what control points place, and takes rotation and heights in its own way.
    plain = profile.crs is not None and profile.north_up and not profile.gcps and not profile.compound
    if not plain or profile.dtype.kind == "c":
        return None
    return OpenRaster(engine=engine, source=source, identity=identity, profile=profile)


def _is_described_beside(location: Location) -> bool:
    """Return whether a file beside a raster says what the engine does not read there: GDAL's metadata, a place on the
    Earth, or another file's name.
    """
    if not isinstance(location, FileLocation):
        return False
    path = Path(location.path)
    suffix = path.suffix
    worlds = {".wld", f"{suffix}w", f"{suffix[:2]}{suffix[-1]}w"} if len(suffix) > 2 else {".wld"}
    found = [path.with_name(f"{path.name}.aux.xml"), *(path.with_suffix(world) for world in worlds)]
    links = [Path(f"{location.path}{end}") for end in sidecars.SUFFIXES]
    return any(map(Path.exists, found)) or any(map(Path.is_symlink, links))


def located(name: str) -> Location:
    """Return where the source is. Whoever calls a library names its sources: the policy is made of the name."""
    parts = urlsplit(name)
    if parts.scheme in ("s3", "http", "https") and parts.netloc:
        return Policy.from_sources([f"{parts.scheme}://{parts.netloc}/"]).locate(name)
    path = Path(name.removeprefix("file://")).resolve()
    return Policy.from_sources([f"{path.parent}/"]).locate(str(path))

"""What the PATHs of ``tilery serve`` name: entries of the sources, and the rasters that can be looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlsplit

from app.config import checks, settings
from app.config.engine_options import engine_options, store_options
from app.config.settings import Settings
from tilery.errors import InvalidParameter, SourceError, SourceNotFound, TileryError, UnsupportedRaster
from tilery.reading import browsing
from tilery.storage.policy import Policy, WrongSourcesError

SHOWN = 12
"""Rasters whose pages are told at most."""
_ONE_SLASH = re.compile(r"(s3|gs|az|https?):/([^/].*)")
_LOOKED_AT = 10_000
"""Files of a folder that are looked at to find them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What one PATH names."""

    entry: str
    """Of the setting ``sources``."""
    rasters: tuple[str, ...] = ()
    """Addresses of rasters, the first of them."""
    is_raster: bool = False
    """Whether it names one raster, and no folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is served, and what a person may look at first."""

    sources: tuple[str, ...]
    rasters: tuple[str, ...]
    more: bool
    """Whether there are more rasters than these."""

    @property
    def page(self) -> str:
        """Path of the page to open: that of the first raster, else the one that everything is reached from."""
        return viewer(self.rasters[0]) if self.rasters else "/"


def viewer(address: str) -> str:
    """Return the path of the page that shows a raster."""
    return f"/cog/viewer?url={quote(address, safe='/:')}"


def opening(paths: Sequence[str]) -> Opening:
    """Return what the PATHs name.

    Raises:
        TileryError: one names nothing that can be served; the text says why.
    """
    found = [named(path) for path in paths]
    sources = tuple(dict.fromkeys(one.entry for one in found))
    rasters = tuple(dict.fromkeys(address for one in found for address in one.rasters))
    if len(found) == 1 and found[0].is_raster:
        _need_raster(rasters[0], sources)
    return Opening(sources=sources, rasters=rasters[:SHOWN], more=len(rasters) > SHOWN)


def named(path: str) -> Named:
    """Return what one PATH names.

    Raises:
        TileryError: it is not there, or of no kind that may be served.
    """
    scheme = urlsplit(path).scheme if "://" in path else ""
    if scheme in ("s3", "gs", "az", "http", "https"):
        return _remote(path)
    if scheme not in ("", "file"):
        raise InvalidParameter(f"'{path}' is no file, folder, s3://bucket/prefix/ (gs://, az://) or https://host/path.")
    return _local(path)


def _local(path: str) -> Named:
    place = Path(os.path.abspath(Path(path.removeprefix("file://")).expanduser()))  # noqa: PTH100 (links stay)
    if not place.exists():
        if slashed := _ONE_SLASH.match(path):
            raise InvalidParameter(f"'{path}' has one slash where two are meant: {slashed[1]}://{slashed[2]}.")
        raise SourceNotFound(_sentence(checks.absent(place)))
    if place.is_file():
        if not os.access(place, os.R_OK):
            raise SourceError(f"This user may not read '{place}'.")
        _need_allowed(str(place))
        return Named(entry=str(place), rasters=(str(place),), is_raster=True)
    if not place.is_dir():
        raise SourceError(f"'{place}' is neither a file nor a folder.")
    if not os.access(place, os.R_OK | os.X_OK):
        raise SourceError(f"This user may not read '{place}'.")
    entry = f"{place}/" if place.parent != place else str(place)
    policy = _need_allowed(entry)
    return Named(entry=entry, rasters=tuple(islice(_below(place, policy), SHOWN + 1)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _below(folder: Path, policy: Policy) -> Iterator[str]:
    """Yield files below a folder that are named as rasters are, by name; those of a large folder that come first."""
    seen = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if browsing.is_raster(name) and not name.startswith(".") and name.isprintable():
                with suppress(TileryError):  # a link that leads elsewhere
                    policy.locate(str(Path(place, name)))
                    yield str(Path(place, name))
        seen += len(names)
        if seen > _LOOKED_AT:
            return


def _need_allowed(entry: str) -> Policy:
    try:
        return Policy.from_sources([entry])
    except WrongSourcesError as error:
        raise InvalidParameter(_sentence(checks.refusal(error))) from None


def _remote(address: str) -> Named:
    is_object = address.startswith(("s3://", "gs://", "az://"))
    entry = address if is_object else address.partition("?")[0]  # what signs it is no part of it
    policy = _need_allowed(entry)
    if entry.endswith(("/", "*")) or "/" not in entry.partition("://")[2]:
        return Named(entry=entry)
    from tilery.storage.stores import Stores

    stores = Stores(store_options(settings.get()))
    try:
        stores.open(policy.locate(address)).close()
    except SourceNotFound as error:
        if address.startswith("s3://") and _is_prefix(f"{address}/"):
            return Named(entry=f"{address}/")
        said = f"There is nothing at {entry}; a folder's address ends with a slash."
        raise SourceNotFound(said, private=error.private) from None
    except TileryError as error:
        raise type(error)(f"{entry}: {error.detail}", private=error.private) from None
    finally:
        stores.close()
    return Named(entry=entry, rasters=(address,), is_raster=True)


def _is_prefix(address: str) -> bool:
    """Return whether there are objects below an address."""
    from tilery.storage.objects import open_store

    try:
        return next(iter(open_store(address, store_options(settings.get()), patient=False).entries()), None) is not None
    except TileryError:
        return False


def _need_raster(address: str, sources: tuple[str, ...]) -> None:
    """Check that the only thing to be served is a raster that can be shown.

    Raises:
        SourceError: it is not.
    """
    from tilery.engine import Engine
    from tilery.reading.source import raster

    chosen = engine_options(Settings(sources=sources, catalog=None))
    name = address.partition("?")[0].rpartition("/")[2]
    with Engine(chosen) as engine:
        try:
            with engine.open(raster(engine.locate(address))) as reader:
                placed = reader.profile.crs is not None
        except SourceError as error:
            raise type(error)(f"{name}: {error.detail}", private=error.private) from None
    if not placed:
        raise UnsupportedRaster(
            f"{name} does not say where it is, so no map can show it; 'tilery publish' takes --crs and --bounds."
        )

"""An object that somebody put under ``incoming/`` becomes a layer, and a report says what came of it.

    s3://bucket/incoming/Berlin/Ortho 2024.tif        what was put there
    layer berlin-ortho-2024                           in the catalog
    s3://bucket/reports/Berlin/Ortho 2024.tif.json    published, skipped or failed, and why

Whoever may put objects there is not the operator: so only the formats that the service serves are taken, by their first
bytes, and none that can refer to other files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from tilery.errors import InvalidParameter, SourceError, SourceNotFound, TileryError, UnsupportedRaster
from tilery.publishing import fetch
from tilery.publishing.describe import slug
from tilery.publishing.plan import PublishOptions
from tilery.publishing.progress import Progress
from tilery.publishing.publish import publish
from tilery.storage.objects import open_store
from tilery.storage.options import StoreOptions

FOLDER = "incoming/"
REPORTS = "reports/"
SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg")
"""Names that are taken for rasters; others may lie beside them, as world files and notes do."""

Status = Literal["published", "skipped", "superseded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An object under ``incoming/``."""

    address: str
    root: str
    """Address of what ``incoming/`` is in, ending in a slash."""
    name: str
    """The rest of the address."""
    stores: StoreOptions = field(default_factory=StoreOptions)
    """How its store is reached."""

    @classmethod
    def at(cls, address: str, stores: StoreOptions | None = None) -> Arrival:
        """Return the parts of an address.

        Raises:
            InvalidParameter: it has no ``incoming/`` in it.
        """
        root, found, name = address.partition(f"/{FOLDER}")
        if not found or not name or name.endswith("/"):
            raise InvalidParameter(f"The object has to be under {FOLDER}.", parameter="source")
        return cls(address=address, root=f"{root}/", name=name, stores=stores or StoreOptions())

    @property
    def is_raster(self) -> bool:
        """True when its name is one of a raster."""
        return self.name.lower().endswith(SUFFIXES)

    @property
    def layer_id(self) -> str:
        """The id of its layer: folders and name, without the suffix, in the letters that ids have.

        Raises:
            InvalidParameter: nothing of the name can be used, or it is the name of a route.
        """
        return slug(self.name.rpartition(".")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of the uploads."""

    status: Status
    source: str
    layer: str | None = None
    revision: str | None = None
    code: str | None = None
    detail: str | None = None
    at: str = ""


def take_in(
    address: str,
    to: str,
    *,
    stores: StoreOptions | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Report, TileryError | None]:
    """Return the report, after it was written, and the failure that it tells of.

    Args:
        address: of the object.
        to: the catalog's address.
        stores: how the object's store and the catalog's are reached.
        progress: is shown each step.
        options: further fields of the order: ``profile``, ``work``.

    Raises:
        TileryError: the report cannot be written.
    """
    arrival = Arrival.at(address, stores)
    failure: TileryError | None = None
    try:
        report = _publish(arrival, to, progress, dict(options or {}))
    except TileryError as error:
        failure = error
        report = Report(status="failed", source=address, code=error.code, detail=error.detail)
    if report.status != "superseded":  # its successor has a report of its own
        _write(arrival, replace(report, at=datetime.now(UTC).isoformat(timespec="seconds")))
    return report, failure


def _publish(arrival: Arrival, to: str, progress: Progress | None, options: dict[str, Any]) -> Report:
    if not arrival.is_raster:
        detail = f"Not taken for a raster: its name ends in none of {', '.join(SUFFIXES)}."
        return Report(status="skipped", source=arrival.address, detail=detail)
    order = PublishOptions(
        source=arrival.address, to=to, id=arrival.layer_id, untrusted=True, stores=arrival.stores, **options
    )
    try:
        order = replace(order, only=_identity(arrival))
        try:
            done = publish(order, progress)
        except UnsupportedRaster:
            # near the poles or across the antimeridian, where Web Mercator has no grid; anything else fails again
            done = publish(replace(order, grid="native"), progress)
    except SourceError:
        if order.only is not None and _is_other(arrival, order.only):
            return Report(status="superseded", source=arrival.address, layer=order.id)
        raise
    return Report(status="published", source=arrival.address, layer=done.id, revision=done.revision)


def _identity(arrival: Arrival) -> str:
    """Return the object's identity, when it is one of a format that is taken.

    Raises:
        NotARaster: it is not.
    """
    from tilery.reading.gdal_facts import driver_of

    found = fetch.origin(arrival.address, arrival.stores)
    if found.path is not None:
        with found.path.open("rb") as file:
            driver_of(file.read(16))
    else:
        with fetch.opened(arrival.address, arrival.stores) as source:
            driver_of(source.read(0, 16))
    return found.identity


def _is_other(arrival: Arrival, identity: str) -> bool:
    """Return True when the object was replaced or removed meanwhile."""
    try:
        return fetch.origin(arrival.address, arrival.stores).identity != identity
    except SourceNotFound:
        return True


def _write(arrival: Arrival, report: Report) -> None:
    body = json.dumps({name: value for name, value in asdict(report).items() if value is not None}, indent=1)
    store = open_store(arrival.root, arrival.stores)
    store.write(f"{REPORTS}{arrival.name}.json", body.encode(), media_type="application/json", cache_control="no-cache")

"""A raster to a layer, in steps that can be interrupted anywhere.

    fetch       a remote source is brought here
    transcode   what can only be read from its top is put into tiles
    warp        onto the Web Mercator grid (not with ``--grid native``)
    overviews   smaller copies
    write       the file to publish
    check       it is what was meant, every block decodes; statistics
    upload      into a folder of the new revision's own, beside the old one
    switch      the layer's document is replaced in one step

Until the last step nobody sees anything of it, and after it everybody sees all of it. A revision's files are never
written to again. The revision before the current one is kept for those who still read it; older ones are removed by the
next publish that comes when nobody can be reading them any more.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tilery import __version__
from tilery.catalog import document as documents
from tilery.catalog import ids
from tilery.errors import Conflict, InvalidParameter, NotFound, SourceError, UnsupportedRaster
from tilery.geo.raster import Array, Bounds
from tilery.publishing import (
    antimeridian,
    check,
    display,
    fetch,
    grid,
    kinds,
    metadata,
    profiles,
    rasters,
    transcode,
    warp,
    zoom,
)
from tilery.publishing.bounds import bounds_of, count_tiles, map_bounds, size_at
from tilery.publishing.cog import cog
from tilery.publishing.complete import whole
from tilery.publishing.gaps import Gaps, closed, known, need_exact
from tilery.publishing.kinds import Kind
from tilery.publishing.overviews import factors, join, level_file, mask_file, overviews, pixels
from tilery.publishing.overviews import files as overview_files
from tilery.publishing.profiles import Compression
from tilery.publishing.progress import Progress, Silent
from tilery.publishing.rasters import Georeference
from tilery.publishing.statistics import passes, statistics
from tilery.publishing.vrt import vrt
from tilery.publishing.workplace import Workplace
from tilery.publishing.zoom import Rule
from tilery.reading.profile import Profile
from tilery.storage.objects import Store, open_store
from tilery.storage.objects.directory import DirectoryStore
from tilery.storage.options import StoreOptions

Grid = Literal["auto", "web", "native"]
"""``auto``: Web Mercator's, but for a raster across the antimeridian, whose pixels stay where they are."""
Layout = Literal["cog", "legacy"]

DOCUMENT = "index.json"
_TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
_MEDIA = {".tif": _TIFF, ".ovr": "image/tiff", ".vrt": "application/xml", ".json": "application/json"}
_ORPHANED = 24 * 3600.0
"""Seconds after which files of a revision that never was switched to are put down to a publish that nobody resumed."""

_UNREAD = 600.0
"""Seconds after which no server reads a revision that another took the place of, whatever its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """What to publish, and how."""

    source: str
    """A path, ``https://…`` or ``s3://…``."""
    to: str
    """The catalog's address."""
    id: str
    placement: Georeference = field(default_factory=Georeference)
    kind: Kind | None = None
    profile: str = "deflate"
    quality: int | None = None
    grid: Grid = "auto"
    layout: Layout = "cog"
    zoom: int | None = None
    rule: Rule = "upper"
    work: Path | None = None
    """Where to work. None: beside the catalog's layers when it is a directory, else the system's temporary folder."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """``name``, ``description``, ``attribution``, ``render``, ``styles`` for the document."""

    stores: StoreOptions = field(default_factory=StoreOptions)
    """How the source's store and the catalog's are reached."""
    only: str | None = None
    """Identity that the source must have, and still have at the end. None: whatever is there when it is read."""
    untrusted: bool = False
    """Whether the source comes from somebody else than the publisher: then only formats are taken that are served."""
    trust: bool = False
    """Whether the source may be of a format that leads to other files and addresses."""

    def key(self, identity: str) -> str:
        """What decides the bytes of the published files, as a digest."""
        parts = [identity, __version__, str(self.placement), self.kind, self.profile, self.quality, self.grid]
        parts += [self.layout, self.zoom, self.rule]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What would be done."""

    origin: fetch.PublishedSource
    profile: Profile
    """Facts of the raster, in degrees within ±180 where they are warped."""
    roll: antimeridian.Roll | None
    """How columns of a raster that goes around the world are ordered before they are warped."""
    gaps: Gaps | None
    """How what is missing is said where the source says it otherwise."""
    native: bool
    """Whether pixels stay where they are."""
    kind: Kind
    compression: Compression
    zoom: int
    minzoom: int
    width: int
    height: int
    bands: int
    way: warp.Missing | None
    """How the published raster says what is missing; None where it stays as the source has it."""
    steps: tuple[str, ...]
    raw_bytes: int
    expected_bytes: int
    tiles: int
    """Tiles from ``minzoom`` to ``zoom`` that touch the raster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of it."""

    id: str
    revision: str
    document: Mapping[str, Any]
    address: str
    """Of the raster."""
    note: str | None = None
    """What the publisher should know of how it was done."""


def plan(order: PublishOptions, found: Profile, sample: Array, origin: fetch.PublishedSource) -> PublishPlan:
    """What publishing would do, from the facts of the raster and a sample of it.

    Args:
        order: what is wanted.
        found: facts of the source.
        sample: of `tilery.publishing.kinds.sample`.
        origin: where it is.

    Raises:
        TileryError: it cannot be published in this way; the text says what to do.
    """
    profile = rasters.placed(found, order.placement)
    rasters.crs_of(profile)
    kind = order.kind or kinds.guess(profile, sample)
    profile, gaps = closed(profile, own=order.placement.nodata is None)
    compression = profiles.compression(order.profile, profile, kind, order.quality)
    legacy = order.layout == "legacy"
    native = order.grid == "native" or legacy
    roll = None
    if order.grid != "native":
        moved, roll = antimeridian.on_the_map(profile)
        crossing = antimeridian.crosses(moved) or _is_across(map_bounds(moved))
        native = native or (crossing and order.grid == "auto" and not profile.gcps)
        if not native or legacy:
            profile = moved
        else:
            roll = None
    if legacy:
        antimeridian.need_within(profile)
    deepest = zoom.maximum(profile, "lambda" if legacy and order.rule == "upper" else order.rule)
    if order.zoom is not None:
        deepest = order.zoom
    way = None
    if native:
        width, height = profile.width, profile.height
        bands = profile.count
        reach = max(size_at(bounds_of(profile), deepest))
    else:
        covered = grid.covering(map_bounds(profile), deepest)
        width, height, reach = covered.width, covered.height, max(covered.width, covered.height)
        way = warp.missing(profile, keep_alpha=compression.compress != "JPEG")
        bands = len(profile.data_bands) + way.alpha
    if wrong := display.missing_bands(order.given.get("render") or {}, bands):
        raise InvalidParameter(f"The raster has {bands} bands and none of number {wrong[0]}.", parameter="render")
    if native and profile.gcps:
        raise UnsupportedRaster("Ground control points place this raster; only --grid web can straighten it.")
    if not native:
        need_exact(profile, sample, gaps)
    in_tiles = roll is None and gaps is None and (profile.gcps or transcode.is_random_access(profile))
    steps = (
        *(["fetch"] if origin.path is None else []),
        *(["transcode"] if native or not in_tiles else []),
        *([] if native else ["warp"]),
        "overviews",
        "write",
        *(["vrt"] if order.layout == "legacy" else []),
        "check",
        "upload",
        "switch",
    )
    minzoom = zoom.minimum(reach, reach, deepest)
    raw = width * height * bands * np.dtype(profile.dtypes[0]).itemsize
    return PublishPlan(
        origin=origin,
        profile=profile,
        roll=roll,
        gaps=gaps,
        native=native,
        kind=kind,
        compression=compression,
        zoom=deepest,
        minzoom=minzoom,
        width=width,
        height=height,
        bands=bands,
        way=way,
        steps=steps,
        raw_bytes=raw,
        expected_bytes=int(raw * compression.ratio * 4 / 3),
        tiles=count_tiles(bounds_of(profile), minzoom, deepest),
    )


def _is_across(bounds: Bounds) -> bool:
    return bounds[0] > bounds[2]


def publish(order: PublishOptions, progress: Progress | None = None) -> Published:
    """The layer, after everybody can see it.

    Args:
        order: what to publish, and how.
        progress: is shown each step.

    Raises:
        TileryError: nothing was published, and whatever was there before is untouched. The same order given again goes
            on where this one ended.
    """
    ids.check(order.id)
    progress = progress or Silent()
    store = open_store(order.to, order.stores)
    origin = fetch.origin(order.source, order.stores)
    _need_only(order, origin)
    _need_store(store, order.id)
    with Workplace.opened(_workplace(order, store), order.key(origin.identity)) as place:
        path = _here(origin, place, progress)
        if order.untrusted:
            rasters.need_harmless(path)
        found = rasters.facts(path, trust=order.trust)
        planned = plan(order, found, kinds.sample(path, found.driver), origin)
        prepared = _prepare(order, planned, path, place, progress)
        revision, folder = _upload(order, store, place, prepared, progress)
        with progress.step("switch", 1, "document") as advance:
            fetch.check_unchanged(origin)
            written, before = _switch(order, store, planned, prepared, revision, folder)
            advance(1)
        _tidy(store, order.id, written, before)
        place.clear()
    return Published(
        id=order.id,
        revision=revision,
        document=written,
        address=f"{store.address}{order.id}/{written['source']}",
        note=note(order, planned),
    )


def note(order: PublishOptions, planned: PublishPlan) -> str | None:
    """What the publisher should know of how it is done, where that is not what was ordered."""
    if planned.native and order.grid == "auto" and order.layout != "legacy":
        return "The raster crosses the antimeridian, where a Web Mercator grid ends: its pixels stay where they are."
    return None


def _workplace(order: PublishOptions, store: Store) -> Path:
    if order.work is not None:
        return order.work / order.id
    if isinstance(store, DirectoryStore):
        return store.root / ".work" / order.id
    name = hashlib.sha256(f"{store.address}{order.id}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / "tilery-publish" / f"{order.id}-{name}"


def _need_only(order: PublishOptions, origin: fetch.PublishedSource) -> None:
    """Check that the source is the one that was ordered.

    Raises:
        SourceError: another has taken its place.
    """
    if order.only is not None and origin.identity != order.only:
        raise SourceError("The source was replaced meanwhile.")


def _need_store(store: Store, layer_id: str) -> None:
    """Check that the store answers, before an hour's work and not after.

    Raises:
        UpstreamError: it does not, or there is no such bucket.
    """
    next(iter(store.entries(f"{layer_id}/")), None)


def _here(origin: fetch.PublishedSource, place: Workplace, progress: Progress) -> Path:
    """The source as a local file."""
    if origin.path is not None:
        return origin.path
    name = f"source{Path(origin.name).suffix}"
    if place.recall("fetch") is None:
        with progress.step("fetch", origin.size, "B") as advance:
            fetch.fetch(origin, place.path(name), advance)
        place.done("fetch", [name])
    return place.path(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    files: tuple[str, ...]
    """Names in the workplace, which are the names to publish under."""
    raster: str
    width: int
    height: int
    bands: int
    statistics: dict[str, Any]
    render: dict[str, Any]
    """How it is shown when nobody says how."""


def _prepare(
    order: PublishOptions, planned: PublishPlan, path: Path, place: Workplace, progress: Progress
) -> _Prepared:
    """The files to publish, checked, in the workplace."""
    facts = place.recall("check")
    if facts is None:
        if order.layout == "legacy":
            files, profile = _make_legacy(planned, path, place, progress)
        else:
            files, profile = _make_cog(planned, path, place, progress)
        size = profile.width * profile.height
        with progress.step("check", size * passes(profile.dtypes[0]), "px") as advance:
            found = statistics(place.path("index.tif"), profile, advance)
        fetch.check_unchanged(planned.origin)
        facts = {
            "files": files,
            "width": profile.width,
            "height": profile.height,
            "bands": len(profile.data_bands),
            "statistics": found,
            "render": display.default_render(profile, found, planned.kind),
        }
        place.done("check", files, facts)
        for made in ("tiled.tif", "warped.tif"):
            levels = len(factors(profile.width, profile.height))
            place.drop(made, f"{made}.msk", *overview_files(place.path(made), levels))
    return _Prepared(
        files=tuple(facts["files"]),
        raster="index.tif",
        width=facts["width"],
        height=facts["height"],
        bands=facts["bands"],
        statistics=facts["statistics"],
        render=facts["render"],
    )


def _tiled(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[Path, Profile]:
    """A raster that can be read anywhere: the source itself, or a copy of it in tiles."""
    if "transcode" not in planned.steps:
        return path, planned.profile
    profile = planned.profile
    tiled = place.path("tiled.tif")
    if place.recall("transcode") is None:
        with progress.step("transcode", profile.width * profile.height, "px") as advance:
            transcode.transcode(path, tiled, profile, transcode.WORKING, advance, roll=planned.roll, gaps=planned.gaps)
        fetch.check_unchanged(planned.origin)
        whole(tiled)
        place.done("transcode", ["tiled.tif", "tiled.tif.msk"])
    return tiled, rasters.facts(tiled, checked=True)


def _make_cog(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[list[str], Profile]:
    ready, profile = _tiled(planned, path, place, progress)
    if planned.way is not None:
        warped = place.path("warped.tif")
        if place.recall("warp") is None:
            covered = grid.covering(map_bounds(planned.profile), planned.zoom)
            with progress.step("warp", covered.width * covered.height, "px") as advance:
                warp.warp(ready, warped, profile, covered, planned.way, kinds.WARP[planned.kind], advance)
            fetch.check_unchanged(planned.origin)
            whole(warped)
            place.done("warp", ["warped.tif", "warped.tif.msk"])
        ready = warped
    levels = len(factors(planned.width, planned.height))
    if place.recall("overviews") is None:
        with progress.step("overviews", pixels(planned.width, planned.height), "px") as advance:
            overviews(ready, levels, kinds.OVERVIEWS[planned.kind], advance)
        place.done("overviews", overview_files(ready, levels))
    target = place.path("index.tif")
    dtype = profile.dtypes[0]
    if place.recall("write") is None:
        with progress.step("write", planned.expected_bytes, "B") as advance:
            cog(ready, target, planned.compression, dtype, planned.expected_bytes, advance)
        place.done("write", ["index.tif"])
    found = check.check(target, width=planned.width, height=planned.height, bands=planned.bands, dtype=dtype)
    return ["index.tif"], found


def _make_legacy(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[list[str], Profile]:
    """The Lambda tiler's files: the raster in its own CRS, overviews beside it, the VRT.

    The raster is a Cloud-Optimized GeoTIFF all the same, mask and overviews inside, because that is what we read.
    """
    files, found = _make_cog(planned, path, place, progress)
    target, beside = place.path("index.tif"), place.path("index.tif.ovr")
    if level_file(place.path("tiled.tif"), 1).exists():
        join(place.path("tiled.tif"), target, {"COMPRESS": "DEFLATE"})
        place.drop(mask_file(target, 1).name)  # it is in the raster, as its mask is
        files.append(beside.name)
    with progress.step("vrt", 1, "file") as advance:
        vrt(target, place.path("index.vrt"), found, planned.zoom, kinds.WARP[planned.kind])
        advance(1)
    return [*files, "index.vrt"], found


def _upload(
    order: PublishOptions, store: Store, place: Workplace, prepared: _Prepared, progress: Progress
) -> tuple[str, str]:
    """The new revision and its folder, its files in the store."""
    facts = place.recall("revision")
    if facts is None:
        facts = {"revision": f"{datetime.now(UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(3)}"}
        place.done("revision", [], facts)
    revision: str = facts["revision"]
    sizes = {name: place.path(name).stat().st_size for name in prepared.files}
    present = {entry.key: entry.size for entry in store.entries(f"{order.id}/{revision}/")}
    with progress.step("upload", sum(sizes.values()), "B") as advance:
        for name, size in sizes.items():
            key = f"{order.id}/{revision}/{name}"
            if present.get(key) == size:  # a store shows an upload only when it is complete
                advance(size)
                continue
            store.upload(key, place.path(name), media_type=_MEDIA[Path(name).suffix], progress=advance)
    return revision, f"{revision}/"


def _switch(
    order: PublishOptions, store: Store, planned: PublishPlan, prepared: _Prepared, revision: str, folder: str
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The document, after it took the place of the one before, and that one. Whoever changed it meanwhile is not
    overwritten: the new document is made again from theirs.
    """
    key = f"{order.id}/{DOCUMENT}"
    for _attempt in range(5):
        before, version = _before(store, key)
        if order.only is not None:  # after reading, so that whoever switches later is met by the version
            _need_only(order, fetch.origin(order.source, order.stores))
        given = dict(order.given)
        render = given["render"] if "render" in given else (before or {}).get("render") or prepared.render
        given["render"] = display.completed(render, prepared.render, bands=prepared.bands, count=planned.bands)
        written = metadata.document(
            layer_id=order.id,
            bounds=bounds_of(planned.profile),
            minzoom=planned.minzoom,
            maxzoom=planned.zoom,
            bands=prepared.bands,
            width=prepared.width,
            height=prepared.height,
            source=f"{folder}{prepared.raster}",
            meta_source=f"{folder}{'index.vrt' if order.layout == 'legacy' else prepared.raster}",
            revision=revision,
            published=datetime.now(UTC).isoformat(timespec="seconds"),
            statistics=prepared.statistics,
            given=given,
            before=before,
        )
        body = documents.encode(written)
        documents.parse(order.id, body, version=revision, folder=f"{store.address}{order.id}/")
        try:
            store.write(key, body, media_type="application/json", cache_control="no-cache", expected=version)
        except Conflict:
            continue
        return written, before
    raise Conflict("The layer's document is being changed by somebody else all the time; try again.")


def _before(store: Store, key: str) -> tuple[dict[str, Any] | None, str]:
    """The document there is and its version; a broken one is taken the place of."""
    try:
        blob = store.read(key)
    except NotFound:
        return None, "new"
    if blob is None:
        return None, "new"
    try:
        found = json.loads(blob.body)
    except ValueError:
        return None, blob.version
    return (found if isinstance(found, dict) else None), blob.version


def _tidy(store: Store, layer_id: str, written: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """Remove the revisions before the last one, and what interrupted publishes left long ago."""
    history = written.get("history", [])
    unread = before is not None and _age(before.get("published")) > _UNREAD
    keep = {written["revision"], *(history[-1:] if unread else history)}
    old = set(history[:-1])
    files: dict[str, list[Any]] = {}
    for entry in store.entries(f"{layer_id}/"):
        parts = entry.key.split("/")
        if len(parts) > 2:
            files.setdefault(parts[1], []).append(entry)
    for revision, entries in files.items():
        if revision in keep or not _is_revision(revision):
            continue
        youngest = max(entry.modified for entry in entries)
        if revision in old or time.time() - youngest > _ORPHANED:
            for entry in entries:
                store.remove(entry.key)


def _age(published: object) -> float:
    """Seconds since a moment as a document has it; none where it says nothing that can be read."""
    try:
        then = datetime.fromisoformat(str(published))
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - then).total_seconds() if then.tzinfo else 0.0


def _is_revision(name: str) -> bool:
    return len(name) == 22 and name[8] == "t" and name[15] == "-"


def dry_run(order: PublishOptions) -> PublishPlan:
    """What publishing would do; of a remote source only the head and a sample are read.

    Raises:
        TileryError: it cannot be published in this way.
    """
    ids.check(order.id)
    origin = fetch.origin(order.source, order.stores)
    if origin.path is not None:
        found = rasters.facts(origin.path, trust=order.trust)
        return plan(order, found, kinds.sample(origin.path, found.driver), origin)
    from tilery.reading.gdal import profile_of

    here = Path(tempfile.gettempdir())
    with (
        fetch.opened(origin.address, origin.stores) as source,
        rasters.failures(here),
        rasters.reading_remote(source, trust=order.trust) as dataset,
    ):
        return plan(order, known(profile_of(dataset), dataset), kinds.sample_of(dataset), origin)

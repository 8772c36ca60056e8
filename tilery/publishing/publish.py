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
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tilery.catalog import document as documents
from tilery.catalog import ids, index, stored_document
from tilery.errors import Conflict, SourceError
from tilery.publishing import default_display, fetch, grid, kinds, metadata, rasters, revisions, transcode, warp
from tilery.publishing.bounds import bounds_of, map_bounds
from tilery.publishing.cog import cog, copied_levels
from tilery.publishing.overviews import factors, join, level_file, mask_file, overviews, pixels
from tilery.publishing.overviews import files as overview_files
from tilery.publishing.plan import PublishOptions, PublishPlan, note, plan
from tilery.publishing.progress import Progress, Silent
from tilery.publishing.revisions import document_before
from tilery.publishing.statistics import passes, statistics
from tilery.publishing.tiff.blocks import WORKING, Encoding, encoding
from tilery.publishing.verification import finished_file, overview_levels
from tilery.publishing.verification.proof import CopiedLevels, need_right
from tilery.publishing.verification.written_blocks import whole
from tilery.publishing.vrt import vrt
from tilery.publishing.work_folder import Workplace
from tilery.reading import class_names
from tilery.reading.profile import Profile
from tilery.storage.objects import Store, open_store
from tilery.storage.objects.directory import DirectoryStore

_TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
_MEDIA = {".tif": _TIFF, ".ovr": "image/tiff", ".vrt": "application/xml", ".json": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing a raster came to."""

    id: str
    """Of the layer."""
    revision: str
    """Identity of its data."""
    document: Mapping[str, Any]
    """Of the layer, as it is in the catalog."""
    address: str
    """Of the raster."""
    note: str | None = None
    """What the publisher should know of how it was done."""


def publish(order: PublishOptions, progress: Progress | None = None) -> Published:
    """Return the layer, after everybody can see it.

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
        revisions.tidy(store, order.id, written, before)
        place.clear()
    return Published(
        id=order.id,
        revision=revision,
        document=written,
        address=f"{store.address}{order.id}/{written['source']}",
        note=note(order, planned),
    )


def _workplace(order: PublishOptions, store: Store) -> Path:
    own = order.id.replace("/", "~")  # in no other layer's folder, which is emptied when that one is done
    if order.work is not None:
        return order.work / own
    if isinstance(store, DirectoryStore):
        return store.root / ".work" / own
    name = hashlib.sha256(f"{store.address}{order.id}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / "tilery-publish" / f"{own[:100]}-{name}"


def _need_only(order: PublishOptions, origin: fetch.PublishedSource) -> None:
    """Check that the source is the one that was ordered.

    Raises:
        SourceError: another has taken its place.
    """
    if order.only is not None and origin.identity != order.only:
        raise SourceError("The source was replaced meanwhile.")


def _need_store(store: Store, layer_id: str) -> None:
    """Check that the store answers and a directory can be written to, before an hour's work and not after.

    Raises:
        StoreFull, UpstreamError: it does not, cannot, or there is no such bucket.
    """
    if isinstance(store, DirectoryStore):
        store.need_writable(layer_id)
    next(iter(store.entries(f"{layer_id}/")), None)


def _here(origin: fetch.PublishedSource, place: Workplace, progress: Progress) -> Path:
    """Return the source as a local file."""
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
    """Return the files to publish, checked, in the workplace."""
    facts = place.recall("check")
    if facts is None:
        if order.layout == "legacy":
            files, profile = _make_legacy(planned, path, place, progress)
        else:
            files, profile = _make_cog(planned, path, place, progress)
        target = place.path("index.tif")
        size = profile.width * profile.height
        looked_at = size * passes(profile.dtypes[0]) + overview_levels.pixels(profile)
        with progress.step("check", looked_at, "px") as advance:
            copied, counts = _at_hand(planned, place)
            found = statistics(target, profile, advance, counts)
            need_right(planned, path, target, profile, copied, advance)
        fetch.check_unchanged(planned.origin)
        facts = {
            "files": files,
            "width": profile.width,
            "height": profile.height,
            "bands": len(profile.data_bands),
            "statistics": found,
            "render": default_display.default_render(profile, found, planned.kind, class_names.beside(path)),
        }
        place.done("check", files, facts)
        for made in ("tiled.tif", "warped.tif"):
            count = len(factors(profile.width, profile.height))
            place.drop(made, f"{made}.msk", *overview_files(place.path(made), count))
    return _Prepared(
        files=tuple(facts["files"]),
        raster="index.tif",
        width=facts["width"],
        height=facts["height"],
        bands=facts["bands"],
        statistics=facts["statistics"],
        render=facts["render"],
    )


def _at_hand(planned: PublishPlan, place: Workplace) -> tuple[CopiedLevels | None, list[list[int]] | None]:
    """Return files whose blocks were copied into the finished one, and counts of their values; None where it was made
    of others.
    """
    step, name = _step(planned), "tiled.tif" if planned.way is None else "warped.tif"
    levels = copied_levels(place.path(name), planned.compression, planned.profile.dtypes[0])
    if levels is None:
        return None, None
    made, smaller = place.recall(step) or {}, place.recall("overviews") or {}
    sums = {**made.get("sums", {}), **smaller.get("sums", {})}
    return CopiedLevels(levels=levels, sums=sums), made.get("counts")


def _tiled(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[Path, Profile]:
    """Return a raster that can be read anywhere: the source itself, or a copy of it in tiles."""
    if "transcode" not in planned.steps:
        return path, planned.profile
    profile = planned.profile
    tiled = place.path("tiled.tif")
    if place.recall("transcode") is None:
        with progress.step("transcode", profile.width * profile.height, "px") as advance:
            made = transcode.transcode(
                path,
                tiled,
                profile,
                transcode.WORKING,
                advance,
                roll=planned.roll,
                gaps=planned.gaps,
                encoding=_encoding(planned) if planned.way is None else WORKING,
                overview=_overview(planned) if planned.way is None else None,
            )
        fetch.check_unchanged(planned.origin)
        whole(tiled)
        place.done("transcode", _level_files(tiled), made.facts() if made is not None else None)
    return tiled, rasters.facts(tiled, checked=True)


def _encoding(planned: PublishPlan) -> Encoding:
    """Return how blocks of the raster and its overviews are compressed: as they are published, where that
    is done here.
    """
    return encoding(planned.compression, planned.profile.dtypes[0]) or WORKING


def _overview(planned: PublishPlan) -> str | None:
    """Return how overviews are resampled, where they are compressed as they are published."""
    return kinds.OVERVIEWS[planned.kind] if _encoding(planned) != WORKING else None


def _step(planned: PublishPlan) -> str:
    """Return the step that makes the raster whose blocks are published."""
    return "transcode" if planned.way is None else "warp"


def _level_files(path: Path) -> list[str]:
    """Return the names of a raster that was made, of its first overview, and of their masks."""
    return [path.name, mask_file(path).name, *overview_files(path, 1)]


def _make_cog(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[list[str], Profile]:
    ready, profile = _tiled(planned, path, place, progress)
    if planned.way is not None:
        warped = place.path("warped.tif")
        if place.recall("warp") is None:
            covered = grid.covering(map_bounds(planned.profile), planned.zoom)
            how, chosen = kinds.WARP[planned.kind], _encoding(planned)
            with progress.step("warp", covered.width * covered.height, "px") as advance:
                made = warp.warp(
                    *(ready, warped, profile, covered, planned.way, how, advance),
                    encoding=chosen,
                    overview=_overview(planned),
                )
            fetch.check_unchanged(planned.origin)
            whole(warped)
            place.done("warp", _level_files(warped), made.facts())
        ready = warped
    count = len(factors(planned.width, planned.height))
    if place.recall("overviews") is None:
        first = 2 if (place.recall(_step(planned)) or {}).get("halved") else 1
        left = pixels(-(-planned.width // first), -(-planned.height // first))
        with progress.step("overviews", left, "px") as advance:
            chosen = _encoding(planned)
            how = kinds.OVERVIEWS[planned.kind]
            sums = overviews(ready, count, how, advance, encoding=chosen, checked=chosen != WORKING, first=first)
        place.done("overviews", overview_files(ready, count), {"sums": sums})
    target = place.path("index.tif")
    dtype = profile.dtypes[0]
    if place.recall("write") is None:
        with progress.step("write", planned.expected_bytes, "B") as advance:
            cog(ready, target, planned.compression, dtype, planned.expected_bytes, advance)
        place.done("write", ["index.tif"])
    found = finished_file.check(target, width=planned.width, height=planned.height, bands=planned.bands, dtype=dtype)
    return ["index.tif"], found


def _make_legacy(planned: PublishPlan, path: Path, place: Workplace, progress: Progress) -> tuple[list[str], Profile]:
    """Return the Lambda tiler's files: the raster in its own CRS, overviews beside it, the VRT.

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
    """Return the new revision and its folder, its files in the store."""
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
    """Return the document, after it took the place of the one before, and that one. Whoever changed it meanwhile is not
    overwritten: the new document is made again from theirs.
    """
    key = stored_document.key(order.id)
    for _attempt in range(5):
        before, version = document_before(store, key)
        if order.only is not None:  # after reading, so that whoever switches later is met by the version
            _need_only(order, fetch.origin(order.source, order.stores))
        given = dict(order.given)
        render = given["render"] if "render" in given else (before or {}).get("render") or prepared.render
        given["render"] = default_display.completed(render, prepared.render, bands=prepared.bands, count=planned.bands)
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
        index.note(store, order.id)
        return written, before
    raise Conflict("The layer's document is being changed by somebody else all the time; try again.")

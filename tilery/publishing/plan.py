"""What is to be published, and what that would take: worked out from the facts of the raster alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tilery import __version__
from tilery.catalog import ids
from tilery.errors import InvalidParameter, UnsupportedRaster
from tilery.geo.raster import Array, Bounds
from tilery.publishing import (
    antimeridian,
    default_display,
    fetch,
    grid,
    kinds,
    profiles,
    rasters,
    transcode,
    warp,
    zoom,
)
from tilery.publishing.bounds import bounds_of, count_tiles, map_bounds, size_at
from tilery.publishing.inexact_nodata import Gaps, closed, known, need_exact
from tilery.publishing.kinds import Kind
from tilery.publishing.profiles import Compression
from tilery.publishing.rasters import Georeference
from tilery.publishing.zoom import Rule
from tilery.reading.profile import Profile, no_band
from tilery.storage.options import StoreOptions

Grid = Literal["auto", "web", "native"]
"""``auto``: Web Mercator's, but for a raster across the antimeridian, whose pixels stay where they are."""

Layout = Literal["cog", "legacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """What to publish, and how."""

    source: str
    """A path, ``https://…`` or ``s3://…``."""
    to: str
    """The catalog's address."""
    id: str
    """What addresses call the layer: small letters, digits, ``_`` and ``-``, 64 at most."""
    placement: Georeference = field(default_factory=Georeference)
    """What the raster does not say of itself: CRS, bounds, nodata."""
    kind: Kind | None = None
    """``imagery``, ``continuous`` or ``classes``. None: guessed from the data."""
    profile: str = "deflate"
    """``deflate``, ``zstd``, ``jpeg``, ``webp`` or ``lerc``."""
    quality: int | None = None
    """Of jpeg and webp, 1 to 100."""
    grid: Grid = "auto"
    """``web`` warps to Web Mercator, ``native`` leaves the pixels where they are. ``auto``: ``web``, but ``native`` for
    a raster across the antimeridian."""
    layout: Layout = "cog"
    """``cog``, or ``legacy``: the Lambda tiler's three files."""
    zoom: int | None = None
    """The deepest zoom. None: by ``rule``."""
    rule: Rule = "upper"
    """How the deepest zoom follows from the raster's resolution. ``upper``: the shallowest that loses no detail.
    ``nearest``: the one whose pixels are nearest in size, as GDAL's COG driver and TiTiler choose. ``lambda``: what the
    AWS Lambda tiler computes."""
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
    check: Callable[[PublishPlan], None] | None = None
    """Asked of the plan before anything is done; raises where what is ordered does not go with the raster."""

    def key(self, identity: str) -> str:
        """Return what decides the bytes of the published files, with the source's ``identity``, as a digest."""
        parts = [identity, __version__, str(self.placement), self.kind, self.profile, self.quality, self.grid]
        parts += [self.layout, self.zoom, self.rule]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What would be done."""

    origin: fetch.PublishedSource
    """Where the source is, and which state of it."""
    original: Profile
    """Facts of the source, with what the publisher added."""
    profile: Profile
    """Facts of the raster, in degrees within ±180 where they are warped."""
    roll: antimeridian.Roll | None
    """How columns of a raster that goes around the world are ordered before they are warped."""
    gaps: Gaps | None
    """How what is missing is said where the source says it otherwise."""
    native: bool
    """Whether pixels stay where they are."""
    kind: Kind
    """``imagery``, ``continuous`` or ``classes``."""
    compression: Compression
    """How blocks of the published raster are compressed."""
    zoom: int
    """The deepest zoom."""
    minzoom: int
    """The shallowest."""
    width: int
    """Columns of the published raster."""
    height: int
    """Rows of it."""
    bands: int
    """Bands of it, alpha included."""
    way: warp.Missing | None
    """How the published raster says what is missing; None where it stays as the source has it."""
    steps: tuple[str, ...]
    """Names of what is done one after the other, as progress shows them."""
    raw_bytes: int
    """Bytes of the published pixels before they are compressed."""
    expected_bytes: int
    """Bytes of the published raster, about."""
    tiles: int
    """Tiles from ``minzoom`` to ``zoom`` that touch the raster."""


def plan(order: PublishOptions, found: Profile, sample: Array, origin: fetch.PublishedSource) -> PublishPlan:
    """Return what publishing would do, from the facts of the raster and a sample of it, after the order's own check of
    it.

    Args:
        order: what is wanted.
        found: facts of the source.
        sample: of `tilery.publishing.kinds.sample`.
        origin: where it is.

    Raises:
        TileryError: it cannot be published in this way; the text says what to do.
    """
    planned = _plan(order, found, sample, origin)
    if order.check is not None:
        order.check(planned)
    return planned


def _plan(order: PublishOptions, found: Profile, sample: Array, origin: fetch.PublishedSource) -> PublishPlan:
    profile = original = rasters.placed(found, order.placement)
    rasters.crs_of(profile)
    kind = order.kind or kinds.guess(profile, sample)
    profile, gaps = closed(profile, own=order.placement.nodata is None)
    if gaps is not None and gaps.own and gaps.common is None:
        original = profile  # its mask tells what its nodata, rounded to floating point, does not
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
    if wrong := default_display.missing_bands(order.given.get("render") or {}, bands):
        raise InvalidParameter(no_band(bands, wrong[0]), parameter="render")
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
        original=original,
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


def note(order: PublishOptions, planned: PublishPlan) -> str | None:
    """Return what the publisher should know of how it is done, where that is not what was ordered."""
    if planned.native and order.grid == "auto" and order.layout != "legacy":
        return "The raster crosses the antimeridian, where a Web Mercator grid ends: its pixels stay where they are."
    return None


def dry_run(order: PublishOptions) -> PublishPlan:
    """Return what publishing would do by an ``order``; of a remote source only the head and a sample are read.

    Raises:
        TileryError: it cannot be published in this way.
    """
    ids.check(order.id)
    origin = fetch.origin(order.source, order.stores)
    if origin.path is not None:
        found = rasters.facts(origin.path, trust=order.trust)
        return plan(order, found, kinds.sample(origin.path, found.driver), origin)
    from tilery.reading.gdal_facts import profile_of

    with (
        fetch.opened(origin.address, origin.stores) as source,
        rasters.failures(None),
        rasters.reading_remote(source, trust=order.trust) as dataset,
    ):
        return plan(order, known(profile_of(dataset), dataset), kinds.sample_of(dataset), origin)

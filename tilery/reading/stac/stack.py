"""Assets of an item as one raster: their bands one after the other, each read by its own dataset onto the same grid.

Assets are of different resolutions and types, and each has its own nodata value or mask. All are read onto the grid
that is asked for, which is what rio-tiler's ``MultiBaseReader`` gives for tiles; bands are of the type that holds all
of them, and each has the mask of its asset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidBand, OverLimit, RequestError, SourceError, TileryError, UnsupportedRaster
from tilery.geo.raster import Array, Grid, Raster
from tilery.reading import masks, source
from tilery.reading.band_math import BandMath
from tilery.reading.dataset import Resources
from tilery.reading.grid_reader import GridReader, Pixels
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.profile import Profile, can_hold
from tilery.reading.source import Source
from tilery.reading.stac import classes, frame
from tilery.reading.stac.choice import ALL, AssetChoice, item_source
from tilery.reading.stac.dataset import ItemDataset, profile_of
from tilery.reading.stac.item import Asset, Item
from tilery.storage.bytes.protocol import SourceChanged, identity_of
from tilery.storage.locations import Location

MOST_ASSETS = 64
"""Assets of one stack."""


class AssetAsBand(RequestError):
    """An asset that is to be one band has several."""

    code = "invalid_asset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One asset of a stack."""

    choice: AssetChoice
    source: Source
    identity: str
    """Of its dataset, when the stack was opened."""
    profile: Profile
    """Of its dataset, with what the item says of classes."""
    bands: tuple[int, ...]
    """Numbers of the asset's bands that are read."""
    formula: BandMath | None
    unscale: bool
    facts: Raster
    """Names, type and statistics of what it adds to the stack, without a pixel."""

    @property
    def count(self) -> int:
        """Bands that it adds to the stack."""
        return self.facts.count

    def raster(self, data: Array, mask: NDArray[np.bool_] | None, bands: tuple[int, ...]) -> Raster:
        """Return bands of the asset, worked out where the choice says so."""
        if self.formula is None:
            return Raster(data=data, mask=mask)
        return self.formula.apply(_described(self.profile, bands, data, mask, unscale=self.unscale))


class AssetStack:
    """Assets of one item, open."""

    identity_for: Callable[[Grid], str] | None = None
    """A grid is made of all of them."""

    def __init__(self, engine: Resources, whole: Source, document: ItemDataset, parts: tuple[Part, ...]) -> None:
        """Stack parts, which the engine keeps open."""
        self._engine = engine
        self._item = item_source(whole.location)
        self.document_identity = document.identity
        self.item = document.item
        self.parts = parts
        self.identity = identity_of(document.identity, *(part.identity for part in parts))
        self.profile = _profile(parts, as_bands=dict(whole.selection).get("as_bands", False))
        self.places = tuple((number, band) for number, part in enumerate(parts) for band in range(part.count))
        """Part and band of it, of each band of the stack."""

    def reader_for(self, method: str) -> GridReader:
        """Return what reads all parts with this resampling."""
        return _StackReader(self, method)

    def opened(self, part: Part) -> OpenDataset:
        """Return the dataset of a part, open.

        Raises:
            SourceChanged: it is not the one any more that the stack was made of.
        """
        found = self._engine.datasets.get(part.source)
        if found.dataset.identity != part.identity:
            raise SourceChanged
        return found

    def read(self, part: Part, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled with bands of a part."""
        opened = self.opened(part)
        try:
            return opened.dataset.reader_for(method).read(grid, bands=bands, nodata=nodata, method=method)
        except SourceChanged:
            self._engine.datasets.forget(opened)
            raise

    def parallel_reads(self, jobs: list[Callable[[], Any]]) -> list[Any]:
        """Return what jobs give; at the same time where they wait for bytes from elsewhere."""
        if all(part.source.is_local for part in self.parts):
            return [job() for job in jobs]
        return self._engine.parts.run(jobs)

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:  # noqa: ARG002 - one of several
        """Refuse: there is no file of it."""
        raise UnsupportedRaster("Assets that are stacked are no raster that GDAL opens.")

    def unchanged(self) -> bool:
        """Return whether item and assets still are what was opened, as far as that costs no request."""
        datasets, same = self._engine.datasets, True
        known = [(self._item, self.document_identity), *((part.source, part.identity) for part in self.parts)]
        for one, identity in known:
            opened = datasets.peek(one)
            if opened is None:
                continue
            if not opened.dataset.unchanged():
                datasets.forget(opened)
                same = False
            same = same and opened.dataset.identity == identity
        return same

    def refresh(self) -> bool:
        """Return whether item and assets still are what was opened. Each is checked as any dataset is."""
        get = self._engine.datasets.get
        if get(self._item).dataset.identity != self.document_identity:
            return False
        return all(get(part.source).dataset.identity == part.identity for part in self.parts)

    def close(self) -> None:
        """Leave the parts, which the engine keeps open for others."""


class _StackReader:
    """Fills grids from a stack."""

    def __init__(self, stack: AssetStack, method: str) -> None:
        self._stack = stack
        self._method = method

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        """Return the grid filled with bands of the stack; parts that have none of them are left alone."""
        stack = self._stack
        wanted = self._wanted(bands)
        jobs: list[Callable[[], Any]] = [
            partial(_read, stack, stack.parts[number], tuple(inner), grid, nodata, method)
            for number, inner in wanted.items()
        ]
        found = dict(zip(wanted, stack.parallel_reads(jobs), strict=True))
        if len(found) == 1 and len(bands) == len(next(iter(wanted.values()))):
            data, mask = next(iter(found.values()))
            return Pixels(data=data.astype(stack.profile.dtype, copy=False), mask=mask, alpha=None)
        # interleaved, as encoders of pictures want it
        data = np.empty((grid.height, grid.width, len(bands)), stack.profile.dtype).transpose(2, 0, 1)
        masked = any(mask is not None for _, mask in found.values())
        valid = np.ones((len(bands), grid.height, grid.width), np.bool_) if masked else None
        for place, band in enumerate(bands):
            number, inner = stack.places[band - 1]
            position = wanted[number].index(inner)
            pixels, mask = found[number]
            data[place] = pixels[position]
            if valid is not None and mask is not None:
                valid[place] = mask[position if len(mask) > 1 else 0]
        return Pixels(data=data, mask=valid, alpha=None)

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        """Return bytes that have to be decoded, of all parts."""
        total = 0
        for number, inner in self._wanted(bands).items():
            part = self._stack.parts[number]
            reader = self._stack.opened(part).dataset.reader_for(self._method)
            total += reader.estimate(grid, bands=_inner(part, tuple(inner)))
        return total

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:
        """Return bytes of memory that all parts take at a time, with their own pixels."""
        total = 0
        for number, inner in self._wanted(bands).items():
            part = self._stack.parts[number]
            read = _inner(part, tuple(inner))
            reader = self._stack.opened(part).dataset.reader_for(method)
            size = part.profile.dtype.itemsize + 1 + (8 if part.formula is not None else 0)
            total += reader.work(grid, bands=read, method=method) + grid.width * grid.height * len(read) * size
        return total

    def _wanted(self, bands: tuple[int, ...]) -> dict[int, list[int]]:
        """Return bands of each part, from 0, by its number."""
        wanted: dict[int, list[int]] = {}
        for band in bands:
            number, inner = self._stack.places[band - 1]
            inners = wanted.setdefault(number, [])
            if inner not in inners:
                inners.append(inner)
        return wanted


def _inner(part: Part, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return numbers of the asset's own bands that are read for bands of its part."""
    return part.bands if part.formula is not None else tuple(part.bands[position] for position in wanted)


def _read(
    stack: AssetStack, part: Part, wanted: tuple[int, ...], grid: Grid, nodata: float | None, method: str
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return bands of one part on the grid, and what is valid: shape of the bands, or one for all, or None for all."""
    bands = _inner(part, wanted)
    if nodata is None or not can_hold(part.profile.dtype.name, nodata):
        nodata = part.profile.usable_nodata
    pixels = stack.read(part, grid, bands=bands, nodata=nodata, method=method)
    if nodata is None and (numbers := masks.numbers(pixels.data)) is not None:
        pixels = masks.without(pixels, numbers)
    valid = pixels.mask
    if pixels.alpha is not None:
        shown = (pixels.alpha != 0)[np.newaxis]
        valid = shown if valid is None else valid & shown
    raster = part.raster(pixels.data, valid, bands)
    if part.formula is not None and wanted != tuple(range(part.count)):
        mask = raster.mask if raster.mask is None or len(raster.mask) == 1 else raster.mask[list(wanted)]
        return raster.data[list(wanted)], mask
    return raster.data, raster.mask


def open_stack(engine: Resources, whole: Source, formula_of: Callable[[str], BandMath]) -> AssetStack:
    """Open assets of an item, those in stores side by side.

    Args:
        engine: keeps the item and the assets open.
        whole: from `tilery.reading.stac.choice.stack_source`.
        formula_of: parses the expression of an asset.

    Raises:
        AssetNotFound: the item has no asset of that name.
        AssetAsBand: an asset that is to be one band has several.
        SourceError, UpstreamError: item or asset cannot be opened, or an asset's address is not allowed.
    """
    document = cast("ItemDataset", engine.datasets.get(item_source(whole.location)).dataset)
    selection = dict(whole.selection)
    choices = _chosen(document.item, selection["assets"])
    places = [_placed(engine, whole.location, document.item.asset(choice.name)) for choice in choices]
    opening: list[Callable[[], Part]] = [
        partial(_opened, engine, document.item, choice, place, formula_of, unscale=selection.get("unscale", False))
        for choice, place in zip(choices, places, strict=True)
    ]
    local = all(place.is_local for place in places)
    parts = [job() for job in opening] if local else engine.parts.run(opening)
    if selection.get("as_bands"):
        for part in parts:
            if part.count > 1:
                raise AssetAsBand(
                    f"The asset {part.choice.name!r} has {part.count} bands: with asset_as_band each may have one.",
                    parameter="asset_as_band",
                )
    return AssetStack(engine, whole, document, tuple(parts))


def _chosen(document: Item, choices: tuple[AssetChoice, ...]) -> list[AssetChoice]:
    """Return the choices, with every asset in place of the name that stands for all."""
    found = []
    for choice in choices:
        if choice.name == ALL:
            found += [AssetChoice(name=name) for name in document.assets]
        else:
            found.append(choice)
    if len(found) > MOST_ASSETS:
        raise OverLimit(f"At most {MOST_ASSETS} assets at a time.", parameter="assets", limit=MOST_ASSETS)
    return found


def _placed(engine: Resources, base: Location, asset: Asset) -> Source:
    """Return the source of an asset, which the policy allows."""
    try:
        found = source.raster(engine.locate(asset.address(base, engine.alternate)))
    except TileryError as error:
        raise _of_asset(asset.name, error) from None
    if asset.header_size:
        engine.stores.expect_header(found.location, asset.header_size)
    return found


def _of_asset(name: str, error: TileryError) -> TileryError:
    """Return the error, which says whose it is."""
    error.detail = f"Asset {name!r}: {error.detail}"
    error.args = (error.detail,)
    error.parameter = "assets"
    return error


def _opened(
    engine: Resources,
    document: Item,
    choice: AssetChoice,
    place: Source,
    formula_of: Callable[[str], BandMath],
    *,
    unscale: bool,
) -> Part:
    asset = document.asset(choice.name)
    try:
        dataset = engine.datasets.get(place).dataset
        formula = None if choice.expression is None else formula_of(choice.expression)
    except (SourceError, RequestError) as error:
        raise _of_asset(choice.name, error) from None
    profile = classes.described(dataset.profile, asset)
    bands = choice.indexes or (None if choice.bands is None else asset.numbers_of(choice.bands))
    if formula is not None:
        bands = formula.bands
    bands = bands or profile.data_bands or (1,)
    for band in bands:
        if not 1 <= band <= profile.count:
            raise InvalidBand(
                f"The asset {choice.name!r} has bands 1 to {profile.count}, and no band {band}.",
                parameter="assets",
                limit=profile.count,
            )
    nothing = np.empty((len(bands), 0, 1), profile.dtype)
    facts = _described(profile, bands, nothing, None, unscale=unscale and formula is not None, said=asset.statistics())
    if formula is not None:
        facts = formula.apply(facts)
    return Part(
        choice=choice,
        source=place,
        identity=dataset.identity,
        profile=profile,
        bands=bands,
        formula=formula,
        unscale=unscale,
        facts=facts,
    )


def _described(
    profile: Profile,
    bands: tuple[int, ...],
    data: Array,
    mask: NDArray[np.bool_] | None,
    *,
    unscale: bool,
    said: tuple[tuple[float, float], ...] | None = None,
) -> Raster:
    """Return bands of an asset with their names, their statistics (or those that the item says) and their scales."""
    scales = tuple(profile.scales[band - 1] for band in bands)
    offsets = tuple(profile.offsets[band - 1] for band in bands)
    known = [profile.statistics(band) for band in bands]
    statistics = tuple(pair for pair in known if pair is not None)
    if len(statistics) < len(bands):
        statistics = tuple(said[band - 1] for band in bands) if said and max(bands) <= len(said) else ()
    if unscale:
        data = data.real.astype("float32")
        data *= np.asarray(scales, dtype="float32").reshape(-1, 1, 1)
        data += np.asarray(offsets, dtype="float32").reshape(-1, 1, 1)
        statistics = ()
    return Raster(
        data=data,
        mask=mask,
        band_names=tuple(f"b{band}" for band in bands),
        band_descriptions=tuple(profile.descriptions[band - 1] or f"b{band}" for band in bands),
        scales=scales,
        offsets=offsets,
        statistics=statistics or None,
    )


def _profile(parts: tuple[Part, ...], *, as_bands: bool) -> Profile:
    """Return what the stack says of itself."""
    count = sum(part.count for part in parts)
    dtype = np.result_type(*(part.facts.data.dtype for part in parts))
    descriptions: list[str] = []
    scales: list[float] = []
    offsets: list[float] = []
    tags: list[dict[str, str]] = []
    names: dict[int, Mapping[float, str]] = {}
    colors: dict[int, Mapping[float, str]] = {}
    for part in parts:
        for place, band in enumerate(part.bands if part.formula is None else (), len(descriptions) + 1):
            if band in part.profile.class_names:
                names[place] = part.profile.class_names[band]
            if band in part.profile.class_colors:
                colors[place] = part.profile.class_colors[band]
        facts = part.facts
        descriptions += [
            part.choice.name if as_bands else f"{part.choice.name}_{text}" for text in facts.band_descriptions
        ]
        scales += facts.scales or (1.0,) * part.count
        offsets += facts.offsets or (0.0,) * part.count
        tags += (
            [{"STATISTICS_MINIMUM": repr(low), "STATISTICS_MAXIMUM": repr(high)} for low, high in facts.statistics]
            if facts.statistics
            else [{}] * part.count
        )
    return profile_of(
        frame.of_profiles([part.profile for part in parts]),
        count=count,
        dtypes=(dtype.name,) * count,
        has_mask=any(part.profile.has_mask for part in parts),
        scales=tuple(scales),
        offsets=tuple(offsets),
        descriptions=tuple(descriptions),
        band_tags=tuple(tags),
        class_names=names,
        class_colors=colors,
        gcps=any(part.profile.gcps for part in parts),
        compound=any(part.profile.compound for part in parts),
    )

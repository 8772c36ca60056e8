"""A grid filled from the rasters of a mosaic, some at a time, until nothing would change any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from tilery.errors import SourceDenied, SourceNotFound, TooMuchWork, UnsupportedRaster, UpstreamError
from tilery.geo.raster import Crs, Grid, Raster
from tilery.limits import deadline, memory
from tilery.reading import touching
from tilery.reading.band_math import BandMath
from tilery.reading.filling import Filling, check_decoded, prepared
from tilery.reading.mosaic import selection
from tilery.reading.mosaic.parts import Parts
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.options import ReadOptions
from tilery.reading.sizes import widened
from tilery.storage.bytes.protocol import SourceChanged

T = TypeVar("T")

AT_ONCE = 16
"""Rasters that are opened and read at a time."""
_FEW = 4
"""The same where the first may be enough."""
_LOOKED_AT = 2
"""Rasters that are looked at, for each that may be opened: some may be missing, or lie elsewhere."""
_REAL_ONLY = frozenset(("highest", "lowest", "median", "lastbandlow", "lastbandhigh"))
"""Selections that compare values, which complex numbers do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRequest:
    """What a grid is to be filled with."""

    grid: Grid
    options: ReadOptions
    formula: BandMath | None
    buffer: float | None
    padding: int | None

    @property
    def around(self) -> Grid:
        """The grid with its buffer."""
        return widened(self.grid, self.buffer) if self.buffer else self.grid

    def prepared(self, opened: OpenDataset) -> Filling:
        """Return what filling the grid from one raster comes to."""
        options = replace(self.options, bytes_a_pixel=0)
        if self.formula is not None and options.bands is None:
            options = replace(options, bands=self.formula.bands)
        return prepared(opened.dataset, self.grid, options, buffer=self.buffer, padding=self.padding)

    def calculated(self, raster: Raster) -> Raster:
        """Return a raster with the expression worked out."""
        return raster if self.formula is None else replace(self.formula.apply(raster), calculated=True)


def too_many(count: int, limit: int) -> TooMuchWork:
    """Return the error that says that a grid needs more rasters than may be opened for it."""
    return TooMuchWork(
        f"This would open {count} rasters of the mosaic; the limit is {limit}. Ask for a deeper zoom or less area, or "
        "give the mosaic an overview (tilery mosaic --overview).",
        limit=limit,
    )


def filled(parts: Parts, numbers: Sequence[int], request: FillRequest) -> Raster | None:
    """Return a grid filled; None where none of the rasters touches it.

    Args:
        parts: opens the rasters.
        numbers: of those that may touch it, in the order in which they count.
        request: what is wanted.

    Raises:
        TooMuchWork: it would take more rasters, memory or decoded pixels than one request may need.
        SourceNotFound: a raster is missing, and is not to be left out.
        SourceError, UpstreamError: a raster cannot be read.
    """
    options = request.options
    first_only = options.pixel_selection == "first"
    folding = selection.folding(options.pixel_selection)
    around, at = request.around, 0
    most = _LOOKED_AT * options.limits.assets
    looked_at = numbers[: most + 1]
    used: list[tuple[str, str]] = []
    wave: Sequence[int]
    decoded = touched = 0
    full = False
    while at < len(looked_at) and not full:
        deadline.check()
        wave, at = (_wave_of_first if first_only else _wave)(parts, looked_at, at, request)
        if at > most:  # missing or elsewhere, they were looked for all the same
            raise too_many(len(numbers), options.limits.assets)
        opened = _opened(parts, wave, skip_missing=options.skip_missing)
        opened = [(number, one) for number, one in opened if touching.touches(one, _crs(one, around), around.bounds)]
        touched += len(opened)
        if touched > options.limits.assets:
            raise too_many(touched, options.limits.assets)
        if not opened:
            continue
        fillings = [request.prepared(one) for _, one in opened]
        decoded += sum(filling.decoded for filling in fillings)
        check_decoded(decoded, options)
        _check_kind(fillings, options)
        _reserve(fillings, request, rasters=len(numbers))
        jobs: list[Callable[[], tuple[Raster, str]]] = [
            partial(_read, parts, number, one, filling, request)
            for (number, one), filling in zip(opened, fillings, strict=True)
        ]
        for (number, _), (raster, identity) in zip(opened, _side_by_side(parts, wave, jobs), strict=True):
            folding.feed(request.calculated(raster))
            used.append((parts.name(number), identity))
            if full := folding.is_full:
                break
    found = folding.result()
    return None if found is None else replace(found, parts=tuple(used))


def each(
    parts: Parts, numbers: Sequence[int], work: Callable[[OpenDataset], T], skip_missing: bool
) -> Iterator[tuple[int, T]]:
    """Yield what work makes of rasters, some at a time, by their numbers.

    Raises:
        SourceNotFound: a raster is missing, and is not to be left out.
        SourceError, UpstreamError: a raster cannot be read.
    """
    for at in range(0, len(numbers), AT_ONCE):
        wave = numbers[at : at + AT_ONCE]
        opened = _opened(parts, wave, skip_missing=skip_missing)
        made = _side_by_side(parts, wave, [partial(_unchanged, parts, number, work) for number, _ in opened])
        yield from zip((number for number, _ in opened), made, strict=True)


def _unchanged(parts: Parts, number: int, work: Callable[[OpenDataset], T]) -> T:
    """Return what work makes of a raster; done once more where that changes meanwhile."""
    for _ in range(2):
        opened = parts.get(number)
        try:
            return _sure(parts, opened, partial(work, opened))
        except SourceChanged:
            continue
    raise _keeps_changing()


def _wave(parts: Parts, numbers: Sequence[int], at: int, request: FillRequest) -> tuple[Sequence[int], int]:  # noqa: ARG001 - one of several
    """Return the next rasters of which all are read, and where those after them begin: of this machine one by one."""
    end = at + (1 if parts.source(numbers[at]).is_local else AT_ONCE)
    return numbers[at:end], end


def _wave_of_first(parts: Parts, numbers: Sequence[int], at: int, request: FillRequest) -> tuple[list[int], int]:
    """Return the next rasters of which the first valid pixel is taken, and where those after them begin.

    None is opened that might not be needed: one that is not open is asked alone, and behind one that fills the grid
    none is read. Those in stores are read at a time where it is known that each has but a part of the grid.
    """
    around = request.around
    found: list[int] = []
    while at < len(numbers) and len(found) < _FEW:
        number = numbers[at]
        opened = parts.find(number)
        if opened is None:
            return ([number], at + 1) if not found else (found, at)
        crs = _crs(opened, around)
        at += 1
        if not touching.touches(opened, crs, around.bounds):
            continue
        found.append(number)
        if parts.source(number).is_local or (
            _is_solid(opened, request.options) and touching.holds(opened, crs, around.bounds)
        ):
            break
    return found, at


def _is_solid(opened: OpenDataset, options: ReadOptions) -> bool:
    """Return True where every pixel of a raster is surely valid."""
    profile = opened.dataset.profile
    missing = options.nodata is not None or profile.nodata is not None or profile.has_mask
    return not missing and profile.alpha_band is None and profile.dtype.kind in "iu"


def _crs(opened: OpenDataset, grid: Grid) -> Crs:
    """Return the CRS of a grid.

    Raises:
        UnsupportedRaster: the raster has none, and so no place in the mosaic.
    """
    if grid.crs is None or opened.dataset.profile.crs is None:
        raise UnsupportedRaster("A raster of the mosaic has no coordinate reference system.", parameter="url")
    return grid.crs


def _opened(parts: Parts, wave: Sequence[int], *, skip_missing: bool) -> list[tuple[int, OpenDataset]]:
    """Return the rasters of a wave, open."""

    def open_(number: int) -> OpenDataset | None:
        try:
            return parts.get(number)
        except (SourceNotFound, SourceDenied):
            if skip_missing:
                return None
            raise

    found = _side_by_side(parts, wave, [partial(open_, number) for number in wave])
    return [(number, opened) for number, opened in zip(wave, found, strict=True) if opened is not None]


def _side_by_side(parts: Parts, wave: Sequence[int], jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what jobs give; at the same time where they wait for bytes from elsewhere."""
    if len(jobs) < 2 or all(parts.source(number).is_local for number in wave):
        return [job() for job in jobs]
    return parts.engine.parts.run(jobs)


def _read(parts: Parts, number: int, opened: OpenDataset, filling: Filling, request: FillRequest) -> tuple[Raster, str]:
    """Return the grid filled from one raster, and the raster's identity. One that changes meanwhile is read
    once more.
    """
    try:
        return _sure(parts, opened, filling.read), opened.dataset.identity
    except SourceChanged:
        pass
    opened = parts.get(number)
    try:
        return _sure(parts, opened, request.prepared(opened).read), opened.dataset.identity
    except SourceChanged:
        raise _keeps_changing() from None


def _sure(parts: Parts, opened: OpenDataset, work: Callable[[], T]) -> T:
    """Return what work makes of a raster that is the same before and after.

    Raises:
        SourceChanged: it is not.
    """
    try:
        found = work()
    except SourceChanged:
        parts.forget(opened)
        raise
    except Exception:
        if not opened.dataset.unchanged():
            parts.forget(opened)
            raise SourceChanged from None
        raise
    if not opened.dataset.unchanged():
        parts.forget(opened)
        raise SourceChanged
    return found


def _keeps_changing() -> UpstreamError:
    return UpstreamError("A raster of the mosaic keeps changing while it is read. Try again.", retry_after=5)


def _check_kind(fillings: Sequence[Filling], options: ReadOptions) -> None:
    if options.pixel_selection in _REAL_ONLY and any(one.profile.dtype.kind == "c" for one in fillings):
        raise UnsupportedRaster(
            f"The values are complex numbers, of which none is the {options.pixel_selection}: choose another "
            "pixel_selection.",
            parameter="pixel_selection",
        )


def _reserve(fillings: Sequence[Filling], request: FillRequest, *, rasters: int) -> None:
    """Have the memory of one wave, of what it is folded into, and of what is done with the pixels afterwards."""
    inner, bands = fillings[0].inner, len(fillings[0].bands)
    kind = np.result_type(*(filling.profile.dtype for filling in fillings))
    if request.formula is not None:
        kind = np.result_type(kind, np.float64)
    elif request.options.unscale:
        kind = np.result_type(kind, np.float32)
    pixels = inner.width * inner.height
    reading = sum(filling.memory for filling in fillings)
    if request.formula is not None:
        reading += len(fillings) * pixels * bands * 2 * kind.itemsize
    if len(fillings) > 1 or rasters > 1:
        reading += selection.memory(
            request.options.pixel_selection, pixels=pixels, bands=bands, kind=kind, rasters=rasters
        )
    memory.need(max(reading, pixels * (bands * (kind.itemsize + 1) + request.options.bytes_a_pixel)))

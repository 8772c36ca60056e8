"""A grid filled with what options ask for: bands, nodata, resampling, within the limits of one request."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tilery.errors import (
    AnswerTooLarge,
    InvalidBand,
    InvalidParameter,
    OverLimit,
    TooMuchWork,
)
from tilery.geo.raster import Array, Grid, Raster
from tilery.limits import memory
from tilery.reading import footprint, masks
from tilery.reading.dataset import Composite, Dataset
from tilery.reading.grid_reader import GridReader, Pixels
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile, can_hold
from tilery.reading.sizes import widened


def fill(
    dataset: Dataset, grid: Grid, options: ReadOptions, *, buffer: float | None = None, padding: int | None = None
) -> Raster:
    """Return a grid filled, with what goes around it: a buffer that stays, a padding that is cut off again."""
    _check_size(widened(grid, buffer) if buffer else grid, options)
    if isinstance(dataset, Composite):
        return dataset.fill(grid, options, buffer=buffer, padding=padding)
    filling = prepared(dataset, grid, options, buffer=buffer, padding=padding)
    check_decoded(filling.decoded, options)
    memory.need(filling.memory)
    return filling.read()


def _check_size(grid: Grid, options: ReadOptions) -> None:
    """Check that a picture may have so many pixels.

    Raises:
        TooMuchWork, AnswerTooLarge: it may not.
    """
    limit = options.limits.pixels
    if grid.width * grid.height > limit:
        raise TooMuchWork(
            f"The picture would have {grid.width} × {grid.height} pixels; at most {limit} are allowed. Give a "
            "max_size, or a width and height.",
            parameter="max_size",
            limit=limit,
        )
    if options.max_answer_pixels is not None and grid.width * grid.height > options.max_answer_pixels:
        raise AnswerTooLarge(
            f"The picture would have {grid.width} × {grid.height} pixels; in this format "
            f"{options.max_answer_pixels} fit into what can be sent from here. Ask for fewer pixels or bands, "
            "or for a format that compresses.",
            parameter="format",
            limit=options.max_answer_pixels,
        )


def check_decoded(size: int, options: ReadOptions) -> None:
    """Check that one request may need so many bytes of decoded pixels.

    Raises:
        TooMuchWork: it may not.
    """
    limit = options.limits.decoded_bytes
    if size > limit:
        raise TooMuchWork(
            f"This would take about {size >> 20} MB of pixels; the limit is {limit >> 20} MB. Ask for less "
            "area or a deeper zoom, or give the raster overviews and tiles.",
            limit=limit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """One read of one dataset, and what it will take."""

    profile: Profile
    reader: GridReader
    grid: Grid
    """What is read, with the padding."""
    inner: Grid
    """What is left of it."""
    padding: int
    bands: tuple[int, ...]
    nodata: float | None
    method: str
    unscale: bool
    decoded: int
    """Bytes of decoded pixels."""
    memory: int
    """Bytes that it takes at a time, what is done with the pixels afterwards included."""

    def read(self) -> Raster:
        """Return the grid filled."""
        pixels = self.reader.read(self.grid, bands=self.bands, nodata=self.nodata, method=self.method)
        if self.nodata is None and (numbers := masks.numbers(pixels.data)) is not None:
            pixels = masks.without(pixels, numbers)
        raster = _raster(self.profile, self.grid, self.bands, self.nodata, pixels, unscale=self.unscale)
        if not self.padding:
            return raster
        inner = slice(self.padding, -self.padding)
        return replace(
            raster,
            data=raster.data[:, inner, inner],
            mask=None if raster.mask is None else raster.mask[:, inner, inner],
            alpha=None if raster.alpha is None else raster.alpha[inner, inner],
            bounds=self.inner.bounds,
        )


def prepared(
    dataset: Dataset, grid: Grid, options: ReadOptions, *, buffer: float | None = None, padding: int | None = None
) -> Filling:
    """Return what filling a grid from a dataset comes to. Nothing is read yet.

    Raises:
        InvalidBand, OverLimit: a band that the raster does not have, or too many.
        InvalidParameter: the raster cannot hold the nodata value.
    """
    profile = dataset.profile
    inner = widened(grid, buffer) if buffer else grid
    padded = padding if padding and not _is_aligned(profile, inner) else 0
    read = widened(inner, padded) if padded else inner
    bands = bands_of(profile, options)
    nodata = _nodata_of(profile, options)
    method = _method_for(profile, read, options)
    reader = dataset.reader_for(method)
    pixels = read.width * read.height
    made = pixels * len(bands) * profile.dtype.itemsize
    held = pixels * len(bands) * (profile.dtype.itemsize + 1 + 4 * options.unscale)
    work = reader.work(read, bands=bands, method=method)
    return Filling(
        profile=profile,
        reader=reader,
        grid=read,
        inner=inner,
        padding=padded,
        bands=bands,
        nodata=nodata,
        method=method,
        unscale=options.unscale,
        decoded=max(made, reader.estimate(read, bands=bands)),
        memory=held + max(work, pixels * options.bytes_a_pixel),
    )


def _is_aligned(profile: Profile, grid: Grid) -> bool:
    """Return True when the grid falls on the raster's own blocks, so that pixels around it change nothing."""
    if (
        grid.crs != profile.crs
        or not profile.north_up
        or profile.composed
        or profile.block_shapes[0][1] == profile.width
    ):
        return False
    a, _, c, _, e, f = profile.transform
    column, row = (grid.bounds[0] - c) / a, (grid.bounds[3] - f) / e
    width, height = (grid.bounds[2] - grid.bounds[0]) / a, (grid.bounds[1] - grid.bounds[3]) / e
    if round(width) % 64 and round(height) % 64:
        return False
    return not (profile.width - round(column)) % 64 and not (profile.height - round(row)) % 64


def bands_of(profile: Profile, options: ReadOptions) -> tuple[int, ...]:
    """Return the numbers of the bands to read, from 1.

    Raises:
        InvalidBand, OverLimit: a band that the raster does not have, or too many.
    """
    bands = options.bands or profile.data_bands or (1,)
    for band in bands:
        if not 1 <= band <= profile.count:
            raise InvalidBand(
                f"Band {band} does not exist: the raster has bands 1 to {profile.count}.",
                parameter="expression" if profile.composed or options.expression else "bidx",
                limit=profile.count,
            )
    limit = options.limits.bands
    if len(bands) > limit:
        raise OverLimit(f"At most {limit} bands can be asked for at a time.", parameter="bidx", limit=limit)
    return bands


def _nodata_of(profile: Profile, options: ReadOptions) -> float | None:
    if options.nodata is None:
        return profile.usable_nodata
    if not can_hold(profile.dtype.name, options.nodata):
        raise InvalidParameter(
            f"A raster of type {profile.dtypes[0]} cannot hold this nodata value.", parameter="nodata"
        )
    return options.nodata


def _method_for(profile: Profile, grid: Grid, options: ReadOptions) -> str:
    """Return the resampling of this read. In the raster's own CRS it is ``resampling``; in another it is ``reproject``,
    except that ``resampling`` has its say where the output is coarser than the raster and pixels must be thinned out.
    """
    if grid.crs == profile.crs and profile.north_up and not profile.gcps:
        return options.resampling
    if options.resampling != "nearest" and footprint.scale(profile, grid) > 1.0:
        return options.resampling
    return options.reproject


def _raster(
    profile: Profile, grid: Grid, bands: tuple[int, ...], nodata: float | None, pixels: Pixels, *, unscale: bool
) -> Raster:
    data: Array = pixels.data
    scales = tuple(profile.scales[band - 1] for band in bands)
    offsets = tuple(profile.offsets[band - 1] for band in bands)
    known = [profile.statistics(band) for band in bands]
    statistics = tuple(pair for pair in known if pair is not None) if None not in known else None
    if unscale:
        factor = np.asarray(scales, dtype="float32").reshape(-1, 1, 1)
        shift = np.asarray(offsets, dtype="float32").reshape(-1, 1, 1)
        data = data.real.astype("float32")  # of complex numbers TiTiler takes that part too
        data *= factor
        data += shift
        if statistics is not None:
            ends = (
                (low * by + plus, high * by + plus)
                for (low, high), by, plus in zip(statistics, scales, offsets, strict=True)
            )
            statistics = tuple((min(pair), max(pair)) for pair in ends)  # a scale below 0 turns them round
        scales, offsets = (1.0,) * len(bands), (0.0,) * len(bands)
    return Raster(
        data=data,
        mask=pixels.mask,
        alpha=None if pixels.alpha is None else pixels.alpha.real,
        bounds=grid.bounds,
        crs=grid.crs,
        band_names=tuple(f"b{band}" for band in bands),
        band_descriptions=tuple(profile.descriptions[band - 1] or f"b{band}" for band in bands),
        nodata=nodata,
        scales=scales,
        offsets=offsets,
        statistics=statistics,
        colormap=profile.palette,
    )

"""The first overview of a raster, made window by window while the raster's own pixels are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affine import Affine

from tilery.geo.raster import Array
from tilery.publishing import validity
from tilery.publishing.halving import Halving, edged
from tilery.publishing.overviews import factors, level_file, mask_file
from tilery.publishing.rasters import BLOCK
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.tiff.level_writer import Blocks, LevelWriter, writing_level, writing_mask
from tilery.publishing.verification.level_check import LevelCheck, Sums, places_of
from tilery.publishing.verification.written_blocks import whole
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window


@dataclass(frozen=True, slots=True)
class Part:
    """A window of the overview."""

    overview: FirstOverview
    blocks: Blocks
    mask: Blocks
    sums: Sequence[Sequence[Sums]]

    def write(self) -> None:
        """Put it into the files."""
        self.overview.write(self)


@dataclass(slots=True)
class FirstOverview:
    """The overview while it is made."""

    halving: Halving
    check: LevelCheck
    level: LevelWriter
    mask: LevelWriter | None
    names: tuple[str, str]

    def around(self, window: Window) -> Window:
        """Return a window of the raster with the pixels around it that its part of the overview is made of."""
        from rasterio.windows import Window as Around

        top, left, height, width = places_of(window)
        rows, columns = self.halving.sides(self._below(window))
        first, last = max(0, min(top, rows.start)), min(self.halving.height, max(top + height, rows.stop))
        start, stop = max(0, min(left, columns.start)), min(self.halving.width, max(left + width, columns.stop))
        return Around(start, first, stop - start, last - first)

    def part(self, data: Array, said: Array | None, around: Window, window: Window) -> Part:
        """Return the part of the overview that a window stands for, for any thread to make.

        Args:
            data: all bands of what is `around` the window.
            said: its mask, 0 where something is missing. None: there is none.
            around: where these are.
            window: of the raster.
        """
        profile = self.halving.profile
        below = self._below(window)
        rows, columns = self.halving.sides(below)
        top, left, height, width = places_of(around)
        lines = slice(max(0, rows.start - top), rows.stop - top)
        places = slice(max(0, columns.start - left), columns.stop - left)
        needed = data[:, lines, places]
        alpha = None if profile.alpha_band is None else needed[profile.alpha_band - 1]
        bands = needed if alpha is None else needed[[band - 1 for band in profile.data_bands]]
        found = validity.of(bands, alpha, profile, None if said is None else said[lines, places])
        source = edged(
            found,
            (
                (max(0, top - rows.start), max(0, rows.stop - top - height)),
                (max(0, left - columns.start), max(0, columns.stop - left - width)),
            ),
        )
        made, there = self.halving.made(source, below)
        sums = self.halving.compared(self.check, source, made, there, below)
        of_mask = () if self.mask is None or there is None else self.mask.encoded(there[None], below)
        return Part(self, self.level.encoded(made, below), of_mask, sums)

    def write(self, part: Part) -> None:
        """Put a part into the files."""
        self.level.write(part.blocks)
        if self.mask is not None:
            self.mask.write(part.mask)
        for sums in part.sums:
            self.check.add(sums)

    def sums(self) -> dict[str, int]:
        """Return check sums of the blocks of its files, by their names, after these were written."""
        found = {self.names[0]: self.level.sum()}
        return found if self.mask is None else found | {self.names[1]: self.mask.sum()}

    def _below(self, window: Window) -> Window:
        from rasterio.windows import Window as Below

        top, left, height, width = places_of(window)
        return Below(left // 2, top // 2, -(-(left + width) // 2) - left // 2, -(-(top + height) // 2) - top // 2)


def can_be_made(profile: Profile, windows: Sequence[Window]) -> bool:
    """Return whether a raster has overviews, and each window that it is made in is whole blocks of the first."""
    whole = not any(int(window.row_off) % (2 * BLOCK) or int(window.col_off) % (2 * BLOCK) for window in windows)
    return whole and bool(factors(profile.width, profile.height))


@contextmanager
def first_overview(path: Path, encoding: Encoding, profile: Profile, resampling: str) -> Iterator[FirstOverview]:
    """The first overview of a raster; it is whole, and checked, when the block of the ``with`` statement has ended.

    Args:
        path: the raster's.
        encoding: of its blocks, without loss.
        profile: facts of the raster.
        resampling: one of `tilery.publishing.downsampling.METHODS`.

    Raises:
        BrokenRaster: it shows something else than the raster.
    """
    halving = Halving(profile, resampling, profile.width, profile.height)
    width, height = halving.below
    files = level_file(path, 1), mask_file(path, 1)
    place = Affine.scale(profile.width / width, profile.height / height)  # rasterio warns of files without any
    shape: dict[str, Any] = {"width": width, "height": height, "transform": place}
    check = LevelCheck(profile, resampling, 2, lossless=True)
    with ExitStack() as stack:
        bands: dict[str, Any] = {"count": profile.count, "dtype": profile.dtype.name, "nodata": profile.usable_nodata}
        level = stack.enter_context(writing_level(files[0], encoding, **bands, **shape))
        masked = validity.has_mask(profile)
        mask = stack.enter_context(writing_mask(files[1], **shape)) if masked else None
        yield FirstOverview(halving, check, level, mask, (files[0].name, files[1].name))
    check.need_right()
    for made in files[: 2 if masked else 1]:
        whole(made)

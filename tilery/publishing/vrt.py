"""The warped VRT that the AWS Lambda tiler read: Web Mercator, the whole world, the deepest zoom's pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affine import Affine

from tilery.errors import UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.publishing import antimeridian, rasters
from tilery.publishing.grid import world
from tilery.reading.profile import Profile


def vrt(source: Path, target: Path, profile: Profile, zoom: int, resampling: str) -> None:
    """Write ``target``, with an alpha band where the source does not say what is missing.

    Args:
        source: the raster; the VRT names it relative to its own folder when they share it.
        target: the VRT.
        profile: facts of the raster.
        zoom: the deepest zoom; the VRT is 256·2^zoom pixels wide and high.
        resampling: rasterio's name.

    Raises:
        UnsupportedRaster: a part of the raster is beyond ±180°, where the VRT would not find it, or control
            points place it.
    """
    from rasterio.enums import Resampling
    from rasterio.shutil import copy
    from rasterio.vrt import WarpedVRT

    crs = rasters.crs_of(profile)
    antimeridian.need_within(profile)
    if profile.gcps:
        raise UnsupportedRaster("Ground control points place this raster; publish it with --layout cog.")
    grid = world(zoom)
    options: dict[str, Any] = {}
    if profile.nodata is not None:
        options["src_nodata"] = options["nodata"] = profile.nodata
    elif profile.alpha_band is None:
        options["add_alpha"] = True
    options["src_crs"] = crs_.to_rasterio(crs)
    options["src_transform"] = Affine(*profile.transform)
    with (
        rasters.failures(target.parent),
        rasters.environment(),
        rasters.reading(source, driver=profile.driver) as dataset,
        WarpedVRT(
            dataset,
            crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
            transform=Affine(*grid.transform),
            width=grid.width,
            height=grid.height,
            resampling=Resampling[resampling],
            **options,
        ) as warped,
    ):
        copy(warped, target, driver="VRT")
    _make_relative(source, target)


def _make_relative(source: Path, target: Path) -> None:
    """Name the raster by its file name, so that the folder can be moved or put on S3."""
    if source.parent.resolve() != target.parent.resolve():
        return
    text = target.read_text(encoding="utf-8")
    for spelling in (str(source), str(source.resolve())):
        text = text.replace(
            f'<SourceDataset relativeToVRT="0">{spelling}</SourceDataset>',
            f'<SourceDataset relativeToVRT="1">{source.name}</SourceDataset>',
        )
    target.write_text(text, encoding="utf-8")

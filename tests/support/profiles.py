"""Profiles of rasters that no file has."""

from __future__ import annotations

from typing import Any

from tilery.geo.raster import Crs
from tilery.reading.profile import Profile


def profile(width: int, height: int, crs: str | None, transform: tuple[float, ...], **facts: Any) -> Profile:
    """Return the profile of one band of bytes in blocks of 512 pixels, but for the facts that are given."""
    known: dict[str, Any] = {
        "dtypes": ("uint8",),
        "nodata": None,
        "colorinterp": ("gray",),
        "has_mask": False,
        "scales": (1.0,),
        "offsets": (0.0,),
        "descriptions": (None,),
        "overviews": (),
        "block_shapes": ((512, 512),),
        "palette": None,
    }
    return Profile(
        driver="GTiff",
        width=width,
        height=height,
        count=1,
        crs=Crs(crs) if crs else None,
        transform=transform,  # type: ignore[arg-type]
        **known | facts,
    )

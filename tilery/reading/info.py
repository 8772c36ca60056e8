"""The facts of a raster as TiTiler's clients know them."""

from __future__ import annotations

import math
from typing import Any

from tilery.geo import crs as crs_
from tilery.reading.class_names import written
from tilery.reading.profile import Profile


def info(profile: Profile) -> dict[str, Any]:
    """Return what TiTiler's ``/info`` answers: bounds, CRS, bands, data type, nodata, overviews and so on."""
    names = [f"b{band}" for band in range(1, profile.count + 1)]
    if profile.nodata is not None:
        nodata_type = "Nodata"
    elif profile.alpha_band is not None:
        nodata_type = "Alpha"
    else:
        nodata_type = "Mask" if profile.has_mask else "None"
    body: dict[str, Any] = {
        "bounds": list(profile.bounds),
        "crs": None if profile.crs is None else crs_.uri(profile.crs) or profile.crs,
        "band_metadata": [[name, tags] for name, tags in zip(names, profile.band_tags, strict=True)],
        "band_descriptions": [[name, text or name] for name, text in zip(names, profile.descriptions, strict=True)],
        "dtype": profile.dtypes[0],
        "nodata_type": nodata_type,
        "colorinterp": list(profile.colorinterp),
        "scales": list(profile.scales),
        "offsets": list(profile.offsets),
        "driver": profile.driver,
        "count": profile.count,
        "width": profile.width,
        "height": profile.height,
        "overviews": list(profile.overviews),
    }
    if profile.palette:
        body["colormap"] = {str(value): list(colour) for value, colour in profile.palette.items()}
    if profile.class_names:
        body["class_names"] = {f"b{band}": written(named) for band, named in profile.class_names.items()}
    if profile.class_colors:
        body["class_colors"] = {f"b{band}": written(colours) for band, colours in profile.class_colors.items()}
    if profile.nodata is not None:
        body["nodata_value"] = profile.nodata if math.isfinite(profile.nodata) else None
    known = [found for band in range(1, profile.count + 1) if (found := profile.statistics(band))]
    if known:
        body["minmax"] = [list(pair) for pair in known]
    return body

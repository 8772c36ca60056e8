"""The parameters of mosaics: how their rasters become one. The others are in `app.api.params.table`."""

from __future__ import annotations

from app.api.params import table
from app.api.params.kinds import Choice, Flag
from app.api.params.parameter import Group, Parameter
from tilery.reading import options

PIXEL_SELECTION = Parameter(
    name="pixel_selection",
    kind=Choice(names=lambda: options.PIXEL_SELECTIONS),
    description="How one pixel is made of those of several rasters. Defaults to `first`.",
    implied="first",
)
SKIP_MISSING = Parameter(
    name="skip_missing",
    kind=Flag(),
    description="Leave out rasters of the mosaic that are not there, which are an error else.",
    implied=False,
)
MOSAIC_BANDS: Group = (*table.BANDS, PIXEL_SELECTION, SKIP_MISSING)
"""What chooses bands, and how one pixel is made of several."""

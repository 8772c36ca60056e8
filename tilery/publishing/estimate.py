"""How long a publish and its tiles will take on this machine: measured on a few pieces of the raster itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilery.publishing import grid, kinds, rasters, transcode, warp
from tilery.publishing.bounds import map_bounds
from tilery.publishing.windows import threads

if TYPE_CHECKING:
    from tilery.publishing.plan import PublishPlan

_SIDE = 512
_PIECES = 3
_OTHER_STEPS = 1.5
"""Time of overviews, writing and checking against that of the warp, measured over the demo layers."""
_RENDER_SECONDS = 0.004
"""Time of one thread for a tile of an aligned raster, picture and all, measured with ``make bench``."""
_UNSEEN_SECONDS = 2e-7
"""Time of one thread for a pixel of a raster that is not here, or that is read from the top only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes and seconds that publishing takes, about."""

    publish_seconds: float
    tiles_seconds: float
    work_bytes: int


def estimate(planned: PublishPlan) -> Estimate:
    """Return what a plan will cost.

    Args:
        planned: of `tilery.publishing.publish.plan`, with the source on this machine.
    """
    pixels = planned.width * planned.height
    per_pixel = _seconds_per_pixel(planned)
    return Estimate(
        publish_seconds=pixels * per_pixel * (1 + _OTHER_STEPS) / threads(),
        tiles_seconds=planned.tiles * _RENDER_SECONDS / threads(),
        work_bytes=int(planned.raw_bytes * (0.6 if planned.compression.lossless else 0.5) * 4 / 3)
        + planned.expected_bytes,
    )


def _seconds_per_pixel(planned: PublishPlan) -> float:
    """Of one thread, over pieces from the raster's middle: warped, or read where nothing is warped."""
    from rasterio.windows import Window

    path = planned.origin.path
    if path is None or not transcode.is_random_access(planned.profile):
        return _UNSEEN_SECONDS  # a piece of what is read from the top only would take the time of all above it
    side_x, side_y = min(_SIDE, planned.width), min(_SIDE, planned.height)
    places = np.linspace(0.3, 0.7, _PIECES)
    spent = 0.0
    with rasters.environment(GDAL_NUM_THREADS="1"):
        if planned.way is None:
            opening = rasters.reading(path, driver=planned.profile.driver)
        else:
            covered = grid.covering(map_bounds(planned.profile), planned.zoom)
            opening = warp.warped(
                path, planned.profile, covered, planned.way, kinds.WARP[planned.kind], add_alpha=False
            )
        with rasters.failures(None), opening as dataset:
            for place in places:
                window = Window(
                    int((planned.width - side_x) * place), int((planned.height - side_y) * place), side_x, side_y
                )
                start = time.perf_counter()
                dataset.read(list(planned.profile.data_bands), window=window)
                spent += time.perf_counter() - start
    return spent / (_PIECES * side_x * side_y)

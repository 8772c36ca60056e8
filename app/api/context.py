"""What every handler needs at hand, made once for an application."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.api.links import Links
from app.config.settings import Settings
from app.observing.metrics import Metrics
from app.serving.readiness import Readiness
from app.serving.service import Service
from tilery.catalog.catalog import Catalog
from tilery.engine import Engine
from tilery.geo.tms import TileMatrixSets
from tilery.reading.options import ReadLimits
from tilery.rendering.colormap import Colormaps
from tilery.storage.locations import Location
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from app.api.operation import Family
    from app.observing.traces import Traces

KEPT_LOCATIONS = 4096


class Locations:
    """Where sources are, by the address that callers give. Used from the event loop.

    The policy is asked again every few seconds, because a symbolic link may lead somewhere else by then.
    """

    def __init__(self, policy: Policy, seconds: float) -> None:
        """Remember what the policy says for ``seconds``."""
        self.policy = policy
        self._seconds = seconds
        self._found: OrderedDict[str, tuple[float, Location]] = OrderedDict()

    def of(self, url: str) -> Location:
        """Return where the source of that address is.

        Raises:
            SourceRefused: the policy does not allow it.
            InvalidParameter: it is no address.
        """
        now = time.monotonic()
        found = self._found.get(url)
        if found is not None and now - found[0] <= self._seconds:
            return found[1]
        location = self.policy.locate(url)
        self._found[url] = (now, location)
        self._found.move_to_end(url)
        if len(self._found) > KEPT_LOCATIONS:
            self._found.popitem(last=False)
        return location


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """Settings, who may be read, how links are made, and the service that makes answers."""

    settings: Settings
    engine: Engine
    read_limits: ReadLimits
    """What one read may take, by the settings."""
    locations: Locations
    """Of what callers name by ``url``."""
    links: Links
    service: Service
    readiness: Readiness
    metrics: Metrics
    tile_matrix_sets: TileMatrixSets
    """Those that are known, the operator's among them."""
    colormaps: Colormaps
    """The same."""
    catalog: Catalog | None
    layer_locations: Locations
    """Of what layers are made of: that of the catalog too."""
    traces: Traces | None = None
    """Where there are any."""
    families: tuple[Family, ...] = ()
    """Further ways to name a raster, beside URLs and layers."""

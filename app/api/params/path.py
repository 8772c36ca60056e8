"""The parameters of a path as typed values. A route takes out those that its paths name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from tilery.geo.raster import Bounds


@dataclass(frozen=True, slots=True)
class PathValues:
    """What a path says. One that the route's paths do not name is a KeyError, or None where it may be left out."""

    given: Mapping[str, Any]
    """By the parameter's name."""

    @property
    def tile(self) -> tuple[int, int, int]:
        """Zoom, column and row of a tile."""
        given = self.given
        return given["z"], given["x"], given["y"]

    @property
    def matrix_set(self) -> str | None:
        """Identifier of a tile matrix set."""
        return self.given.get("tileMatrixSetId")

    @property
    def scale(self) -> int | None:
        """What ``@2x`` says: the size of a tile in multiples of the matrix's own."""
        return self.given.get("scale")

    @property
    def format(self) -> str | None:
        """Suffix of a picture."""
        return self.given.get("format")

    @property
    def box(self) -> Bounds:
        """Left, bottom, right and top of a box."""
        given = self.given
        return given["minx"], given["miny"], given["maxx"], given["maxy"]

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of a picture in pixels."""
        given = self.given
        return (given["width"], given["height"]) if "width" in given else None

    @property
    def position(self) -> tuple[float, float]:
        """Longitude and latitude, or x and y in ``coord_crs``."""
        return self.given["lon"], self.given["lat"]

    @property
    def layer(self) -> str | None:
        """Id of a layer."""
        return self.given.get("layer")

    def name(self, parameter: str) -> str:
        """Return the name of one of several things, as of an algorithm, that a parameter stands for."""
        return cast("str", self.given[parameter])

"""Tile matrix sets: the arithmetic that a tile needs, on plain frozen values.

morecantile holds the definitions and everything else about them; importing it costs a quarter of a second, which the
first tile of a new process should not pay. So this module reads morecantile's JSON documents from its folder and does
only the sums: size of a matrix, bounds of a tile, zoom for a resolution (OGC 17-083r4, annex on tile indexing).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from tilery.errors import InvalidParameter, TileOutsideBounds
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs

DEFAULT = "WebMercatorQuad"
PIXEL = 0.00028
"""Metres of a pixel on the screen that scale denominators are made for (OGC 17-083r4, 6.1)."""
DEEPEST = 30
"""The deepest zoom that a tile may be asked for: deeper cells are smaller than float64 can place on a mercator grid."""

_DEEPEST_DEFINED = 63
"""Zooms of a definition go as deep, or as far below 0: CDB has -10."""
_MOST_TILES = 1 << 40
"""Along a side of a matrix."""
_LARGEST_TILE = 1 << 16
"""Pixels along a side of a tile."""
_SMALLEST, _FARTHEST = 1e-30, 1e30
"""Sizes and coordinates that floating point can multiply and divide by one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileMatrix:
    """One zoom of a tile matrix set."""

    zoom: int
    scale_denominator: float
    cell_size: float
    """Units of the CRS in a cell."""
    origin: tuple[float, float]
    """x and y of the corner that tiles are counted from."""
    bottom_left: bool
    """True when rows are counted upwards."""
    width: int
    height: int
    tile_width: int
    tile_height: int
    coalesce: tuple[tuple[int, int, int], ...] = ()
    """(first row, last row, factor) where tiles of a row are merged."""

    def factor(self, row: int) -> int:
        """Return how many columns one tile of this row covers."""
        for first, last, factor in self.coalesce:
            if first <= row <= last:
                return factor
        return 1


@dataclass(frozen=True, eq=False)  # each is made once
class TileMatrixSet:
    """A tile matrix set by its OGC name."""

    id: str
    title: str | None
    uri: str | None
    crs: Crs
    matrices: tuple[TileMatrix, ...]
    document: dict[str, Any]
    """The definition as OGC publishes it."""

    @cached_property
    def minzoom(self) -> int:
        """The shallowest zoom that is defined."""
        return self.matrices[0].zoom

    @cached_property
    def maxzoom(self) -> int:
        """The deepest zoom that is defined."""
        return self.matrices[-1].zoom

    @cached_property
    def _by_zoom(self) -> dict[int, TileMatrix]:
        return {matrix.zoom: matrix for matrix in self.matrices}

    def matrix(self, zoom: int) -> TileMatrix:
        """Return the matrix of a zoom; one below the deepest defined is worked out where all scales have one ratio.

        Raises:
            TileOutsideBounds: the set has no such zoom.
        """
        found = self._by_zoom.get(zoom)
        if found is not None:
            return found
        if zoom < self.minzoom or zoom > max(DEEPEST, self.maxzoom) or self._ratio is None:
            raise TileOutsideBounds(
                f"{self.id} has zooms {self.minzoom} to {self.maxzoom}; {zoom} is not one of them.",
                parameter="z",
                limit=self.maxzoom,
            )
        last = self.matrices[-1]
        factor = self._ratio ** (zoom - last.zoom)
        return TileMatrix(
            zoom=zoom,
            scale_denominator=last.scale_denominator / factor,
            cell_size=last.cell_size / factor,
            origin=last.origin,
            bottom_left=last.bottom_left,
            width=round(last.width * factor),
            height=round(last.height * factor),
            tile_width=last.tile_width,
            tile_height=last.tile_height,
        )

    @cached_property
    def _ratio(self) -> float | None:
        """The one ratio of neighbouring scales, or None where there are several or tiles are merged."""
        pairs = zip(self.matrices, self.matrices[1:], strict=False)
        ratios = {round(a.scale_denominator / b.scale_denominator, 2) for a, b in pairs}
        if len(ratios) != 1 or any(matrix.coalesce for matrix in self.matrices):
            return None
        return ratios.pop()

    @cached_property
    def metres_per_unit(self) -> float:
        """Metres in one unit of the CRS; in one degree, along the equator."""
        crs = crs_.to_pyproj(self.crs)
        if crs.is_geographic and crs.ellipsoid is not None:
            return math.radians(float(crs.ellipsoid.semi_major_metre))
        return float(crs.axis_info[0].unit_conversion_factor)

    def scale_denominator(self, cell_size: float) -> float:
        """Return the scale denominator of cells of that size (units of the CRS).

        Some published definitions hold other numbers: CanadianNAD83_LCC those of a screen with 96 dots an inch, GNOSIS
        and CDB rounded ones. Clients work cell sizes out from them, so only this one puts tiles where they are.
        """
        return cell_size * self.metres_per_unit / PIXEL

    def tile_bounds(self, z: int, x: int, y: int) -> Bounds:
        """Return bounds of a tile in the set's CRS, x (or longitude) first.

        Raises:
            TileOutsideBounds: the matrix has no such tile.
        """
        matrix = self.matrix(z)
        if not (0 <= x < matrix.width and 0 <= y < matrix.height):
            raise TileOutsideBounds(
                f"Zoom {z} of {self.id} has columns 0 to {matrix.width - 1} and rows 0 to {matrix.height - 1}; "
                f"tile {z}/{x}/{y} is not among them.",
                parameter="x" if not 0 <= x < matrix.width else "y",
                limit=matrix.width - 1 if not 0 <= x < matrix.width else matrix.height - 1,
            )
        factor = matrix.factor(y) if matrix.coalesce else 1
        tile_width = matrix.cell_size * matrix.tile_width * factor
        tile_height = matrix.cell_size * matrix.tile_height
        left = matrix.origin[0] + (x // factor) * tile_width
        right = matrix.origin[0] + (x // factor + 1) * tile_width
        if matrix.bottom_left:
            bottom = matrix.origin[1] + y * tile_height
            return (left, bottom, right, matrix.origin[1] + (y + 1) * tile_height)
        top = matrix.origin[1] - y * tile_height
        return (left, matrix.origin[1] - (y + 1) * tile_height, right, top)

    def tile_at(self, x: float, y: float, zoom: int) -> tuple[int, int]:
        """Return column and row of the tile that holds a position of the set's CRS, kept inside the matrix."""
        matrix = self.matrix(zoom)
        across = (x - matrix.origin[0]) / (matrix.cell_size * matrix.tile_width)
        down = (y - matrix.origin[1] if matrix.bottom_left else matrix.origin[1] - y) / (
            matrix.cell_size * matrix.tile_height
        )
        column = 0 if math.isinf(across) or math.isnan(across) else math.floor(across)
        row = 0 if math.isinf(down) or math.isnan(down) else math.floor(down)
        return min(max(column, 0), matrix.width - 1), min(max(row, 0), matrix.height - 1)

    def zoom_for_resolution(self, resolution: float) -> int:
        """Return the zoom whose cells are nearest in size to ``resolution`` (units of the CRS), as GDAL's
        COG has it.
        """
        chosen = self.matrices[-1]
        for matrix in self.matrices:
            chosen = matrix
            if resolution > matrix.cell_size or abs(resolution - matrix.cell_size) / matrix.cell_size <= 1e-8:
                break
        zoom, cell = chosen.zoom, chosen.cell_size
        if zoom > 0 and abs(resolution - cell) / cell > 1e-8:
            above = max(zoom - 1, self.minzoom)
            if self.matrix(above).cell_size / resolution < resolution / cell:
                zoom = above
        return zoom

    @cached_property
    def is_upward(self) -> bool:
        """True where rows are counted from below."""
        return self.matrices[0].bottom_left

    @cached_property
    def is_quadtree(self) -> bool:
        """True where each tile is divided into four at the next zoom, so that it can be named by a quadkey."""
        return all(
            not below.coalesce
            and (below.width, below.height) == (2 * above.width, 2 * above.height)
            and below.zoom == above.zoom + 1
            for above, below in pairwise(self.matrices)
        )

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds of the shallowest matrix in the set's CRS."""
        matrix = self.matrices[0]
        first = self.tile_bounds(matrix.zoom, 0, 0)
        last = self.tile_bounds(matrix.zoom, matrix.width - 1, matrix.height - 1)
        return (
            min(first[0], last[0]),
            min(first[1], last[1]),
            max(first[2], last[2]),
            max(first[3], last[3]),
        )


def parse(document: dict[str, Any]) -> TileMatrixSet:
    """Return the tile matrix set of a definition (JSON, OGC 17-083r4).

    Raises:
        InvalidParameter: its CRS is none.
        KeyError, TypeError, ValueError: it is no definition.
    """
    crs = document["crs"]
    if isinstance(crs, dict):
        crs = crs.get("uri") or json.dumps(crs["wkt"]) if "wkt" in crs else crs["uri"]
    crs = crs_.parse(crs)
    inverted = _inverted(document.get("orderedAxes"), crs)
    if not isinstance(document["id"], str) or not isinstance(document.get("title"), str | None):
        raise TypeError("id and title are texts")
    matrices = []
    for item in document["tileMatrices"]:
        a, b = item["pointOfOrigin"]
        matrices.append(
            TileMatrix(
                zoom=int(item["id"]),
                scale_denominator=float(item["scaleDenominator"]),
                cell_size=float(item["cellSize"]),
                origin=(float(b), float(a)) if inverted else (float(a), float(b)),
                bottom_left=item.get("cornerOfOrigin") == "bottomLeft",
                width=int(item["matrixWidth"]),
                height=int(item["matrixHeight"]),
                tile_width=int(item["tileWidth"]),
                tile_height=int(item["tileHeight"]),
                coalesce=tuple(
                    (int(v["minTileRow"]), int(v["maxTileRow"]), int(v["coalesce"]))
                    for v in item.get("variableMatrixWidths") or ()
                ),
            )
        )
    if not matrices or len({matrix.zoom for matrix in matrices}) < len(matrices) or not all(map(_is_sound, matrices)):
        raise ValueError("matrices that no tile can be found in")
    return TileMatrixSet(
        id=document["id"],
        title=document.get("title"),
        uri=document.get("uri"),
        crs=crs,
        matrices=tuple(sorted(matrices, key=lambda matrix: matrix.zoom)),
        document=document,
    )


def _is_sound(matrix: TileMatrix) -> bool:
    """True for a matrix whose numbers can be worked with: tiles of some pixels, and pixels of some size."""
    return (
        abs(matrix.zoom) <= _DEEPEST_DEFINED
        and all(_SMALLEST < side < _FARTHEST for side in (matrix.cell_size, matrix.scale_denominator))
        and all(abs(number) < _FARTHEST for number in matrix.origin)
        and all(1 <= count <= _MOST_TILES for count in (matrix.width, matrix.height))
        and all(1 <= side <= _LARGEST_TILE for side in (matrix.tile_width, matrix.tile_height))
        and all(0 <= first <= last and 1 <= factor <= matrix.width for first, last, factor in matrix.coalesce)
    )


def _inverted(axes: list[str] | None, crs: Crs) -> bool:
    """Return True when the document writes y before x."""
    if axes:
        return axes[0].upper() in ("Y", "LAT", "N")
    return bool(crs_.to_pyproj(crs).axis_info[0].abbrev.upper() in ("Y", "LAT", "N"))


def _folder() -> Path:
    """Return where morecantile keeps its definitions, found without importing it."""
    spec = find_spec("morecantile")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("morecantile is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


class TileMatrixSets:
    """Tile matrix sets by their ids: morecantile's, and those of a folder. Safe under threads."""

    def __init__(self, folder: str | None = None) -> None:
        """Add the definitions (JSON, OGC 17-083r4) in a folder to those that are known. Nothing is read yet."""
        self._folder = folder
        self._sets: dict[str, TileMatrixSet] = {}

    def names(self) -> tuple[str, ...]:
        """Return the ids of all known sets, sorted."""
        return self._names

    def get(self, name: str, parameter: str = "tileMatrixSetId") -> TileMatrixSet:
        """Return the tile matrix set of that id.

        Raises:
            InvalidParameter: there is none; the message lists those there are.
        """
        found = self._sets.get(name)
        if found is None:
            path = self._files.get(name)
            if path is None:
                raise InvalidParameter(
                    f"'{name[:64]}' is not a tile matrix set. Known: {', '.join(self.names())}.", parameter=parameter
                )
            found = self._sets[name] = parse(json.loads(path.read_text(encoding="utf-8")))
        return found

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    @cached_property
    def _files(self) -> dict[str, Path]:
        files = {path.stem: path for path in sorted(_folder().glob("*.json"))}
        if self._folder:
            files |= {path.stem: path for path in sorted(Path(self._folder).glob("*.json"))}
        return files


_KNOWN = TileMatrixSets()


def names() -> tuple[str, ...]:
    """Return the ids of morecantile's sets, sorted."""
    return _KNOWN.names()


def get(name: str, parameter: str = "tileMatrixSetId") -> TileMatrixSet:
    """Return one of morecantile's sets by its ``name``, as ``WebMercatorQuad``; ``parameter`` is what errors call it.

    Raises:
        NotFound: there is no such set.
    """
    return _KNOWN.get(name, parameter)

"""Which rasters grids need, remembered from one request to the next."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from contextlib import suppress
from threading import Lock

from tilery.geo.raster import Bounds, Crs
from tilery.reading.mosaic import lookup
from tilery.reading.mosaic.document import Mosaic
from tilery.reading.mosaic.lookup import Cells

_PLACES = 1024
"""Bounds whose tiles are remembered: for those in another CRS PROJ is asked, which is too slow for the event loop."""
_MOST_BYTES = 8 << 20
"""Of the lists that are kept."""
_BYTES_A_LIST = 400
"""What a list takes beside its numbers."""
_WIDE = 16
"""Tiles of the document along a side of a grid, beyond which the event loop looks up nothing."""
_MANY = 4096
"""Entries of the document, beyond which it does not either."""


class LookedUp:
    """The rasters of stretches of tiles: one list for all grids that touch the same. Safe under threads."""

    def __init__(self, mosaic: Mosaic) -> None:
        """Look up in the index of a mosaic."""
        self._mosaic = mosaic
        self._places: OrderedDict[tuple[Crs | None, Bounds], Cells | None] = OrderedDict()
        self._lists: OrderedDict[Cells, array[int]] = OrderedDict()
        self._lock = Lock()
        self.held = 0
        """Bytes of the lists."""

    def numbers(self, crs: Crs | None, bounds: Bounds) -> array[int]:
        """Return the numbers of the rasters that a grid may need, in the document's order; never to be changed."""
        return self._in(self._cells(crs, bounds))

    def at_once(self, crs: Crs | None, bounds: Bounds) -> array[int] | None:
        """Return the same where it is known or can be told in a moment; None elsewhere."""
        if crs != self._mosaic.matrix_set.crs and (crs, bounds) not in self._places:
            return None
        cells = self._cells(crs, bounds)
        if cells is None:
            return array("i")
        with self._lock:
            found = self._lists.get(cells)
        if found is not None:
            return found
        if not cells.within(_WIDE) or self._mosaic.index.most_in(cells.columns, cells.rows) > _MANY:
            return None
        return self._in(cells)

    def _cells(self, crs: Crs | None, bounds: Bounds) -> Cells | None:
        key = (crs, bounds)
        with suppress(KeyError):
            return self._places[key]
        found = lookup.cells_of_bounds(self._mosaic, bounds, crs)
        with self._lock:
            self._places[key] = found
            if len(self._places) > _PLACES:
                self._places.popitem(last=False)
        return found

    def _in(self, cells: Cells | None) -> array[int]:
        if cells is None:
            return array("i")
        with self._lock:
            found = self._lists.get(cells)
            if found is not None:
                self._lists.move_to_end(cells)
                return found
        found = lookup.in_cells(self._mosaic, cells)
        with self._lock:
            if cells not in self._lists:
                self._lists[cells] = found
                self.held += _bytes(found)
            while self.held > _MOST_BYTES:
                self.held -= _bytes(self._lists.popitem(last=False)[1])
        return found


def _bytes(numbers: array[int]) -> int:
    return numbers.itemsize * len(numbers) + _BYTES_A_LIST

"""`Map`: what is shown of rasters, as a cell's output and as addresses for other libraries."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tilery.errors import InvalidParameter, TooMuchWork
from tilery.notebook import html
from tilery.notebook.style import Query
from tilery.notebook.tiles import Tiles

if TYPE_CHECKING:
    from tilery.notebook.opened import OpenedRaster

SET = "WebMercatorQuad"
HEIGHT = 420
"""Pixels of the screen that a map is high."""
_PICTURE = 640
"""Pixels along the longest side of the picture that stays in a notebook which nobody runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One raster in one style."""

    name: str
    query: Query
    """Of its tiles, ``url`` among it."""
    family: str
    """Its routes of the server: ``cog``, ``stac``, ``mosaicjson``, ``zarr``."""


class Map:
    """One raster on a map, or two with a swipe: a cell that ends with it shows it.

    ``a | b`` puts ``a`` on the left and ``b`` on the right. What is asked of a map's tiles is of its left raster.
    """

    def __init__(self, views: tuple[View, ...], tiles: Tiles, *, height: int = HEIGHT) -> None:
        """Show views by a server that may read them.

        Args:
            views: one, or the left one and the right one.
            tiles: the server.
            height: in pixels of the screen.

        Raises:
            RequestError, SourceError: the server cannot show one of them in this way.
        """
        self.views = views
        self.height = height
        self._tiles = tiles
        self._documents = [json.loads(tiles.get(f"/{view.family}/{SET}/tilejson.json", view.query)) for view in views]
        self._pictures: list[bytes] = []
        for view, document in zip(views, self._documents, strict=True):
            with suppress(TooMuchWork):  # of a large mosaic there is no picture
                self._pictures.append(tiles.get(_picture(view, document), _small(view.query)))

    @property
    def tile_url(self) -> str:
        """Address of the tiles as clients take it, with ``{z}``, ``{x}`` and ``{y}`` in it."""
        view = self.views[0]
        return self._tiles.root() + f"/{view.family}/tiles/{SET}/{{z}}/{{x}}/{{y}}@2x?{urlencode(view.query)}"

    @property
    def tilejson(self) -> dict[str, Any]:
        """TileJSON document (3.0.0): tiles, bounds in degrees, center, minzoom, maxzoom."""
        return {**self._documents[0], "name": self.views[0].name}

    def __or__(self, other: Map | OpenedRaster) -> Map:
        """Return a map with a swipe: this one's raster on the left, the other's on the right.

        Raises:
            InvalidParameter: one of them has two already.
        """
        right = other if isinstance(other, Map) else other.show()
        if len(self.views) + len(right.views) > 2:
            raise InvalidParameter("A map has two rasters at most, left | right.")
        return Map((*self.views, *right.views), self._tiles, height=max(self.height, right.height))

    def __repr__(self) -> str:
        """Return one line with what is shown."""
        return f"<tilery.Map {' | '.join(view.name for view in self.views)}>"

    def html(self) -> str:
        """Return the map as HTML: a picture, and over it a frame with the server's page once a browser reaches it."""
        views = [
            ("view", urlencode((("name", view.name), ("family", view.family), *view.query))) for view in self.views
        ]
        return html.frame(
            port=self._tiles.port(),
            prefix=self._tiles.prefix(),
            page=self._tiles.path("/notebook/map", tuple(views)),
            alive=self._tiles.path("/healthz"),
            pictures=self._pictures,
            title=" | ".join(view.name for view in self.views),
            height=self.height,
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        """Return the map for a cell's output."""
        return {"text/plain": repr(self), "text/html": html.page("", self.html())}


def _picture(view: View, document: dict[str, Any]) -> str:
    """Return the path of a picture of the whole: a mosaic has none but that of its bounds."""
    if view.family != "mosaicjson":
        return f"/{view.family}/preview.webp"
    return f"/{view.family}/bbox/{','.join(map(str, document['bounds']))}.webp"


def _small(query: Query) -> Query:
    return (*query, ("max_size", str(_PICTURE)))

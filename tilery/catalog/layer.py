"""What a layer is, once its document was read: a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tilery.errors import RevisionNotFound
from tilery.geo.raster import Bounds

Query = tuple[tuple[str, str], ...]
"""Render parameters as pairs of a query string, ``(("colormap_name", "viridis"), ("rescale", "0,3000"))``: sorted by
name, repeats in the order written. Whoever parses a request's query parses these in the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Render parameters under a name, asked for with ``?style=``."""

    name: str
    title: str | None = None
    render: Query = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the AWS Lambda tiler wrote about a source under ``meta``."""

    approximate_zoom: int | None = None
    band_count: int | None = None
    width: int | None = None
    height: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """A layer as lists have it."""

    id: str
    name: str
    kind: str = "raster"
    """What the source is: a ``raster``, the document of a ``mosaic``, a STAC Item (``stac``), whose assets are named by
    ``assets`` among the render parameters, or a Zarr store (``zarr``), with ``variable`` among them."""
    revision: str
    """Identity of the data; another one means that no tile made before may be served. Part of every cache key."""
    version: str
    """Identity of the document itself, which changes with a style too."""
    bounds: Bounds
    """West, south, east, north in degrees."""
    minzoom: int
    maxzoom: int
    description: str | None = None
    attribution: str | None = None
    styles: tuple[Style, ...] = ()
    published: str | None = None
    """When, as ISO 8601 in UTC."""
    order: float | None = None
    """Its place in lists, the least first. None: behind those that have one, by its id."""

    @property
    def center(self) -> tuple[float, float, int]:
        """Longitude, latitude and zoom that a map may open at."""
        west, south, east, north = self.bounds
        if west > east:  # across the antimeridian
            east += 360
        longitude = (west + east) / 2
        return (longitude - 360 if longitude > 180 else longitude, (south + north) / 2, self.minzoom)

    def style(self, name: str) -> Style | None:
        """Return the style of that name, or None."""
        return next((style for style in self.styles if style.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(LayerSummary):
    """A named source with styles."""

    source: str
    """Address of the raster: an absolute path, ``s3://bucket/key`` or ``https://…``."""
    render: Query = ()
    """What is used when the request says nothing."""
    meta: Meta = Meta()
    statistics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)
    """Statistics of each band, ``b1``…, with TiTiler's names (``min``, ``max``, ``percentile_2``, ``histogram``…)."""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The document as it was written, what is unknown to us included."""

    @property
    def is_sealed(self) -> bool:
        """True when the raster never changes under its address, because that holds the revision, as a published one's
        does. Any other may be written over without the document knowing.
        """
        return f"/{self.revision}/" in self.source

    @property
    def revisions(self) -> tuple[str, ...]:
        """Revisions that can be shown, the newest first: this one and the one before it, which publishing leaves where
        it is. This one alone where the raster may be written over.
        """
        return (self.revision, *reversed(self._earlier[-1:]))

    def at(self, revision: str) -> Layer:
        """Return the layer with the data of this revision or an earlier one.

        Raises:
            RevisionNotFound: there never was one of that name.
        """
        if revision == self.revision:
            return self
        if revision not in self._earlier:
            known = ", ".join(self.revisions)
            raise RevisionNotFound(f"{RevisionNotFound.text} It has: {known}.", parameter="revision")
        return replace(self, revision=revision, source=self.source.replace(f"/{self.revision}/", f"/{revision}/"))

    @property
    def _earlier(self) -> list[str]:
        history = self.document.get("history")
        if not self.is_sealed or not isinstance(history, list):
            return []
        return [one for one in history if isinstance(one, str) and one not in ("", self.revision) and "/" not in one]

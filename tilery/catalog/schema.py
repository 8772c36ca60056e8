"""The shape of a layer's document. Loaded with the first: pydantic takes longer to load than a tile to make."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

FORMAT = 1
"""Version of our additions, written as ``format``. A higher one is not read: we would serve it wrong."""


class MetaDocument(BaseModel):
    """The Lambda tiler's notes."""

    approximate_zoom: int | None = Field(None, alias="approximateZoom")
    band_count: int | None = Field(None, alias="bandCount")
    width: int | None = None
    height: int | None = None
    source: str | None = None


class StyleDocument(BaseModel):
    """One way to show the layer."""

    title: str | None = None
    render: dict[str, Any] = {}


class LayerDocument(BaseModel):
    """The whole document."""

    model_config = ConfigDict(extra="ignore")

    format: int = Field(FORMAT, ge=1, le=FORMAT)
    name: str | None = None
    description: str | None = None
    attribution: str | None = None
    bounds: tuple[float, float, float, float] = (-180.0, -85.051129, 180.0, 85.051129)
    minzoom: int = Field(0, ge=0, le=30)
    maxzoom: int = Field(22, ge=0, le=30)
    source: str | None = None
    kind: Literal["raster", "mosaic", "stac", "zarr"] = "raster"
    revision: str | None = Field(None, max_length=128, pattern=r"^[A-Za-z0-9._-]+$")
    published: str | None = None
    order: float | None = Field(None, allow_inf_nan=False)
    meta: MetaDocument = MetaDocument.model_construct()
    render: dict[str, Any] = {}
    styles: dict[str, StyleDocument] = {}
    statistics: dict[str, dict[str, Any]] = {}

    @field_validator("bounds")
    @classmethod
    def _on_earth(cls, value: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        west, south, east, north = value
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
            raise ValueError("bounds are west, south, east, north in degrees")
        return value

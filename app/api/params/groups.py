"""Parsed parameters as typed values, one for each group of parameters that is asked for together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from app.api.params import mosaics, table
from app.api.params.parse import Values
from tilery.catalog import ids
from tilery.errors import InvalidParameter
from tilery.geo.raster import Crs
from tilery.reading.stac.choice import AssetChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSize:
    """How large tiles are, in pixels. None: as if the parameter were not there."""

    tilesize: int | None
    buffer: float | None
    padding: int | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the size that a request asks for."""
        return cls(tilesize=values.get("tilesize"), buffer=values.get("buffer"), padding=values.get("padding"))


NO_SIZE = TileSize(tilesize=None, buffer=None, padding=None)
"""Where a request says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSize:
    """How large a picture that is no tile is, in pixels."""

    width: int | None
    height: int | None
    max_size: int | None
    """Longest side, which does not count where width or height is given. 0: the raster's own resolution."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the size that a request asks for."""
        return cls(width=values.get("width"), height=values.get("height"), max_size=values.get("max_size"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Zooms:
    """Zooms that take the place of the raster's own."""

    minzoom: int | None
    maxzoom: int | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the zooms that a request asks for."""
        return cls(minzoom=values.get("minzoom"), maxzoom=values.get("maxzoom"))

    def over(self, zooms: tuple[int, int]) -> tuple[int, int]:
        """Return lowest and highest zoom, where the raster's own are ``zooms``."""
        lowest, highest = zooms
        return (
            lowest if self.minzoom is None else self.minzoom,
            highest if self.maxzoom is None else self.maxzoom,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTiles:
    """What documents and pages say of the tiles that they lead to."""

    tile_format: str | None
    tile_scale: int | None
    """Size in multiples of 256 pixels, as TiTiler 1 took it."""
    zooms: Zooms
    size: TileSize

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the tiles that a request wants a document of."""
        return cls(
            tile_format=values.get("tile_format"),
            tile_scale=values.get("tile_scale"),
            zooms=values.to(Zooms),
            size=values.to(TileSize),
        )

    @property
    def tilesize(self) -> int | None:
        """Pixels along a side where the request says it, in today's words or those of TiTiler 1."""
        size, scale = self.size.tilesize, self.tile_scale
        return size if size is not None or scale is None else 256 * scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Wmts:
    """What a WMTS document is to be."""

    matrix_set: str | None
    """The only tile matrix set of the document, where the path names none."""
    use_epsg: bool
    """Write ``EPSG:n`` instead of a URN."""
    zooms: tuple[str, ...]
    """``tileMatrixSetId::minzoom,maxzoom``."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the document that a request asks for."""
        return cls(matrix_set=values.get("TileMatrixSetId"), use_epsg=values["use_epsg"], zooms=values.get("zooms", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crss:
    """CRSs of a request and of its picture."""

    coord_crs: Crs
    dst_crs: Crs | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the CRSs that a request names."""
        return cls(coord_crs=values.of(table.COORD_CRS), dst_crs=values.get("dst_crs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundsCrs:
    """The CRS of bounds in an answer."""

    crs: Crs
    is_given: bool
    """The request names it."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the CRS that a request names, or WGS 84."""
        return cls(crs=values.of(table.CRS), is_given=values.get("crs") is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OgcMap:
    """A map as OGC API Maps has it asked for."""

    bbox: tuple[float, ...] | None
    """Four or six numbers."""
    bbox_crs: Crs
    has_bbox_crs: bool
    """The request names it, and the numbers are in the order of its axes; else longitude comes first."""
    subset: tuple[str, ...] | None
    subset_crs: Crs
    center: tuple[float, float] | None
    center_crs: Crs
    has_center_crs: bool
    """The same as of the box."""
    crs: Crs | None
    """Of the picture. None: the raster's own."""
    scale_denominator: float | None
    width: int | None
    height: int | None
    format: str | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the map that a request asks for."""
        return cls(
            bbox=values["bbox"],
            bbox_crs=values.of(table.BBOX_CRS),
            has_bbox_crs=values["bbox-crs"] is not None,
            subset=values["subset"],
            subset_crs=values.of(table.SUBSET_CRS),
            center=values["center"],
            center_crs=values.of(table.CENTER_CRS),
            has_center_crs=values["center-crs"] is not None,
            crs=values["crs"],
            scale_denominator=values["scale-denominator"],
            width=values["width"],
            height=values["height"],
            format=values["f"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StacItem:
    """What a STAC Item is to say of a raster."""

    datetime: str | None
    extensions: tuple[str, ...]
    collection: str | None
    collection_url: str | None
    id: str | None
    asset_name: str
    asset_roles: tuple[str, ...]
    asset_media_type: str
    asset_href: str | None
    with_proj: bool
    with_raster: bool
    with_eo: bool
    max_size: int
    geometry_densify: int
    geometry_precision: int

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the Item that a request asks for."""
        return cls(
            datetime=values["datetime"],
            extensions=values.get("extensions", ()),
            collection=values["collection"],
            collection_url=values["collection_url"],
            id=values["id"],
            asset_name=values["asset_name"],
            asset_roles=values.get("asset_roles", ()),
            asset_media_type=values["asset_media_type"],
            asset_href=values["asset_href"],
            with_proj=values["with_proj"],
            with_raster=values["with_raster"],
            with_eo=values["with_eo"],
            max_size=values["max_size"],
            geometry_densify=values["geometry_densify"],
            geometry_precision=values["geometry_precision"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Assets of a STAC Item, stacked."""

    assets: tuple[AssetChoice, ...] | None
    as_bands: bool
    unscale: bool

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the assets that a request names."""
        return cls(
            assets=values.get("assets"), as_bands=values.of(table.ASSET_AS_BAND), unscale=values.of(table.UNSCALE)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaicking:
    """How the rasters of a mosaic become one."""

    skip_missing: bool
    """Those that are not there are left out."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return what a request asks for."""
        return cls(skip_missing=values.of(mosaics.SKIP_MISSING))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColormapPicture:
    """A colormap as a picture or a document."""

    format: str | None
    orientation: Literal["horizontal", "vertical"]
    width: int | None
    height: int | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the picture that a request asks for."""
        return cls(
            format=values["f"],
            orientation=values.of(table.ORIENTATION),
            width=values["width"],
            height=values["height"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """A page of a list."""

    offset: int
    limit: int
    folder: str
    """Path of a folder, empty for all."""
    words: tuple[str, ...]
    """What is searched for."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the page that a request asks for.

        Raises:
            InvalidParameter: no folder can be called so.
        """
        folder = (values["folder"] or "").strip("/")
        if folder and not ids.is_folder(folder):
            raise InvalidParameter("Layers lie in folders like alps/2024.", parameter="folder")
        words = tuple(sorted(set((values["q"] or "").casefold().split())))
        return cls(offset=values["offset"], limit=values["limit"], folder=folder, words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuery:
    """A list of what may be read."""

    url: str | None
    q: str | None
    limit: int
    after: str | None

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the list that a request asks for."""
        return cls(url=values["url"], q=values["q"], limit=values["limit"], after=values["after"])

    @property
    def words(self) -> tuple[str, ...]:
        """What is searched for, folded."""
        return tuple((self.q or "").casefold().split())


# Groups of one


def url(values: Values) -> str:
    """Return the address of the dataset."""
    found: str = values.given["url"]
    return found


def matrix_set(values: Values) -> str:
    """Return the name of the tile matrix set, where the path has none."""
    found: str = values.of(table.MATRIX_SET_OLD)
    return found


def picture_format(values: Values) -> str | None:
    """Return the format of a picture, where the path has none."""
    found: str | None = values.get("format")
    return found


def page_format(values: Values) -> str | None:
    """Return the format of a document that is a page too: ``html`` or ``json``."""
    found: str | None = values.get("f")
    return found


def cover_scale(values: Values) -> int:
    """Return parts along each side into which a pixel is cut to tell how much of it is inside."""
    found: int = values.of(table.COVER_SCALE)
    return found


def is_strict(values: Values) -> bool:
    """Return True where warnings count as errors."""
    found: bool = values["strict"]
    return found


def style(values: Values) -> str | None:
    """Return the name of one of the layer's styles."""
    found: str | None = values.get("style")
    return found


def revision(values: Values) -> str | None:
    """Return the name of one of the layer's revisions."""
    found: str | None = values.get("revision")
    return found


def is_checked(values: Values) -> bool:
    """Return True where render parameters are held against the raster."""
    found: bool = values["check"]
    return found

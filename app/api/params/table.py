"""Every parameter of the raster routes, once: its name, kind, default, meaning and older spellings.

A route takes a tuple of these. Names, types and defaults are TiTiler's, whose clients send them.
"""

from __future__ import annotations

from dataclasses import replace

from app.api.params.kinds import (
    AssetText,
    Choice,
    CrsText,
    Flag,
    Indexes,
    Integer,
    Kind,
    NameOf,
    Nodata,
    Number,
    Numbers,
    Ranges,
    Text,
)
from app.api.params.media_types import MEDIA_TYPES
from app.api.params.parameter import Group, Parameter
from tilery.geo import tms
from tilery.geo.crs import WGS84
from tilery.reading import options as read_options
from tilery.rendering.encoding.formats import FORMATS


def _algorithms() -> tuple[str, ...]:
    from tilery.rendering import algorithms

    return tuple(algorithms.names())


def _path(name: str, kind: Kind, description: str) -> Parameter:
    return Parameter(name=name, kind=kind, description=description, where="path", required=True)


_FORMAT = Choice(names=lambda: tuple(FORMATS), error="enum", reference="ImageType")


def picture_types() -> tuple[str, ...]:
    """Return media types of pictures, as the OpenAPI document lists them."""
    return tuple(dict.fromkeys(row.media_type for row in FORMATS.values()))


# Paths
MATRIX_SET = _path("tileMatrixSetId", NameOf(known="tile_matrix_sets"), "Name of the tile matrix set.")
MATRIX_SET_OLD = Parameter(
    name="TileMatrixSetId",
    kind=NameOf(known="tile_matrix_sets"),
    description="Name of the tile matrix set, where the path has none.",
    implied=tms.DEFAULT,
    hidden=True,
)
TILE: Group = (
    _path("z", Integer(), "Zoom: the identifier of the tile matrix."),
    _path("x", Integer(), "Column of the tile."),
    _path("y", Integer(), "Row of the tile."),
)
SCALE = replace(
    _path("scale", Integer(above=0, most=4), "Size of the tile in multiples of the matrix's own."),
    required=False,
    hidden=True,
)
POSITION: Group = (
    _path("lon", Number(), "Longitude, or x in `coord_crs`."),
    _path("lat", Number(), "Latitude, or y in `coord_crs`."),
)
BOX: Group = (
    _path("minx", Number(), "Least x of the box."),
    _path("miny", Number(), "Least y of the box."),
    _path("maxx", Number(), "Greatest x of the box."),
    _path("maxy", Number(), "Greatest y of the box."),
)
PATH_SIZE: Group = (
    _path("width", Integer(above=0), "Width of the picture in pixels."),
    _path("height", Integer(above=0), "Height of the picture in pixels."),
)
PATH_FORMAT = _path("format", _FORMAT, "Format of the picture.")

# What is read
DATASET: Group = (
    Parameter(
        name="url",
        kind=Text(longest=8192),
        description="Address of the dataset: s3://, https:// or a path, as far as this server allows it.",
        required=True,
    ),
)
BIDX = Parameter(
    name="bidx",
    kind=Indexes(),
    description="Number of a band, from 1; repeat it for several. All bands when not given.",
    repeat=True,
    flat=True,
)
EXPRESSION = Parameter(
    name="expression",
    kind=Text(),
    description="Band maths on b1, b2…; `;` divides the bands of the result. Takes the place of `bidx`.",
    examples=("b1*2;b2+b3",),
)
BANDS: Group = (BIDX, EXPRESSION)
ASSETS = Parameter(
    name="assets",
    kind=AssetText(),
    description="Name of an asset, with options as `B04|bidx=1,2`, `B04|bands=red` or `B04|expression=b1*2`; repeat it "
    "for several. `:all:` stands for all.",
    required=True,
    repeat=True,
    most=64,
    examples=("data", "data|bidx=1"),
)
ASSET_AS_BAND = Parameter(
    name="asset_as_band",
    kind=Flag(),
    description="Each asset has one band, which is called after it.",
    implied=False,
)
ASSET_BANDS: Group = (
    ASSETS,
    replace(
        EXPRESSION, description="Band maths on b1, b2…, the bands of all assets in their order; `;` divides bands."
    ),
    ASSET_AS_BAND,
)
UNSCALE = Parameter(
    name="unscale",
    kind=Flag(),
    description="Apply the dataset's own scale and offset. Defaults to `False`.",
    implied=False,
)
RESAMPLING = Parameter(
    name="resampling",
    kind=Choice(names=lambda: read_options.RESAMPLING),
    description="Resampling of what is read. Defaults to `nearest`.",
    old=("resampling_method",),
    implied="nearest",
)
REPROJECT = Parameter(
    name="reproject",
    kind=Choice(names=lambda: read_options.REPROJECT),
    description="Resampling of what is reprojected. Defaults to `nearest`.",
    implied="nearest",
)
READING: Group = (
    Parameter(
        name="nodata", kind=Nodata(), description="Value that means missing data, in place of the dataset's own."
    ),
    UNSCALE,
    RESAMPLING,
    REPROJECT,
)
LAYER: Group = (*BANDS, *READING)

# Sizes
WIDTH = Parameter(name="width", kind=Integer(above=0), description="Width of the picture in pixels.")
HEIGHT = Parameter(name="height", kind=Integer(above=0), description="Height of the picture in pixels.")


def sizes(max_size: int | None) -> Group:
    """Return longest side, width and height."""
    return (
        Parameter(
            name="max_size",
            kind=Integer(least=0),
            description="Longest side of the picture in pixels; ignored when width or height is given. "
            "0: the raster's own resolution.",
            default=max_size,
        ),
        HEIGHT,
        WIDTH,
    )


# Coordinate reference systems
CRS = Parameter(
    name="crs",
    kind=CrsText(name="crs"),
    description="CRS of the bounds in the answer. WGS 84 by default.",
    implied=WGS84,
)
COORD_CRS = Parameter(
    name="coord_crs",
    kind=CrsText(name="coord_crs"),
    description="CRS of the coordinates in the request. Defaults to `epsg:4326`.",
    implied=WGS84,
    old=("coord-crs", "bounds-crs", "bounds_crs"),
)
DST_CRS = Parameter(
    name="dst_crs",
    kind=CrsText(name="dst_crs"),
    description="CRS of the picture.",
    old=("dst-crs",),
)

# Tiles
TILESIZE = Parameter(
    name="tilesize",
    kind=Integer(above=0),
    description="Width and height of a tile in pixels. Defaults to that of the tile matrix.",
)
TILE_EDGES: Group = (
    Parameter(
        name="buffer",
        kind=Number(above=0, step=0.5),
        description="Pixels added on each side of the tile, a multiple of 0.5; the tile grows by twice as much.",
    ),
    Parameter(
        name="padding",
        kind=Integer(above=0),
        description="Pixels read around the tile and cut off again, for neighbours that resampling needs.",
    ),
)

# Rendering
ALGORITHM: Group = (
    Parameter(
        name="algorithm",
        kind=Choice(names=_algorithms, listed_at="/algorithms"),
        description="Name of an algorithm to run on the pixels.",
        nullable=False,
    ),
    Parameter(name="algorithm_params", kind=Text(), description="JSON object of the algorithm's parameters."),
)
COLORMAP: Group = (
    Parameter(
        name="colormap_name",
        kind=NameOf(known="colormaps", listed_at="/colorMaps"),
        description="Name of a colormap. Wins over `colormap`.",
        nullable=False,
    ),
    Parameter(name="colormap", kind=Text(), description="A colormap as JSON."),
)
RETURN_MASK = Parameter(
    name="return_mask",
    kind=Flag(),
    description="Show missing data as transparent. Defaults to `True`.",
    implied=True,
)
COLOURS: Group = (
    Parameter(
        name="rescale",
        kind=Ranges(),
        description="`minimum,maximum` that become 0 and 255; repeat it for one range a band.",
        repeat=True,
        flat=True,
        examples=("0,2000", "0,1000", "0,10000"),
    ),
    Parameter(
        name="color_formula",
        kind=Text(longest=2048),
        description="rio-color formula: gamma, sigmoidal, saturation.",
    ),
    RETURN_MASK,
)
PICTURE: Group = (*ALGORITHM, *COLORMAP, *COLOURS)

# Formats
FORMAT = Parameter(
    name="format",
    kind=_FORMAT,
    description="Format of the picture. By default PNG where something is missing, else JPEG.",
    old=("ext",),
)
TILE_FORMAT = replace(
    FORMAT, name="tile_format", description="Format of the tiles. By default decided tile by tile.", old=()
)
PAGE_FORMAT = Parameter(
    name="f",
    kind=Choice(names=lambda: ("html", "json")),
    description="Format of the answer; wins over the Accept header.",
)

# TileJSON, tilesets, viewers
ZOOMS: Group = (
    Parameter(name="minzoom", kind=Integer(), description="Takes the place of the dataset's lowest zoom."),
    Parameter(name="maxzoom", kind=Integer(), description="Takes the place of the dataset's highest zoom."),
)
TILE_SCALE = Parameter(
    name="tile_scale",
    kind=Integer(above=0, most=4),
    description="Size of the tiles in multiples of 256 pixels, as TiTiler 1 took it.",
    hidden=True,
)

# Statistics
CATEGORICAL = Parameter(
    name="categorical",
    kind=Flag(),
    description="Count every value as a category. Defaults to `False`.",
    implied=False,
)
PERCENTILES = Parameter(
    name="p",
    kind=Integer(),
    description="A percentile to report; repeat it for several. Defaults to 2 and 98.",
    repeat=True,
    most=100,
    implied=(2, 98),
)
STATISTICS: Group = (
    CATEGORICAL,
    Parameter(name="c", kind=Number(), description="A category to count; repeat it for several.", repeat=True),
    PERCENTILES,
)
HISTOGRAM_BINS = Parameter(
    name="histogram_bins",
    kind=Numbers(message="a number of bins or their edges", pattern=r"^\d+(,\d+)*$"),
    description="Number of bins, or their edges divided by commas. Defaults to 10.",
    implied=(10.0,),
)
HISTOGRAM: Group = (
    HISTOGRAM_BINS,
    Parameter(
        name="histogram_range",
        kind=Numbers(
            message="'minimum,maximum'",
            counts=(2,),
            pattern=r"^\s*(-)?\d+((\.\d+)(e\d+)?)?\s*,\s*(-)?\d+((\.\d+)(e\d+)?)?\s*$",
        ),
        description="`minimum,maximum` of the bins. Defaults to those of the data.",
    ),
)
COVER_SCALE = Parameter(
    name="cover_scale",
    kind=Integer(above=0, most=1000),
    description="Parts along each side into which a pixel is cut to tell how much of it is inside. Defaults to 10.",
    implied=10,
)

# OGC API Maps
BBOX_CRS = Parameter(
    name="bbox-crs",
    kind=CrsText(name="bbox-crs"),
    description="CRS of `bbox`, whose axis order it has. Longitude and latitude by default.",
    old=("bbox_crs",),
    implied=WGS84,
)
SUBSET_CRS = Parameter(
    name="subset-crs",
    kind=CrsText(name="subset-crs"),
    description="CRS of `subset`. WGS 84 by default.",
    implied=WGS84,
)
CENTER_CRS = Parameter(
    name="center-crs",
    kind=CrsText(name="center-crs"),
    description="CRS of `center`, whose axis order it has. Longitude and latitude by default.",
    implied=WGS84,
)
MAP: Group = (
    Parameter(
        name="bbox",
        kind=Numbers(message="invalid bbox content", counts=(4, 6)),
        description="Box of the map: four or six coordinates.",
    ),
    replace(CRS, description="CRS of the map. The dataset's own by default.", implied=None),
    BBOX_CRS,
    Parameter(
        name="subset",
        kind=Text(longest=1024),
        description="Box of the map by its axes: `Lat(40:50),Lon(10:20)`; `*` is the raster's edge.",
        repeat=True,
        most=8,
    ),
    SUBSET_CRS,
    Parameter(
        name="center",
        kind=Numbers(message="two coordinates", counts=(2,)),
        description="Middle of the map, in place of a box.",
    ),
    CENTER_CRS,
    Parameter(
        name="scale-denominator",
        kind=Number(above=0),
        description="Scale of the map, in place of a size, for pixels of 0.28 mm.",
    ),
    HEIGHT,
    WIDTH,
    replace(FORMAT, name="f", description="Format of the map; wins over the Accept header.", old=()),
)

# WMTS
WMTS: Group = (
    replace(TILE_FORMAT, default="png", description="Format of the tiles."),
    Parameter(
        name="use_epsg",
        kind=Flag(),
        default=False,
        description="Write `EPSG:n` instead of a URN, as ArcMap needs it.",
    ),
)
WMTS_ZOOMS = Parameter(
    name="zooms",
    kind=Text(pattern=r"^(\*|\w+)::\d+,\d+$"),
    description="`tileMatrixSetId::minzoom,maxzoom`, or `*::…` for all sets; repeat it for several.",
    repeat=True,
)

# Others
STRICT = Parameter(name="strict", kind=Flag(), default=False, description="Count warnings as errors.")
STAC: Group = (
    Parameter(name="datetime", kind=Text(longest=128), description="Time of the data in UTC, or start/end."),
    Parameter(name="extensions", kind=Text(), description="Address of a STAC extension of the Item.", repeat=True),
    Parameter(name="collection", kind=Text(), description="Id of the Item's Collection."),
    Parameter(name="collection_url", kind=Text(), description="Address of the Item's Collection."),
    Parameter(name="id", kind=Text(), description="Id of the Item. The file's name by default."),
    Parameter(name="asset_name", kind=Text(), default="data", description="Name of the asset."),
    Parameter(name="asset_roles", kind=Text(), description="A role of the asset.", repeat=True),
    Parameter(
        name="asset_media_type",
        kind=Choice(names=lambda: MEDIA_TYPES),
        default="auto",
        description="Media type of the asset.",
    ),
    Parameter(name="asset_href", kind=Text(), description="Address of the asset. That of the dataset by default."),
    Parameter(name="with_proj", kind=Flag(), default=True, description="Add the `projection` extension."),
    Parameter(name="with_raster", kind=Flag(), default=True, description="Add the `raster` extension."),
    Parameter(name="with_eo", kind=Flag(), default=True, description="Add the `eo` extension."),
    Parameter(
        name="max_size",
        kind=Integer(above=0),
        default=1024,
        description="Longest side of the overview from which statistics are taken.",
    ),
    Parameter(
        name="geometry_densify",
        kind=Integer(least=0, most=1000),
        default=0,
        description="Points added to each edge of the footprint.",
        old=("geom-densify-pts",),
    ),
    Parameter(
        name="geometry_precision",
        kind=Integer(least=-1, most=20),
        default=-1,
        description="Decimals of the footprint's coordinates; -1 keeps all.",
    ),
)

# Layers
MOST_LAYERS = 1000
"""Layers of one page at most."""
PAGING: Group = (
    Parameter(
        name="limit",
        kind=Integer(above=0, most=MOST_LAYERS),
        default=MOST_LAYERS,
        description="Layers of one page at most.",
    ),
    Parameter(
        name="offset",
        kind=Integer(least=0, most=10_000_000),
        default=0,
        description="Layers before the page: those with an `order` come first, the others by their ids.",
    ),
    Parameter(
        name="folder",
        kind=Text(longest=200),
        description="Only layers in this folder and those below it, as `alps/2024`.",
    ),
    Parameter(
        name="q",
        kind=Text(longest=200),
        description="Only layers that have all of these words in their id, name or description.",
    ),
)
STYLE = Parameter(name="style", kind=Text(longest=64), description="Name of one of the layer's styles.")

# Pictures of colormaps
ORIENTATION = Parameter(
    name="orientation",
    kind=Choice(names=lambda: ("vertical", "horizontal")),
    description="Which way the colours run in a picture. Defaults to `horizontal`.",
    implied="horizontal",
)
LEGEND: Group = (
    Parameter(
        name="f",
        kind=Choice(names=lambda: ("html", "json", *FORMATS)),
        description="Format of the answer; wins over the Accept header.",
    ),
    ORIENTATION,
    Parameter(
        name="height",
        kind=Integer(above=0),
        description="Height of the picture in pixels: 20 by default, or 256 for a vertical one.",
    ),
    Parameter(
        name="width",
        kind=Integer(above=0),
        description="Width of the picture in pixels: 256 by default, or 20 for a vertical one.",
    ),
)

"""WMTS documents: what QGIS and ArcGIS read of them, in the order of the schema, with every text escaped."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from app import crs, tms
from app.api import wmts
from app.api.tilesets import Place
from app.errors import InvalidParameter
from app.tms import TileMatrixSet
from tests.support import rasters, service

W = "{http://www.opengis.net/wmts/1.0}"
OWS = "{http://www.opengis.net/ows/1.1}"
XLINK = "{http://www.w3.org/1999/xlink}"

EUROPE = Place(bounds=(0.0, 40.0, 20.0, 55.0), crs=crs.WGS84, geographic=(0.0, 40.0, 20.0, 55.0))


def document(
    *, title: str = "image.tif", use_epsg: bool = False, old_names: bool = False, place: Place = EUROPE
) -> str:
    def tiles(grid: TileMatrixSet) -> str:
        return f"http://a/cog/tiles/{grid.id}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.png?url=a&b=c"

    layers = wmts.layers(
        [tms.get(name) for name in tms.names()],
        title=title,
        place=place,
        zooms=lambda _: (2, 4),
        tiles=tiles,
        media_type="image/png",
        old_names=old_names,
    )
    return wmts.capabilities(
        layers, address='http://a/x?url=<&"', title="Tiles & more", provider="Somebody", use_epsg=use_epsg
    )


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def layers_of(root: ET.Element) -> dict[str, ET.Element]:
    return {
        layer.findtext(f"{W}TileMatrixSetLink/{W}TileMatrixSet", ""): layer
        for layer in root.findall(f"{W}Contents/{W}Layer")
    }


def tags(element: ET.Element) -> list[str]:
    return [child.tag.rpartition("}")[2] for child in element]


def test_elements_stand_in_the_order_of_the_schema() -> None:
    root = parsed(document())
    assert tags(root) == [
        "ServiceIdentification",
        "ServiceProvider",
        "OperationsMetadata",
        "Contents",
        "ServiceMetadataURL",
    ]
    layer = layers_of(root)["WebMercatorQuad"]
    assert tags(layer) == [
        "Title",
        "WGS84BoundingBox",
        "Identifier",
        "Style",
        "Format",
        "TileMatrixSetLink",
        "ResourceURL",
    ]
    matrix_set = root.find(f"{W}Contents/{W}TileMatrixSet")
    assert matrix_set is not None
    assert tags(matrix_set)[:3] == ["Identifier", "SupportedCRS", "TileMatrix"]
    matrix = matrix_set.find(f"{W}TileMatrix")
    assert matrix is not None
    assert tags(matrix) == [
        "Identifier",
        "ScaleDenominator",
        "TopLeftCorner",
        "TileWidth",
        "TileHeight",
        "MatrixWidth",
        "MatrixHeight",
    ]


def test_every_text_is_escaped() -> None:
    root = parsed(document(title="""<a href="x">'&b"""))
    layer = layers_of(root)["WebMercatorQuad"]
    assert layer.findtext(f"{OWS}Title") == """<a href="x">'&b_WebMercatorQuad_default"""
    assert root.findtext(f"{OWS}ServiceIdentification/{OWS}Title") == "Tiles & more"
    address = root.find(f"{W}ServiceMetadataURL")
    assert address is not None
    assert address.get(f"{XLINK}href") == 'http://a/x?url=<&"'
    resource = layer.find(f"{W}ResourceURL")
    assert resource is not None
    assert resource.get("template") == (
        "http://a/cog/tiles/WebMercatorQuad/{TileMatrix}/{TileCol}/{TileRow}.png?url=a&b=c"
    )


def test_mercator_is_first_and_sets_without_tiles_or_with_merged_ones_are_left_out() -> None:
    found = list(layers_of(parsed(document())))
    assert found[0] == "WebMercatorQuad"
    assert "EuropeanETRS89_LAEAQuad" in found
    assert not {"CDB1GlobalGrid", "GNOSISGlobalGrid", "NZTM2000Quad", "UPSAntarcticWGS84Quad"} & set(found)


def test_limits_are_written_for_each_zoom() -> None:
    layer = layers_of(parsed(document()))["WebMercatorQuad"]
    written = [
        tuple(int(item.text or "") for item in limit)
        for limit in layer.iterfind(f"{W}TileMatrixSetLink/{W}TileMatrixSetLimits/{W}TileMatrixLimits")
    ]
    # zoom, first row, last row, first column, last column; 0° to 20° east, 40° to 55° north
    assert written == [(2, 1, 1, 2, 2), (3, 2, 3, 4, 4), (4, 5, 6, 8, 8)]


@pytest.mark.parametrize(
    ("name", "urn", "epsg", "corner"),
    [
        ("WebMercatorQuad", "urn:ogc:def:crs:EPSG::3857", "EPSG:3857", "-20037508.342789244 20037508.342789244"),
        ("WGS1984Quad", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326", "90.0 -180.0"),
        ("WorldCRS84Quad", "urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84", "-180.0 90.0"),
    ],
)
def test_crs_and_corner_have_the_axis_order_of_the_crs(name: str, urn: str, epsg: str, corner: str) -> None:
    for use_epsg, expected in ((False, urn), (True, epsg)):
        root = parsed(document(use_epsg=use_epsg))
        for found in root.iterfind(f"{W}Contents/{W}TileMatrixSet"):
            if found.findtext(f"{OWS}Identifier") == name:
                assert found.findtext(f"{OWS}SupportedCRS") == expected
                assert found.findtext(f"{W}TileMatrix/{W}TopLeftCorner") == corner
                break
        else:
            raise AssertionError(name)


def test_old_documents_name_their_layer_default() -> None:
    layer = layers_of(parsed(document(old_names=True)))["WebMercatorQuad"]
    assert layer.findtext(f"{OWS}Identifier") == "default"
    assert layer.findtext(f"{W}Style/{OWS}Identifier") == "default"


def test_a_box_across_the_antimeridian_goes_all_the_way_around() -> None:
    place = Place(
        bounds=(0.0, 5600000.0, 250000.0, 5850000.0),
        crs=crs.parse("EPSG:32660"),
        geographic=(177.99, 50.58, -178.51, 52.77),
    )
    box = layers_of(parsed(document(place=place)))["WebMercatorQuad"].find(f"{OWS}WGS84BoundingBox")
    assert box is not None
    assert [child.text for child in box] == ["-180.0 50.58", "180.0 52.77"]


def test_a_catalog_is_one_document_with_styles() -> None:
    layer = wmts.layer(
        identifier="dem",
        title="Heights",
        geographic=(0.0, 0.0, 1.0, 1.0),
        zooms=(0, 1),
        tiles="http://a/dem/{TileMatrix}/{TileCol}/{TileRow}.png?style={Style}",
        media_type="image/png",
        styles=("hillshade",),
        abstract="Metres above the sea",
    )
    root = parsed(wmts.capabilities([layer], address="http://a/wmts", title="t", provider="p"))
    found = layers_of(root)["WebMercatorQuad"]
    assert tags(found)[:3] == ["Title", "Abstract", "WGS84BoundingBox"]
    styles = found.findall(f"{W}Style")
    assert [style.findtext(f"{OWS}Identifier") for style in styles] == ["default", "hillshade"]
    assert [style.get("isDefault") for style in styles] == ["true", None]


def test_zooms_are_parsed_and_a_named_set_wins() -> None:
    known = ("WebMercatorQuad", "WGS1984Quad")
    assert wmts.parse_zooms(["*::0,12", "WebMercatorQuad::5,9"], known) == {
        "WebMercatorQuad": (5, 9),
        "WGS1984Quad": (0, 12),
    }
    assert wmts.parse_zooms([], known) == {}


@pytest.mark.parametrize("text", ["5,9", "WebMercatorQuad::5", "WebMercatorQuad::a,b", "Nowhere::0,1", "*::0,1;", ""])
def test_other_zooms_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        wmts.parse_zooms([text], ("WebMercatorQuad",))
    assert caught.value.parameter == "zooms"


def test_a_layers_styles_are_styles_of_its_wmts(tmp_path: Path) -> None:
    (tmp_path / "numbers").mkdir()
    rasters.gradient(tmp_path / "numbers" / "raster.tif", dtype="uint8")
    document = {
        "name": "Numbers",
        "bounds": [8, 46, 9, 47],
        "minzoom": 5,
        "maxzoom": 9,
        "source": "raster.tif",
        "render": {"bidx": 1},
        "styles": {"rows": {"render": {"bidx": 2}}},
    }
    (tmp_path / "numbers" / "index.json").write_text(json.dumps(document))
    with service.client(catalog=str(tmp_path.resolve())) as client:
        layer = layers_of(parsed(client.get("/wmts").text))["WebMercatorQuad"]
        names = [style.findtext(f"{OWS}Identifier", "") for style in layer.findall(f"{W}Style")]
        assert names == ["default", "rows"]
        resource = layer.find(f"{W}ResourceURL")
        assert resource is not None
        template = resource.get("template", "").replace("{TileMatrix}", "8")
        template = template.replace("{TileCol}", "134").replace("{TileRow}", "90")
        shown = {name: client.get(template.replace("{Style}", name)).content for name in names}
        assert shown["default"] == client.get("/numbers/8/134/90.png").content
        assert shown["rows"] == client.get("/numbers/8/134/90.png?style=rows").content
        assert shown["rows"] != shown["default"]
        fixed = client.get("/numbers/wmts?style=rows").text
        assert "{Style}" not in fixed
        assert "style=rows" in fixed

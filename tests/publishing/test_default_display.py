"""What a published layer shows to those who say nothing: something, whatever its bands are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rasterio.enums import ColorInterp as Colour
from starlette.testclient import TestClient

from tests.support import rasters as made
from tests.support.service import client, pixels
from tilery.errors import InvalidParameter
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish

RGBN = (Colour.red, Colour.green, Colour.blue, Colour.undefined)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "catalog").mkdir()
    with client(tmp_path, catalog=str(tmp_path / "catalog")) as asked:
        yield asked


def ramps(bands: int, dtype: str, high: float) -> Any:
    """Return band b is ``high`` times (b + 1) / (bands + 1) at its middle, and differs from column to column."""
    columns = np.arange(64) / 64 - 0.5
    return np.stack(
        [np.broadcast_to(high * ((band + 1) / (bands + 1) + columns / 8), (64, 64)) for band in range(bands)]
    ).astype(dtype)


def published(tmp_path: Path, data: Any, layer_id: str = "bands", **options: Any) -> Any:
    order = {name: options.pop(name) for name in ("given", "kind", "grid") if name in options}
    source = made.write(tmp_path / f"{layer_id}.tif", data, **options)
    return publish(PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id=layer_id, **order))


def middle(document: Any) -> str:
    """Return the address of the tile in the middle of a layer, without a suffix."""
    longitude, latitude, _ = document["center"]
    side = 2 ** document["maxzoom"]
    row = (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2
    return f"/{document['id']}/{document['maxzoom']}/{int((longitude + 180) / 360 * side)}/{int(row * side)}"


@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(
    ("bands", "dtype", "high"),
    [
        (1, "uint8", 250), (1, "int16", 900), (2, "float32", 30), (2, "uint8", 250), (3, "float32", 1),
        (3, "uint8", 250), (4, "uint8", 250), (4, "uint16", 9000), (5, "uint16", 9000), (5, "float64", 1e-3),
        (12, "int16", 9000),
    ],
)  # fmt: skip
def test_every_layer_can_be_looked_at(
    tmp_path: Path, served: TestClient, bands: int, dtype: str, high: float, nodata: float | None, alpha: bool
) -> None:
    data = ramps(bands, dtype, high)
    if alpha:
        opaque = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1
        data = np.concatenate([data, np.full((1, 64, 64), opaque, dtype)])
    meanings = [Colour.gray, *[Colour.undefined] * (bands - 1), *([Colour.alpha] if alpha else [])]
    done = published(tmp_path, data, nodata=None if alpha else nodata, photometric="minisblack", colorinterp=meanings)
    for suffix in (".png", ".webp", ".jpg", ""):
        assert served.get(middle(done.document) + suffix).status_code == 200
    found = pixels(served.get(middle(done.document) + ".png").content)
    visible = found[..., :-1][found[..., -1] > 0] if found.ndim == 3 and found.shape[-1] in (2, 4) else found
    assert visible.size
    assert visible.max() > 0
    assert visible.max() > visible.min()
    assert served.get("/layers/bands/preview.png").status_code == 200


def test_two_bands_show_the_first_as_gray(tmp_path: Path, served: TestClient) -> None:
    done = published(tmp_path, ramps(2, "uint8", 250), photometric="minisblack")
    assert done.document["render"] == {"bidx": [1]}
    answer = served.get(middle(done.document) + ".png").content
    (tmp_path / "two.png").write_bytes(answer)
    found = np.asarray(Image.open(tmp_path / "two.png").convert("RGBA"))
    shown = found[found[..., 3] > 0].astype(int)
    assert shown.size
    assert (shown[:, 0] == shown[:, 1]).all()
    assert (shown[:, 1] == shown[:, 2]).all()


@pytest.mark.parametrize(
    ("options", "bidx"),
    [
        ({"colorinterp": RGBN}, [1, 2, 3]),
        ({"colorinterp": (Colour.blue, Colour.green, Colour.red, Colour.undefined)}, [3, 2, 1]),
        ({"descriptions": ("Blue", "Green", "Red", "NIR")}, [3, 2, 1]),
        ({"descriptions": ("B8", "B4", "B3", "B2")}, [1, 2, 3]),
    ],
)
def test_colours_are_found_by_what_bands_say(tmp_path: Path, options: Any, bidx: list[int]) -> None:
    done = published(tmp_path, ramps(4, "uint16", 9000), photometric="minisblack", **options)
    assert done.document["render"]["bidx"] == bidx
    medians = [done.document["statistics"][f"b{band}"]["median"] for band in bidx]
    for text, median in zip(done.document["render"]["rescale"], medians, strict=True):
        low, high = map(float, text.split(","))
        assert low < median < high


def test_what_somebody_said_stays_and_can_be_shown(tmp_path: Path, served: TestClient) -> None:
    data = ramps(4, "uint16", 9000)
    done = published(tmp_path, data, given={"render": {"colormap_name": "viridis", "rescale": ["0,9000"]}})
    assert done.document["render"] == {"bidx": [1], "colormap_name": "viridis", "rescale": ["0,9000"]}
    assert served.get(middle(done.document) + ".png").status_code == 200
    again = published(tmp_path, data, given={"render": {"bidx": ["4"], "rescale": ["0,9000"]}})
    assert again.document["render"] == {"bidx": ["4"], "rescale": ["0,9000"]}
    fewer = published(tmp_path, data[:2])  # the fourth band is gone
    assert fewer.document["render"] == {"bidx": [1], "rescale": ["0,9000"]}
    with pytest.raises(InvalidParameter, match="4"):
        published(tmp_path, data[:2], given={"render": {"bidx": [4]}})


def test_a_layer_of_one_band_that_gets_four(tmp_path: Path, served: TestClient) -> None:
    data = ramps(4, "uint16", 9000)
    assert published(tmp_path, data[:1]).document["render"].keys() == {"rescale"}
    done = published(tmp_path, data)
    assert done.document["render"]["bidx"] == [1, 2, 3]
    assert served.get(middle(done.document) + ".png").status_code == 200

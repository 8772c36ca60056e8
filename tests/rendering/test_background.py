"""Pictures in front of a background: what is half transparent is mixed, what is missing is the background."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tilery.geo.raster import Raster
from tilery.rendering import pipeline
from tilery.rendering.colormap import parse
from tilery.rendering.options import RenderOptions

BEHIND = (10, 200, 255)
PLAIN = RenderOptions()


def shown(raster: Raster, options: RenderOptions = PLAIN, background: Any = BEHIND) -> Any:
    rendered = pipeline.on_background(raster, options, "png", background)
    return np.asarray(Image.open(io.BytesIO(rendered.body)))


@pytest.mark.parametrize("bands", [1, 3])
def test_opacity_mixes_with_the_background(bands: int) -> None:
    colors = np.linspace(0, 255, 16 * 16).astype(np.uint8).reshape(16, 16)
    alpha = np.linspace(0, 255, 16 * 16).astype(np.uint8).reshape(16, 16).T.copy()
    data = np.stack([colors] * bands)
    found = shown(Raster(data=data, alpha=alpha, mask=(alpha > 0)[None]))
    share = alpha[..., None] / 255
    expected = colors[..., None] * share + np.array(BEHIND) * (1 - share)
    assert found.shape == (16, 16, 3)
    assert abs(found - expected).max() <= 0.5 + 1e-9


def test_a_colormap_with_opacity_mixes_too() -> None:
    values = np.array([[0, 1, 2]], np.uint8)
    options = RenderOptions(colormap=parse('{"0": [255, 0, 0, 255], "1": [255, 0, 0, 51]}'))
    found = shown(Raster(data=values[None]), options)
    assert found.tolist() == [[[255, 0, 0], [59, 160, 204], list(BEHIND)]]
    masked = shown(Raster(data=values[None], mask=np.array([[[False, True, True]]])), options)
    assert masked[0, 0].tolist() == list(BEHIND)


def test_without_a_background_it_stays_transparent() -> None:
    found = shown(Raster(data=np.full((3, 1, 2), 9, np.uint8), mask=np.array([[[True, False]]])), background=None)
    assert found[..., 3].tolist() == [[255, 0]]


def test_pictures_have_eight_bits() -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(1, 16, 16) * 257
    found = shown(Raster(data=ramp))
    assert found.dtype == np.uint8
    assert found.max() == 255

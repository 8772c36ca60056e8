"""Saturation as rio-color defines it: the chroma of a colour times a number, in the CIE's LCh.

The library works through the pixels one by one, a microsecond each, and holds the interpreter's lock meanwhile. Here
whole arrays go through NumPy, which lets others run. Lightness and hue stay what they are, so the chroma's factor is
one of both of Lab's coordinates, and no angle has to be worked out.

Sources: IEC 61966-2-1 for sRGB and its transfer function; CIE 15:2004 for Lab, with the white D65.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array

AT_ONCE = 1 << 13
"""Pixels at a time: what is worked out between stays in the processor's cache."""

_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
_TO_WHITE = _TO_XYZ / _WHITE[:, np.newaxis]
_FROM_WHITE = _TO_RGB * _WHITE
_KNEE = 6 / 29
"""Where the CIE's cube root turns into a straight line."""

Floats = NDArray[np.float64]


def saturate(values: Array, proportion: float) -> NDArray[np.uint8]:
    """Return red, green and blue with their saturation multiplied by ``proportion``; further bands as uint8.

    Args:
        values: integers, shape (bands, rows, columns), three bands at least; from 0 to the most of their type.
        proportion: 0 is grey, 1 leaves colours as they are.
    """
    rows = values.reshape(len(values), -1)
    result = np.empty(rows.shape, np.uint8)
    most = float(np.iinfo(values.dtype).max)
    table = _linear(np.arange(most + 1) / most) if values.dtype.itemsize == 1 and values.dtype.kind == "u" else None
    for start in range(0, rows.shape[1], AT_ONCE):
        part = rows[:, start : start + AT_ONCE]
        colors = part[:3]
        linear = _linear(np.maximum(colors, 0) / most) if table is None else table.take(colors)
        with np.errstate(all="ignore"):  # a proportion of 1e300 leaves nothing of some colours
            result[:3, start : start + AT_ONCE] = _levels(_saturated(linear, proportion))
        if len(rows) > 3:
            result[3:, start : start + AT_ONCE] = _levels(np.maximum(part[3:], 0) / most)
    return result.reshape(values.shape)


def _saturated(linear: Floats, proportion: float) -> Floats:
    """Return sRGB, from 0 to 1, of linear light; shape (3, pixels) both."""
    roots = _root(_TO_WHITE @ linear)
    lightness = roots[1]
    # a = 500 (fx - fy) and b = 200 (fy - fz): times the proportion, and back to fx and fz
    roots[0] = lightness + (roots[0] - lightness) * proportion
    roots[2] = lightness + (roots[2] - lightness) * proportion
    return _companded(_FROM_WHITE @ _cube(roots))


def _linear(values: Floats) -> Floats:
    """Return the light of sRGB values."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _companded(light: Floats) -> Floats:
    """Return the sRGB values of light, from 0 to 1; what has no colour on a screen is cut off."""
    curved = 1.055 * np.maximum(light, 0.0) ** (1 / 2.4) - 0.055
    return np.clip(np.where(light <= 0.0031308, 12.92 * light, curved), 0.0, 1.0)


def _root(values: Floats) -> Floats:
    return np.where(values > _KNEE**3, np.cbrt(values), values / (3 * _KNEE**2) + 4 / 29)


def _cube(roots: Floats) -> Floats:
    return np.where(roots > _KNEE, roots**3, 3 * _KNEE**2 * (roots - 4 / 29))


def _levels(values: Floats) -> NDArray[np.uint8]:
    """Return 0 to 255 for 0 to 1; what lies between two levels is the lower one, as the library has it."""
    return np.nan_to_num(values * 255).astype(np.uint8)

"""A legend as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Picture
from tilery.rendering.legend import text
from tilery.rendering.legend.values import Legend, Rgba, Theme, Tick

MARGIN = 8
ROW = 20
"""Pixels from one class to the next, at scale 1."""
SWATCH = (24, 14)
"""Width and height of a colour."""
BAR = 14
"""Height of the colours of a continuous legend."""
TICK = 4
_GAP = 8

Canvas = NDArray[np.uint8]


def size_of(legend: Legend, width: int) -> tuple[int, int]:
    """Return width and height at scale 1, where ``width`` is wanted: of a list at most."""
    rows = MARGIN * 2 + (text.HEIGHT + 3 if legend.title else 0)
    if legend.kind == "continuous":
        return width, rows + BAR + TICK + text.HEIGHT
    labels = [swatch.label for swatch in legend.swatches] + ([_rest(legend)] if legend.left_out else [])
    needed = max((SWATCH[0] + _GAP + text.width(label, 1) for label in labels), default=0)
    titled = text.width(legend.title, 1) if legend.title else 0
    return min(width, MARGIN * 2 + max(needed, titled, 1)), rows + ROW * len(labels)


def _rest(legend: Legend) -> str:
    return f"and {legend.left_out} more"


def readable(ticks: Sequence[Tick], length: int) -> list[Tick]:
    """Return the ticks whose labels have room along so many pixels at scale 1: the first and the last, and between them
    those that touch no other.
    """
    if len(ticks) < 3:
        return list(ticks)

    def ends(tick: Tick) -> tuple[float, float]:
        wide = text.width(tick.label, 1)
        start = min(max(tick.position * length - wide / 2, 0), max(length - wide, 0))
        return start, start + wide

    kept, (last, _) = [ticks[0]], ends(ticks[-1])
    for tick in ticks[1:-1]:
        start, end = ends(tick)
        if start >= ends(kept[-1])[1] + _GAP and end + _GAP <= last:
            kept.append(tick)
    return [*kept, ticks[-1]]


def draw(legend: Legend, theme: Theme, *, width: int, scale: int = 1, opaque: bool = True) -> Picture:
    """Return the picture of a legend.

    Args:
        legend: the legend.
        theme: its colours.
        width: pixels at scale 1 at most.
        scale: 1 or 2.
        opaque: with a background.
    """
    columns, rows = (side * scale for side in size_of(legend, width))
    canvas = np.empty((rows, columns, 4), np.uint8)
    canvas[:] = theme.background if opaque else (*theme.background[:3], 0)
    top = MARGIN * scale
    if legend.title:
        _write(canvas, legend.title, MARGIN * scale, top, theme.text, scale)
        top += (text.HEIGHT + 3) * scale
    if legend.kind == "continuous":
        _bar(canvas, legend, theme, top, scale)
    else:
        _list(canvas, legend, theme, top, scale)
    return Picture(data=canvas[..., :3].copy(), mask=None if opaque else canvas[..., 3].copy())


def _bar(canvas: Canvas, legend: Legend, theme: Theme, top: int, scale: int) -> None:
    left, right = MARGIN * scale, canvas.shape[1] - MARGIN * scale
    length = right - left
    ramp = np.array(legend.ramp, np.uint8)
    steps = (np.arange(length) * 2 + 1) * len(ramp) // (2 * length)
    _fill(canvas[top : top + BAR * scale, left:right], ramp[steps])
    bottom = top + BAR * scale
    for tick in readable(legend.ticks, length // scale):
        place = left + round(tick.position * (length - 1))
        canvas[bottom : bottom + TICK * scale, place : place + scale] = theme.text
        wide = text.width(tick.label, scale)
        start = min(max(place - wide // 2, left), max(right - wide, left))
        _write(canvas, tick.label, start, bottom + TICK * scale, theme.text, scale)


def _list(canvas: Canvas, legend: Legend, theme: Theme, top: int, scale: int) -> None:
    left = MARGIN * scale
    wide, high = SWATCH[0] * scale, SWATCH[1] * scale
    for number, swatch in enumerate(legend.swatches):
        row = top + number * ROW * scale
        canvas[row : row + high, left : left + wide] = theme.line
        inside = canvas[row + scale : row + high - scale, left + scale : left + wide - scale]
        inside[:] = (*theme.background[:3], 255)
        _fill(inside, np.array(swatch.color, np.uint8))
        _write(canvas, swatch.label, left + wide + _GAP * scale, row - scale, theme.text, scale)
    if legend.left_out:
        row = top + len(legend.swatches) * ROW * scale
        _write(canvas, _rest(legend), left, row - scale, theme.text, scale)


def _fill(place: Canvas, color: NDArray[np.uint8]) -> None:
    """Put a colour, or one a column, in front of what is there."""
    front = color[..., 3:].astype(np.uint16)
    mixed = (color[..., :3] * front + place[..., :3].astype(np.uint16) * (255 - front) + 127) // 255
    place[..., :3] = mixed
    place[..., 3] = np.maximum(place[..., 3], color[..., 3])


def _write(canvas: Canvas, words: str, left: int, top: int, color: Rgba, scale: int) -> None:
    """Put a line of text in front of what is there; what does not fit is cut off."""
    room = canvas.shape[1] - left
    if room <= 0:
        return
    mask = text.line(text.shortened(words, room, scale), scale)[: canvas.shape[0] - top]
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[:] = color
    pixels[..., 3] = mask
    _fill(canvas[top : top + mask.shape[0], left : left + mask.shape[1]], pixels)

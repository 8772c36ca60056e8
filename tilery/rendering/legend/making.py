"""A legend made of how pixels are shown: the colours are those that the pipeline itself gives to values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tilery.errors import InvalidParameter
from tilery.geo.raster import Raster
from tilery.rendering import colormap as colormaps
from tilery.rendering import pipeline
from tilery.rendering.colormap import Colormap
from tilery.rendering.legend.values import Legend, Rgba, Swatch, Tick
from tilery.rendering.options import RenderOptions

STEPS = 256
"""Colours of a continuous legend."""
MOST = 200
"""Classes of a legend."""
_TICKS = 5
Labels = Mapping[float, str] | Sequence[str]
"""Names of classes: by value, or in the order of the colormap's entries."""


def legend_of(
    raster: Raster,
    options: RenderOptions,
    *,
    labels: Labels = (),
    present: Sequence[float] | None = None,
    title: str | None = None,
) -> Legend:
    """Return the legend of pictures of a raster.

    Args:
        raster: some pixels of it; of them only their type counts, the names of bands, palette and statistics.
        options: how it is shown.
        labels: names of classes.
        present: values that the raster has, where its own palette colours it. None: any.
        title: of the legend.

    Raises:
        RequestError: it cannot be shown like that.
    """
    raster = pipeline.real(pipeline.calculated(raster, options))
    shown = replace(options, expression=None, algorithm=None, algorithm_params={})
    if raster.count != 1:
        return replace(_bands(raster, options), title=title)
    palette = raster.colormap if options.colormap is None and not (options.expression or options.algorithm) else None
    if palette:
        values = [value for value in sorted(palette) if present is None or value in present]
        found = _classes([(float(value), palette[value]) for value in values], labels, shown)
    elif options.colormap is not None and options.colormap.kind == "discrete":
        entries = zip(options.colormap.keys, options.colormap.rgba.tolist(), strict=True)
        found = _classes([(key, _rgba(color)) for key, color in entries], labels, shown)
    elif options.colormap is not None and options.colormap.kind == "interval":
        found = _intervals(options.colormap, shown, labels)
    else:
        found = _continuous(raster, shown)
    return replace(found, title=title)


def _rgba(color: Sequence[int]) -> Rgba:
    red, green, blue, alpha = color
    return (red, green, blue, alpha)


def _back(key: float, options: RenderOptions) -> float:
    """Return the value that becomes a key of the colormap, which is looked up after values were rescaled."""
    if not options.rescale:
        return key
    low, high = options.rescale[0]
    return low + key / 255 * (high - low)


def _classes(entries: Sequence[tuple[float, Rgba]], labels: Labels, options: RenderOptions) -> Legend:
    swatches = []
    for number, (key, color) in enumerate(entries[:MOST]):
        value = _back(key, options)
        swatches.append(Swatch(color=color, label=_name(labels, number, key) or text_of(value), value=value))
    return Legend(kind="classes", swatches=tuple(swatches), left_out=max(len(entries) - MOST, 0))


def _intervals(colormap: Colormap, options: RenderOptions, labels: Labels) -> Legend:
    swatches = []
    edges = list(zip(colormap.keys, colormap.upper, colormap.rgba.tolist(), strict=True))
    for number, (lower, upper, color) in enumerate(edges[:MOST]):
        low, high = _back(lower, options), _back(upper, options)
        label = _name(labels, number, lower) or _span(low, high)
        swatches.append(Swatch(color=_rgba(color), label=label, value=low, upper=high))
    return Legend(kind="intervals", swatches=tuple(swatches), left_out=max(len(edges) - MOST, 0))


def _span(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "all values"
    if math.isinf(low):
        return f"below {text_of(high)}"
    return f"from {text_of(low)}" if math.isinf(high) else f"{text_of(low)} to {text_of(high)}"


def _name(labels: Labels, number: int, value: float) -> str | None:
    if isinstance(labels, Mapping):
        return labels.get(value)
    return labels[number] if number < len(labels) else None


def _bands(raster: Raster, options: RenderOptions) -> Legend:
    """Return which band is which colour, and what becomes dark and bright; nothing of colours that an
    algorithm mixes.
    """
    if options.colormap is not None:
        pipeline.colors(raster, replace(options, expression=None, algorithm=None))  # it needs one band, and says so
    if options.algorithm or raster.count not in (2, 3):
        return Legend(kind="none")
    colors: list[Rgba] = [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)]
    swatches = []
    for number, color in enumerate(colors[: raster.count]):
        name = _description(raster, number)
        span = options.rescale
        low, high = span[number if len(span) == raster.count else 0] if span else (None, None)
        label = name if low is None or high is None else f"{name}: {text_of(low)} to {text_of(high)}"
        swatches.append(Swatch(color=color, label=label, value=low, upper=high))
    return Legend(kind="bands", swatches=tuple(swatches))


def _description(raster: Raster, number: int) -> str:
    described = raster.band_descriptions[number] if number < len(raster.band_descriptions) else ""
    return described or (raster.band_names[number] if number < len(raster.band_names) else f"b{number + 1}")


def _continuous(raster: Raster, options: RenderOptions) -> Legend:
    low, high = _domain(raster, options)
    known = low is not None and high is not None
    if low is None or high is None:
        low, high = 0.0, 1.0
    if low > high:
        low, high = high, low
    if options.colormap is None and not options.rescale:
        options = replace(options, rescale=((low, high),))
    whole = options.colormap is not None and not options.rescale
    # a trifle nearer to the end that is bright, so that no value is cut off to the colour before its own
    span = options.rescale[0] if options.rescale else (low, high)
    values = np.clip(np.linspace(low, high, STEPS) + 1e-9 * (span[1] - span[0]), low, high).reshape(1, 1, STEPS)
    line = Raster(data=values.astype(np.uint8) if whole else values, band_names=("b1",), band_descriptions=("",))
    ramp = tuple(_rgba(color) for color in pipeline.colors(line, options)[0].tolist())
    if not known:  # of each tile by itself
        return Legend(
            kind="continuous",
            ramp=ramp,
            ticks=(Tick(position=0, label="lowest", value=None), Tick(position=1, label="highest", value=None)),
        )
    return Legend(kind="continuous", ramp=ramp, ticks=tuple(_ticks(low, high)))


def _domain(raster: Raster, options: RenderOptions) -> tuple[float | None, float | None]:
    """Return values that have the first and the last colour; None where each tile has its own."""
    if options.rescale:
        return options.rescale[0]
    if options.colormap is not None:
        return (0.0, 255.0)
    kind = raster.data.dtype
    if kind == np.uint8:
        return (0.0, 255.0)
    if raster.statistics is not None and len(raster.statistics) == 1 and all(map(math.isfinite, raster.statistics[0])):
        return raster.statistics[0]
    if kind.kind == "b":
        return (0.0, 1.0)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return (float(limits.min), float(limits.max))
    return (None, None)


def _ticks(low: float, high: float) -> list[Tick]:
    """Round values between two, both of which are among them."""
    if not low < high:
        return [Tick(position=0.5, label=text_of(low), value=low)]
    span = high - low
    rough = span / _TICKS
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step)
    rounds = [round((first + number) * step, 12) for number in range(_TICKS + 2)]
    clear = [value for value in rounds if low + 0.12 * span < value < high - 0.12 * span]
    return [Tick(position=(value - low) / span, label=text_of(value), value=value) for value in (low, *clear, high)]


def text_of(value: float) -> str:
    """Return a number as short as it can be read."""
    return f"{value:.6g}".replace("-", "\u2212", 1) if value < 0 else f"{value:.6g}"


def labels_of(document: object) -> Labels:
    """Return the names of classes that a JSON document has: an object by value, or a list.

    Raises:
        InvalidParameter: it is neither.
    """
    if (
        isinstance(document, list)
        and len(document) <= colormaps.MAX_ENTRIES
        and all(isinstance(x, str) for x in document)
    ):
        return [label[:200] for label in document]
    if isinstance(document, dict) and len(document) <= colormaps.MAX_ENTRIES:
        try:
            named = {float(value): label for value, label in document.items()}
        except ValueError:
            named = {}
        if len(named) == len(document) and all(isinstance(label, str) for label in named.values()):
            return {value: label[:200] for value, label in named.items()}
    raise _no_labels()


def _no_labels() -> InvalidParameter:
    return InvalidParameter(
        'labels is a JSON object of names by value, {"1": "Forest"}, or a list of names.', parameter="labels"
    )

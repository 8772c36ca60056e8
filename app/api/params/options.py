"""Parsed parameters become the values that reading, rendering and serving understand, checked against the limits."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from app.api.params import mosaics, table
from app.api.params.parse import Values
from app.config.settings import Settings
from app.serving.requests import StatisticsOptions
from tilery.errors import InvalidParameter, OverLimit
from tilery.reading.options import ReadLimits, ReadOptions
from tilery.rendering import colormap, expression
from tilery.rendering.colormap import Colormap, Colormaps
from tilery.rendering.options import RenderOptions

MOST_BINS = 10_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_options(values: Values, limits: ReadLimits) -> ReadOptions:
    """Return which bands are to be read and how; those of the expression where there is one.

    Raises:
        InvalidExpression: the expression does not parse.
        OverLimit: more bands than one request may ask for.
    """
    text = expression_text(values)
    bands = expression.parse(text).bands if text else values.get("bidx")
    if bands is not None and len(bands) > limits.bands:
        raise OverLimit(
            f"At most {limits.bands} bands at a time.",
            parameter="expression" if text else "bidx",
            limit=limits.bands,
        )
    return ReadOptions(
        bands=bands,
        nodata=values.get("nodata"),
        unscale=values.of(table.UNSCALE),
        resampling=values.of(table.RESAMPLING),
        reproject=values.of(table.REPROJECT),
        expression=text,
        pixel_selection=values.of(mosaics.PIXEL_SELECTION),
        skip_missing=values.of(mosaics.SKIP_MISSING),
        limits=limits,
    )


def render_options(values: Values, colormaps: Colormaps) -> RenderOptions:
    """Return how the pixels become a picture.

    Raises:
        InvalidColormap: the colormap is not one.
        InvalidParameter: the algorithm's parameters are not a JSON object.
    """
    return RenderOptions(
        expression=expression_text(values),
        algorithm=values.get("algorithm"),
        algorithm_params=_algorithm_params(values.get("algorithm_params")),
        rescale=values.get("rescale"),
        color_formula=values.get("color_formula"),
        colormap=_colormap(colormaps, values.get("colormap_name"), values.get("colormap")),
        return_mask=values.of(table.RETURN_MASK),
    )


def expression_text(values: Values) -> str | None:
    """Return the expression, with commas between blocks (TiTiler 0.4) turned into semicolons."""
    text: str | None = values.get("expression")
    if text is None or "," not in text:
        return text
    depth = 0
    characters = []
    for character in text:
        depth += (character in "([") - (character in ")]")
        characters.append(";" if character == "," and depth == 0 else character)
    return "".join(characters)


def statistics_options(values: Values) -> StatisticsOptions:
    """Return what is to be counted in statistics.

    Raises:
        InvalidParameter: the bins or percentiles have no meaning.
        OverLimit: there are more bins than anybody looks at.
    """
    percentiles: tuple[int, ...] = values.of(table.PERCENTILES)
    if not all(0 <= percentile <= 100 for percentile in percentiles):
        raise InvalidParameter("A percentile is a number from 0 to 100.", parameter="p")
    span: tuple[float, float] | None = values.get("histogram_range")
    if span is not None and span[0] > span[1]:
        raise InvalidParameter("The minimum of histogram_range is above its maximum.", parameter="histogram_range")
    return StatisticsOptions(
        categorical=values.of(table.CATEGORICAL),
        categories=values.get("c"),
        percentiles=percentiles,
        bins=_bins(values.of(table.HISTOGRAM_BINS)),
        range=span,
    )


def _bins(numbers: tuple[float, ...]) -> int | tuple[float, ...]:
    """Return number of bins, or their edges."""
    if len(numbers) > 1:
        if any(low > high for low, high in pairwise(numbers)):
            raise InvalidParameter("The edges of histogram_bins must rise.", parameter="histogram_bins")
        return numbers
    bins = int(numbers[0])
    if bins != numbers[0] or bins < 1:
        raise InvalidParameter("histogram_bins is a whole number above 0.", parameter="histogram_bins")
    if bins > MOST_BINS:
        raise OverLimit(f"histogram_bins is at most {MOST_BINS}.", parameter="histogram_bins", limit=MOST_BINS)
    return bins


def check_size(limits: Settings, **sizes: float | None) -> None:
    """Check that every side and the area are within the limits.

    Args:
        limits: has ``max_size`` and ``max_pixels``.
        sizes: sides of one picture by the name of the parameter that says it.

    Raises:
        OverLimit: one is not; it names the parameter and the limit.
    """
    area = 1.0
    for name, size in sizes.items():
        if size is None:
            continue
        if size > limits.max_size:
            raise OverLimit(
                f"{name} is {size:g}; at most {limits.max_size} pixels are allowed along one side.",
                parameter=name,
                limit=limits.max_size,
            )
        area *= size
    if area > limits.max_pixels:
        raise OverLimit(
            f"A picture of {area:.0f} pixels was asked for; at most {limits.max_pixels} are allowed.",
            parameter=next(iter(sizes)),
            limit=limits.max_pixels,
        )


def check_tile(limits: Settings, *, tilesize: int, buffer: float | None, padding: int | None) -> None:
    """Check that a tile of that size, grown by its buffer and padding, is within the limits.

    Raises:
        OverLimit: it is not.
    """
    check_size(limits, tilesize=tilesize)
    grown = tilesize + 2 * (buffer or 0)
    check_size(limits, buffer=grown)
    check_size(limits, padding=grown + 2 * (padding or 0))
    if grown**2 > limits.max_pixels:
        raise OverLimit(
            f"A tile of {grown**2:.0f} pixels was asked for; at most {limits.max_pixels} are allowed.",
            parameter="tilesize",
            limit=limits.max_pixels,
        )


def _algorithm_params(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidParameter("algorithm_params should be a JSON object.", parameter="algorithm_params")
    return document


def _colormap(known: Colormaps, name: str | None, text: str | None) -> Colormap | None:
    """Return the colormap named, or written as JSON, or (as TiTiler 0.2 took it) named where the JSON should be."""
    if name is not None:
        return known.get(name)
    if text is None:
        return None
    if _NAME.fullmatch(text) and text in known.names():
        return known.get(text)
    return colormap.parse(text)

"""Band maths: ``(b4-b1)/(b4+b1);b1*2`` read by a parser of our own and worked out with numpy.

The language is the one that rio-tiler 9.4 lets through to numexpr, less what cannot make a picture: operators,
comparisons, ``where()`` and the elementwise functions. Types follow numexpr: integers are worked out as int32 or int64,
a division or a function of them gives float64, float32 stays float32 until a constant with a decimal point meets it.
What is not a number becomes 0 and what is infinite the largest number of the type, as rio-tiler's ``nan_to_num`` does.

User text is never evaluated or compiled. The parser writes a list of steps for a stack (postfix), so neither parsing
nor evaluation can be driven into deep recursion; constants are folded in float64; sizes are bounded.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from tilery.errors import InvalidBand, InvalidExpression, TooMuchWork
from tilery.geo.raster import Raster
from tilery.limits.weighted_cache import WeightedCache
from tilery.rendering.expression.evaluate import evaluate
from tilery.rendering.expression.parser import MAX_STEPS, Parser
from tilery.rendering.expression.steps import Block, Expression, invalid, over

__all__ = ["MAX_BLOCKS", "MAX_LENGTH", "MAX_WORK", "Expression", "apply", "parse"]

MAX_LENGTH = 4096
"""Characters of one expression."""
MAX_BLOCKS = 64
"""Output bands of one expression."""
MAX_WORK = 1 << 30
"""Steps times pixels."""
_CORNERS = 10
"""Bands up to which the range of an expression is found from the ranges of its bands."""


def parse(text: str) -> Expression:
    """Return the expression that a caller wrote (``text``, as ``(b4-b1)/(b4+b1);b1*2``).

    Raises:
        InvalidExpression: it does not parse, names what it may not, or has a block without a band.
        OverLimit: it is longer or deeper than may be.
    """
    found = _parsed.get(text)
    if found is None:
        found = _parse(text)
        _parsed.put(text, found, len(text) + _STEP * sum(len(block.steps) for block in found.blocks))
    return found


_STEP = 100
"""Bytes of a parsed step."""
_parsed: WeightedCache[str, Expression] = WeightedCache(4 << 20)


def _parse(text: str) -> Expression:
    if len(text) > MAX_LENGTH:
        raise over(f"expression may have {MAX_LENGTH} characters at most.", MAX_LENGTH)
    if not text.isascii():
        raise invalid("expression holds characters other than ASCII.")
    sources = [block.strip() for block in text.lower().split(";")]
    sources = [block for block in sources if block]
    if not sources:
        raise invalid("expression is empty.")
    if len(sources) > MAX_BLOCKS:
        raise over(f"expression may have {MAX_BLOCKS} blocks at most.", MAX_BLOCKS)
    left = MAX_STEPS
    blocks = []
    for source in sources:
        steps = Parser(source, left).parse()
        left -= len(steps)
        blocks.append(Block(source, steps))
    return Expression(tuple(blocks))


@lru_cache(maxsize=256)
def result_type(text: str, kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of what an expression gives of bands of one type."""
    expression = parse(text)
    nothing = np.empty((0, 1), kind if kind.kind in "biuf" else np.float64)
    try:
        return evaluate(expression, dict.fromkeys(expression.bands, nothing)).dtype
    except InvalidExpression:
        return np.dtype(np.float64)  # it will be refused


def apply(expression: Expression, raster: Raster) -> Raster:
    """Return a raster with a band a block, named ``b1``, ``b2``… and described by the text of the block.

    A pixel is masked where any of the bands used is. The raster's statistics are carried through the expression; where
    it has none but is of a type of 8 or 16 bits, the range of the type is.

    Raises:
        InvalidBand: it uses a band that the raster does not have.
        InvalidExpression: an operator that this data type does not know.
        TooMuchWork: too many steps for this many pixels.
    """
    positions = _positions(expression, raster)
    if raster.data.dtype.kind not in "biuf":
        raise invalid("expression cannot be applied to values of this data type.")
    work = sum(len(block.steps) for block in expression.blocks) * raster.height * raster.width
    if work > MAX_WORK:
        raise TooMuchWork(
            "This expression is too long for a picture of this size.", parameter="expression", limit=MAX_WORK
        )
    data = evaluate(expression, {number: raster.data[position] for number, position in positions.items()})
    mask = raster.mask
    if mask is not None and len(mask) > 1:
        mask = np.logical_and.reduce(mask[list(positions.values())], axis=0, keepdims=True)
    return replace(
        raster,
        data=data,
        mask=mask,
        band_names=tuple(f"b{number}" for number in range(1, len(expression.blocks) + 1)),
        band_descriptions=_descriptions(expression, raster, positions),
        statistics=_ranges(expression, raster, positions),
        nodata=None,
        scales=(),
        offsets=(),
        colormap=None,
    )


def _positions(expression: Expression, raster: Raster) -> dict[int, int]:
    """Return position in the raster of each band that the expression uses."""
    names = raster.band_names or tuple(f"b{number}" for number in range(1, raster.count + 1))
    found = {}
    for number in expression.bands:
        if f"b{number}" not in names:
            raise InvalidBand(f"expression uses b{number}, which is not there.", parameter="expression")
        found[number] = names.index(f"b{number}")
    return found


def _descriptions(expression: Expression, raster: Raster, positions: dict[int, int]) -> tuple[str, ...]:
    """Return text of each block, with the descriptions of bands in place of their names as rio-tiler writes them."""
    known = raster.band_descriptions if len(raster.band_descriptions) == raster.count else None

    def described(match: re.Match[str]) -> str:
        number = int(match[1])
        return (known[positions[number]] if known else "") or match[0]

    return tuple(re.sub(r"\bb([1-9][0-9]*)\b", described, block.text) for block in expression.blocks)


def _ranges(
    expression: Expression, raster: Raster, positions: dict[int, int]
) -> tuple[tuple[float, float], ...] | None:
    """Return least and most of each block over every choice of least and most of the bands, as rio-tiler finds them.

    None where nothing is known of the bands, where they are too many, or where the answer would be of no use.
    """
    limits = raster.statistics
    if limits is None or len(limits) != raster.count:
        kind = raster.data.dtype
        if kind.kind not in "iu" or kind.itemsize > 2:
            return None
        info = np.iinfo(kind)
        limits = ((info.min, info.max),) * raster.count
    if len(positions) > _CORNERS:
        return None
    corners = np.array(list(product(*(limits[position] for position in positions.values()))))
    whole = raster.data.dtype.kind in "iu" and not np.any(corners % 1)
    values = corners.astype(np.int64 if whole else np.float64).T
    try:
        result = evaluate(expression, {number: values[index][np.newaxis] for index, number in enumerate(positions)})[
            :, 0
        ].astype(np.float64)
    except InvalidExpression:
        return None
    low, high = result.min(axis=1), result.max(axis=1)
    if not (np.all(low < high) and np.all(np.abs(result) < np.finfo(np.float32).max)):
        return None
    return tuple(zip(low.tolist(), high.tolist(), strict=True))

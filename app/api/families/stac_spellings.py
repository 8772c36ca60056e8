"""Queries as clients of TiTiler 0.x and 1.x write them, as today's: what is wanted of an asset stands at the asset, and
an expression calls bands by their place.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import urlencode

from app.api.operation import LONGEST_KEPT_QUERY
from app.api.params import table
from app.api.params.kinds import TRUE
from app.api.params.parse import pairs

_OPTIONS = {"asset_bidx": "bidx", "asset_indexes": "bidx", "asset_expression": "expression"}
_END = re.compile(r"_b([1-9][0-9]?)\b")
"""What follows the name of an asset in an expression, as in ``B04_b1``."""
_IN_NAMES = frozenset(string.ascii_letters + string.digits + "._-")
_FIRST = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?!\w|\s*\()")
"""A name in an expression that is none of a function."""
_PLACE = re.compile(r"b[0-9]+")
"""A band in an expression of today."""
_LONGEST = 8192
"""Characters of an expression in which names of assets are looked for: a longer one has more steps than may be."""
_OLD = (b"asset_bidx", b"asset_indexes", b"asset_expression", b"_b")
"""What old words have, ``asset_as_band`` too."""


def today(query: bytes) -> bytes:
    """Return the query in today's words; one that has none of the old ones as it is."""
    if not any(word in query for word in _OLD):
        return query
    return (_known_before if len(query) <= LONGEST_KEPT_QUERY else _today)(query)


def by_place(expression: str, assets: Sequence[str], *, as_bands: bool) -> tuple[list[str], str] | None:
    """Return the assets that an expression is about, and the expression with bands called by their place; None where it
    has no names of assets.

    Args:
        expression: as ``(B08_b1-B04_b1)/B04_b1``, whose assets are those that it names, or, of assets as bands, as
            ``(B08-B04)/B04``.
        assets: that are named beside it, with their options.
        as_bands: whether each asset is one band, which is called after it.
    """
    if len(expression) > _LONGEST:
        return None
    if found := list(_bands(expression)):
        places = {band: place for place, band in enumerate(dict.fromkeys(band for _, _, band in found), 1)}
        spans = ((start, end, places[band]) for start, end, band in found)
        return [f"{asset}|bidx={number}" for asset, number in places], _written(expression, spans)
    if not as_bands:
        return None
    if assets:
        names = {asset.partition("|")[0]: place for place, asset in reversed(list(enumerate(assets, 1)))}
        known = [name for name in names if name and not _PLACE.fullmatch(name)]
    else:
        assets = known = list(dict.fromkeys(_NAME.findall(expression)))
        names = {name: place for place, name in enumerate(known, 1)}
    if not known or len(known) > table.ASSETS.most:
        return None
    # the longest first: one name may be how another begins
    pattern = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    matches = list(re.finditer(rf"(?<![\w.])(?:{pattern})(?!\w|\s*\()", expression))
    spans = ((match.start(), match.end(), names[match[0]]) for match in matches)
    return (list(assets), _written(expression, spans)) if matches else None


def _bands(expression: str) -> Iterator[tuple[int, int, tuple[str, str]]]:
    """Yield start and end of each band of an asset in an expression, with the asset's name and the band's number."""
    after = 0
    for match in _END.finditer(expression):
        start = match.start()
        while start > after and expression[start - 1] in _IN_NAMES:
            start -= 1
        first = _FIRST.search(expression, start, match.start())
        if first is not None:
            yield first.start(), match.end(), (expression[first.start() : match.start()], match[1])
        after = match.end()


def _written(expression: str, spans: Iterable[tuple[int, int, int]]) -> str:
    """Return an expression with bands in the place of names."""
    parts: list[str] = []
    at = 0
    for start, end, place in spans:
        parts += (expression[at:start], f"b{place}")
        at = end
    return "".join((*parts, expression[at:]))


def _today(query: bytes) -> bytes:
    given = pairs(query)
    options: dict[str, list[str]] = {}
    for name, value in given:
        if name in _OPTIONS:
            asset, separator, chosen = value.partition("|")
            if separator and chosen:
                options.setdefault(asset, []).append(f"{_OPTIONS[name]}={chosen}")
    named = [value for name, value in given if name == "assets"]
    said = dict(given)
    as_bands = said.get("asset_as_band", "").lower() in TRUE
    written = by_place(said.get("expression", ""), named, as_bands=as_bands)
    if not options and written is None:
        return query
    found: list[tuple[str, str]] = []
    if written is not None:
        found = [("assets", asset) for asset in written[0]]
    for name, value in given:
        if name in _OPTIONS or (name == "assets" and written is not None):
            continue
        if name == "assets" and value in options:
            found.append((name, "|".join((value, *options[value]))))
        elif name == "expression" and written is not None:
            found.append((name, written[1]))
        else:
            found.append((name, value))
    return urlencode(found).encode("ascii")


_known_before = lru_cache(maxsize=1024)(_today)

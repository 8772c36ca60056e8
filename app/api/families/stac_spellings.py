"""Queries as clients of TiTiler 0.x and 1.x write them, as today's: what is wanted of an asset stands at the asset."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlencode

from app.api.operation import LONGEST_KEPT_QUERY
from app.api.params.parse import pairs

_OPTIONS = {"asset_bidx": "bidx", "asset_indexes": "bidx", "asset_expression": "expression"}
_BAND = re.compile(r"\b([A-Za-z][A-Za-z0-9.-]*(?:_[A-Za-z0-9.-]+)*?)_b([1-9][0-9]?)\b")
"""A band of an asset in an expression, as ``B04_b1``."""
_OLD = (b"asset_bidx", b"asset_indexes", b"asset_expression", b"_b")


def today(query: bytes) -> bytes:
    """Return the query in today's words; one that has none of the old ones as it is."""
    if not any(word in query for word in _OLD):
        return query
    return (_known_before if len(query) <= LONGEST_KEPT_QUERY else _today)(query)


def _today(query: bytes) -> bytes:
    given = pairs(query)
    options: dict[str, list[str]] = {}
    for name, value in given:
        if name in _OPTIONS:
            asset, separator, chosen = value.partition("|")
            if separator and chosen:
                options.setdefault(asset, []).append(f"{_OPTIONS[name]}={chosen}")
    named = any(name == "assets" for name, _ in given)
    expression = dict(given).get("expression", "")
    bands = [] if named else list(dict.fromkeys(_BAND.findall(expression)))
    if not options and not bands:
        return query
    found = [("assets", f"{asset}|bidx={number}") for asset, number in bands]
    for name, value in given:
        if name in _OPTIONS:
            continue
        if name == "assets" and value in options:
            found.append((name, "|".join((value, *options[value]))))
        elif name == "expression" and bands:
            found.append((name, _BAND.sub(lambda match: f"b{bands.index((match[1], match[2])) + 1}", value)))
        else:
            found.append((name, value))
    return urlencode(found).encode("ascii")


_known_before = lru_cache(maxsize=1024)(_today)

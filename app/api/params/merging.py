"""Queries over one another: what a request says wins over a style, and a style over what lies below."""

from __future__ import annotations

from tilery.catalog.layer import Query
from tilery.errors import RequestError
from tilery.rendering import colormap

_RIVALS = (
    frozenset(("bidx", "expression")),
    frozenset(("colormap", "colormap_name")),
    frozenset(("algorithm", "algorithm_params")),
    frozenset(("resampling", "resampling_method")),
    frozenset(("assets", "asset_as_band")),
)
"""Parameters of which a request that gives one does not want the other from below."""

_SEL = "sel"
"""The parameter that is one for each dimension: a value for one leaves those for others as they are."""


def over(upper: Query, lower: Query) -> Query:
    """Return the pairs of ``upper``, and those of ``lower`` that they leave alone."""
    names = {name for name, _ in upper} - {_SEL}
    hidden = names.union(*(rivals for rivals in _RIVALS if rivals & names))
    if "colormap" in names and "rescale" not in names and _is_of_values(upper):
        hidden |= {"rescale"}
    selected = {value.partition("=")[0] for name, value in upper if name == _SEL}
    return (*(pair for pair in lower if pair[0] not in hidden and not _is_of(pair, selected)), *upper)


def _is_of_values(query: Query) -> bool:
    """Return whether the colours of a query are those of single values or spans of them: stretched they are others."""
    try:
        return all(colormap.parse(text).kind != "linear" for name, text in query if name == "colormap")
    except RequestError:
        return False  # said where it is used


def _is_of(pair: tuple[str, str], dimensions: set[str]) -> bool:
    """Return whether a pair selects along one of these dimensions."""
    return pair[0] == _SEL and pair[1].partition("=")[0] in dimensions
